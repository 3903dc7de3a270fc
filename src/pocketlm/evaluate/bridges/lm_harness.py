"""Our engines under EleutherAI's lm-evaluation-harness (`pip install 'pocketlm[bench]'`).

The harness turns a document of a task into requests: the log-likelihood of a continuation behind a context, of a whole
text, or an answer to be generated. `EngineLM` meets them with an engine's odds and answers; few-shot examples, metrics
and standard errors stay the harness's own, so that figures compare with those it gives for other models.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from typing import Any

from lm_eval import simple_evaluate
from lm_eval.api.model import TemplateLM
from lm_eval.models.utils import normalize_gen_kwargs
from lm_eval.tasks import TaskManager
from lm_eval.utils import get_rolling_token_windows, make_disjoint_window

from pocketlm.core.errors import InputError
from pocketlm.core.progress import progress
from pocketlm.engines.base import Engine, Ids
from pocketlm.tasks.template import TEMPLATES, Message

MAX_TOKENS = 256  # of an answer, where a task does not say: the harness's own default

Request = Any  # lm_eval.api.instance.Instance, of which we read `args`


class EngineLM(TemplateLM):  # type: ignore[misc]
    """An engine as the harness sees a model.

    `TemplateLM` splits texts as for the harness's own models: spaces at the end of a context go to the continuation, whose
    tokens are those of both together without those of the context alone.
    """

    def __init__(self, engine: Engine) -> None:
        super().__init__()
        self._engine = engine
        self.max_length = engine.context - 1  # the last token is only foretold, never read

    @property
    def eot_token_id(self) -> int:
        """What stands before a text with nothing in front."""
        return self._engine.begin

    @property
    def tokenizer_name(self) -> str:
        """A name for the harness's cache of requests, which depend on the chat template."""
        return f"{self._engine.uri}-{self._engine.template}".replace("/", "__")

    def tok_encode(self, string: str, **_: Any) -> list[int]:
        """Token ids, nothing added in front."""
        return self._engine.tokenize(string)

    def chat_template(self, chat_template: bool | str = False) -> str | None:
        """The engine's template as Jinja, for the record."""
        return TEMPLATES[self._engine.template].jinja if chat_template else None

    def apply_chat_template(self, chat_history: list[dict[str, str]], add_generation_prompt: bool = True) -> str:
        """A dialogue as prompt text. Without `add_generation_prompt` its last turn is the beginning of the answer."""
        messages = [Message(turn["role"], turn["content"]) for turn in chat_history]
        template = TEMPLATES[self._engine.template]
        if add_generation_prompt:
            return template.render(messages)
        return template.render(messages[:-1]) + messages[-1].content

    def loglikelihood_rolling(self, requests: Sequence[Request], disable_tqdm: bool = False) -> list[float]:
        """The natural-log probability of each whole text, in windows as long as the engine's context."""
        texts = [self._windows(*request.args) for request in requests]
        scores = iter(self._loglikelihood_tokens([window for windows in texts for window in windows]))
        return [sum(score for score, _ in islice(scores, len(windows))) for windows in texts]

    def generate_until(self, requests: Sequence[Request], disable_tqdm: bool = False) -> list[str]:
        """Greedy answers, cut at the first stop string.

        Raises:
            InputError: a task asks for sampling.
        """
        asked = [(context, *_read(wishes)) for context, wishes in (request.args for request in requests)]
        answers = [""] * len(asked)
        for most in sorted({most for _, most, _ in asked}):  # an engine takes one limit for a batch
            rows = [i for i, row in enumerate(asked) if row[1] == most]
            prompts = [self._fitted(asked[i][0], most) for i in rows]
            with progress("Answering", len(rows)) as update:
                found = self._engine.generate(prompts, max_tokens=most, tick=update)
            for i, answer in zip(rows, found, strict=True):
                answers[i] = _cut(answer.text, asked[i][2])
        return answers

    def _loglikelihood_tokens(
        self, requests: Sequence[tuple[Any, list[int], list[int]]], disable_tqdm: bool = False, **_: Any
    ) -> list[tuple[float, bool]]:
        """(natural-log probability of the continuation, whether it is the greedy answer) of each request."""
        pairs = [self._shortened(context, continuation) for _, context, continuation in requests]
        with progress("Scoring", len(pairs)) as update:
            found = self._engine.odds(pairs, top=1, tick=update)
        return [(sum(one.logprob for one in odds), all(one.top[0][0] == one.id for one in odds)) for odds in found]

    def _shortened(self, context: list[int], continuation: list[int]) -> tuple[Ids, Ids]:
        """A pair that fits: the beginning of its context is dropped, as the harness does."""
        room = self._engine.context - len(continuation)
        if room < 1:
            raise InputError(
                f"{self._engine.uri}: a continuation of {len(continuation)} tokens does not fit into its context of "
                f"{self._engine.context}; choose a task with shorter ones"
            )
        return context[-room:], continuation

    def _fitted(self, context: str, most: int) -> str:
        """A prompt that leaves room for `most` tokens: its beginning is dropped, as the harness does."""
        room, ids = self._engine.context - most, self._engine.tokenize(context)
        if room < 1:
            raise InputError(f"{self._engine.uri}: max_gen_toks is {most}, but its context only {self._engine.context}")
        return context if len(ids) <= room else self._engine.decode(ids[-room:])

    def _windows(self, text: str) -> list[tuple[None, list[int], list[int]]]:
        """A text's tokens, each foretold once: the harness's windows, the last one with as much context as there is."""
        windows = get_rolling_token_windows(
            self.tok_encode(text), prefix_token=self.eot_token_id, max_seq_len=self.max_length, context_len=1
        )
        return [(None, *make_disjoint_window(window)) for window in windows]


