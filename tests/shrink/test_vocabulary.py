"""Fewer tokens, the same text: what was cut before is cut the same, and everything else still is."""

from __future__ import annotations

import json
import random
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny import TEXT, make_tiny_llama
from tokenizers import Tokenizer, decoders, models, normalizers, trainers
from transformers import Gemma3ForCausalLM, Gemma3TextConfig, PreTrainedTokenizerFast

from pocketlm.core.errors import InputError
from pocketlm.core.files import read_json
from pocketlm.models.load import load_model, load_tokenizer
from pocketlm.shrink.folder import parameters
from pocketlm.shrink.vocabulary import Tokens, choose_tokens, cut_otherwise, foresee_tokens, kept_ids, prune_vocabulary

DOMAIN = ["<|im_start|>Set an alarm for 7<|im_end|>", '{"name":"set_alarm","arguments":{"time":"07:30"}}']
OTHERS = ["remind me to buy milk", "naïve café, Ünïcode; 東京 שלום", "😀👩‍👩‍👧 🇩🇪", "  two\t\ttabs \n\n 12 \r\n end  "]


def noise(count: int) -> list[str]:
    """Texts of any characters there are."""
    rng = random.Random(0)

    def character() -> str:
        code = rng.choice([rng.randrange(32, 127), rng.randrange(32, 0x3000), rng.randrange(0x10000, 0x20000)])
        return chr(code) if not 0xD800 <= code < 0xE000 else " "

    return ["".join(character() for _ in range(rng.randrange(1, 40))) for _ in range(count)]


def gemma(folder: Path) -> Path:
    """A tiny Gemma 3 whose tokenizer is of SentencePiece's kind: no words, spaces written ▁, bytes to fall back to."""
    special = ["<pad>", "<eos>", "<bos>", "<unk>", "<start_of_turn>", "<end_of_turn>"]
    pieces = [f"<0x{byte:02X}>" for byte in range(256)]
    tokenizer = Tokenizer(models.BPE(byte_fallback=True, fuse_unk=True, unk_token="<unk>"))
    tokenizer.normalizer = normalizers.Replace(" ", "▁")
    tokenizer.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
    trainer = trainers.BpeTrainer(
        vocab_size=700, min_frequency=1, special_tokens=[*special, *pieces], show_progress=False
    )
    tokenizer.train_from_iterator(TEXT.split(". "), trainer)
    table = json.loads(tokenizer.to_str())
    table["added_tokens"] = [entry for entry in table["added_tokens"] if entry["content"] in special]
    tokenizer = Tokenizer.from_str(json.dumps(table))
    config = Gemma3TextConfig(
        vocab_size=tokenizer.get_vocab_size() + 5, hidden_size=32, intermediate_size=64, num_hidden_layers=2,
        num_attention_heads=2, num_key_value_heads=1, head_dim=16, pad_token_id=0, bos_token_id=2, eos_token_id=[1, 5],
    )  # fmt: skip
    torch.manual_seed(0)
    Gemma3ForCausalLM(config).save_pretrained(folder)
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<bos>", eos_token="<eos>").save_pretrained(folder)  # type: ignore[no-untyped-call]
    return folder


