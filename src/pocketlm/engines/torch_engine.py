"""A Hugging Face folder on torch.

Prompts are answered in batches of like length; what all of them share in front (the tools block) is computed once.
Knows nothing about tasks: prompts are finished text, a grammar is GBNF.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pocketlm.core.errors import InputError
from pocketlm.engines import shared_prefix
from pocketlm.engines.base import Generation, Grammars, Ids, Odds, Tick, grammar_of
from pocketlm.engines.matcher import Matchers, allow
from pocketlm.engines.stepwise import answered, check_prompts, pieces
from pocketlm.models.load import load_model, load_tokenizer, template_of

TOKENS = 24_000  # whose keys and values exist at the same time: a gigabyte for SmolLM2-135M
SCORED = 4096  # tokens scored in one pass
CONTEXT = 2048  # tokens, for models that know no limit of their own
LOGIT_ROWS = 256  # places whose logits over the vocabulary exist at the same time
MOST_WEIGHTS = 250_000_000  # of attention held at the same time: a gigabyte
WORTH_SHARING = 32  # tokens in front of all rows that are scored; fewer are computed for each
FINISHED = 0.25  # share of finished rows at which a batch is made smaller; doing so copies the keys and values


class TorchEngine:
    """A folder with config.json, weights and tokenizer.

    Args:
        threads: processor threads of torch, in the whole process; by default torch's own number is left alone.

    Raises:
        InputError: the folder is not a model or its tokenizer has no chat tokens.
    """

    def __init__(self, folder: Path, uri: str | None = None, *, threads: int | None = None) -> None:
        if not (folder / "config.json").is_file():
            raise InputError(f"{folder}: not a model folder (no config.json)")
        if threads:
            torch.set_num_threads(threads)
        self.uri = uri or str(folder)
        self.model = load_model(folder, torch.float32)
        self.tokenizer = load_tokenizer(folder)
        chat = template_of(self.tokenizer)
        self.template = chat.name
        self._stop: int = self.tokenizer.convert_tokens_to_ids(chat.stop)
        begin = self.tokenizer.bos_token_id
        added: list[int] = self.tokenizer("")["input_ids"]
        self.opening = [begin] if begin in added[:1] else []
        self.begin: int = self._stop if begin is None else begin
        self.context = int(getattr(self.model.config.get_text_config(), "max_position_embeddings", CONTEXT))
        self._matchers = Matchers(self.tokenizer, self.model.config.vocab_size, self._stop)

    def tokenize(self, text: str) -> list[int]:
        """Token ids; special tokens recognised, nothing added."""
        ids: list[int] = self.tokenizer(text, add_special_tokens=False)["input_ids"]
        return ids

    def generate(
        self, prompts: Sequence[str], *, max_tokens: int = 128, grammar: Grammars = None, tick: Tick | None = None
    ) -> list[Generation]:
        """Greedy answers, in the order of the prompts."""
        ids = [self.tokenize(prompt) for prompt in prompts]
        shared = _common_prefix(ids)
        answers: dict[int, Generation] = {}
        with torch.inference_mode():
            for rows in _batches([len(tokens) - shared + max_tokens for tokens in ids]):
                began = time.perf_counter()
                grammars = [grammar_of(grammar, i) for i in rows]
                done = _decode(self, [ids[i] for i in rows], shared, max_tokens, grammars, tick)
                seconds = (time.perf_counter() - began) / len(rows)
                for i, (tokens, logprobs) in zip(rows, done, strict=True):
                    answers[i] = answered(tokens, logprobs, self._stop, self.decode, seconds)
        return [answers[i] for i in range(len(prompts))]

    def stream(self, prompt: str, *, max_tokens: int = 128, grammar: str | None = None) -> Iterator[str]:
        """Yield text as soon as its characters are complete."""
        with torch.inference_mode():
            steps = _steps(self, [self.tokenize(prompt)], 0, max_tokens, [grammar])
            yield from pieces((int(token[0]) for _, token, _ in steps), self._stop, self.decode)

    def odds(self, pairs: Sequence[tuple[Ids, Ids]], *, top: int = 0, tick: Tick | None = None) -> list[list[Odds]]:
        """What the model thinks of each token of a completion behind its prompt.

        Raises:
            InputError: a prompt is empty, so that nothing comes before the first token.
        """
        check_prompts(pairs)
        shared = _common_prefix([list(prompt) for prompt, _ in pairs])
        shared = shared if shared >= WORTH_SHARING else 0
        found: dict[int, list[Odds]] = {}
        with torch.inference_mode():
            front = _run_prefix(self.model, list(pairs[0][0][:shared])) if shared else None
            for rows in _batches([len(prompt) + len(completion) - shared for prompt, completion in pairs], SCORED):
                found |= zip(rows, _odds(self.model, [pairs[i] for i in rows], top, front), strict=True)
                if tick:
                    tick(len(rows))
        return [found[i] for i in range(len(pairs))]

    def attention(self, prompt: Ids, completion: Ids) -> NDArray[np.float32]:
        """How much each token of a completion looks at every token up to itself, in every head.

        Through transformers' own (eager) attention, the only one that tells its weights. The prompt runs before, without
        telling: with a tools block of a thousand tokens its weights would fill gigabytes.

        Returns:
            (layers, heads, completion, prompt + completion). A row adds up to 1; it is 0 where a sliding window or the order
            of the tokens hides a place.

        Raises:
            InputError: the prompt is empty, the weights would not fit into memory, or the model tells none.
        """
        if not prompt:
            raise InputError("attention needs a prompt of at least one token, such as the begin token")
        config, total = self.model.config.get_text_config(), len(prompt) + len(completion)
        layers, heads = config.num_hidden_layers, config.num_attention_heads
        if layers * heads * len(completion) * total > MOST_WEIGHTS:
            raise InputError(
                f"the attention of {len(completion)} tokens to {total} is too much to hold; shorten the text"
            )
        body = self.model.base_model
        with torch.inference_mode():
            self.model.set_attn_implementation("sdpa")
            front = body(input_ids=torch.tensor([list(prompt)]), use_cache=True).past_key_values
            self.model.set_attn_implementation("eager")
            ids = torch.tensor([list(completion)])
            told = body(input_ids=ids, past_key_values=front, use_cache=True, output_attentions=True).attentions
        if not told or any(one is None for one in told):
            raise InputError(f"{self.uri}: a model of this kind tells no attention")
        weights = np.zeros((layers, heads, len(completion), total), np.float32)
        for layer, one in enumerate(told):  # a layer with a sliding window has forgotten what came first
            weights[layer, ..., total - one.shape[-1] :] = one[0].numpy()
        return weights

    def decode(self, ids: Ids) -> str:
        """The text of token ids, special tokens written out."""
        text: str = self.tokenizer.decode(list(ids), skip_special_tokens=False, clean_up_tokenization_spaces=False)
        return text

    def close(self) -> None:
        """Drop the weights."""
        del self.model


Front = tuple[list[Tensor], list[Tensor]]  # keys and values of a prefix, see _run_prefix


def _odds(model: Any, pairs: Sequence[tuple[Ids, Ids]], top: int, front: Front | None) -> Iterator[list[Odds]]:
    """The odds of one batch, whose rows all begin with the prefix in `front`."""
    shared = front[0][0].shape[1] if front else 0
    rows = [[*prompt, *completion] for prompt, completion in pairs]
    # the last token is foretold, not read: answers that differ in it alone are read once
    read = list(dict.fromkeys(tuple(row[shared:-1]) for row in rows))
    hidden = dict(zip(read, _states(model, list(map(list, read)), front), strict=True))
    for row, (prompt, _) in zip(rows, pairs, strict=True):
        states, found = hidden[tuple(row[shared:-1])], list[Odds]()
        for start in range(len(prompt), len(row), LOGIT_ROWS):  # logits of all places at once would be gigabytes
            end = min(start + LOGIT_ROWS, len(row))
            scores = _logits(model, states[start - shared - 1 : end - shared - 1]).log_softmax(-1)
            own = scores.gather(1, torch.tensor(row[start:end])[:, None])[:, 0].tolist()
            best = scores.topk(top) if top else None
            for i, (token, logprob) in enumerate(zip(row[start:end], own, strict=True)):
                likeliest = zip(best.indices[i].tolist(), best.values[i].tolist(), strict=True) if best else ()
                found.append(Odds(token, logprob, tuple(likeliest)))
        yield found


def _states(model: Any, rows: list[list[int]], front: Front | None) -> list[Tensor]:
    """The last layer's states of each row, (tokens, width): of whole rows, or of what stands behind a shared prefix."""
    if front is None:  # padded on the right: what comes later cannot be seen
        longest = max(map(len, rows))
        model.set_attn_implementation("sdpa")
        ids = torch.tensor([row + [0] * (longest - len(row)) for row in rows])
        states = model.base_model(input_ids=ids, use_cache=False).last_hidden_state
        return [one[: len(row)] for one, row in zip(states, rows, strict=True)]
    ids, real = _pad_left(rows, 0)
    place = front[0][0].shape[1] + (real.cumsum(1) - 1).clamp_(min=0)
    shared_prefix.use(model)
    shared = shared_prefix.Shared(*front, place, real)
    states = model.base_model(input_ids=ids, position_ids=place, use_cache=False, shared=shared).last_hidden_state
    return [one[-len(row) :] for one, row in zip(states, rows, strict=True)]


