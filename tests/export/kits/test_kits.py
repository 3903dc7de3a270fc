"""Every kit, compiled where its compiler is found, agrees with the vectors."""

from __future__ import annotations

import importlib.util
import json
import os
import random
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from app_kits import KITS, Made

from pocketlm.core.errors import InputError
from pocketlm.export.kits.kits import write_kits
from pocketlm.export.kits.source import pascal, snake
from pocketlm.tasks.call import CallTask
from pocketlm.tasks.template import TERSE
from pocketlm.tasks.tools import ToolSet

WARNINGS = ["-Wall", "-Wextra", "-Wpedantic", "-Wshadow", "-Wconversion", "-Werror", "-Wno-overlength-strings"]
SANITIZERS = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
SWIFT_MAIN = """
import Foundation

let result = try checkVectors(String(contentsOfFile: CommandLine.arguments[1], encoding: .utf8))
result.failures.forEach { print($0) }
print("\\(result.count) vectors, \\(result.failures.count) failed")
exit(result.failures.isEmpty ? 0 : 1)
"""
BROKEN = 1000


def run(*command: str | Path, cwd: Path | None = None) -> str:
    done = subprocess.run(list(map(str, command)), cwd=cwd, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, f"{command}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
    return done.stdout


def passed(printed: str, made: Made) -> None:
    count = sum(map(len, made.vectors.values()))
    assert printed.strip().endswith(f"{count} vectors, 0 failed")


def compiler(name: str, variable: str) -> str:
    found = os.environ.get(variable) or shutil.which(name)
    if not found:
        pytest.skip(f"no {name} on PATH and none named by {variable}")
    return found


def python_kit(made: Made) -> ModuleType:
    name = f"{snake(made.name)}_kit"
    spec = importlib.util.spec_from_file_location(name, made.folder / "python" / f"{name}.py")
    assert spec and spec.loader
    kit = importlib.util.module_from_spec(spec)
    sys.modules[name] = kit
    spec.loader.exec_module(kit)
    return kit


def compile_c(made: Made, out: Path) -> Path:
    gcc = compiler("gcc", "CC")
    name = f"{snake(made.name)}_kit.c"
    run(gcc, "-std=c99", "-g", *WARNINGS, *SANITIZERS, name, "test_vectors.c", "-lm", "-o", out, cwd=made.folder / "c")
    return out


ODD = [
    '"',
    "\\",
    "{",
    "}",
    "[",
    "]",
    ":",
    ",",
    "-",
    "0",
    "9" * 25,
    "e",
    ".",
    "\\u12",
    "\\ud83d",
    "é",
    "🙂",
    "\0",
    "\n",
    "null",
    "true",
    " ",
]


def mutated(texts: list[str], count: int) -> list[str]:
    """Answers with letters taken out, put in, doubled and swapped."""
    chance = random.Random(7)
    found = []
    for _ in range(count):
        text = chance.choice(texts)
        for _ in range(chance.randint(1, 4)):
            at, end = sorted(chance.randint(0, len(text)) for _ in range(2))
            text = chance.choice([
                text[:at] + text[min(end, at + 3) :], text[:at] + chance.choice(ODD) + text[at:], text[:at],
                text[:at] + text[at:end][:9] + text[at:], text[at:] + text[:at],
            ])  # fmt: skip
        found.append(text)
    return found


def outcome(kit: ModuleType, text: str) -> tuple[str, dict[str, Any]]:
    try:
        calls = kit.parse_calls(text)
    except kit.CallError as error:
        return "errors", {"text": text, "kind": error.kind, "place": error.place}
    told = [{"name": call.FUNCTION, "arguments": call.to_json()} for call in calls]
    return "answers", {"text": text, "calls": told, "confirm": [kit.needs_confirmation(call) for call in calls]}


def broken(made: Made, out: Path) -> Path:
    """Vectors of broken answers, as the Python kit reads them."""
    kit = python_kit(made)
    found: dict[str, list[Any]] = {kind: [] for kind in made.vectors}
    for text in mutated([answer["text"] for answer in made.vectors["answers"]], BROKEN):
        kind, vector = outcome(kit, text)
        found[kind].append(vector)
    assert found["errors"]
    out.write_text(json.dumps(found, ensure_ascii=False), encoding="utf-8")
    return out


@pytest.mark.parametrize("name", KITS)
def test_python(kits: dict[str, Made], name: str) -> None:
    made = kits[name]
    passed(run(sys.executable, "test_vectors.py", cwd=made.folder / "python"), made)


@pytest.mark.parametrize("name", KITS)
def test_c(kits: dict[str, Made], name: str, tmp_path: Path) -> None:
    made = kits[name]
    passed(run(compile_c(made, tmp_path / "kit"), made.folder / "vectors.json"), made)
    assert f"{BROKEN} vectors, 0 failed" in run(tmp_path / "kit", broken(made, tmp_path / "broken.json"))


def test_c_header_in_cpp(kits: dict[str, Made], tmp_path: Path) -> None:
    gxx = compiler("g++", "CXX")
    for name in ("phone terse", "nasty terse"):
        (tmp_path / "main.cpp").write_text(f'#include "{snake(name)}_kit.h"\nint main() {{ return 0; }}\n')
        run(
            gxx,
            "-std=c++20",
            "-Wall",
            "-Wextra",
            "-Werror",
            "-I",
            kits[name].folder / "c",
            tmp_path / "main.cpp",
            "-o",
            tmp_path / "x",
        )


@pytest.mark.parametrize("name", KITS)
def test_swift(kits: dict[str, Made], name: str, tmp_path: Path) -> None:
    swiftc, made = compiler("swiftc", "POCKETLM_SWIFTC"), kits[name]
    module = pascal(f"{name} kit")
    (tmp_path / "main.swift").write_text(SWIFT_MAIN)
    sources = sorted((made.folder / "swift" / "Sources" / module).iterdir())
    vectors = made.folder / "swift" / "Tests" / f"{module}Tests" / "Vectors.swift"
    run(
        swiftc,
        "-swift-version",
        "6",
        "-module-name",
        module,
        *sources,
        vectors,
        tmp_path / "main.swift",
        "-o",
        tmp_path / "kit",
    )
    passed(run(tmp_path / "kit", made.folder / "vectors.json"), made)
    assert f"{BROKEN} vectors, 0 failed" in run(tmp_path / "kit", broken(made, tmp_path / "broken.json"))


def test_kotlin(kits: dict[str, Made], tmp_path: Path) -> None:
    kotlinc = compiler("kotlinc", "POCKETLM_KOTLINC")
    sources = [file for made in kits.values() for file in sorted((made.folder / "kotlin").rglob("*.kt"))]
    jar = tmp_path / "kits.jar"
    run(kotlinc, "-Werror", "-include-runtime", *sources, "-d", jar)
    for name, made in kits.items():
        package = snake(f"{name} kit").replace("_", "")
        program = ("java", "-cp", jar, f"{package}.VectorTestKt")
        passed(run(*program, made.folder / "vectors.json"), made)
        assert f"{BROKEN} vectors, 0 failed" in run(*program, broken(made, tmp_path / f"{package}.json"))


@pytest.mark.parametrize(("language", "ending"), [("swift", "swift"), ("kotlin", "kt"), ("c", "c")])
def test_structure(kits: dict[str, Made], language: str, ending: str) -> None:
    """Where no compiler is: the source parses."""
    tree_sitter = pytest.importorskip("tree_sitter")
    grammar = pytest.importorskip(f"tree_sitter_{language}")
    parser = tree_sitter.Parser(tree_sitter.Language(grammar.language()))
    files = [file for made in kits.values() for file in (made.folder / language).rglob(f"*.{ending}")]
    assert files
    for file in files:
        assert not parser.parse(file.read_bytes()).root_node.has_error, file


def test_python_and_the_task_agree_on_broken_answers(kits: dict[str, Made]) -> None:
    made = kits["phone terse"]
    kit = python_kit(made)
    readable = 0
    for text in mutated([answer["text"] for answer in made.vectors["answers"]], 3000):
        kind, vector = outcome(kit, text)
        if kind == "errors":
            continue
        calls = made.task.parse(text, made.template)
        assert [call.to_json() for call in calls] == vector["calls"]
        assert not any(made.task.tools.check_call(call) for call in calls)
        readable += 1
    assert readable > 50


def test_c_refuses_what_is_not_utf8(kits: dict[str, Made], tmp_path: Path) -> None:
    made = kits["phone terse"]
    (tmp_path / "main.c").write_text(
        r"""
#include "phone_terse_kit.h"
#include <stdio.h>
#include <string.h>

int main(void)
{
    static const char *const texts[] = {"{\"a\xff\":1}", "\xc3", "\xed\xa0\x80", "{} \xe2\x82", "\xc0\x80", "\xf4\x90\x80\x80"};
    static unsigned char memory[4096];
    phone_terse_call calls[1];
    phone_terse_error error;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        phone_terse_arena arena = {memory, sizeof memory, 0};
        size_t count;
        phone_terse_parse_calls(texts[i], strlen(texts[i]), &arena, calls, 1, &count, &error);
        printf("%d %s %s\n", error.status == PHONE_TERSE_SYNTAX, error.place, error.message);
    }
    phone_terse_arena tight = {memory, 40, 0}, arena = {memory, sizeof memory, 0};
    size_t count;
    const char *two = "{\"open_app\":{\"app\":\"a\"}}\n{\"open_app\":{\"app\":\"b\"}}";
    printf("%d\n", phone_terse_parse_calls(two, strlen(two), &tight, calls, 1, &count, &error) == PHONE_TERSE_NO_MEMORY);
    printf("%d\n", phone_terse_parse_calls(two, strlen(two), &arena, calls, 1, &count, &error) == PHONE_TERSE_NO_MEMORY);
    return 0;
}
"""
    )
    gcc, folder = compiler("gcc", "CC"), made.folder / "c"
    source = folder / "phone_terse_kit.c"
    run(gcc, "-std=c99", *WARNINGS, *SANITIZERS, "-I", folder, tmp_path / "main.c", source, "-lm", "-o", tmp_path / "x")
    places = [3, 0, 0, 3, 0, 0]
    assert run(tmp_path / "x") == "".join(f"1 character {place} not UTF-8\n" for place in places) + "1\n1\n"


@pytest.mark.parametrize(
    ("name", "version", "says"),
    [("🙂", "1.0", "letters"), ("x", "1.0-beta", "version"), ("x", "", "version"), ("x", "1.2.3.4.5", "version")],
)
def test_names_and_versions(tmp_path: Path, name: str, version: str, says: str) -> None:
    with pytest.raises(InputError, match=says):
        write_kits(CallTask(ToolSet([])), TERSE, tmp_path, name=name, version=version, threshold=None)


@pytest.mark.parametrize("name", ["class", "swift", "string", "fun", "1.2", "my-kit", "Łódź"])
def test_any_name_makes_legal_modules(tmp_path: Path, name: str, phone: tuple[ToolSet, list[Any]]) -> None:
    files = write_kits(CallTask(phone[0]), TERSE, tmp_path, name=name, version="1", threshold=0.5)
    assert all(file.is_file() for file in files)
    module = next((tmp_path / "python").glob("*_kit.py"))
    assert module.stem.isidentifier()
    run(sys.executable, "test_vectors.py", "../vectors.json", cwd=tmp_path / "python")


def test_typed_values(kits: dict[str, Made]) -> None:
    kit = python_kit(kits["phone terse"])
    (call,) = kit.parse_calls('{"set_timer":{"amount":33,"unit":"minutes"}}')
    assert call == kit.SetTimer(amount=33, unit=kit.SetTimerUnit.MINUTES) and call.amount == 33
    assert kit.parse_calls("{}") == []
    assert kit.needs_confirmation(kit.SendMessage(contact="Eva", text="hi"))
    assert not kit.needs_confirmation(call)
    assert kit.decide(call, 0.9) is kit.Decision.ANSWER and kit.decide(call, 0.7) is kit.Decision.ASK_BACK
    assert kit.render_prompt("hi") == "<|im_start|>hi<|im_end|>"
