"""A PEFT adapter into a GGUF file of its own: llama.cpp loads it beside the base's file and swaps it between requests.

What llama.cpp adds to a product W x is alpha / rank * B (A x), under the names and in the layout of the base's tensors.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import gguf

from pocketlm.core.errors import InputError
from pocketlm.core.files import atomic_path
from pocketlm.export.gguf import GgufInfo, info_of, read_config
from pocketlm.export.gguf_families import family_of
from pocketlm.export.gguf_tensors import (
    PRECISIONS,
    PlannedTensor,
    StoredTensor,
    plan_tensors,
    read_safetensors,
    write_file,
)
from pocketlm.models.adapters import LORA_A, LORA_B, PEFT_PREFIX, WEIGHTS, Adapter


def export_lora_gguf(adapter_dir: Path, base_model_dir: Path, out: Path, *, precision: str = "f16") -> GgufInfo:
    """Write the adapter in `adapter_dir`, trained on the model in `base_model_dir`, to one GGUF file, atomically.

    Args:
        precision: "f16" or "f32".

    Raises:
        InputError: no adapter, one of a kind that llama.cpp cannot add (DoRA), or one for another model.
    """
    if precision not in ("f16", "f32"):
        raise InputError(f"precision {precision!r} of an adapter is unknown; choose f16 or f32")
    adapter, base_model_dir, out = Adapter.open(adapter_dir), Path(base_model_dir), Path(out)
    config = read_config(base_model_dir)
    family = family_of(base_model_dir, config)
    base = {tensor.origin: tensor for tensor in plan_tensors(base_model_dir, config, family, "f32", {})}
    plan = list(_plan(adapter, base, precision))
    with atomic_path(out) as aside:
        writer = gguf.GGUFWriter(None, gguf.MODEL_ARCH_NAMES[family.arch])
        writer.add_type("adapter")
        writer.add_name(adapter.folder.resolve().name)
        writer.add_file_type(PRECISIONS[precision][1])
        writer.add_string("adapter.type", "lora")
        writer.add_float32("adapter.lora.alpha", adapter.scale * adapter.rank)  # llama.cpp divides by the rank
        write_file(writer, aside, plan, {})
    return info_of(out, precision, plan)


def _plan(adapter: Adapter, base: Mapping[str, PlannedTensor], precision: str) -> Iterator[PlannedTensor]:
    """Both factors of every update. Rows of B are rows of the base's matrix, and move as these do."""
    kind = PRECISIONS[precision][0]
    state: dict[str, StoredTensor] = dict(read_safetensors(adapter.folder / WEIGHTS))
    for key, factor in state.items():
        stem, _, ending = key.rpartition(".lora_")
        ending = f".lora_{ending}"
        if ending not in (LORA_A, LORA_B):
            raise InputError(
                f"{adapter.folder}: is a DoRA adapter, which llama.cpp cannot add; export the merged model"
            )
        name = stem.removeprefix(PEFT_PREFIX) + ".weight"
        target = base.get(name)
        side = 1 if ending == LORA_A else 0
        if target is None or factor.shape[side] != target.source.shape[side]:
            raise InputError(f"{adapter.folder}: was made for {adapter.base}; this model has no such matrix {name}")
        heads = target.heads if ending == LORA_B else 0
        yield PlannedTensor(f"{target.name}.lora_{'ba'[side]}", key, factor, kind, kind, heads)
