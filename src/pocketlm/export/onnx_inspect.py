"""An ONNX bundle read back and held against the model it was made from: what can be proven without running it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from pocketlm.core.extras import need
from pocketlm.core.files import read_json
from pocketlm.export import onnx_models
from pocketlm.export.base import Check, Source
from pocketlm.export.feedback import Floats
from pocketlm.export.onnx_files import (
    FILE,
    GENAI,
    TEMPLATE,
    Tensors,
    config_of,
    stop_of,
    template_of_source,
    vocabulary_of,
)
from pocketlm.export.onnx_graph import Graph
from pocketlm.export.onnx_weights import LIMIT, worst_row
from pocketlm.models.tokens import TOKENIZER

# what rounding may cost the worst row of a matrix, as a share of the row's length; a row in the wrong place errs by 1.4
TOLERANCE = {32: 1e-6, 16: 1e-3, 8: 0.03, 4: 0.4}


def inspect_onnx(source: Source, folder: Path, graph: Graph) -> list[Check]:
    """Every weight back into numbers and held against the source's; operators, rope, stop token, vocabulary, template.

    Args:
        graph: an empty one for the source's weights, without a data file.

    Raises:
        InputError: a file is not whole.
    """
    onnx = need("onnx", "ONNX export", "onnx")
    proto = onnx.load(str(folder / FILE), load_external_data=False).graph
    config, tensors = config_of(source), Tensors(folder, proto)
    expected = onnx_models.draw(source, graph, config)
    checks = [_check_weights(config, graph, tensors), _check_graph(expected, proto, tensors)]
    if source.kind == "decoder":
        checks += [_check_rope(config, tensors), _check_stop(source, folder)]
    return [*checks, _check_vocabulary(source, folder, config, tensors), _check_template(source, folder)]


def _check_weights(config: Any, graph: Graph, tensors: Tensors) -> Check:
    """Each of the source's tensors against what is stored under its name."""
    worst: dict[int, float] = {}
    for name in sorted(graph.used):
        if not tensors.holds(name):
            return Check("weights", False, f"{name} is missing")
        expected = graph.weights.read(name)
        if expected.ndim == 1 and config.model_type == "gemma3_text" and name.endswith("norm.weight"):
            expected = expected + 1  # Gemma keeps a norm's distance from 1
        found, bits = tensors.matrix(name)
        if found.shape != expected.shape:
            return Check("weights", False, f"{name} has the shape {found.shape}, not {expected.shape}")
        error, steps = worst_row(found, expected), tensors.steps(name)
        if steps is not None:
            if told := _misrounded(found, expected, steps):
                return Check("weights", False, f"{name}: {told}")
        elif not error <= TOLERANCE[bits]:
            told = f"{name} is off by {error:.1%} in a row, more than {bits} bits cost ({TOLERANCE[bits]:.1%})"
            return Check("weights", False, told)
        worst[bits] = max(worst.get(bits, 0), error)
    told = ", ".join(f"{error:.2%} at {bits} bits" for bits, error in sorted(worst.items()))
    return Check("weights", True, f"{len(graph.used)} tensors are the source's; their worst rows are off by {told}")


def _misrounded(found: Floats, expected: Floats, steps: Floats) -> str:
    """What is wrong with rows of one scale each: a weight is not the nearest integer, or a row does not use all of them."""
    off = int((np.abs(found - expected) > 0.501 * steps).sum())
    if off:
        return f"{off} of {found.size} weights are not rounded to the nearest integer"
    used = np.abs(found / steps).max(axis=1)
    idle = int(((used < LIMIT - 0.5) & np.abs(expected).any(axis=1)).sum())
    return f"{idle} rows have a larger scale than they need" if idle else ""


def _check_graph(expected: Any, found: Any, tensors: Tensors) -> Check:
    """Operators, their settings and wiring against those the source asks for; large tensors are `_check_weights`' matter."""
    for want, got in zip(expected.node, found.node, strict=False):
        if want != got:
            return Check("graph", False, f"{got.name} differs from what the source asks for ({want.name})")
    if len(expected.node) != len(found.node):
        return Check("graph", False, f"{len(found.node)} operators, not {len(expected.node)}")
    onnx = need("onnx", "ONNX export", "onnx")
    for tensor in expected.initializer:
        if tensor.name not in tensors or not np.array_equal(
            onnx.numpy_helper.to_array(tensor), tensors.read(tensor.name)
        ):
            return Check("graph", False, f"the constant {tensor.name} differs from what the source asks for")
    if list(expected.input) != list(found.input) or list(expected.output) != list(found.output):
        return Check("graph", False, "inputs or outputs differ from what the source asks for")
    return Check("graph", True, f"{len(found.node)} operators, wired and set as the source asks for")


def _check_rope(config: Any, tensors: Tensors) -> Check:
    """The base that the stored frequencies tell, and all of them, against the source's configuration."""
    width, told = onnx_models.head_width(config), []
    for kind in sorted({onnx_models.layer_kind(config, layer) for layer in range(config.num_hidden_layers)}):
        rope, name = onnx_models.rope_of(config, kind), f"{kind}.frequencies"
        stored = tensors.read(name)[0] if name in tensors else np.zeros(2)
        # the last pair turns slowest, base ** -((width - 2) / width), if no scaling slows it further
        base = float(stored[-1]) ** (-width / (width - 2)) if stored[-1] > 0 else 0.0
        same = np.allclose(stored, onnx_models.frequencies(rope, width)[0], rtol=1e-5, atol=0)
        plain = rope.get("rope_type", "default") == "default"
        if not same or (plain and abs(base / float(rope["rope_theta"]) - 1) > 1e-3):
            return Check("rope", False, f"{kind}: base {base:.0f}, the source's is {rope['rope_theta']:.0f}")
        told.append(f"base {rope['rope_theta']:.0f}")
    return Check("rope", True, ", ".join(told))


def _check_stop(source: Source, folder: Path) -> Check:
    """The token with which onnxruntime-genai ends an answer."""
    wanted = stop_of(source, vocabulary_of(source.folder))
    found = read_json(folder / GENAI)["model"]["eos_token_id"]
    return Check(
        "stop token", found == wanted, f"id {found}" + ("" if found == wanted else f", the source's is {wanted}")
    )


def _check_vocabulary(source: Source, folder: Path, config: Any, tensors: Tensors) -> Check:
    """Token ids are the source's, and each has a row in the embedding."""
    same = read_json(folder / TOKENIZER) == read_json(source.folder / TOKENIZER)
    tables = [name for name in tensors if ("embed_tokens" in name or "word_embeddings" in name) and ".wide" not in name]
    rows = {tensors.shape(name)[0] for name in tables}
    told = f"{max(rows, default=0)} rows; tokenizer.json is {'' if same else 'not '}the source's"
    return Check("vocabulary", same and rows == {config.vocab_size}, told)


def _check_template(source: Source, folder: Path) -> Check:
    """The chat template, byte for byte."""
    wanted, file = template_of_source(source), folder / TEMPLATE
    found = file.read_text(encoding="utf-8") if file.is_file() else None
    told = "none" if found is None else f"{len(found.encode())} bytes"
    return Check("chat template", found == wanted, told if found == wanted else f"{told}, differing from the source's")