def _logits(model: Any, states: Tensor) -> Tensor:
    logits: Tensor = model.get_output_embeddings()(states).float()
    cap = getattr(model.config.get_text_config(), "final_logit_softcapping", None)
    return logits if not cap else (logits / cap).tanh() * cap


def _batches(lengths: Sequence[int], tokens: int = TOKENS) -> Iterator[list[int]]:
    """Indices of rows of like length, the shorter first, whose padded tokens fit the budget (or one longer row)."""
    rows: list[int] = []
    for index in sorted(range(len(lengths)), key=lambda i: lengths[i]):
        if rows and (len(rows) + 1) * lengths[index] > tokens:
            yield rows
            rows = []
        rows = [*rows, index]
    if rows:
        yield rows


def _decode(
    engine: TorchEngine, ids: list[list[int]], shared: int, max_tokens: int, grammars: Sequence[str | None],
    tick: Tick | None,
) -> list[tuple[list[int], list[float]]]:  # fmt: skip
    """Tokens of each row, the stop token included, and their log-probabilities."""
    tokens: list[list[int]] = [[] for _ in ids]
    logprobs: list[list[float]] = [[] for _ in ids]
    waiting = len(ids)
    for rows, chosen, logprob in _steps(engine, ids, shared, max_tokens, grammars):
        for row, token, value in zip(rows, chosen.tolist(), logprob.tolist(), strict=True):
            if not tokens[row] or tokens[row][-1] != engine._stop:
                tokens[row].append(token)
                logprobs[row].append(value)
        before, waiting = waiting, sum(answer[-1] != engine._stop for answer in tokens)
        if tick and before > waiting:
            tick(before - waiting)
    if tick and waiting:
        tick(waiting)
    return list(zip(tokens, logprobs, strict=True))


