"""A model's vocabulary cut down to what its job needs.

A small model's embedding is a fifth of its weights, and a job touches few of its rows. Tokens are dropped, never made:
text of the job is cut into the same tokens as before, and any other text still is, into smaller ones.

Why the tokens stay the same (byte-pair encoding, Sennrich et al. 2016, arXiv:1508.07909): a word's pairs are joined in the
order of the merges. If every token on the way to the word's own tokens is kept, then every join made before can still be
made, and none is possible that was not, so the same one comes first at every step.
"""

from __future__ import annotations

import copy
import itertools
import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

from pocketlm.core.errors import InputError
from pocketlm.core.files import read_json
from pocketlm.core.progress import progress
from pocketlm.models.load import load_model, load_tokenizer
from pocketlm.models.tokens import BYTE, TOKENIZER
from pocketlm.shrink.folder import Shrunk, keep, operate

ROWS = 32  # texts that are looked at together
PLACES = 256  # of them whose odds exist at the same time
ROUND = 64  # the number of tokens is a multiple of it
WORD = re.compile(r"[Ġ▁]?[^\W\d_]+")  # a word or a piece of one, with the space before it
SETTINGS = "tokenizer_config.json"


@dataclass(frozen=True)
class Tokens:
    """A byte-pair tokenizer's table, as tokenizer.json holds it.

    Attributes:
        ids: token -> id, added tokens included.
        merges: the pairs in the order in which they are joined.
        always: tokens that text can name or fall back to: added ones, and those of single bytes.
    """

    path: Path
    table: dict[str, Any]
    ids: dict[str, int]
    merges: list[tuple[str, str]]
    always: set[str]

    @classmethod
    def read(cls, folder: Path) -> Tokens:
        """The tokens of a model folder.

        Raises:
            InputError: it has no tokenizer.json, or one of another kind.
        """
        path = Path(folder) / TOKENIZER
        table = read_json(path)
        model = table["model"]
        odd = [key for key in ("dropout", "continuing_subword_prefix", "end_of_word_suffix") if model.get(key)]
        if model.get("type") != "BPE" or odd:
            what = ", ".join(odd) or f"a {model.get('type')} model"
            raise InputError(f"{path}: only plain byte-pair vocabularies can be cut down, not one with {what}")
        merges = [_pair(merge) for merge in model["merges"]]
        ids, added = dict(model["vocab"]), {entry["content"]: entry["id"] for entry in table.get("added_tokens", [])}
        if model.get("byte_fallback"):
            bases = {token for token in ids if BYTE.fullmatch(token)}
        else:
            bases = set(_alphabet()) & ids.keys()
        return cls(path, table, ids | added, merges, {*added, *bases})

    def on_the_way(self, tokens: Iterable[str]) -> set[str]:
        """The tokens, and all that are joined on the way from single characters to them."""
        return {part for token in tokens for part in _joined(token, self._ranks) if part in self.ids}

    @cached_property
    def _ranks(self) -> dict[tuple[str, str], int]:
        return {pair: rank for rank, pair in enumerate(self.merges)}


def _pair(merge: str | list[str]) -> tuple[str, str]:
    first, second = merge.split(" ") if isinstance(merge, str) else merge
    return first, second


def _alphabet() -> list[str]:
    """The 256 characters that stand for bytes."""
    from tokenizers.pre_tokenizers import ByteLevel

    return list(ByteLevel.alphabet())


def _joined(token: str, ranks: Mapping[tuple[str, str], int]) -> set[str]:
    """All tokens that stand for a moment while the characters of one are joined."""
    parts = list(token)
    seen = {token, *parts}
    while len(parts) > 1:
        rank, at = min((ranks.get(pair, math.inf), at) for at, pair in enumerate(itertools.pairwise(parts)))
        if rank == math.inf:
            break
        parts[at : at + 2] = [parts[at] + parts[at + 1]]
        seen.add(parts[at])
    return seen


