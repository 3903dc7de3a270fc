"""Tokenizers in a GGUF: llama.cpp's ids are the training tokenizer's, or the export is refused."""

from __future__ import annotations

import json
import random
import shutil
from pathlib import Path
from typing import Any

import pytest
from tiny import SPECIAL, TEXT, make_tiny_llama
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from pocketlm.core.errors import InputError
from pocketlm.engines.llamacpp import LlamaCppEngine
from pocketlm.export.base import Source
from pocketlm.export.gguf import GgufFormat, export_gguf
from pocketlm.export.gguf_tokenizer import PRE_TOKENIZERS
from pocketlm.models.gguf_header import check_gguf

pytest.importorskip("xllamacpp")

TEXTS = [
    "Set an alarm for 7, please!",
    "<|im_start|>user\nSet an alarm for 7<|im_end|>\n<|im_start|>assistant\n",
    "naïve café, Ünïcode; 東京 שלום مرحبا ½ ²",
    "😀👩‍👩‍👧 flags 🇩🇪",
    "  two\t\ttabs \n\n new  lines   12  345 \r\n end  ",
    "don't WE'LL o'clock isn’t",
    '{"name":"set_alarm","arguments":{"time":"07:30"}}',
]
_letters = random.Random(0)
ALPHABET = "ab Z9\n\t  '.,!{\"_-éßñ漢字かकि١٣½²😀👍🏽\u00a0\u200d▁"
WORDS = ["alarm", "the", " ", "  ", "set", "mum", "for", "ing", "<|im_end|>", "an", "ee", "tt", ".", "7", "▁"]
NOISE = ["".join(_letters.choices(ALPHABET, k=30)) for _ in range(100)]
NOISE += ["".join(_letters.choices(WORDS, k=8)) for _ in range(100)]


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_llama(tmp_path_factory.mktemp("tiny"))


def _assert_same_ids(folder: Path, tmp_path: Path) -> dict[str, Any]:
    form, source = GgufFormat(), Source(folder, "tiny")
    form.convert(source, tmp_path, "f16")
    assert [check for check in form.inspect(source, tmp_path, "f16") if not check.passed] == []
    file = tmp_path / "model.gguf"
    reference = PreTrainedTokenizerFast.from_pretrained(folder)
    engine = LlamaCppEngine(file, threads=1, context=256)
    try:
        for text in [*TEXTS, *NOISE]:
            assert engine.tokenize(text) == reference(text, add_special_tokens=False).input_ids, repr(text)
    finally:
        engine.close()
    return check_gguf(file).metadata


def _byte_level_step(step: str) -> dict[str, Any]:
    if step == "digits":
        return {"type": "Digits", "individual_digits": True}
    if step in ("words", "bytes"):
        return {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": step == "words"}
    return {"type": "Split", "pattern": {"Regex": step}, "behavior": "Isolated", "invert": False}


@pytest.mark.parametrize(("steps", "name"), PRE_TOKENIZERS.items(), ids=PRE_TOKENIZERS.values())
def test_byte_level(steps: tuple[str, ...], name: str, tiny: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(tiny, tmp_path / "hf")
    table = json.loads((folder / "tokenizer.json").read_text())
    table["pre_tokenizer"] = {"type": "Sequence", "pretokenizers": [_byte_level_step(step) for step in steps]}
    table["model"]["ignore_merges"] = name == "llama-bpe"
    (folder / "tokenizer.json").write_text(json.dumps(table))
    assert _assert_same_ids(folder, tmp_path)["tokenizer.ggml.pre"] == name


def _sentence_piece(folder: Path, *, prefix: bool, whole: bool = True) -> Path:
    """A model folder whose tokenizer is BPE as SentencePiece makes it, with every way to make a token among the merges."""
    joins: list[Any] = [normalizers.Replace(" ", "▁")]
    draft = Tokenizer(models.BPE())
    draft.normalizer = normalizers.Sequence(joins)
    lines = [TEXT[i : i + 40] for i in range(0, len(TEXT), 20)] * 3
    draft.train_from_iterator(lines, trainers.BpeTrainer(vocab_size=250, min_frequency=2, show_progress=False))
    learned = json.loads(draft.to_str())["model"]
    pieces = [*SPECIAL, "<unk>", *(f"<0x{byte:02X}>" for byte in range(256)), *learned["vocab"], "é", "漢"]
    vocab = {piece: number for number, piece in enumerate(dict.fromkeys(pieces))}
    merges = [tuple(merge) for merge in learned["merges"]]
    if whole:
        ways = ((t[:i], t[i:]) for t in map("".join, merges) for i in range(1, len(t)))
        merges = [way for way in dict.fromkeys(ways) if all(part in vocab for part in way)]
    tokenizer = Tokenizer(models.BPE(vocab, merges, unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), *joins]) if prefix else joins[0]
    if not prefix:
        tokenizer.pre_tokenizer = pre_tokenizers.Split(" ", "merged_with_previous")
    tokenizer.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
    make_tiny_llama(folder)
    config = json.loads((folder / "config.json").read_text())
    named = {"bos_token": SPECIAL[1], "eos_token": SPECIAL[2], "pad_token": SPECIAL[0], "unk_token": "<unk>"}
    tokenizer.add_special_tokens(SPECIAL)
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, **named).save_pretrained(folder)
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(folder)
    model.resize_token_embeddings(len(vocab))
    model.save_pretrained(folder)
    assert config["vocab_size"] != len(vocab)
    return folder


@pytest.mark.parametrize("prefix", [False, True], ids=["as-gemma", "as-llama2"])
def test_sentence_piece(prefix: bool, tmp_path: Path) -> None:
    keys = _assert_same_ids(_sentence_piece(tmp_path / "hf", prefix=prefix), tmp_path)
    assert keys["tokenizer.ggml.model"] == "llama"
    assert keys["tokenizer.ggml.add_space_prefix"] == prefix


def test_merges_that_scores_cannot_tell_are_refused(tmp_path: Path) -> None:
    folder = _sentence_piece(tmp_path / "hf", prefix=False, whole=False)
    with pytest.raises(InputError, match="not SentencePiece's"):
        export_gguf(folder, tmp_path / "m.gguf")


def test_a_token_that_swallows_spaces_is_refused(tiny: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(tiny, tmp_path / "hf")
    table = json.loads((folder / "tokenizer.json").read_text())
    table["added_tokens"][2]["rstrip"] = True
    (folder / "tokenizer.json").write_text(json.dumps(table))
    with pytest.raises(InputError, match=r"im_end.*swallows spaces"):
        export_gguf(folder, tmp_path / "m.gguf")
