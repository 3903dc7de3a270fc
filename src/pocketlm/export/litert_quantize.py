"""A .tflite model of float32 weights made smaller: fewer bits, by ai-edge-quantizer, and nothing stored twice.

What few bits a weight can hold is decided before the model is traced (`round_matrices`), since only there it is known which
matrix is which; the quantizer then finds the same numbers again.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache, partial
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pocketlm.core.extras import need
from pocketlm.core.progress import progress
from pocketlm.core.quiet import muted
from pocketlm.export.feedback import BLOCK, BRIEF_4, Floats, Levels, round_in_turn
from pocketlm.export.smooth import smooth
from pocketlm.models.litert_file import EXTRA

# the quantizer's name for finding the scales of weights that are rounded already
ON_GRID = "dequantized_weight_recovery"
MOST_8 = 127
ALIGNED = 16  # bytes; where a buffer of weights begins
LARGEST = 1_900_000_000  # bytes of a FlatBuffer, whose places are signed 32-bit numbers


def round_matrices(model: Any, moments: dict[str, Floats], precision: str, size: int = BLOCK) -> None:
    """Round the linear layers of a Hugging Face decoder as `quantize` will, but so that their products stay: see feedback.py.

    Large inputs, which are rounded to 8 bits as they come, are moved into weights before: see smooth.py.

    Args:
        moments: see importance.moments_of; matrices that have none keep their numbers, and are rounded as they are later. They
            take room, so those that are done with are taken out.
        precision: int8 or int4.
        size: weights of a block, at int4.
    """
    import torch

    smooth(model, moments)
    levels = replace(BRIEF_4, size=size)
    names = [name for name, _ in model.named_parameters() if name in moments and "proj" in name]
    with progress("Rounding", len(names)) as tick, torch.no_grad():
        for name in names:
            weight, table = model.get_parameter(name), moments.pop(name)
            if table.ndim == 2 and weight.shape[1] % size == 0:
                numbers = weight.detach().numpy()
                rounded = _in_rows(numbers, table) if precision == "int8" else _in_blocks(numbers, table, levels)
                weight.copy_(torch.from_numpy(rounded))
            tick()


def _in_blocks(weight: Floats, moments: Floats, levels: Levels) -> Floats:
    return levels.numbers_of(*levels.round(weight, moments))


def _in_rows(weight: Floats, moments: Floats) -> Floats:
    """In 8 bits with a scale for each row: a 127th of its largest weight, which stays, so that the quantizer finds the scale again."""
    sizes, columns = np.abs(weight), count()
    at = sizes.argmax(axis=1)
    scale = np.maximum(sizes.max(axis=1), np.float32(1e-30)) / np.float32(MOST_8)
    largest = weight[np.arange(len(weight)), at]

    def round_(column: Floats) -> Floats:
        rounded: Floats = np.rint(column / scale).clip(-MOST_8, MOST_8) * scale
        return np.where(at == next(columns), largest, rounded)

    return round_in_turn(weight, moments, lambda block, share: round_)


def quantize(file: Path, out: Path, precision: str, size: int = BLOCK) -> None:
    """Write the .tflite model `file` again in another precision.

    int8: embeddings and linear layers as 8-bit integers with a scale for each row, products over activations that are
    quantized as they come. int4: linear layers in blocks of `size` weights with a scale each, embeddings and the output layer,
    which small models can least afford to lose, as in int8. fp16: weights stored as float16, computed in float32.
    """
    need("ai_edge_quantizer", "a LiteRT export of this precision", EXTRA, "ai-edge-quantizer")
    from ai_edge_quantizer import qtyping, quantizer, recipe_manager

    recipes, operation = recipe_manager.RecipeManager(), qtyping.TFLOperationName
    if precision == "fp16":
        for one in (operation.EMBEDDING_LOOKUP, operation.FULLY_CONNECTED):
            recipes.add_weight_only_config(".*", one, 16, algorithm_key="float_casting")
    else:
        recipes.add_dynamic_config(".*", operation.EMBEDDING_LOOKUP, 8)
        if precision == "int4":
            _find_scales_our_way()
            blocks = qtyping.QuantGranularity[f"BLOCKWISE_{size}"]
            recipes.add_dynamic_config(".*", operation.FULLY_CONNECTED, 4, blocks, algorithm_key=ON_GRID)
        else:
            recipes.add_dynamic_config(".*", operation.FULLY_CONNECTED, 8)
        recipes.add_dynamic_config("decode_logits_output", operation.FULLY_CONNECTED, 8)
    with muted():
        maker = quantizer.Quantizer(str(file))
        maker.load_quantization_recipe(recipes.get_quantization_recipe())
        maker.quantize(enable_progress_bar=False, enable_progress_report=False).export_model(str(out), overwrite=True)


@cache
def _find_scales_our_way() -> None:
    """Let the quantizer's ON_GRID use `grid_scales`: its own takes the least difference of two weights for the scale, which is not
    always right, and knows nothing of weights that were not rounded. It takes no algorithms of other names."""
    from ai_edge_quantizer import algorithm_manager, qtyping
    from ai_edge_quantizer.algorithms.uniform_quantize import common_quantize, naive_min_max_quantize

    algorithm_manager.register_quantized_op(
        ON_GRID,
        qtyping.TFLOperationName.FULLY_CONNECTED,
        naive_min_max_quantize.init_qsvs,
        calibration_func=naive_min_max_quantize.min_max_calibrate,
        materialize_func=partial(common_quantize.materialize_fc_conv, _parameters),
    )


def _parameters(operation: Any, config: Any, content: Any = None, values: Any = None) -> Any:
    """The quantizer's parameters of one tensor; see its `get_tensor_quant_params`."""
    from ai_edge_quantizer import qtyping
    from ai_edge_quantizer.algorithms.uniform_quantize import naive_min_max_quantize, uniform_quantize_tensor

    if content is None or config.num_bits != 4:
        return naive_min_max_quantize.get_tensor_quant_params(operation, config, content, values)
    size = uniform_quantize_tensor.extract_block_size_from_granularity(config.granularity)
    blocks = content.reshape(-1, size)
    scales = grid_scales(blocks)
    codes = np.rint(blocks / np.maximum(scales, np.float32(1e-30))).clip(-8, 7).astype(np.int8)
    shape = (content.shape[0], content.shape[1] // size)
    return qtyping.UniformQuantParams(
        num_bits=4, quantized_dimension=1, scale=scales.reshape(shape), zero_point=np.zeros(shape, np.int32),
        quantized_data=codes.reshape(content.shape), block_size=size,
    )  # fmt: skip


def grid_scales(blocks: Floats) -> Floats:
    """For each block (blocks, size) of multiples -8 to 7 of a float16 number that number (blocks, 1), or another that gives just the
    same; of others the one of least squared error, see `Levels.scales`."""
    most = np.abs(blocks).max(axis=1, keepdims=True)
    found: Floats = np.zeros_like(most)
    for part in range(1, 9):  # the largest weight is so many times the scale
        scale = (most / np.float32(part)).astype(np.float16).astype(np.float32)
        levels = np.rint(blocks / np.maximum(scale, np.float32(1e-30)))
        exact = (blocks == levels * scale).all(axis=1, keepdims=True)
        fits = exact & (levels.max(axis=1, keepdims=True) <= 7) & (levels.min(axis=1, keepdims=True) >= -8)
        np.copyto(found, scale, where=fits & (found == 0))
    off = (found[:, 0] == 0) & (most[:, 0] > 0)
    if off.any():
        found[off] = BRIEF_4.scales(blocks[off], np.ones(blocks.shape[1], np.float32))
    return found


def slim(file: Path) -> None:
    """Write a .tflite model again without what it says more than once: scales and zeros of each row stand in every signature, and
    each result inside is named after all modules it comes from. The runtimes use names at the graphs' ends only.

    A model of 135 M weights in 8 bits becomes 8 % smaller.
    """
    from ai_edge_litert import schema_py_generated as schema

    content = file.read_bytes()
    if len(content) > LARGEST:
        return
    model = schema.ModelT.InitFromPackedBuf(content, 0)
    for buffer in model.buffers:
        if buffer.size:  # behind the FlatBuffer
            buffer.data = np.frombuffer(content, np.uint8, buffer.size, buffer.offset)
            buffer.offset = buffer.size = 0
    for graph in model.subgraphs:
        ends = {*graph.inputs, *graph.outputs}
        for place, tensor in enumerate(graph.tensors):
            tensor.name = tensor.name if place in ends else b""
    builder = _sharing_builder()(len(content))
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    file.write_bytes(builder.Output())


@cache
def _sharing_builder() -> Any:
    """FlatBuffers' builder, but equal arrays and strings are written once."""
    import flatbuffers

    class Sharing(flatbuffers.Builder):  # type: ignore[misc]
        def __init__(self, size: int) -> None:
            super().__init__(size)
            self._known: dict[Any, int] = {}

        def CreateNumpyVector(self, x: NDArray[Any]) -> int:  # noqa: N802 (the library's name)
            key = (x.dtype.str, x.tobytes())
            if key not in self._known:
                if x.dtype == np.uint8:  # weights: the length stands in front of where they begin
                    self.Prep(ALIGNED, x.nbytes)
                self._known[key] = super().CreateNumpyVector(x)
            return self._known[key]

        def CreateString(self, s: Any, *rest: Any, **more: Any) -> int:  # noqa: N802
            if s not in self._known:
                self._known[s] = super().CreateString(s, *rest, **more)
            return self._known[s]

    return Sharing
