"""The tokenizer of a GGUF: tokenizer.json in llama.cpp's terms, or a refusal where the two would disagree.

Three kinds: byte-level BPE ("gpt2"), BPE over characters with bytes to fall back on, as SentencePiece makes it ("llama"),
and WordPiece ("bert"). A new pre-tokenizer is one entry in PRE_TOKENIZERS, proven by a test that compares token ids.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import gguf
from gguf import TokenType

from pocketlm.core.errors import InputError
from pocketlm.core.files import read_json
from pocketlm.models.tokens import BYTE, TOKENIZER

_WORDS = "{0}|[^\\r\\n\\p{{L}}\\p{{N}}]?\\p{{L}}+|{1}| ?[^\\s\\p{{L}}\\p{{N}}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"
_CLITICS = "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
# The steps of tokenizer.json's pre_tokenizer, as _steps names them, to the id under which llama.cpp knows the same
# splitting. qwen2's NFC normalizer has no counterpart there: text that is not composed gets other ids.
PRE_TOKENIZERS = {
    ("words",): "gpt-2",
    ("digits", "words"): "smollm",
    (_WORDS.format(_CLITICS, "\\p{N}{1,3}"), "bytes"): "llama-bpe",
    (_WORDS.format(_CLITICS, "\\p{N}"), "bytes"): "qwen2",
}
SPACE = "\u2581"  # stands for a space in SentencePiece's tokens, for the beginning of a word in llama.cpp's WordPiece
_NEVER = -1e6  # the score of tokens that no merge makes
_JOINS_SPACES = {"type": "Replace", "pattern": {"String": " "}, "content": SPACE}
_PREPENDS = {"type": "Prepend", "prepend": SPACE}

SPECIAL = {  # tokenizer_config.json's names to the header's
    "bos_token": "bos", "eos_token": "eos", "unk_token": "unknown", "pad_token": "padding",
    "cls_token": "cls", "sep_token": "seperator", "mask_token": "mask",
}  # fmt: skip


@dataclass
class Vocabulary:
    """What llama.cpp must know to split texts as the tokenizer does.

    Attributes:
        model: llama.cpp's kind of tokenizer.
        tokens: one for every row of the embedding.
        special: the header's name of a special token (as in SPECIAL) to its id.
        flags: further keys behind `tokenizer.ggml.`, all of them yes or no.
        notes: where llama.cpp is known to split texts in another way.
    """

    model: str
    pre: str
    tokens: list[str]
    types: list[TokenType]
    merges: list[str] = field(default_factory=list)
    scores: list[float] = field(default_factory=list)
    special: dict[str, int] = field(default_factory=dict)
    flags: dict[str, bool] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def write(self, writer: gguf.GGUFWriter) -> None:
        """Add everything to a header."""
        writer.add_tokenizer_model(self.model)
        writer.add_tokenizer_pre(self.pre)
        writer.add_token_list(self.tokens)
        writer.add_token_types(self.types)
        if self.scores:
            writer.add_token_scores(self.scores)
        if self.merges:
            writer.add_token_merges(self.merges)
        for name, number in self.special.items():
            writer.add_uint32(f"tokenizer.ggml.{name}_token_id", number)
        for name, on in self.flags.items():
            writer.add_bool(f"tokenizer.ggml.{name}", on)


def read_vocabulary(folder: Path, rows: int, stop_token: str | None) -> Vocabulary:
    """The tokenizer of a model's folder.

    Args:
        rows: of the embedding.
        stop_token: the token that ends an answer; None for the tokenizer's end token.

    Raises:
        InputError: llama.cpp would split texts in another way, or the tokenizer does not fit the model.
    """
    path = folder / TOKENIZER
    tokenizer = read_json(path)
    settings = read_json(folder / "tokenizer_config.json") if (folder / "tokenizer_config.json").is_file() else {}
    tokens, types = _tokens(path, tokenizer, rows)
    ids = {token: number for number, token in enumerate(tokens)}
    kind = tokenizer["model"].get("type")
    if kind == "WordPiece":
        vocabulary = _word_piece(path, tokenizer, tokens, types)
    elif tokenizer["model"].get("byte_fallback"):
        vocabulary = _sentence_piece(path, tokenizer, tokens, types)
    else:
        vocabulary = _byte_level(path, tokenizer, tokens, types)
    named = {SPECIAL[key]: special_text(settings.get(key)) for key in SPECIAL}
    if stop_token is not None and stop_token not in ids:
        raise InputError(f"{path}: the stop token {stop_token!r} is not in the vocabulary")
    named["eos"] = stop_token or named["eos"]
    if vocabulary.model == "bert":  # what llama.cpp puts around a text
        named |= {"bos": named["cls"] or named["bos"], "eos": named["seperator"] or named["eos"]}
    vocabulary.special = {name: ids[token] for name, token in named.items() if token in ids}
    return vocabulary


def chat_template_of(folder: Path) -> str | None:
    """The chat template that lies in a model's folder."""
    file, settings = folder / "chat_template.jinja", folder / "tokenizer_config.json"
    if file.is_file():
        with file.open(encoding="utf-8", newline="") as lines:  # its bytes, whatever ends its lines
            return lines.read()
    template = read_json(settings).get("chat_template") if settings.is_file() else None
    return template if isinstance(template, str) else None