def choose_tokens(
    folder: Path,
    texts: Sequence[str],
    *,
    size: int,
    foreseen: Sequence[float] | None = None,
    least: int = 1,
    also: Iterable[int] = (),
) -> list[int]:
    """The ids to keep, rising.

    Kept are all tokens of the texts, special tokens and single bytes; then, up to `size`, the likeliest others, since users
    say what no row says.

    Args:
        texts: of the job: prompts and completions as the model reads them, and whatever else must be cut as before.
        size: number of tokens to end with, rounded to a multiple of 64; more only where the texts need more.
        foreseen: how likely each id is in such texts (`foresee_tokens`). Without it those that were merged first come
            first, words before others: the most frequent in what the tokenizer was made from, often schoolbooks and code.
        least: of how many texts a token must be part to be kept for their sake. More than 1 is for models that are trained
            again: from the rows that are then cut otherwise they learn to copy words in pieces, as users' rows will hold.
        also: further ids.

    Raises:
        InputError: as `Tokens.read`.
    """
    tokens = Tokens.read(folder)
    names = {number: token for token, number in tokens.ids.items()}
    wanted = {names[number] for number in {*also, *_used(tokens.path, texts, least)} if number in names}
    kept = tokens.always | tokens.on_the_way(wanted)
    goal = min(len(names), math.ceil(max(size, len(kept)) / ROUND) * ROUND)
    for token in _likeliest(tokens, foreseen):
        if len(kept) >= goal:
            break
        more = tokens.on_the_way([token]) - kept
        kept |= more if len(kept) + len(more) <= goal else set()
    return sorted(tokens.ids[token] for token in kept)


def _likeliest(tokens: Tokens, foreseen: Sequence[float] | None) -> list[str]:
    """All tokens, those first that unknown text is likely to need."""
    if foreseen is None:
        made = dict.fromkeys(first + second for first, second in tokens.merges)
        return sorted(filter(tokens.ids.__contains__, made), key=lambda token: WORD.fullmatch(token) is None)
    return sorted(tokens.ids, key=lambda token: -foreseen[tokens.ids[token]])


@torch.inference_mode()
def foresee_tokens(folder: Path, texts: Sequence[str]) -> list[float]:
    """How often a language model expects each of its tokens in texts of a kind: its odds, summed over all places of some.

    So words come up that the texts themselves do not hold but could: with 14,336 of SmolLM2's tokens kept, chosen by the
    requests of 1,198 rows, 111 of 219 others held a token that was gone, against 142 with tokens chosen by their merges.

    Args:
        folder: a model that knows the language at large: the base, not the one tuned for the job.
        texts: as people write them, without a template.
    """
    model, tokenizer = load_model(folder, torch.bfloat16), load_tokenizer(folder)
    begin = [tokenizer.bos_token_id] if tokenizer.bos_token_id is not None else []
    rows = sorted((begin + ids for ids in tokenizer(list(texts), add_special_tokens=False)["input_ids"]), key=len)
    total = torch.zeros(model.config.get_text_config().vocab_size)
    with progress("Foreseeing tokens", len(rows)) as update:
        for first in range(0, len(rows), ROWS):
            some = [row for row in rows[first : first + ROWS] if row]
            ids = torch.nn.utils.rnn.pad_sequence([torch.tensor(row) for row in some], batch_first=True)
            states = model.base_model(input_ids=ids, use_cache=False).last_hidden_state
            real = torch.arange(ids.shape[1]) < torch.tensor([[len(row)] for row in some])
            for places in states[real].split(PLACES):
                total += model.get_output_embeddings()(places).float().softmax(1).sum(0)
            update(len(some))
    return total.tolist()


