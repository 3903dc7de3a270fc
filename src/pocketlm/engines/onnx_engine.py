"""An ONNX file on ONNX Runtime: the runtime an exported bundle meets on Windows, on phones and in browsers.

One prompt at a time. The keys and values live in buffers that the runtime writes in place, and the next prompt goes on from
the last token it has in common with what lies there: a tools block in front of all prompts is computed once. Knows nothing
about tasks, nor how the file was made.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pocketlm.core.errors import InputError
from pocketlm.core.extras import need
from pocketlm.core.files import read_json
from pocketlm.core.machine import cores
from pocketlm.engines.base import Ids, Odds, Tick
from pocketlm.engines.matcher import Matchers
from pocketlm.engines.stepwise import Reading, Scores, Stepwise, check_prompts, common, log_softmax, odds_of
from pocketlm.models.load import load_tokenizer, template_of
from pocketlm.models.tokens import TOKENIZER
from pocketlm.tasks.template import Message

CHUNK = 128  # tokens of a prompt in one run: their logits over the vocabulary exist at the same time
ROOM = 512  # tokens that the buffers of keys and values hold at first


def open_session(path: Path, threads: int | None) -> Any:
    """An onnxruntime.InferenceSession of a file, on the CPU.

    Raises:
        InputError: no such file, or a damaged one. EnvironmentLacks: onnxruntime is not installed.
    """
    runtime = need("onnxruntime", f"opening {path.name}", "onnx")
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = threads or cores()
    options.log_severity_level = 4  # what it says it also raises
    try:
        return runtime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # its classes have no common one of their own
        reason = str(error).strip().splitlines()[-1][:300]
        raise InputError(f"{path}: ONNX Runtime cannot open it ({reason}); export or download it again") from error


class OnnxEngine(Stepwise):
    """A decoder's bundle that answers greedily on the CPU.

    Args:
        path: the .onnx file; beside it lie its weights, genai_config.json and the tokenizer.
        threads: processor threads; by default one for each processor.

    Raises:
        InputError: the folder is not whole. EnvironmentLacks: onnxruntime is not installed.
    """

    def __init__(self, path: Path, *, threads: int | None = None) -> None:
        path = Path(path)
        for name in ("genai_config.json", TOKENIZER):
            if not (path.parent / name).is_file():
                raise InputError(f"{path.parent}: has no {name}, which belongs beside {path.name}")
        config = read_json(path.parent / "genai_config.json")["model"]
        self.uri = str(path)
        self._threads = threads or cores()
        self._tokenizer = load_tokenizer(path.parent)
        self.template = template_of(self._tokenizer).name
        self.context = int(config["context_length"])
        self._stop = int(config["eos_token_id"])
        begin, added = self._tokenizer.bos_token_id, self._tokenizer("")["input_ids"]
        self.begin: int = self._stop if begin is None else begin
        self.opening: list[int] = [self.begin] if begin in added[:1] else []
        self._matchers = Matchers(self._tokenizer, int(config["vocab_size"]), self._stop)
        self._model: _Decoder | None = _Decoder(open_session(path, threads), self.context)

    def odds(self, pairs: Sequence[tuple[Ids, Ids]], *, top: int = 0, tick: Tick | None = None) -> list[list[Odds]]:
        """What the model thinks of each token of a completion behind its prompt.

        Raises:
            InputError: a prompt is empty, or prompt and completion outgrow the context.
        """
        check_prompts(pairs)
        found = []
        for prompt, completion in pairs:
            found.append(self._odds(prompt, completion, top) if completion else [])
            if tick:
                tick(1)
        return found

    def _odds(self, prompt: Ids, completion: Ids, top: int) -> list[Odds]:
        scores = self._running().scores([*prompt, *completion[:-1]], len(completion))
        return [odds_of(row, token, top) for row, token in zip(scores, completion, strict=True)]

    def render(self, messages: Sequence[Message]) -> str:
        """Prompt text as the bundle's own chat template gives it, up to where the answer begins.

        Raises:
            InputError: the bundle has no chat template.
        """
        if not self._tokenizer.chat_template:
            raise InputError(f"{self.uri}: the bundle has no chat template")
        turns = [{"role": message.role, "content": message.content} for message in messages]
        return str(self._tokenizer.apply_chat_template(turns, add_generation_prompt=True, tokenize=False))

    def close(self) -> None:
        """Free the model. A second call does nothing."""
        self._model = None

    def _running(self) -> _Decoder:
        if self._model is None:
            raise InputError(f"{self.uri}: this engine was closed; open it again")
        return self._model

    def _reading(self) -> Reading:
        model, tokens = self._running(), list[int]()

        def read(ids: Ids) -> Scores:
            tokens.extend(ids)
            last: Scores = model.scores(tokens, 1)[0]
            return last

        return read

    def _most(self, prompt: int, max_tokens: int) -> int:
        return min(max_tokens, self.context - prompt + 1)  # the last token of an answer need not be read


class _Decoder:
    """A session with its keys and values, which lie in buffers that are written in place.

    The buffers grow with the longest prompt: made as long as the context at once, they would fill hundreds of megabytes.
    Calls from several threads wait for one another.
    """

    def __init__(self, session: Any, context: int) -> None:
        self._session, self._context = session, context
        self._lock = Lock()
        self._tokens: list[int] = []  # whose keys and values lie in the buffers
        self._binding = session.io_binding()
        self._places = [one for one in session.get_inputs() if one.name.startswith("past_key_values.")]
        self._buffers: list[NDArray[np.float32]] = []  # of each place (1, heads, length, head width)
        self._bound: list[Any] = []
        self._grow(0)

    def scores(self, tokens: list[int], last: int) -> Scores:
        """Log-probabilities (last, vocabulary) of what follows each of the last so many tokens.

        Raises:
            InputError: the tokens outgrow the context.
        """
        if not 0 < len(tokens) <= self._context:
            raise InputError(f"{len(tokens)} tokens do not fit: the context has place for 1 to {self._context}")
        with self._lock:
            known = min(common(self._tokens, tokens), len(tokens) - last)
            self._tokens = tokens[:known]  # if a run fails, what lies behind is not trusted
            self._grow(len(tokens))
            parts = []
            for start in range(known, len(tokens), CHUNK):
                end = min(start + CHUNK, len(tokens))
                logits = self._run(tokens, start, end)
                wanted = max(start, len(tokens) - last) - start
                if wanted < end - start:
                    parts.append(log_softmax(logits[wanted:]))
            self._tokens = list(tokens)
        return np.concatenate(parts)

    def _grow(self, length: int) -> None:
        """Make room for so many tokens, and twice as many as before; what lies in the buffers stays."""
        room = self._buffers[0].shape[2] if self._buffers else 0
        if room and length <= room:
            return
        runtime = need("onnxruntime", "running an ONNX file", "onnx")
        room, used = min(self._context, max(ROOM, length, 2 * room)), len(self._tokens)
        for i, place in enumerate(self._places):
            buffer = np.empty((1, place.shape[1], room, place.shape[3]), np.float32)
            if used:
                buffer[:, :, :used] = self._buffers[i][:, :, :used]
            bound = runtime.OrtValue.ortvalue_from_numpy(buffer)
            self._binding.bind_ortvalue_input(place.name, bound)
            self._binding.bind_ortvalue_output(place.name.replace("past_key_values", "present"), bound)
            self._buffers[i : i + 1], self._bound[i : i + 1] = [buffer], [bound]

    def _run(self, tokens: list[int], start: int, end: int) -> Scores:
        """Logits (end - start, vocabulary) of tokens whose forerunners lie in the buffers."""
        self._binding.bind_cpu_input("input_ids", np.array([tokens[start:end]], np.int64))
        self._binding.bind_cpu_input("attention_mask", np.ones((1, end), np.int64))
        self._binding.bind_output("logits", "cpu")
        self._session.run_with_iobinding(self._binding)
        logits: Scores = self._binding.get_outputs()[-1].numpy()[0]
        return logits
