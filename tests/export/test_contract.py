"""Every format keeps the same promises: a sound file passes, a planted fault is caught. A new format is one line in FORMATS."""

from __future__ import annotations

import copy
import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file, save_file

from pocketlm.core.errors import EnvironmentLacks, GateFailed, InputError
from pocketlm.core.files import read_json, write_json
from pocketlm.export import bundle, formats, verify
from pocketlm.export.base import Format, Source
from pocketlm.export.subject import Subject

EXACT = {"gguf": "f32"}  # the precision that hides no fault behind its rounding, where it is not called so by itself


@pytest.fixture(params=list(formats.FORMATS))
def format(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Format:
    """A format whose packages are here; the checks are the real ones, on fewer strings."""
    monkeypatch.setattr(verify, "STRINGS", 300)
    for package in formats.FORMATS[request.param].needs:
        pytest.importorskip(package)
    return formats.find_format(request.param)


def export(subject: Subject, format: Format, out: Path, **settings: Any) -> bundle.Bundle:
    return bundle.export(subject, format.name, out=out, latency=False, **settings)


def test_a_sound_file_passes_and_is_used_again(trained: Subject, format: Format, tmp_path: Path) -> None:
    made = export(trained, format, tmp_path / "out")
    assert made.checks and all(check.passed for check in made.checks)
    assert made.info["precision"] == format.precisions["decoder"][0]
    expected = {"manifest.json", "MODEL_CARD.md", "tokenizer.json", "chat_template.jinja", "generation.json", "tools.json", "grammar.gbnf"}  # fmt: skip
    assert expected <= {path.name for path in made.folder.iterdir()}
    assert made.report and len(made.report.rows) == len(trained.rows)
    scored = {"logits", "score", "ends"}  # where nothing runs the file, its weights are scored on torch
    assert {name if format.executes else f"{name} of its weights on torch" for name in scored} <= {
        check.name for check in made.checks
    }
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    before = made.folder.stat().st_mtime_ns
    never = replace(trained, reference=lambda: pytest.fail("scored again"))
    assert export(never, format, tmp_path / "out").folder.stat().st_mtime_ns == before


def test_files_of_an_earlier_form_are_made_anew(trained: Subject, format: Format, tmp_path: Path) -> None:
    earlier = copy.copy(format)
    object.__setattr__(earlier, "form", format.form - 1)  # Core ML's is a frozen dataclass
    key = bundle.export(trained, earlier, out=tmp_path / "out", latency=False).manifest["key"]
    assert export(trained, format, tmp_path / "out").manifest["key"] != key


def test_no_prompt_is_asked_freely_twice(
    trained: Subject, format: Format, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not format.executes:
        pytest.skip("its runtime does not exist here")
    plain, asked = type(format).open, list[str]()

    def counting(self: Format, *place: Any, **settings: Any) -> Any:
        engine = plain(self, *place, **settings)
        generate = engine.generate

        def counted(prompts: Sequence[str], **more: Any) -> Any:
            asked.extend(prompts if more.get("grammar") is None else [])
            return generate(prompts, **more)

        engine.generate = counted
        return engine

    monkeypatch.setattr(type(format), "open", counting)
    export(trained, format, tmp_path / "out")
    assert len(asked) == len(set(asked)) > 0


def test_another_precision_replaces_it(trained: Subject, format: Format, tmp_path: Path) -> None:
    small = format.precisions["decoder"][1]
    export(trained, format, tmp_path / "out")
    assert export(trained, format, tmp_path / "out", precision=small).info["precision"] == small
    with pytest.raises(InputError, match=f"--precision q9: {format.name} has "):
        export(trained, format, tmp_path / "out", precision="q9")


def edit(folder: Path, file: str, change: Callable[[dict[str, Any]], None]) -> None:
    content = read_json(folder / file)
    change(content)
    write_json(folder / file, content)


def wrong_rope_base(source: Source) -> Source:
    edit(source.folder, "config.json", lambda c: c["rope_parameters"].update(rope_theta=500.0))
    return source


def unpermuted_head(source: Source) -> Source:
    """Rows of a query head in the order of the other rope layout."""
    tensors = load_file(source.folder / "model.safetensors")
    name = next(name for name in tensors if name.endswith("0.self_attn.q_proj.weight"))
    width = read_json(source.folder / "config.json")["head_dim"]
    halves = tensors[name].view(-1, 2, width // 2, tensors[name].shape[1])
    save_file({**tensors, name: halves.transpose(1, 2).reshape(tensors[name].shape).contiguous()}, source.folder / "model.safetensors", {"format": "pt"})  # fmt: skip
    return source


def flipped_matrix(source: Source) -> Source:
    tensors = load_file(source.folder / "model.safetensors")
    name = next(name for name in tensors if name.endswith("1.mlp.down_proj.weight"))
    save_file(
        {**tensors, name: tensors[name].flip(0).contiguous()}, source.folder / "model.safetensors", {"format": "pt"}
    )
    return source


def dropped_stop_token(source: Source) -> Source:
    return replace(source, stop_token="<|endoftext|>")


def changed_template(source: Source) -> Source:
    return replace(source, chat_template=str(source.chat_template) + "{{ ' ' }}")


def swapped_tokens(source: Source) -> Source:
    def swap(content: dict[str, Any]) -> None:
        vocabulary = content["model"]["vocab"]
        vocabulary["a"], vocabulary["b"] = vocabulary["b"], vocabulary["a"]

    edit(source.folder, "tokenizer.json", swap)
    return source


def test_weights_that_lose_too_much_are_refused_where_nothing_runs_the_file(
    trained: Subject, format: Format, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if format.executes:
        pytest.skip("its own answers are scored")
    twin = type(format).twin  # type: ignore[attr-defined]

    def worse(self: Format, source: Source, folder: Path, out: Path) -> None:
        twin(self, source, folder, out)
        flipped_matrix(replace(source, folder=out))

    monkeypatch.setattr(type(format), "twin", worse)
    with pytest.raises(GateFailed, match="of its weights on torch"):
        export(trained, format, tmp_path / "out")
    assert not (tmp_path / "out").exists()


FAULTS = (wrong_rope_base, unpermuted_head, flipped_matrix, dropped_stop_token, changed_template, swapped_tokens)


@pytest.mark.parametrize("plant", FAULTS)
def test_a_planted_fault_is_caught(
    trained: Subject, format: Format, tmp_path: Path, plant: Callable[[Source], Source], monkeypatch: pytest.MonkeyPatch
) -> None:
    convert = type(format).convert

    def broken(self: Format, source: Source, out: Path, precision: str) -> Any:
        copy = Path(shutil.copytree(source.folder, tmp_path / "copy"))
        return convert(self, plant(replace(source, folder=copy)), out, precision)

    monkeypatch.setattr(type(format), "convert", broken)
    exact = EXACT.get(format.name, "fp32")
    precision = exact if exact in format.precisions["decoder"] else format.precisions["decoder"][0]
    with pytest.raises(GateFailed, match="does not do the job"):
        export(trained, format, tmp_path / "out", precision=precision)
    assert not (tmp_path / "out").exists()
    kept = json.loads((tmp_path / "out.rejected" / "manifest.json").read_text(encoding="utf-8"))
    assert not kept["verification"]["passed"]


def test_a_missing_package_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(formats.FORMATS, "gguf", formats.Entry("nowhere:Nothing", ("no_such_package",), "none"))
    with pytest.raises(EnvironmentLacks, match=r"needs no_such_package; install with: pip install 'pocketlm\[none\]'"):
        formats.find_format("gguf")
    with pytest.raises(InputError, match="--to papyrus: unknown format; there are gguf"):
        formats.find_format("papyrus")
