"""A Hugging Face folder into a .mlpackage for Core ML: decoders with a cache that the system keeps, and text encoders.

The model is rewritten in torch (coreml_graph.py), traced in float16 and converted; then its matrices are stored in few
bits (coreml_compress.py). Core ML exists on Apple's systems only; elsewhere a file is proven by reading it back: every
weight dequantized and compared, and the very program interpreted beside transformers (coreml_check.py).
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pocketlm.core.errors import InputError
from pocketlm.core.files import atomic_dir, write_json
from pocketlm.core.progress import progress
from pocketlm.engines.coreml_engine import PACKAGE
from pocketlm.export.base import Case, Check, Converted, Kind, Source
from pocketlm.export.coreml_facts import context_of, generation, places_of_encoder, read_config
from pocketlm.export.coreml_package import quietly
from pocketlm.export.importance import Importance, is_delicate, moments_of
from pocketlm.models.tokens import copy_tokenizer

CONTEXT = 2048  # places of the cache, which the system holds in memory: 47 MB for SmolLM2-135M
PRECISIONS = ("int8", "fp16", "int4", "pal4")
# int16 places save nothing here; the other passes matter for operations that these programs do not have
SKIPPED = ("common::add_int16_cast",)
STATE = ("keyCache", "valueCache")
# A decoder is traced in float16, float32 where it must be, which spares the converter most of its time; only the cache's
# operations come out as float32, because the converter reads a state as that.
CACHE_OPERATIONS = ("slice_update", "slice_by_index")
# An encoder is traced in float32, because the converter knows layer norm in nothing else; these, the pooling, stay so.
POOLING = ("reduce_sum", "mul", "rsqrt")


@dataclass(frozen=True)
class CoreMlFormat:
    """Core ML packages for iOS 18, macOS 15 and later.

    Attributes:
        context: tokens of prompt and answer together that a decoder can hold; no more than the model knows.
    """

    context: int = CONTEXT
    name: str = "coreml"
    runtime: str = "Core ML (iOS 18, macOS 15 and later)"
    form: int = 4

    @property
    def precisions(self) -> Mapping[Kind, tuple[str, ...]]:
        """int8: a scale a row. int4: a scale for 32 weights, what loses most in int8. pal4: a table of 16 values for 4 columns."""
        return {"decoder": PRECISIONS, "encoder": PRECISIONS}

    @property
    def executes(self) -> bool:
        """Only macOS opens these files."""
        return sys.platform == "darwin"

    def convert(self, source: Source, out: Path, precision: str) -> Converted:
        """See `Format`. Writes model.mlpackage, tokenizer.json, config.json and generation.json.

        Raises:
            InputError: a family, activation, rope or precision this format cannot express, or weights that do not fit
                the config. EnvironmentLacks: coremltools is missing.
        """
        _check(source, precision)
        moments = _moments(source, precision)
        with progress("Converting to Core ML", total=4) as update, quietly():
            traced = _trace(source, self.context)
            update(note="traced")
            program = _to_mil(traced)
            update(note="translated")
            _compress(program, precision, moments, read_config(source.folder).num_hidden_layers)
            update(note="weights stored")
            _save(program, source, out, self.context, precision)
            update(note="saved")
        return _measure(source, out, precision)

    def open(self, folder: Path, kind: Kind, *, threads: int | None = None) -> Any:
        """The engine or embedder; Core ML chooses its threads itself."""
        from pocketlm.engines.coreml_engine import CoreMlEmbedder, CoreMlEngine

        return CoreMlEngine(folder) if kind == "decoder" else CoreMlEmbedder(folder)

    def leave_check(self, folder: Path, cases: Sequence[Case]) -> None:
        """Write verify_on_mac.py and what it needs, see `coreml_mac`."""
        from pocketlm.export.coreml_mac import mac_check

        mac_check(folder, cases)

    def twin(self, source: Source, folder: Path, out: Path) -> None:
        """See `Format`."""
        from pocketlm.export.coreml_check import write_twin

        write_twin(source, folder, out)

    def inspect(self, source: Source, folder: Path, precision: str) -> list[Check]:
        """See `Format`: files, metadata, shapes, state, every weight, and the program interpreted beside transformers."""
        from pocketlm.export.coreml_check import inspect_package

        return inspect_package(source, folder, precision, self.context)


def _check(source: Source, precision: str) -> None:
    if precision not in PRECISIONS:
        raise InputError(f"precision {precision!r} is unknown; choose one of {', '.join(PRECISIONS)}")
    if not (source.folder / "config.json").is_file():
        hint = "merge the adapter first" if (source.folder / "adapter_config.json").is_file() else "not a model folder"
        raise InputError(f"{source.folder}: no config.json ({hint})")


# From a folder to a program


@dataclass(frozen=True)
class _Traced:
    """A traced model, and what goes in, comes out and stays."""

    module: Any
    inputs: list[Any]
    output: Any
    states: list[Any]


def _trace(source: Source, context: int) -> _Traced:
    import torch

    from pocketlm.export.coreml_graph import read_tensors

    config, tensors = read_config(source.folder), read_tensors(source.folder)
    with torch.no_grad():
        if source.kind == "encoder":
            return _trace_encoder(config, tensors, places_of_encoder(source.folder, config))
        return _trace_decoder(config, tensors, context_of(config, context))


def _trace_encoder(config: Any, tensors: Any, places: int) -> _Traced:
    import coremltools as ct
    import numpy as np
    import torch

    from pocketlm.export.coreml_graph import load_encoder

    trace: Any = torch.jit.trace
    example = torch.zeros(1, min(3, places), dtype=torch.int32)
    module = trace(load_encoder(config, tensors), (example,), check_trace=False)
    tokens = ct.RangeDim(1, places, default=min(16, places))
    inputs = [ct.TensorType("inputIds", shape=(1, tokens), dtype=np.int32)]
    return _Traced(module, inputs, ct.TensorType("embedding", dtype=np.float32), [])


def _trace_decoder(config: Any, tensors: Any, places: int) -> _Traced:
    import coremltools as ct
    import numpy as np
    import torch

    from pocketlm.export.coreml_graph import causal_mask, load_decoder

    trace: Any = torch.jit.trace
    decoder = load_decoder(config, tensors, places).half()
    example = (torch.zeros(1, 2, dtype=torch.int32), causal_mask(2, 6))  # new tokens behind others, so that both vary
    module = trace(decoder, example, check_trace=False)
    new, total = ct.RangeDim(1, places, default=1), ct.RangeDim(1, places, default=1)
    inputs = [
        ct.TensorType("inputIds", shape=(1, new), dtype=np.int32),
        ct.TensorType("causalMask", shape=(1, 1, new, total), dtype=np.float16),
    ]
    cache = ct.TensorType(shape=tuple(decoder.keyCache.shape), dtype=np.float16)
    states = [ct.StateType(cache, name=name) for name in STATE]
    return _Traced(module, inputs, ct.TensorType("logits", dtype=np.float16), states)


def _to_mil(traced: _Traced) -> Any:
    """coremltools' program, its matrices still float16."""
    import coremltools as ct

    pipeline = ct.PassPipeline.DEFAULT
    pipeline.remove_passes(set(SKIPPED))
    return ct.convert(
        traced.module,
        inputs=traced.inputs,
        outputs=[traced.output],
        states=traced.states or None,
        convert_to="milinternal",
        minimum_deployment_target=ct.target.iOS18,
        compute_precision=ct.transform.FP16ComputePrecision(op_selector=_made_half if traced.states else _kept_half),
        pass_pipeline=pipeline,
    )