def _used(path: Path, texts: Sequence[str], least: int) -> set[int]:
    """The ids of the tokens that are part of so many texts."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(path))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    found = Counter(
        number for one in tokenizer.encode_batch_fast(list(texts), add_special_tokens=False) for number in set(one.ids)
    )
    return {number for number, count in found.items() if count >= least}


def prune_vocabulary(
    folder: Path,
    to: Path,
    texts: Sequence[str],
    *,
    size: int,
    foreseen: Sequence[float] | None = None,
    least: int = 1,
) -> Shrunk:
    """Write the model of `folder` to `to` with the tokens that `choose_tokens` keeps, whose arguments these are.

    Raises:
        InputError: as `operate` and `choose_tokens`.
    """
    tokens = Tokens.read(folder)
    config = read_json(Path(folder) / "config.json") if (Path(folder) / "config.json").is_file() else {}
    kept = choose_tokens(folder, texts, size=size, foreseen=foreseen, least=least, also=_named(config))
    new = {old: place for place, old in enumerate(kept)}
    settings = Path(folder) / SETTINGS
    files = {TOKENIZER: _table(tokens, new)}
    if settings.is_file():
        files[SETTINGS] = _settings(read_json(settings), new)

    def surgery(model: Any) -> dict[str, Any]:
        keep_tokens(model, kept)
        return {"vocabulary": len(kept), "of": len(tokens.ids)}

    return operate(folder, to, surgery, files)


def keep_tokens(model: Any, kept: Sequence[int]) -> None:
    """Leave a model the rows of some tokens, in place; the first of them becomes token 0, and so on."""
    rows = torch.tensor(kept, device=model.device)
    embedding, head = model.get_input_embeddings(), model.get_output_embeddings()
    tied = head is not None and head.weight is embedding.weight
    keep(embedding, rows=rows)
    if tied:
        head.weight = embedding.weight
        head.out_features = len(kept)
    elif head is not None:
        keep(head, rows=rows)
    new = {old: place for place, old in enumerate(kept)}
    for config in {
        id(one): one for one in (model.config, model.config.get_text_config(), model.generation_config)
    }.values():
        for name, value in vars(config).items():
            if _is_id(name):
                setattr(config, name, _moved(value, new))
    model.config.get_text_config().vocab_size = model.vocab_size = len(kept)
    embedding.padding_idx = model.config.get_text_config().pad_token_id if embedding.padding_idx is not None else None


def kept_ids(before: Path, after: Path) -> list[int]:
    """The ids that the tokens of a smaller vocabulary have in the larger one it was cut from, by their new ids.

    Raises:
        InputError: it was not cut from that.
    """
    large, small = Tokens.read(before).ids, Tokens.read(after).ids
    if missing := [token for token in small if token not in large]:
        raise InputError(f"{after}: was not cut from {before}, which has no token {missing[0]!r}")
    return [large[token] for token, _ in sorted(small.items(), key=lambda pair: pair[1])]


def cut_otherwise(before: Path, after: Path, texts: Sequence[str]) -> list[int]:
    """Indices of the texts that the tokenizers of two folders cut into other tokens."""
    from tokenizers import Tokenizer

    encoded = []
    for folder in (before, after):
        tokenizer = Tokenizer.from_file(str(Path(folder) / TOKENIZER))
        encoded.append([one.tokens for one in tokenizer.encode_batch(list(texts), add_special_tokens=False)])
    return [at for at, (first, second) in enumerate(zip(*encoded, strict=True)) if first != second]


def _is_id(name: str) -> bool:
    return name.endswith(("token_id", "token_ids", "suppress_tokens"))


def _named(config: Mapping[str, Any]) -> set[int]:
    """The ids a model's configuration names."""
    found: set[int] = set()
    for name, value in config.items():
        if isinstance(value, dict):
            found |= _named(value)
        elif _is_id(name) and value is not None:
            found |= {*value} if isinstance(value, list) else {value}
    return found


def _moved(value: Any, new: Mapping[int, int]) -> Any:
    """An id or a list of ids, as they are now; None for what is gone."""
    if isinstance(value, list):
        return [new[one] for one in value if one in new]
    return new.get(value) if isinstance(value, int) else value


def _table(tokens: Tokens, new: Mapping[int, int]) -> dict[str, Any]:
    """tokenizer.json with the kept tokens and the merges among them."""
    table = copy.deepcopy(tokens.table)
    model = table["model"]
    model["vocab"] = {token: new[number] for token, number in model["vocab"].items() if number in new}
    merges = zip(model["merges"], tokens.merges, strict=True)
    known = model["vocab"].keys()
    model["merges"] = [one for one, (a, b) in merges if a in known and b in known and a + b in known]
    for entry in table.get("added_tokens", []):
        entry["id"] = new[entry["id"]]
    if table.get("padding"):
        table["padding"]["pad_id"] = new[table["padding"]["pad_id"]]
    for step in _steps(table.get("post_processor")):
        for special in step.get("special_tokens", {}).values():
            special["ids"] = [new[number] for number in special["ids"]]
        for name in ("sep", "cls"):
            if name in step:
                step[name] = [step[name][0], new[step[name][1]]]
    return table


def _steps(processor: Any) -> Iterator[dict[str, Any]]:
    """A post-processor and the ones inside it."""
    if processor:
        yield processor
        for inner in processor.get("processors", []):
            yield from _steps(inner)


def _settings(settings: dict[str, Any], new: Mapping[int, int]) -> dict[str, Any]:
    """tokenizer_config.json with the ids as they are now."""
    told = settings.get("added_tokens_decoder")
    moved = {str(new[int(number)]): entry for number, entry in (told or {}).items()}
    return settings | ({"added_tokens_decoder": moved} if told is not None else {})
