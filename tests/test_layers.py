"""The house keeps its floors: a room imports only rooms above it, and there are no cycles."""

from __future__ import annotations

import ast
import graphlib
from pathlib import Path

SOURCE = Path(__file__).parents[1] / "src" / "pocketlm"
FLOORS = [
    "core",
    "tasks",
    "models",
    "engines",
    "data",
    "evaluate",
    "train",
    "export",
    "shrink",
    "release",
    "serve",
    "notes",
    "web",
    "cli",
]
# no torch: whoever only reads rows or prints help must not pay for it
LIGHT = {"core", "tasks", "data"}


def imports(file: Path) -> list[str]:
    """Modules a file imports anywhere, functions included."""
    found = []
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            found += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        elif isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
    return found


def files() -> list[Path]:
    return [file for file in SOURCE.rglob("*.py") if "samples" not in file.parts]


def test_rooms_import_only_upward() -> None:
    wrong = []
    for file in files():
        room = file.relative_to(SOURCE).parts[0]
        if room not in FLOORS:
            continue
        for module in imports(file):
            parts = module.split(".")
            if (
                parts[0] == "pocketlm"
                and len(parts) > 1
                and parts[1] in FLOORS
                and FLOORS.index(parts[1]) > FLOORS.index(room)
            ):
                wrong.append(f"{file.relative_to(SOURCE)} imports {module}")
            if room in LIGHT and parts[0] in {"torch", "transformers"}:
                wrong.append(f"{file.relative_to(SOURCE)} imports {module}")
    assert wrong == []


def test_every_folder_is_a_floor() -> None:
    folders = {path.name for path in SOURCE.iterdir() if path.is_dir() and path.name != "__pycache__"}
    assert folders - {"samples"} <= set(FLOORS)


def test_no_import_cycles() -> None:
    names = {".".join(["pocketlm", *file.relative_to(SOURCE).with_suffix("").parts]): file for file in files()}
    graph = {
        name: {module for module in imports(file) if module in names and module != name} for name, file in names.items()
    }
    graphlib.TopologicalSorter(graph).prepare()