def special_text(token: Any) -> str:
    """A special token in tokenizer_config.json: text, a table with content, or nothing."""
    return str((token.get("content") if isinstance(token, dict) else token) or "")


def _tokens(path: Path, tokenizer: dict[str, Any], rows: int) -> tuple[list[str], list[TokenType]]:
    """Every row of the embedding gets a token; rows beyond the tokenizer get a name llama.cpp never matches."""
    tokens = [f"[PAD{number}]" for number in range(rows)]
    types = [TokenType.UNUSED] * rows
    known = [(number, token, TokenType.NORMAL) for token, number in tokenizer["model"]["vocab"].items()]
    added = [
        (entry["id"], entry["content"], TokenType.CONTROL if entry["special"] else TokenType.USER_DEFINED)
        for entry in tokenizer.get("added_tokens", [])
    ]
    for entry in tokenizer.get("added_tokens", []):
        if (entry.get("lstrip") or entry.get("rstrip")) and "mask" not in entry["content"]:
            raise InputError(
                f"{path}: token {entry['content']!r} swallows spaces beside it, which llama.cpp does not; set its lstrip "
                "and rstrip to false and train again"
            )
    for number, token, kind in [*known, *added]:  # added last: they also stand in the vocabulary
        if number >= rows:
            raise InputError(f"{path}: token {token!r} has id {number}, but the model has {rows} embedding rows")
        tokens[number], types[number] = token, kind
    return tokens, types


# Byte-level BPE


def _byte_level(path: Path, tokenizer: dict[str, Any], tokens: list[str], types: list[TokenType]) -> Vocabulary:
    merges = [merge if isinstance(merge, str) else " ".join(merge) for merge in tokenizer["model"].get("merges", [])]
    flags = {"add_bos_token": False, "add_eos_token": False, "add_space_prefix": False}
    return Vocabulary("gpt2", _pre_tokenizer(path, tokenizer), tokens, types, merges=merges, flags=flags)


def _pre_tokenizer(path: Path, tokenizer: dict[str, Any]) -> str:
    model, steps = tokenizer["model"], _steps(tokenizer.get("pre_tokenizer"))
    normalizer = (tokenizer.get("normalizer") or {}).get("type")
    name = PRE_TOKENIZERS.get(steps)
    # llama.cpp takes whole words from the vocabulary before merging for llama-bpe alone, and never normalizes
    same_merging = bool(model.get("ignore_merges")) == (name == "llama-bpe")
    same_text = normalizer is None or (normalizer, name) == ("NFC", "qwen2")
    if model.get("type") != "BPE" or name is None or not same_merging or not same_text:
        raise InputError(
            f"{path}: llama.cpp's name for this pre-tokenizer is unknown here (model {model.get('type')}, normalizer "
            f"{normalizer}, steps {list(steps)}); known are {', '.join(PRE_TOKENIZERS.values())}. A wrong name gives "
            "wrong tokens silently, so nothing was written"
        )
    return name