@pytest.fixture(scope="module", params=["llama", "gemma"])
def large(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp(request.param) / "model"
    return make_tiny_llama(folder) if request.param == "llama" else gemma(folder)


@pytest.fixture(scope="module")
def small(large: Path) -> Path:
    prune_vocabulary(large, large.parent / "small", DOMAIN, size=0)
    return large.parent / "small"


def tokens_of(folder: Path, texts: list[str]) -> list[list[str]]:
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    return [one.tokens for one in tokenizer.encode_batch(texts, add_special_tokens=False)]


def test_text_of_the_job_is_cut_into_the_same_tokens(large: Path, small: Path) -> None:
    assert len(Tokens.read(small).ids) < len(Tokens.read(large).ids)
    assert tokens_of(small, DOMAIN) == tokens_of(large, DOMAIN)
    assert cut_otherwise(large, small, [*DOMAIN, *OTHERS])[0] == len(DOMAIN)


def test_any_other_text_comes_back_whole(large: Path, small: Path) -> None:
    before, after = (Tokenizer.from_file(str(folder / "tokenizer.json")) for folder in (large, small))
    for text in [*OTHERS, *noise(300)]:
        ids = after.encode(text, add_special_tokens=False).ids
        assert max(ids) < after.get_vocab_size()
        want = before.decode(before.encode(text, add_special_tokens=False).ids, skip_special_tokens=False)
        assert after.decode(ids, skip_special_tokens=False) == want


def test_merges_are_closed(small: Path) -> None:
    tokens = Tokens.read(small)
    assert all({first, second, first + second} <= tokens.ids.keys() for first, second in tokens.merges)
    assert sorted(tokens.ids.values()) == list(range(len(tokens.ids)))
    for token in tokens.table["model"]["vocab"].keys() - tokens.always:
        assert len(token) == 1 or any(first + second == token for first, second in tokens.merges)


def test_logits_of_kept_tokens_are_those_of_before(large: Path, small: Path) -> None:
    models, tokenizers = ([load(folder) for folder in (large, small)] for load in (_model, load_tokenizer))
    before, after = (tokenizer(DOMAIN[0], return_tensors="pt")["input_ids"] for tokenizer in tokenizers)
    with torch.no_grad():
        want, got = models[0](before).logits, models[1](after).logits
    torch.testing.assert_close(got, want[..., kept_ids(large, small)])


def _model(folder: Path) -> Any:
    return load_model(folder, torch.float32)


def test_special_ids_follow_their_tokens(large: Path, small: Path) -> None:
    before, after = (load_tokenizer(folder) for folder in (large, small))
    configs = [read_json(folder / "config.json") for folder in (large, small)]
    generation = read_json(small / "generation_config.json")

    def named(tokenizer: Any, value: Any) -> Any:
        return tokenizer.convert_ids_to_tokens(value)

    for name in ("bos_token_id", "eos_token_id", "pad_token_id"):
        assert named(after, configs[1][name]) == named(before, configs[0][name])
        assert generation.get(name) in (None, configs[1][name])
    assert configs[1]["vocab_size"] == len(Tokens.read(small).ids)
    assert after.bos_token_id == configs[1]["bos_token_id"]


def test_what_was_saved_is_told(large: Path, tmp_path: Path) -> None:
    done = prune_vocabulary(large, tmp_path / "small", DOMAIN, size=0)
    assert (done.before, done.after) == (parameters(_model(large)), parameters(_model(done.folder)))
    assert 0 < done.saved < 1
    assert done.how == [{"vocabulary": len(Tokens.read(done.folder).ids), "of": len(Tokens.read(large).ids)}]


def test_a_larger_size_keeps_more_words_and_none_keeps_less_than_needed(large: Path) -> None:
    sizes = [len(choose_tokens(large, DOMAIN, size=size)) for size in (0, 420, 10_000)]
    assert sizes[0] % 64 == 0 and sizes[0] < 10_000
    assert sizes == sorted(sizes)
    assert sizes[2] == len(Tokens.read(large).ids)


def test_words_come_before_other_tokens(tmp_path: Path) -> None:
    folder = make_tiny_llama(tmp_path / "model")
    kept = set(choose_tokens(folder, [], size=384))
    tokens = Tokens.read(folder)
    left_out = [token for token, number in tokens.ids.items() if number not in kept]
    assert left_out and '":"' in left_out


def test_a_token_of_few_texts_may_go(large: Path) -> None:
    texts = [DOMAIN[0], DOMAIN[0], DOMAIN[1]]
    often, seldom = (set(load_tokenizer(large)(text, add_special_tokens=False)["input_ids"]) for text in DOMAIN)
    elsewhere = [float(number not in seldom) for number in range(1000)]
    every, some = (set(choose_tokens(large, texts, size=0, foreseen=elsewhere, least=least)) for least in (1, 2))
    assert often | seldom <= every
    assert often <= some and not seldom <= some


def test_tokens_that_a_language_model_foresees_come_first(large: Path) -> None:
    odds = foresee_tokens(large, OTHERS[:2])
    places = sum(1 + len(ids) for ids in load_tokenizer(large)(OTHERS[:2], add_special_tokens=False)["input_ids"])
    assert sum(odds) == pytest.approx(places, rel=1e-3)
    tokens = Tokens.read(large)
    far = tokens.merges[-1][0] + tokens.merges[-1][1]  # that would come last
    size = len(tokens.ids) - 64
    assert tokens.ids[far] not in choose_tokens(large, [], size=size)
    likely = [float(number == tokens.ids[far]) for number in range(len(odds))]
    assert tokens.ids[far] in choose_tokens(large, [], size=size, foreseen=likely)


def test_a_token_that_cannot_be_reached_is_missed(large: Path, tmp_path: Path) -> None:
    """The check that finds nothing wrong above finds a merge that is gone."""
    broken = shutil.copytree(large, tmp_path / "broken")
    table = read_json(broken / "tokenizer.json")
    table["model"]["merges"] = table["model"]["merges"][:20]
    (broken / "tokenizer.json").write_text(json.dumps(table))
    assert cut_otherwise(large, broken, DOMAIN) == [0, 1]


def test_other_vocabularies_are_refused(large: Path, tmp_path: Path) -> None:
    odd = shutil.copytree(large, tmp_path / "odd")
    table = read_json(odd / "tokenizer.json")
    for change, message in (({"type": "Unigram"}, "Unigram"), ({"end_of_word_suffix": "</w>"}, "end_of_word_suffix")):
        (odd / "tokenizer.json").write_text(json.dumps(table | {"model": table["model"] | change}))
        with pytest.raises(InputError, match=message):
            prune_vocabulary(odd, tmp_path / "new", DOMAIN, size=0)
    assert not (tmp_path / "new").exists()
    with pytest.raises(InputError, match="was not cut from"):
        kept_ids(make_tiny_llama(tmp_path / "a"), gemma(tmp_path / "b"))


def test_llama_cpp_cuts_text_into_the_same_tokens(tmp_path: Path) -> None:
    pytest.importorskip("xllamacpp")
    from pocketlm.engines.llamacpp import LlamaCppEngine
    from pocketlm.export.gguf import export_gguf

    folder = make_tiny_llama(tmp_path / "large")
    prune_vocabulary(folder, tmp_path / "small", DOMAIN, size=0)
    info = export_gguf(tmp_path / "small", tmp_path / "small.gguf", precision="f16")
    tokenizer, engine = load_tokenizer(tmp_path / "small"), LlamaCppEngine(info.path, threads=1, context=256)
    texts = [*DOMAIN, *OTHERS, *noise(100)]
    try:
        assert [engine.tokenize(text) for text in texts] == [
            tokenizer(text, add_special_tokens=False)["input_ids"] for text in texts
        ]
    finally:
        engine.close()
