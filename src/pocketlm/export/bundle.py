"""A bundle: what an app downloads. The model file, what it takes to use it, and the proof that it works.

exports/gguf/  model.gguf, tokenizer.json, chat_template.jinja, generation.json, tools.json, grammar.gbnf, MODEL_CARD.md,
report.json, manifest.json. The model is converted into exports/gguf.unproven/, which takes the name exports/gguf/ only when
every check of the file has passed, and is called exports/gguf.rejected/ when one has not.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import Any

from pocketlm.core.errors import GateFailed, InputError
from pocketlm.core.files import atomic_dir, read_json, replace_dir, sha256_file, sha256_value, write_json, write_text
from pocketlm.core.machine import memory_peak
from pocketlm.core.manifest import read_manifest, write_manifest
from pocketlm.core.progress import say
from pocketlm.engines.open import is_exported
from pocketlm.evaluate.calibrate import KEPT as CALIBRATION
from pocketlm.evaluate.calibrate import calibration_of
from pocketlm.evaluate.evaluate import Report
from pocketlm.export.base import Check, Converted, Format
from pocketlm.export.card import model_card
from pocketlm.export.formats import find_format, find_precision
from pocketlm.export.kits.kits import write_kits
from pocketlm.export.subject import Subject
from pocketlm.export.verify import Verification, timed, verify
from pocketlm.models.head import Head
from pocketlm.models.tokens import TOKENIZER, copy_tokenizer

VERSION = "1.0.0"  # of a bundle that was not released yet
VECTORS = 32  # rows that become test vectors of the app kits
CHECKING = 1  # rises whenever the same file would be checked otherwise
TRAVELS = ("tokenizer_config.json", "special_tokens_map.json", "LICENSE", "NOTICE")  # of the model's folder


@dataclass(frozen=True)
class Bundle:
    """An exported, verified folder."""

    folder: Path

    @property
    def manifest(self) -> dict[str, Any]:
        """What it was made from and what was proven."""
        return read_manifest(self.folder)

    @property
    def info(self) -> dict[str, Any]:
        """Its file, size_mb, precision, bits_per_weight, parameters, notes; latency where it was measured."""
        return dict(self.manifest["info"])

    @property
    def file(self) -> Path:
        """The model file."""
        return self.folder / str(self.info["file"])

    @property
    def checks(self) -> list[Check]:
        """What was checked."""
        return [Check(**check) for check in self.manifest["verification"]["checks"]]

    @property
    def comparison(self) -> dict[str, Any] | None:
        """The paired comparison with the model it was made from; None where there were no rows."""
        found: dict[str, Any] | None = self.manifest["verification"]["comparison"]
        return found

    @property
    def report(self) -> Report | None:
        """The file's own report, or its weights' on torch where nothing here runs it; None where there were no rows."""
        kept = self.folder / "report.json"
        return Report.from_json(read_json(kept)) if kept.is_file() else None

    def to_json(self) -> dict[str, Any]:
        """Plain values for scripts."""
        checks = [asdict(check) for check in self.checks]
        return {"file": str(self.file), **self.info, "checks": checks, "comparison": self.comparison}


def export(
    subject: Subject,
    to: str | Format = "gguf",
    *,
    precision: str | None = None,
    out: Path | None = None,
    threads: int | None = None,
    latency: bool = True,
) -> Bundle:
    """Write a model in a format and prove that the very file does the job; what was made before is used again.

    Args:
        to: a name in formats.FORMATS, or a format made otherwise.
        precision: the format's own name, or "fp16", "int8", "int4"; by default the format's first.
        out: the bundle's folder, by default exports/FORMAT of the subject's home.
        latency: time its answers too (a decoder that runs here), for the manifest; seconds to a minute.

    Raises:
        InputError: an unknown format or precision, or a model this format cannot express. EnvironmentLacks: a package is
            missing. GateFailed: a check failed; the folder is left as FOLDER.rejected for a look.
    """
    format = find_format(to) if isinstance(to, str) else to
    chosen = find_precision(format, subject.source.kind, precision)
    folder = out or subject.home / "exports" / format.name
    key = sha256_value(
        [subject.identity, format.name, chosen, [row.to_json() for row in subject.rows], CHECKING, format.form]
    )
    bundle = Bundle(folder)
    if not _is_made(bundle, key):
        _make(subject, format, chosen, folder, key, threads)
    if latency and is_exported(str(bundle.file)) and subject.source.kind == "decoder" and "latency" not in bundle.info:
        _time(bundle, subject, threads)
    return bundle


def _is_made(bundle: Bundle, key: str) -> bool:
    kept = bundle.folder / "manifest.json"
    return kept.is_file() and bundle.manifest.get("key") == key and bundle.file.exists()


def _make(subject: Subject, format: Format, precision: str, folder: Path, key: str, threads: int | None) -> None:
    """Convert, verify, add what travels along, and let the folder take its name."""
    unproven = folder.with_name(f"{folder.name}.unproven")
    converted = _convert(subject, format, precision, unproven, key)
    result = verify(subject, format, unproven, converted, precision, threads=threads)
    _add_companions(subject, format, converted, precision, result, unproven)
    info = {**asdict(converted), "precision": precision, "format": format.name, "runtime": format.runtime}
    info |= {"executed": format.executes, "memory_gb": round(memory_peak() / 1e9, 2)}
    (unproven / CONVERSION).unlink()
    write_manifest(unproven, _manifest(subject, unproven, key, result, info))
    if not result.passed:
        rejected = folder.with_name(f"{folder.name}.rejected")
        replace_dir(unproven, rejected)
        failed = [check for check in result.checks if not check.passed]
        told = "; ".join(f"{check.name}: {check.found}" for check in failed)
        raise GateFailed(
            f"{rejected}: the exported file does not do the job ({told})", [check.name for check in failed]
        )
    replace_dir(unproven, folder)


CONVERSION = "conversion.json"


def _convert(subject: Subject, format: Format, precision: str, folder: Path, key: str) -> Converted:
    """The model's files in `folder`, unless a verification that was interrupted left them there."""
    stamp = folder / CONVERSION
    if stamp.is_file() and (kept := read_json(stamp))["key"] == key:
        return Converted(**{**kept["converted"], "notes": tuple(kept["converted"]["notes"])})
    say(f"Converting {subject.source.name} to {format.name}, {precision}")
    with atomic_dir(folder) as aside:
        converted = format.convert(subject.source, aside, precision)
        write_json(aside / CONVERSION, {"key": key, "converted": asdict(converted)})
    size, bits = converted.size_mb, converted.bits_per_weight
    say(
        f"Wrote {size:.0f} MB ({bits:.2f} bits a weight); {'opening that file in ' + format.runtime if format.executes else 'checking'}"
    )
    return converted


