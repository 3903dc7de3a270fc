"""The Core ML engine over an interpreted package: everything but Core ML itself."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("coremltools")

from pocketlm.core.errors import InputError
from pocketlm.engines.coreml_engine import CoreMlEmbedder, CoreMlEngine
from pocketlm.engines.torch_engine import TorchEngine
from pocketlm.export.base import Source
from pocketlm.export.coreml import CoreMlFormat
from pocketlm.export.coreml_interpret import Interpreter
from pocketlm.export.coreml_package import read_package
from pocketlm.tasks.template import CHATML

PROMPTS = [f"<|im_start|>user\n{text}<|im_end|>\n<|im_start|>assistant\n" for text in ("hi", "a longer one, ü", "12")]


class Interpreted:
    """A package behind coremltools' interface."""

    def __init__(self, folder: Path) -> None:
        self.package = read_package(folder / "model.mlpackage")

    def make_state(self) -> Any:
        return Interpreter(self.package)

    def predict(self, data: Mapping[str, Any], state: Any = None) -> Any:
        return (state or Interpreter(self.package)).predict(data)


@pytest.fixture(scope="module")
def engine(tiny_llama: Path, tmp_path_factory: pytest.TempPathFactory) -> CoreMlEngine:
    folder = tmp_path_factory.mktemp("coreml")
    source = Source(tiny_llama, "tiny", chat_template=CHATML.jinja, stop_token=CHATML.stop)
    CoreMlFormat(context=96).convert(source, folder, "fp16")
    return CoreMlEngine(folder, runtime=Interpreted(folder))


@pytest.fixture(scope="module")
def reference(tiny_llama: Path) -> TorchEngine:
    return TorchEngine(tiny_llama)


def test_answers_are_those_of_torch(engine: CoreMlEngine, reference: TorchEngine) -> None:
    ticks: list[int] = []
    found, want = engine.generate(PROMPTS, max_tokens=8, tick=ticks.append), reference.generate(PROMPTS, max_tokens=8)
    assert ticks == [1, 1, 1]
    for one, other in zip(found, want, strict=True):
        assert (one.text, one.ids, one.stopped, one.ends) == (other.text, other.ids, other.stopped, other.ends)
        assert one.logprobs == pytest.approx(other.logprobs, abs=0.02)
    assert "".join(engine.stream(PROMPTS[0], max_tokens=8)) == found[0].text
    same = ("template", "opening", "begin")
    assert [getattr(engine, name) for name in same] == [getattr(reference, name) for name in same]


def test_a_grammar_holds(engine: CoreMlEngine) -> None:
    answers = engine.generate(PROMPTS, max_tokens=8, grammar='root ::= "yes" | "no" [a-c]\n')
    assert {answer.text for answer in answers} <= {"yes", "noa", "nob", "noc"} and all(one.stopped for one in answers)


def test_odds_are_those_of_torch(engine: CoreMlEngine, reference: TorchEngine) -> None:
    pairs = [(engine.tokenize(PROMPTS[0]), engine.tokenize("play music")), ([engine.begin], engine.tokenize("hi"))]
    found, want = engine.odds(pairs, top=3), reference.odds(pairs, top=3)
    for row, other in zip(found, want, strict=True):
        assert [one.id for one in row] == [one.id for one in other]
        assert [one.logprob for one in row] == pytest.approx([one.logprob for one in other], abs=0.02)
        assert [one.top[0][0] for one in row] == [one.top[0][0] for one in other]
    with pytest.raises(InputError, match="at least one token"):
        engine.odds([([], [1])])


def test_a_text_ends_where_the_cache_does(engine: CoreMlEngine) -> None:
    text, longer = "play " * 70, "play music " * 60
    taken = len(engine.tokenize(text))
    assert engine.context == 96 and 60 < taken < 96 < len(engine.tokenize(longer))
    (answer,) = engine.generate([text], max_tokens=50, grammar="root ::= [a-z]*\n")
    assert answer.tokens == 96 - taken or answer.stopped
    with pytest.raises(InputError, match="holds 1 to 96"):
        engine.generate([longer])


def test_an_embedder_gives_torchs_vectors(tmp_path: Path) -> None:
    import tiny
    import torch
    from transformers import BertConfig, BertModel

    from pocketlm.engines.embedder import EncoderEmbedder

    shape = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 64}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        BertModel(BertConfig(vocab_size=480, max_position_embeddings=24, **shape)).save_pretrained(tmp_path / "model")
    tiny.make_tiny_tokenizer().save_pretrained(tmp_path / "model")
    (tmp_path / "out").mkdir()
    CoreMlFormat().convert(Source(tmp_path / "model", "tiny", kind="encoder"), tmp_path / "out", "fp16")
    texts = ["play music", "remind me to buy milk and bread at noon; turn the lights off " * 3, ""]
    found = CoreMlEmbedder(tmp_path / "out", runtime=Interpreted(tmp_path / "out")).embed(texts)
    want = EncoderEmbedder(tmp_path / "model").embed(texts)
    assert np.abs(found - want).max() < 0.005
