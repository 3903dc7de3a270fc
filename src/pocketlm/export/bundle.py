"""A bundle: what an app downloads. The model file, the tools, the grammar, and the proof that it works.

exports/gguf/  model.gguf, tools.json, grammar.gbnf, manifest.json. Made aside; it takes its name only when every check
of the exported file has passed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pocketlm.core.errors import GateFailed, InputError
from pocketlm.core.files import read_json, sha256_file, sha256_value, write_json, write_text
from pocketlm.core.manifest import read_manifest, write_manifest
from pocketlm.core.progress import say
from pocketlm.engines.base import Engine
from pocketlm.evaluate.evaluate import Report
from pocketlm.export.base import Check
from pocketlm.export.gguf import export_gguf
from pocketlm.export.verify import Verification, verify
from pocketlm.models.load import load_tokenizer
from pocketlm.tasks.call import CallRow
from pocketlm.tasks.template import TEMPLATES
from pocketlm.train.run import Run

FORMATS = ("gguf",)


@dataclass(frozen=True)
class Bundle:
    """An exported, verified folder."""

    folder: Path
    report: Report
    checks: list[Check]
    comparison: dict[str, Any]
    info: dict[str, Any]

    @property
    def file(self) -> Path:
        """The model file."""
        return self.folder / "model.gguf"


def export_run(
    run: Run, rows: Sequence[CallRow], reference: Callable[[], Report], *, format: str = "gguf", precision: str = "q8_0"
) -> Bundle:
    """Export a run and prove that the very file does the job of the trained model on `rows`.

    Args:
        reference: gives the trained model's report on the same rows, made only when needed.

    Raises:
        InputError: an unknown format. GateFailed: the file did not pass; it is left as rejected.gguf for a look.
    """
    if format not in FORMATS:
        raise InputError(f"--to {format}: unknown format; there are {', '.join(FORMATS)}")
    folder = run.folder / "exports" / format
    key = sha256_value([run.identity, precision, [row.to_json() for row in rows]])
    if (
        (folder / "manifest.json").is_file()
        and read_manifest(folder).get("key") == key
        and (folder / "model.gguf").is_file()
    ):
        return _open(folder)
    template = TEMPLATES[run.manifest["template"]]
    lineage = run.manifest["lineage"]
    candidate = folder / "rejected.gguf"
    meta = {
        "name": run.folder.name,
        "license": lineage.get("licence", ""),
        "base_name": lineage.get("title", lineage["base"]),
    }
    info = export_gguf(
        run.model, candidate, precision=precision, chat_template=template.jinja, stop_token=template.stop,
        meta={name: value for name, value in meta.items() if value},
    )  # fmt: skip
    say(
        f"Wrote {info.size_mb:.0f} MB ({precision}, {info.bits_per_weight:.2f} bits per weight); opening that file in llama.cpp"
    )
    engine = _open_file(candidate)
    try:
        result = verify(run.task, engine, load_tokenizer(run.model), reference(), rows)
    finally:
        engine.close()
    if not result.passed:
        failed = "; ".join(f"{check.name}: {check.found}" for check in result.checks if not check.passed)
        raise GateFailed(f"{candidate}: the exported file does not do the job ({failed}); try --precision f16")
    _finish(
        folder,
        candidate,
        run,
        key,
        result,
        {"size_mb": info.size_mb, "precision": precision, "bits_per_weight": info.bits_per_weight},
    )
    return _open(folder)


def _finish(folder: Path, candidate: Path, run: Run, key: str, result: Verification, info: dict[str, Any]) -> None:
    file = folder / "model.gguf"
    template = TEMPLATES[run.manifest["template"]]
    (folder / "manifest.json").unlink(missing_ok=True)
    candidate.replace(file)
    write_json(folder / "tools.json", run.task.tools.to_openai())
    write_text(folder / "grammar.gbnf", run.task.grammar(template))
    write_json(folder / "report.json", replace(result.report, engine=str(file)).to_json())
    write_manifest(
        folder,
        {
            "kind": "bundle",
            "key": key,
            "format": "gguf",
            "sha256": sha256_file(file),
            "tools_in_prompt": run.config.tools_in_prompt,
            "tools_sha256": run.task.tools.sha256,
            "grounding": run.task.grounding.to_json(),
            "template": template.name,
            "lineage": run.manifest["lineage"],
            "verification": result.to_json(),
            "info": info,
        },
    )


def _open(folder: Path) -> Bundle:
    manifest = read_manifest(folder)
    found = manifest["verification"]
    report = Report.from_json(read_json(folder / "report.json"))
    return Bundle(folder, report, [Check(**check) for check in found["checks"]], found["comparison"], manifest["info"])


def _open_file(file: Path) -> Engine:
    from pocketlm.engines.llamacpp import LlamaCppEngine

    return LlamaCppEngine(file)