def _made_half(operation: Any) -> bool:
    return operation.op_type in CACHE_OPERATIONS


def _kept_half(operation: Any) -> bool:
    return operation.op_type not in POOLING


def _moments(source: Source, precision: str) -> Importance:
    """What the matrices read, where it is minded."""
    if precision not in ("int8", "int4") or source.kind == "encoder":
        return {}
    from pocketlm.export.coreml_graph import check_decoder

    check_decoder(read_config(source.folder))  # before a model is loaded for it
    return moments_of(source.folder, source.texts)


def _compress(program: Any, precision: str, moments: Importance, layers: int) -> None:
    """Store the matrices of linear layers and embeddings in few bits."""
    import torch

    from pocketlm.export.coreml_compress import compress

    block = program.functions["main"]
    for operation in [op for op in block.operations if op.op_type == "const" and _is_matrix(op)]:
        looked_up = any(user.op_type == "gather" for user in operation.outputs[0].child_ops)
        weight, name = torch.from_numpy(operation.outputs[0].val), operation.name.removesuffix("_to_fp16")
        found = compress(
            weight,
            "int8" if precision == "int4" and is_delicate(name, layers) else precision,
            vocabulary=looked_up or "lm_head" in name,
            moments=moments.get(name),
        )
        if found is not None:
            with block:
                stored = _constexpr(found, operation)
            block.replace_uses_of_var_after_op(
                anchor_op=operation, old_var=operation.outputs[0], new_var=stored, force_replace=True
            )
            block.remove_ops([operation])