def _add_companions(
    subject: Subject, format: Format, converted: Converted, precision: str, result: Verification, folder: Path
) -> None:
    """Write what travels beside the model's file."""
    source = subject.source
    if (source.folder / TOKENIZER).is_file() and not (folder / TOKENIZER).exists():
        copy_tokenizer(source.folder, folder)
    for name in TRAVELS:
        if (source.folder / name).is_file() and not (folder / name).exists():
            shutil.copyfile(source.folder / name, folder / name)
    if subject.template:
        write_text(folder / "chat_template.jinja", subject.template.jinja)
        own = folder / "generation.json"  # some formats say more there
        write_json(own, {**_generation(subject), **(read_json(own) if own.is_file() else {})})
    if subject.tools is not None:
        write_json(folder / "tools.json", subject.tools.to_openai())
        write_text(folder / "grammar.gbnf", subject.task.grammar(subject.template))
        _write_kits(subject, folder / "kits")
    if subject.head is not None:
        head, _ = Head.load(subject.head)
        head.save(folder, {"kind": "embedder", "uri": converted.file})
    if (subject.home / CALIBRATION).is_file():
        shutil.copyfile(subject.home / CALIBRATION, folder / CALIBRATION)
    if result.report:
        scored = source.name if format.executes else f"{source.name}, its weights on torch"
        write_json(folder / "report.json", replace(result.report, engine=scored).to_json())
    made = f"Made on {date.today()} with pocketlm {version('pocketlm')}"
    write_text(folder / "MODEL_CARD.md", model_card(subject, format, converted, precision, result.checks, made))


def _write_kits(subject: Subject, folder: Path) -> None:
    """The app's code; a model whose functions no kit can express goes without."""
    assert subject.template
    made = calibration_of(str(subject.home))
    try:
        write_kits(
            subject.task, subject.template, folder, name=subject.source.name, version=VERSION, rows=subject.rows[:VECTORS],
            threshold=made.threshold if made else None, calibration=made,
        )  # fmt: skip
    except InputError as error:
        say(f"without app kits: {error}")


def _generation(subject: Subject) -> dict[str, Any]:
    """How answers are to be generated."""
    template = subject.template
    assert template
    tokenizer = subject.tokenizer
    return {
        "template": template.name,
        "stop": template.stop,
        "stop_id": tokenizer.convert_tokens_to_ids(template.stop),
        "begin_id": tokenizer.bos_token_id,
        "greedy": True,
        "max_tokens": subject.task.max_tokens if subject.task else 256,
    }


def _manifest(subject: Subject, folder: Path, key: str, result: Verification, info: dict[str, Any]) -> dict[str, Any]:
    files = sorted(file for file in folder.rglob("*") if file.is_file())
    return {
        "kind": "bundle",
        "key": key,
        "name": subject.source.name,
        "files": {file.relative_to(folder).as_posix(): sha256_file(file) for file in files},
        "template": subject.template.name if subject.template else None,
        "lineage": dict(subject.source.lineage),
        **subject.facts,
        "verification": {
            "passed": result.passed,
            "checks": [asdict(check) for check in result.checks],
            "metrics": result.report.metrics if result.report else {},
            "comparison": result.comparison.to_json() if result.comparison else None,
        },
        "info": info,
    }


def _time(bundle: Bundle, subject: Subject, threads: int | None) -> None:
    found = timed(subject, str(bundle.file), threads)
    write_json(bundle.folder / "manifest.json", {**bundle.manifest, "info": {**bundle.info, "latency": found}})


def verification_table(bundles: Sequence[Bundle]) -> str:
    """The bundles and their checks, as text."""
    lines = []
    for bundle in bundles:
        info = bundle.info
        lines.append(
            f"{bundle.file}  {info['size_mb']:.1f} MB, {info['precision']}, {info['bits_per_weight']:.2f} bits a weight"
        )
        lines += [f"  {'ok ' if check.passed else 'BAD'} {check.name}: {check.found}" for check in bundle.checks]
        if found := info.get("latency"):
            lines.append(
                f"      answers in {found['p50_ms']:.0f} ms (p50), {found['p95_ms']:.0f} ms (p95) on {found['threads']} threads, "
                f"first text after {found['first_token_ms']:.0f} ms; {found['memory_mb']:.0f} MB of memory"
            )
        lines += [f"      {note}" for note in info["notes"]]
    return "\n".join(lines)