def _steps(step: dict[str, Any] | None) -> tuple[str, ...]:
    """A pre_tokenizer as a tuple of names; whatever is not exactly known keeps its own type's name."""
    match step:
        case None:
            return ()
        case {"type": "Sequence", "pretokenizers": parts}:
            return tuple(name for part in parts for name in _steps(part))
        case {"type": "Digits", "individual_digits": True}:
            return ("digits",)
        case {"type": "ByteLevel", "add_prefix_space": False, "use_regex": use_regex}:
            return ("words" if use_regex else "bytes",)
        case {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": False}:
            return (str(pattern),)
        case _:
            return (str(step.get("type")),)


# BPE over characters, as SentencePiece


def _sentence_piece(path: Path, tokenizer: dict[str, Any], tokens: list[str], types: list[TokenType]) -> Vocabulary:
    """llama.cpp joins, of all neighbours that make a token, those whose token has the highest score."""
    model, prefix = tokenizer["model"], _space_prefix(tokenizer)
    ranks = _ranks(model["vocab"], [_pair(merge) for merge in model["merges"]])
    if prefix is None or model.get("ignore_merges") or ranks is None:
        raise InputError(
            f"{path}: this BPE with byte fallback is not SentencePiece's: llama.cpp would split texts in another way, "
            "so nothing was written"
        )
    for number, token in enumerate(tokens):
        if types[number] is TokenType.NORMAL and BYTE.fullmatch(token):
            types[number] = TokenType.BYTE
        if token == model.get("unk_token"):
            types[number] = TokenType.UNKNOWN
    scores = [-float(ranks[token]) if token in ranks else _NEVER for token in tokens]
    flags = {"add_bos_token": False, "add_eos_token": False, "add_space_prefix": prefix}
    return Vocabulary("llama", "default", tokens, types, scores=scores, flags=flags)


def _space_prefix(tokenizer: dict[str, Any]) -> bool | None:
    """Whether a space is put in front of a text; None where spaces are not joined to words as SentencePiece does."""
    normalizer, step = tokenizer.get("normalizer") or {}, tokenizer.get("pre_tokenizer")
    no_split = step is None or (step.get("type"), step.get("pattern")) == ("Split", {"String": " "})
    if normalizer == _JOINS_SPACES and no_split:  # such a split finds no space any more
        return False
    if normalizer == {"type": "Sequence", "normalizers": [_PREPENDS, _JOINS_SPACES]} and step is None:
        return True
    return None


def _ranks(vocab: Mapping[str, int], merges: list[tuple[str, str]]) -> dict[str, int] | None:
    """For each token that merges make, the place of its first merge; None where merges say more than such places can.

    They say no more when all ways to make a token of two others are merges, and stand together: SentencePiece's do.
    """
    made: dict[str, set[tuple[str, str]]] = {}
    ranks: dict[str, int] = {}
    last = ""
    for rank, pair in enumerate(merges):
        token = "".join(pair)
        if token in ranks and token != last:
            return None
        last = token
        ranks.setdefault(token, rank)
        made.setdefault(token, set()).add(pair)
    for token, pairs in made.items():
        if any(split not in pairs for split in _splits(token) if split[0] in vocab and split[1] in vocab):
            return None
    return ranks


def _splits(token: str) -> Iterator[tuple[str, str]]:
    return ((token[:i], token[i:]) for i in range(1, len(token)))


def _pair(merge: str | list[str]) -> tuple[str, str]:
    first, _, second = merge.partition(" ") if isinstance(merge, str) else (merge[0], "", merge[1])
    return first, second


# WordPiece


def _word_piece(path: Path, tokenizer: dict[str, Any], tokens: list[str], types: list[TokenType]) -> Vocabulary:
    """llama.cpp marks the beginning of a word, where WordPiece marks the pieces that go on."""
    model, normalizer = tokenizer["model"], tokenizer.get("normalizer") or {}
    step = (tokenizer.get("pre_tokenizer") or {}).get("type")
    lower = normalizer.get("lowercase")
    strips = lower if normalizer.get("strip_accents") is None else normalizer["strip_accents"]
    plain = normalizer.get("clean_text") and normalizer.get("handle_chinese_chars")
    if (normalizer.get("type"), step, model.get("continuing_subword_prefix")) != (
        "BertNormalizer", "BertPreTokenizer", "##",
    ) or not plain:  # fmt: skip
        raise InputError(
            f"{path}: this WordPiece is not BERT's (normalizer {normalizer.get('type')}, pre-tokenizer {step}); llama.cpp "
            "would split texts in another way, so nothing was written"
        )
    for number, token in enumerate(tokens):
        if types[number] is TokenType.NORMAL:
            tokens[number] = token[2:] if token.startswith("##") else SPACE + token
    flags = {"add_bos_token": True, "add_eos_token": True, "normalizer.lowercase": bool(lower)}
    flags["normalizer.strip_accents"] = bool(strips)
    note = "Korean and Indic texts get other tokens: llama.cpp strips all marks and takes no syllable apart"
    return Vocabulary("bert", "default", tokens, types, flags=flags, notes=(note,) if strips else ())
