"""A Hugging Face folder into one GGUF file, for llama.cpp and everything built on it.

Reads the folder's files and nothing else: refuses to know torch and transformers, how the model was trained and
whether it is any good. The parts: gguf_families.py (the header), gguf_tensors.py (the weights), gguf_tokenizer.py;
gguf_inspect.py reads a file back and proves it, gguf_lora.py writes adapters.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import gguf

from pocketlm.core.errors import InputError
from pocketlm.core.files import atomic_path, read_json
from pocketlm.export.base import Check, Converted, Kind, Source
from pocketlm.export.gguf_families import META, Config, Family, Keys, family_of
from pocketlm.export.gguf_tensors import (
    GROUPS,
    IN_TURN,
    PRECISIONS,
    WHOLE,
    PlannedTensor,
    Weight,
    bits,
    plan_tensors,
    write_file,
)
from pocketlm.export.gguf_tokenizer import chat_template_of, read_vocabulary
from pocketlm.export.importance import Importance, importance_of, moments_of

FILE = "model.gguf"


@dataclass(frozen=True)
class GgufInfo:
    """What was written.

    Attributes:
        size_mb: the file's size in 10^6 bytes.
        bits_per_weight: bits of all tensors over all parameters: what was stored, not what was asked for.
        tensor_types: number of tensors of each ggml type.
        fallbacks: tensors of another type than asked for, because their rows do not fill that type's blocks.
        notes: the same in words.
    """

    path: Path
    precision: str
    size_mb: float
    bits_per_weight: float
    tensor_types: dict[str, int]
    parameters: int
    fallbacks: tuple[str, ...]
    notes: tuple[str, ...]


def export_gguf(
    model_dir: Path,
    out: Path,
    *,
    precision: str = "q8_0",
    groups: Mapping[str, str] | None = None,
    importance: Mapping[str, Weight] | None = None,
    chat_template: str | None = None,
    stop_token: str | None = None,
    meta: Mapping[str, str] | None = None,
) -> GgufInfo:
    """Write the model of `model_dir` (config.json, safetensors, tokenizer.json) to one GGUF file, atomically.

    Args:
        precision: a key of PRECISIONS. Below 8 bits the embedding and output matrices keep more bits than the rest.
        groups: other precisions for parts of the model: keys are those of GROUPS, or "attention" and "mlp" for all depths.
        importance: how much each column of a tensor matters, by the folder's own names, see importance.py; blocks below 8
            bits are rounded by it.
        chat_template: Jinja text that travels in the file; default: the folder's own.
        stop_token: the token that ends an answer; llama.cpp stops there. Default: the tokenizer's end token.
        meta: keys of META, such as license and base_name.

    Raises:
        InputError: an unknown precision, family, pre-tokenizer or rope, or a folder that is not whole.
        EnvironmentLacks: the precision or the importance needs libgguf.
    """
    model_dir, out, groups, meta = Path(model_dir), Path(out), groups or {}, meta or {}
    _check_names(precision, groups, meta)
    config = read_config(model_dir)
    family = family_of(model_dir, config)
    keys = family.keys(config, model_dir)
    plan = list(plan_tensors(model_dir, config, family, precision, groups))
    vocabulary = read_vocabulary(model_dir, config["vocab_size"], stop_token)
    template = chat_template or chat_template_of(model_dir)
    with atomic_path(out) as aside:
        writer = gguf.GGUFWriter(None, gguf.MODEL_ARCH_NAMES[family.arch])
        _add_general(writer, meta.get("name") or model_dir.resolve().name, precision, plan, meta)
        _add_keys(writer, family, keys)
        vocabulary.write(writer)
        if family.encoder:
            writer.add_token_type_count(config["type_vocab_size"])
        elif template:
            writer.add_chat_template(template)
        write_file(writer, aside, plan, importance or {})
    return info_of(out, precision, plan, (*_notes(config, keys, plan, precision), *vocabulary.notes))


def read_config(folder: Path) -> Config:
    """A model folder's config.json.

    Raises:
        InputError: there is none.
    """
    if not (folder / "config.json").is_file():
        hint = "merge the adapter first" if (folder / "adapter_config.json").is_file() else "not a model folder"
        raise InputError(f"{folder}: no config.json ({hint})")
    config: Config = read_json(folder / "config.json")
    return config


def _check_names(precision: str, groups: Mapping[str, str], meta: Mapping[str, str]) -> None:
    for name in (precision, *groups.values()):
        if name not in PRECISIONS:
            raise InputError(f"precision {name!r} is unknown; choose one of {', '.join(PRECISIONS)}")
    if strange := set(groups) - {*GROUPS, "attention", "mlp"}:
        raise InputError(f"group {min(strange)!r} is unknown; there are {', '.join(GROUPS)}, attention, mlp")
    if unknown := set(meta) - set(META):
        raise InputError(f"meta key {min(unknown)!r} is unknown; known are {', '.join(META)}")


def _add_general(
    writer: gguf.GGUFWriter, name: str, precision: str, plan: list[PlannedTensor], meta: Mapping[str, str]
) -> None:
    writer.add_type("model")
    # llama.cpp takes a model of this name for Microsoft's and does not load it without that one's tokens
    writer.add_name(re.sub(r"(?i)(phi)-?(3)", r"\1 \2", name))
    for key in meta.keys() - {"name"}:
        writer.add_string(META[key], meta[key])
    if "base_name" in meta or "base_url" in meta:
        writer.add_base_model_count(1)
    writer.add_size_label(f"{_parameters(plan) / 1e6:.0f}M")
    writer.add_file_type(PRECISIONS[precision][1])
    if any(tensor.kind.name not in WHOLE for tensor in plan):
        writer.add_quantization_version(gguf.GGML_QUANT_VERSION)


def _add_keys(writer: gguf.GGUFWriter, family: Family, keys: Keys) -> None:
    adders = {bool: writer.add_bool, int: writer.add_uint32, float: writer.add_float32, str: writer.add_string}
    for key, value in keys.items():
        adders[type(value)](f"{gguf.MODEL_ARCH_NAMES[family.arch]}.{key}", value)


def _parameters(plan: list[PlannedTensor]) -> int:
    return sum(math.prod(tensor.source.shape) for tensor in plan)


def info_of(path: Path, precision: str, plan: list[PlannedTensor], notes: tuple[str, ...] = ()) -> GgufInfo:
    """What was written, from the plan and the file."""
    stored = sum(math.prod(tensor.bytes_shape) for tensor in plan)
    return GgufInfo(
        path=path,
        precision=precision,
        size_mb=path.stat().st_size / 1e6,
        bits_per_weight=8 * stored / _parameters(plan),
        tensor_types=dict(Counter(tensor.kind.name for tensor in plan)),
        parameters=_parameters(plan),
        fallbacks=tuple(tensor.name for tensor in plan if tensor.kind is not tensor.wanted),
        notes=notes,
    )


def _notes(config: Config, keys: Keys, plan: list[PlannedTensor], precision: str) -> tuple[str, ...]:
    """What a user must know."""
    fallen = Counter((t.wanted, t.kind, t.source.shape[-1]) for t in plan if t.kind is not t.wanted)
    notes = [
        f"{count} matrices are {kind.name} and not {wanted.name}: its blocks hold {gguf.GGML_QUANT_SIZES[wanted][0]} "
        f"weights, and rows of {width} do not fill them"
        for (wanted, kind, width), count in fallen.items()
    ]
    embedding = next(tensor for tensor in plan if tensor.name == "token_embd.weight")
    if embedding.wanted is not PRECISIONS[precision][0]:
        notes.append(f"the embedding is {embedding.kind.name}")
    if (context := int(keys["context_length"])) < config["max_position_embeddings"]:
        notes.append(f"good for {context} tokens: llama.cpp does not know this model's sliding window")
    return tuple(notes)


class GgufFormat:
    """GGUF as an export format, see base.Format.

    Args:
        groups, importance: as in `export_gguf`; by default, below 8 bits, the importance is measured where libgguf is here.
    """

    name = "gguf"
    form = 3
    precisions: Mapping[Kind, tuple[str, ...]] = {
        "decoder": (
            "q8_0", "q6_k", "q5_k", "q5_1", "q5_0", "q4_k", "q4_1", "q4_0", "iq4_nl", "q3_k", "q2_k", "f16", "bf16", "f32",
        ),
        "encoder": ("q8_0", "f16", "f32"),
    }  # fmt: skip
    runtime = "llama.cpp"
    executes = True

    def __init__(
        self, *, groups: Mapping[str, str] | None = None, importance: Mapping[str, Weight] | None = None
    ) -> None:
        self._groups, self._importance = groups, importance

    def convert(self, source: Source, out: Path, precision: str) -> Converted:
        """Write model.gguf into `out`."""
        if precision not in self.precisions[source.kind]:
            names = ", ".join(self.precisions[source.kind])
            raise InputError(f"precision {precision!r} of an {source.kind} is unknown in GGUF; choose one of {names}")
        if family_of(source.folder, read_config(source.folder)).encoder != (source.kind == "encoder"):
            raise InputError(f"{source.folder}: is no {source.kind}")
        importance = self._importance
        if importance is None and bits(PRECISIONS[precision][0]) < 8:
            if PRECISIONS[precision][0] in IN_TURN:
                importance = moments_of(source.folder, source.texts)
            else:
                importance = importance_if_used(source.folder, source.texts)
        info = export_gguf(
            source.folder, out / FILE, precision=precision, groups=self._groups, importance=importance,
            chat_template=source.chat_template, stop_token=source.stop_token, meta=meta_of(source),
        )  # fmt: skip
        return Converted(FILE, info.size_mb, info.bits_per_weight, info.parameters, info.notes)

    def open(self, folder: Path, kind: Kind, *, threads: int | None = None) -> Any:
        """The file on llama.cpp."""
        from pocketlm.engines.llamacpp import LlamaCppEngine
        from pocketlm.engines.llamacpp_embedder import LlamaCppEmbedder

        engine = LlamaCppEngine if kind == "decoder" else LlamaCppEmbedder
        return engine(folder / FILE, threads=threads)

    def inspect(self, source: Source, folder: Path, precision: str) -> list[Check]:
        """Read the file back and compare it with the source, see gguf_inspect.py."""
        from pocketlm.export.gguf_inspect import inspect_gguf

        return inspect_gguf(source, folder / FILE, meta_of(source))


def meta_of(source: Source) -> dict[str, str]:
    """The keys of META that are known of a source."""
    lineage = source.lineage
    meta = {
        "name": source.name,
        "license": lineage.get("licence"),
        "base_name": lineage.get("title") or lineage.get("base"),
    }
    return {key: str(value) for key, value in meta.items() if value}


def importance_if_used(folder: Path, texts: Sequence[str]) -> Importance:
    """What rounding is weighed by, see importance.py; nothing where libgguf, which does the weighing, is not here."""
    return importance_of(folder, texts) if find_spec("libgguf") else {}