def _is_matrix(operation: Any) -> bool:
    """Whether a constant is the weight of a linear layer or the table of an embedding: a rope's tables are sliced."""
    users = operation.outputs[0].child_ops
    weight = operation.outputs[0]
    return bool(users) and all(
        (user.op_type == "linear" and user.weight is weight) or (user.op_type == "gather" and user.x is weight)
        for user in users
    )


def _constexpr(found: Any, before: Any) -> Any:
    from coremltools.converters.mil import Builder as mb  # noqa: N813
    from coremltools.converters.mil.mil import types
    from coremltools.converters.mil.mil.scope import ScopeInfo, ScopeSource

    data, scale, name = found.data.numpy(), found.scale.numpy(), before.name + "_stored"
    sources = (ScopeSource.TORCHSCRIPT_MODULE_NAME, ScopeSource.TORCHSCRIPT_MODULE_TYPE)
    with mb.scope(*(ScopeInfo(source=source, data=[name]) for source in sources)):
        if found.kind == "table":
            indices = data.astype(types.np_uint4_dtype)
            return mb.constexpr_lut_to_dense(indices=indices, lut=scale, before_op=before, name=name)
        if found.bits == 4:
            data = data.astype(types.np_int4_dtype)
        return mb.constexpr_blockwise_shift_scale(data=data, scale=scale, before_op=before, name=name)


def _save(program: Any, source: Source, out: Path, context: int, precision: str) -> None:
    import coremltools as ct

    model = ct.convert(
        program,
        convert_to="mlprogram",
        minimum_deployment_target=ct.target.iOS18,
        pass_pipeline=ct.PassPipeline.EMPTY,
        skip_model_load=True,
    )
    facts = generation(source, context)
    model.short_description = f"{source.name}, {precision}"
    model.license = str(source.lineage.get("licence", ""))
    told = {"base": str(source.lineage.get("title") or source.lineage.get("base", "")), "precision": precision}
    for key, value in {**told, **facts}.items():
        model.user_defined_metadata[f"pocketlm.{key}"] = "" if value is None else str(value)
    with atomic_dir(out / PACKAGE) as aside:
        package = aside / "at.mlpackage"
        model.save(str(package))
        for part in package.iterdir():
            part.rename(aside / part.name)
        package.rmdir()
    copy_tokenizer(source.folder, out)
    for name in ("tokenizer_config.json", "config.json"):
        if (source.folder / name).is_file():
            shutil.copyfile(source.folder / name, out / name)
    write_json(out / "generation.json", facts)


def _measure(source: Source, out: Path, precision: str) -> Converted:
    """What was written, read back from the disk."""
    from pocketlm.export.coreml_check import precision_of, stored_tensors
    from pocketlm.export.coreml_package import read_package

    found = stored_tensors(source, read_package(out / PACKAGE))
    parameters = sum(tensor.numel() for tensor, _ in found.values())
    bits = sum({id(stored): stored.bits for _, stored in found.values() if stored is not None}.values())
    size = sum(file.stat().st_size for file in out.rglob("*") if file.is_file())
    notes = ["converted and checked here, not executed: Core ML exists on Apple's systems only"]
    kept: dict[str, list[str]] = {}
    for name, (tensor, stored) in found.items():
        if stored is not None and tensor.dim() == 2 and precision_of(stored) != precision:
            kept.setdefault(precision_of(stored), []).append(name)
    for other, names in kept.items():
        notes.append(f"{len(names)} matrices are {other}: {', '.join(names[:3])}")
    return Converted(PACKAGE, size / 1e6, bits / parameters, parameters, tuple(notes))
