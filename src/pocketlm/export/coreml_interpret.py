"""Running a Core ML program without Core ML: the operations of the very file, one by one, in torch.

What floats a phone would keep as float16 are rounded to float16 after each operation; inside an operation sums are
float32, as on a phone's GPU. Slow and small: it exists to prove a file on a machine that cannot open it. The meaning of
each operation is that of the MIL reference in coremltools' documentation. An operation that is not known is an error,
never a guess.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pocketlm.core.errors import InputError
from pocketlm.export.coreml_package import QUANTIZED, Array, Operation, Package

Inputs = Mapping[str, Any]  # an operation's inputs by name: tensors, numpy constants, or lists of them
FLOATS = {"FLOAT16": torch.float16, "FLOAT32": torch.float32}
INTEGERS = {"INT32": torch.int32, "INT16": torch.int16, "UINT16": torch.int32, "INT8": torch.int8, "UINT8": torch.uint8}


class Interpreter:
    """A package's main function, with its state.

    Keeps every dequantized weight in memory as float32: four bytes for each parameter.

    Args:
        weights: dequantized already, by the names of their values.
    """

    def __init__(self, package: Package, weights: Mapping[str, Tensor] | None = None) -> None:
        self.package = package
        self._weights: dict[str, Tensor] = dict(weights or {})
        self.reset()

    def reset(self) -> None:
        """An empty state."""
        arrays = {one.name: one.type.stateType.arrayType for one in self.package.spec.description.state}
        self.state = {name: torch.zeros(tuple(array.shape)) for name, array in arrays.items()}

    def predict(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """The outputs of one call; the state goes on."""
        values: dict[str, Any] = {name: torch.as_tensor(np.asarray(value)) for name, value in inputs.items()}
        values = {name: value.float() if value.is_floating_point() else value for name, value in values.items()}
        with torch.no_grad():
            for operation in self.package.operations:
                self._run(operation, values)
        return {name: np.asarray(values[name]) for name in self.package.outputs}

    def _run(self, operation: Operation, values: dict[str, Any]) -> None:
        if operation.kind in QUANTIZED:
            return  # made when it is asked for
        if operation.kind == "read_state":
            values[operation.outputs[0]] = self.state[operation.inputs["input"][0]]
            return
        if operation.kind == "write_state":
            self.state[operation.inputs["input"][0]] = self._value(operation.inputs["data"][0], values)
            return
        meaning = OPERATIONS.get(operation.kind)
        if meaning is None:
            raise InputError(f"the program has an operation {operation.kind} that is not known here")
        told = {
            name: [self._value(one, values) for one in names] if name == "values" else self._value(names[0], values)
            for name, names in operation.inputs.items()
        }
        results = meaning(told)
        results = results if isinstance(results, (list, tuple)) else [results]
        for name, dtype, result in zip(operation.outputs, operation.dtypes, results, strict=True):
            values[name] = _rounded(result, dtype)

    def _value(self, name: str, values: Mapping[str, Any]) -> Any:
        if name in values:
            return values[name]
        if name in self._weights:
            return self._weights[name]
        stored = self.package.stored[name]
        if stored.kind == "const":
            return _tensor(stored.parts["val"].value)
        self._weights[name] = torch.from_numpy(stored.dequantize())
        return self._weights[name]


def _tensor(value: Any) -> Any:
    if isinstance(value, str):
        return value
    array = np.asarray(value)
    if array.dtype == np.float16:
        array = array.astype(np.float32)
    if array.dtype in (np.uint16, np.uint32):
        array = array.astype(np.int32)
    return torch.from_numpy(np.array(array))


def _rounded(value: Tensor, dtype: str) -> Tensor:
    if dtype == "FLOAT16":
        return value.half().float()
    if dtype in FLOATS:
        return value.float()
    return value.to(INTEGERS[dtype]) if dtype in INTEGERS else value


# What each operation does


def _whole(value: Tensor) -> list[int]:
    return [int(one) for one in value.reshape(-1)]


def _cast(told: Inputs) -> Tensor:
    kinds = {"fp16": torch.float32, "fp32": torch.float32, "int32": torch.int32, "bool": torch.bool}
    kinds |= {"int16": torch.int16, "uint16": torch.int32, "int8": torch.int8, "uint8": torch.uint8}
    result: Tensor = told["x"].to(kinds[told["dtype"]])
    return result


def _gather(told: Inputs) -> Tensor:
    axis = int(told.get("axis", torch.tensor(0)))
    indices = told["indices"].long()
    source: Tensor = told["x"]
    picked = source.index_select(axis, indices.reshape(-1))
    shape = (*source.shape[:axis], *indices.shape, *source.shape[axis + 1 :])
    return picked.reshape(shape)


def _slices(told: Inputs, shape: torch.Size) -> tuple[Any, ...]:
    """The places that begin, end, stride and their masks name; only forward strides and no negative places."""
    rank = len(shape)
    begins, ends = _whole(told["begin"]), _whole(told["end"])
    strides = _whole(told["stride"]) if "stride" in told else [1] * rank
    masks = {
        name: _whole(told[name]) if name in told else [0] * rank for name in ("begin_mask", "end_mask", "squeeze_mask")
    }
    places: list[Any] = []
    for axis, size in enumerate(shape):
        start = 0 if masks["begin_mask"][axis] else begins[axis]
        stop = size if masks["end_mask"][axis] else ends[axis]
        start, stop = start + size * (start < 0), stop + size * (stop < 0)
        if not 0 <= start <= stop <= size:
            raise InputError(f"the program slices {start}:{stop} out of {size} places")
        places.append(start if masks["squeeze_mask"][axis] else slice(start, stop, strides[axis]))
    return tuple(places)


def _slice(told: Inputs) -> Tensor:
    result: Tensor = told["x"][_slices(told, told["x"].shape)]
    return result


def _slice_update(told: Inputs) -> Tensor:
    result: Tensor = told["x"].clone()
    result[_slices(told, result.shape)] = told["update"]
    return result


def _reshape(told: Inputs) -> Tensor:
    shape = _whole(told["shape"])
    shape = [told["x"].shape[axis] if size == 0 else size for axis, size in enumerate(shape)]
    result: Tensor = told["x"].reshape(shape)
    return result


def _linear(told: Inputs) -> Tensor:
    return torch.nn.functional.linear(told["x"], told["weight"], told.get("bias"))


def _matmul(told: Inputs) -> Tensor:
    x = told["x"].transpose(-1, -2) if bool(told.get("transpose_x", False)) else told["x"]
    y = told["y"].transpose(-1, -2) if bool(told.get("transpose_y", False)) else told["y"]
    result: Tensor = x @ y
    return result


def _attention(told: Inputs) -> Tensor:
    """softmax(query keyᵀ / √size + mask) value."""
    query, key = told["query"], told["key"]
    scores = query @ key.transpose(-1, -2) / query.shape[-1] ** 0.5
    if "attn_mask" in told:
        mask = told["attn_mask"]
        scores = scores.masked_fill(~mask, -torch.inf) if mask.dtype == torch.bool else scores + mask
    result: Tensor = scores.softmax(-1) @ told["value"]
    return result


def _layer_norm(told: Inputs) -> Tensor:
    axes = _whole(told["axes"])
    x = told["x"]
    centred = x - x.mean(axes, keepdim=True)
    normed = centred * (centred.square().mean(axes, keepdim=True) + told["epsilon"]).rsqrt()
    result: Tensor = normed * told.get("gamma", 1) + told.get("beta", 0)
    return result


def _reduced(function: Callable[..., Tensor]) -> Callable[[Inputs], Tensor]:
    def reduce(told: Inputs) -> Tensor:
        return function(told["x"], _whole(told["axes"]), keepdim=bool(told.get("keep_dims", False)))

    return reduce


def _of_two(function: Callable[[Any, Any], Tensor]) -> Callable[[Inputs], Tensor]:
    return lambda told: function(told["x"], told["y"])


def _of_one(function: Callable[[Any], Tensor]) -> Callable[[Inputs], Tensor]:
    return lambda told: function(told["x"])


def _gelu(told: Inputs) -> Tensor:
    kind = "tanh" if told.get("mode", "EXACT") == "TANH_APPROXIMATION" else "none"
    return torch.nn.functional.gelu(told["x"], approximate=kind)


def _squeezed(told: Inputs) -> Tensor:
    axes = _whole(told["axes"])
    result: Tensor = told["x"].squeeze(tuple(axes))
    return result


def _expanded(told: Inputs) -> Tensor:
    result: Tensor = told["x"]
    for axis in sorted(_whole(told["axes"])):
        result = result.unsqueeze(axis)
    return result


OPERATIONS: dict[str, Callable[[Inputs], Any]] = {
    "add": _of_two(torch.add),
    "cast": _cast,
    "concat": lambda told: torch.cat(
        [one.reshape(1) if one.dim() == 0 else one for one in told["values"]], int(told["axis"])
    ),
    "expand_dims": _expanded,
    "gather": _gather,
    "gelu": _gelu,
    "greater_equal": _of_two(torch.ge),
    "identity": _of_one(lambda x: x),
    "layer_norm": _layer_norm,
    "less": _of_two(torch.lt),
    "linear": _linear,
    "matmul": _matmul,
    "maximum": _of_two(torch.maximum),
    "minimum": _of_two(torch.minimum),
    "mul": _of_two(torch.mul),
    "pow": _of_two(torch.pow),
    "real_div": _of_two(torch.div),
    "reduce_l2_norm": _reduced(lambda x, axes, keepdim: x.norm(dim=axes, keepdim=keepdim)),
    "reduce_mean": _reduced(torch.mean),
    "reduce_sum": _reduced(torch.sum),
    "reduce_sum_square": _reduced(lambda x, axes, keepdim: x.square().sum(axes, keepdim=keepdim)),
    "reshape": _reshape,
    "rsqrt": lambda told: (told["x"] + told["epsilon"]).rsqrt(),
    "scaled_dot_product_attention": _attention,
    "select": lambda told: torch.where(told["cond"], told["a"], told["b"]),
    "shape": _of_one(lambda x: torch.tensor(x.shape, dtype=torch.int32)),
    "silu": _of_one(torch.nn.functional.silu),
    "slice_by_index": _slice,
    "slice_update": _slice_update,
    "softmax": lambda told: told["x"].softmax(int(told["axis"])),
    "split": lambda told: told["x"].split(_whole(told["split_sizes"]), int(told["axis"])),
    "sqrt": _of_one(torch.sqrt),
    "squeeze": _squeezed,
    "sub": _of_two(torch.sub),
    "tanh": _of_one(torch.tanh),
    "tile": lambda told: told["x"].repeat(_whole(told["reps"])),
    "transpose": lambda told: told["x"].permute(_whole(told["perm"])),
}