def run_harness(
    engine: Engine, tasks: Sequence[str | Path], limit: int | None = None, *, chat: bool = False
) -> dict[str, Any]:
    """Run tasks of the harness on an engine.

    Args:
        tasks: names of the harness's tasks (their data is fetched from the hub), YAML files of tasks, or folders of such.
            A task over local data says `dataset_path: json` and `dataset_kwargs: {data_files: {test: FILE}}`.
        limit: at most so many documents of each task.
        chat: put each request into the engine's chat template.

    Returns:
        {"metrics": {task: {metric: value}}, "versions": {"lm_eval", task: version}, "samples": documents scored}.

    Raises:
        InputError: no such task, its data cannot be loaded, or it asks for what an engine does not do.
    """
    names, folders = _named(tasks)
    # reading what the harness brings takes seconds, and is not needed where every task is a file
    manager = TaskManager(include_path=folders, include_defaults=not all(Path(task).exists() for task in tasks))
    for name in names:
        if name not in manager.task_index and not Path(name).is_file():
            raise InputError(f"lm-eval:{name}: no task of the harness, no file and no folder of that name")
    model = EngineLM(engine)
    with _told(tasks):
        found = simple_evaluate(
            model, tasks=names, task_manager=manager, limit=limit, apply_chat_template=chat, log_samples=False
        )
    return {
        "metrics": {task: dict(_metrics(scores)) for task, scores in found["results"].items()},
        "versions": {"lm_eval": version("lm_eval"), **found["versions"]},
        "samples": sum(one["effective"] for one in found["n-samples"].values()),
    }


def _named(tasks: Sequence[str | Path]) -> tuple[list[str], list[str]]:
    """What the harness is asked for (names and files), and the folders whose tasks it must know."""
    names, folders = [], []
    for task in map(str, tasks):
        if not Path(task).is_dir():
            names.append(task)
            continue
        found = TaskManager(include_path=task, include_defaults=False).all_subtasks
        if not found:
            raise InputError(f"{task}: the folder holds no task; a task is a .yaml file with a key `task`")
        names += found
        folders.append(task)
    return names, folders


@contextmanager
def _told(tasks: Sequence[str | Path]) -> Iterator[None]:
    """Turn what goes wrong with a task's file or data into a sentence."""
    try:
        yield
    except (KeyError, ValueError, OSError) as error:
        why = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise InputError(
            f"lm-eval:{','.join(map(str, tasks))}: cannot be run ({why}); check the task's file and data, or the network "
            "where the harness fetches them"
        ) from error


def _read(wishes: dict[str, Any]) -> tuple[int, list[str]]:
    """(most tokens, stop strings) of a request to generate."""
    told = normalize_gen_kwargs(wishes, MAX_TOKENS)
    if told["do_sample"]:
        raise InputError(
            f"the task asks for sampling ({wishes}), but engines answer greedily; set do_sample: false and no temperature "
            "in its generation_kwargs"
        )
    return told["max_gen_toks"], told["until"]


def _cut(text: str, stops: Sequence[str]) -> str:
    """The text up to the first stop string."""
    return text[: min((at for stop in stops if stop and (at := text.find(stop)) >= 0), default=len(text))]


def _metrics(scores: dict[str, Any]) -> Iterator[tuple[str, float]]:
    """`acc,none` -> `acc`; names, and standard errors that could not be had, are left out."""
    for key, value in scores.items():
        metric, _, chosen = key.partition(",")
        if isinstance(value, (int, float)) and math.isfinite(value) and metric != "sample_len":
            yield (metric if chosen in ("none", "") else f"{metric},{chosen}"), float(value)
