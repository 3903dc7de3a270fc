"""The model card that travels in a bundle: what the file is, where it comes from, what was proven, how to use it."""

from __future__ import annotations

from collections.abc import Sequence

from pocketlm.export.base import Check, Converted, Format
from pocketlm.export.subject import Subject
from pocketlm.models.head import Head

OPENS = {
    "gguf": "llama.cpp and everything built on it",
    "onnx": "ONNX Runtime on Android, iOS, Windows, Linux and in browsers",
    "coreml": "Core ML on iOS 18, macOS 15 and later",
    "litert": "LiteRT and LiteRT-LM on Android, iOS and desktops",
}


def model_card(
    subject: Subject, format: Format, converted: Converted, precision: str, checks: Sequence[Check], made: str
) -> str:
    """The card as Markdown, with the front matter that model hubs read.

    Args:
        made: date and version, for a reader.
    """
    made_from = subject.source.lineage
    licence = str(made_from.get("licence", "unknown"))
    base = str(made_from.get("title", made_from.get("base", "unknown")))
    front = ["---", f"license: {licence.lower()}", f"base_model: {base}", "tags: [pocketlm, on-device]", "---"]
    lines = [
        *front, "", f"# {subject.source.name}, {format.name} {precision}", "",
        f"`{converted.file}`: {converted.size_mb:.1f} MB, {converted.parameters / 1e6:.1f} M parameters, "
        f"{converted.bits_per_weight:.2f} bits a weight. Opened by {OPENS.get(format.name, format.runtime)}.", "",
        "## Made from", "", f"- Base: {base}, licence {licence}", *_origin(subject), f"- {made}",
        *(f"- {note}" for note in converted.notes), "",
        "## What was checked of this very file", "", "| check | passed | found |", "|---|---|---|",
        *(f"| {check.name} | {'yes' if check.passed else 'NO'} | {_cell(check.found)} |" for check in checks), "",
        *_use(subject),
    ]  # fmt: skip
    return "\n".join(lines) + "\n"


def _origin(subject: Subject) -> list[str]:
    made_from = subject.source.lineage
    lines = [f"- Source of the base: {made_from['source']}"] if "source" in made_from else []
    if "sha256" in made_from:
        lines.append(f"- SHA-256 of the base's file: `{made_from['sha256']}`")
    return lines


def _use(subject: Subject) -> list[str]:
    if subject.template is None:
        use = ["## Use", "", "A text's vector is the mean of its tokens' states, made of length 1."]
        return use if subject.head is None else [*use, "", *_labels(subject)]
    lines = [
        "## Use", "",
        f"Prompts are rendered with `chat_template.jinja`; an answer ends at `{subject.template.stop}`. "
        "`generation.json` holds both for programs.",
    ]  # fmt: skip
    if subject.tools is not None:
        names = ", ".join(f"`{name}`" for name in subject.tools.names)
        lines += [
            "", f"It answers with calls of {names}. `tools.json` has their schemas, `grammar.gbnf` the answers that are "
            "legal, and `kits/` typed functions, rendering and parsing for Swift, Kotlin, Python and C.",
        ]  # fmt: skip
    return lines


def _labels(subject: Subject) -> list[str]:
    assert subject.head
    head, _ = Head.load(subject.head)
    return [
        "It sorts texts: `head.safetensors` has a weight (labels, width) and a bias, and scores are weight x vector + bias, "
        "divided by the `temperature` of `head.json`, then softmax (with `multi`: the sigmoid of each). A text whose likeliest "
        "label but `outside` is under `inside_from` gets `outside`, where there is one.", "",
        f"Labels, a row of the weights each: {', '.join(f'`{label}`' for label in head.labels)}."
        + (f" Each label of {head.threshold:g} or more is given." if head.multi else "")
        + (f" Labels under labels: the deepest of parent and label from {head.certain:g} up." if head.certain else ""),
    ]  # fmt: skip


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
