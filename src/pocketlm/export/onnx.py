"""A model folder into an ONNX file for ONNX Runtime (Windows, Android, iOS, browsers), and back into an engine.

The bundle: model.onnx (the graph), model.onnx.data (the weights), the tokenizer with its chat template, and for a decoder
genai_config.json, with which onnxruntime-genai runs the folder as it is.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from pocketlm.core.errors import InputError
from pocketlm.core.extras import need
from pocketlm.core.files import write_json
from pocketlm.core.progress import progress
from pocketlm.export import onnx_models
from pocketlm.export.base import Check, Converted, Kind, Source
from pocketlm.export.feedback import BLOCK
from pocketlm.export.importance import inputs_of, moments_of
from pocketlm.export.onnx_files import FILE, GENAI, Tensors, config_of, genai_config, write_tokenizer
from pocketlm.export.onnx_graph import DATA, IR, OPSET, RUNTIME, Graph, Precision
from pocketlm.export.onnx_weights import Weights

PRECISIONS = {"int8": Precision(8, 8), "int4": Precision(4, 8), "fp16": Precision(16, 16), "fp32": Precision(32, 32)}
ENCODERS = PRECISIONS | {"int8": Precision(8, 8, rows=True)}


class OnnxFormat:
    """ONNX, see `export.base.Format`. Tensors pass through one at a time; only int4 opens the model, to weigh its inputs."""

    name = "onnx"
    form = 5
    precisions: ClassVar[dict[Kind, tuple[str, ...]]] = {
        "decoder": ("int8", "int4", "fp16", "fp32"),
        "encoder": ("int8", "fp16", "fp32"),
    }
    runtime = "ONNX Runtime"
    executes = True

    def convert(self, source: Source, out: Path, precision: str) -> Converted:
        """See `Format`.

        Raises:
            InputError: an unknown precision, family, activation or rope, or a folder that is not whole.
            EnvironmentLacks: onnx is not installed.
        """
        onnx = need("onnx", "ONNX export", "onnx")
        if precision not in self.precisions[source.kind]:
            raise InputError(
                f"precision {precision!r} is unknown; choose one of {', '.join(self.precisions[source.kind])}"
            )
        config, weights = config_of(source), Weights(source.folder)
        bits = precision_of(source, precision)
        empty = Graph(weights, bits, None)
        onnx_models.draw(source, empty, config)  # what cannot be expressed shows at once
        moments = moments_of(source.folder, source.texts) if precision == "int4" else {}
        moments = inputs_of(source.folder, source.texts) if bits.rows else moments
        with (out / DATA).open("wb") as data, progress("Writing tensors", len(list(weights))) as tick:
            graph = Graph(weights, bits, data, moments, tick)
            proto = onnx_models.draw(source, graph, config)
        opsets = [onnx.helper.make_opsetid("", OPSET), onnx.helper.make_opsetid(RUNTIME, 1)]
        model = onnx.helper.make_model(proto, opset_imports=opsets, ir_version=IR, producer_name="pocketlm")
        known = {key: str(value) for key, value in {"name": source.name, **source.lineage}.items() if value}
        onnx.helper.set_model_props(model, known)
        (out / FILE).write_bytes(model.SerializeToString())
        write_tokenizer(source, out, config)
        if source.kind == "decoder":
            write_json(out / GENAI, genai_config(source, out, config))
        return _converted(out, model, graph, config)

    def open(self, folder: Path, kind: Kind, *, threads: int | None = None) -> Any:
        """See `Format`."""
        if kind == "encoder":
            from pocketlm.engines.onnx_embedder import OnnxEmbedder

            return OnnxEmbedder(folder / FILE, threads=threads)
        from pocketlm.engines.onnx_engine import OnnxEngine

        return OnnxEngine(folder / FILE, threads=threads)

    def inspect(self, source: Source, folder: Path, precision: str) -> list[Check]:
        """See `Format`, and onnx_inspect."""
        from pocketlm.export.onnx_inspect import inspect_onnx

        return inspect_onnx(source, folder, Graph(Weights(source.folder), precision_of(source, precision), None))


def precision_of(source: Source, name: str) -> Precision:
    """How a source's matrices are stored at a precision of that name."""
    return (ENCODERS if source.kind == "encoder" else PRECISIONS)[name]


def _converted(out: Path, model: Any, graph: Graph, config: Any) -> Converted:
    parameters = sum(int(np.prod(graph.weights.shape(name))) for name in graph.used)
    notes = []
    if graph.kept:
        notes.append(f"{len(graph.kept)} matrices stayed at 16 bits: their rows do not divide into {BLOCK}")
    if config.max_position_embeddings > onnx_models.LONGEST:
        notes.append(f"context of {onnx_models.LONGEST} of the model's {config.max_position_embeddings} tokens")
    return Converted(
        file=FILE,
        size_mb=sum(file.stat().st_size for file in out.iterdir()) / 1e6,
        bits_per_weight=8 * Tensors(out, model.graph).stored / parameters,
        parameters=parameters,
        notes=tuple(notes),
    )