def _steps(
    engine: TorchEngine, ids: list[list[int]], shared: int, max_tokens: int, grammars: Sequence[str | None]
) -> Iterator[tuple[list[int], Tensor, Tensor]]:
    """Yield (indices of rows, their tokens, the tokens' log-probabilities) a step, until every row has written the stop token.

    Rows are padded on the left, behind the shared prefix; positions skip the padding. A finished row stays for a while,
    its tokens mean nothing.
    """
    model, stop = engine.model, engine._stop
    keys, values = _run_prefix(model, ids[0][:shared])
    feed, real = _pad_left([tokens[shared:] for tokens in ids], stop)
    place = shared + (real.cumsum(1) - 1).clamp_(min=0)
    matchers = [engine._matchers.fresh(grammar) for grammar in grammars if grammar]
    rows, finished, cache = torch.arange(len(ids)), torch.zeros(len(ids), dtype=torch.bool), _whole_cache()
    shared_prefix.use(model)
    for _ in range(max_tokens):
        out = model(
            input_ids=feed, position_ids=place[:, -feed.shape[1] :], past_key_values=cache, use_cache=True,
            logits_to_keep=1, shared=shared_prefix.Shared(keys, values, place, real),
        )  # fmt: skip
        cache, logits = out.past_key_values, out.logits[:, -1].float()
        scores = logits.log_softmax(-1) if not matchers else _allowed(logits.log_softmax(-1), matchers, stop, finished)
        logprob, chosen = scores.max(-1)
        yield rows.tolist(), chosen, logprob
        finished |= chosen == stop
        if finished.all():
            return
        for matcher, token in zip(matchers, chosen.tolist(), strict=False):
            if not matcher.is_stopped():
                matcher.consume_token(token)
        if finished.float().mean() >= FINISHED:
            kept = (~finished).nonzero()[:, 0]
            cache.batch_select_indices(kept)
            rows, chosen, place, real, finished = (x[kept] for x in (rows, chosen, place, real, finished))
            matchers = [matchers[i] for i in kept.tolist()] if matchers else []
        feed, place = chosen[:, None], torch.cat([place, place[:, -1:] + 1], dim=1)
        real = torch.cat([real, real.new_ones((len(rows), 1))], dim=1)


def _pad_left(ids: Sequence[Sequence[int]], filler: int) -> tuple[Tensor, Tensor]:
    """Token ids (rows, longest), and which of them are real."""
    longest = max(map(len, ids))
    tokens, real = torch.full((len(ids), longest), filler), torch.zeros((len(ids), longest), dtype=torch.bool)
    for row, own in enumerate(ids):
        tokens[row, longest - len(own) :] = torch.tensor(own)
        real[row, longest - len(own) :] = True
    return tokens, real


def _run_prefix(model: Any, ids: list[int]) -> tuple[list[Tensor], list[Tensor]]:
    """Keys and values of a prefix, per layer (kv heads, prefix, head width); empty where there is no prefix."""
    model.set_attn_implementation("sdpa")
    cache = _whole_cache()
    model(input_ids=torch.tensor([ids or [0]]), past_key_values=cache, use_cache=True, logits_to_keep=1)
    layers = cache.layers
    return [layer.keys[0, :, : len(ids)] for layer in layers], [layer.values[0, :, : len(ids)] for layer in layers]


def _whole_cache() -> Any:
    """A cache that forgets nothing: transformers' own drops what a sliding window no longer sees, and with it its place."""
    from transformers import DynamicCache

    return DynamicCache()


def _allowed(scores: Tensor, matchers: list[Any], stop: int, finished: Tensor) -> Tensor:
    """The scores, changed in place: minus infinity for every token that the row's grammar does not allow."""
    allow(scores.numpy(), matchers, stop, finished, torch.get_num_threads())
    return scores


def _common_prefix(ids: list[list[int]]) -> int:
    """Tokens all prompts share; each row keeps at least one of its own."""
    first, last = min(ids), max(ids)
    length = min(map(len, ids)) - 1
    return next((i for i in range(length) if first[i] != last[i]), length) if len(ids) > 1 else 0
