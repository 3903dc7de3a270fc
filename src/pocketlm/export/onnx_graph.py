"""An ONNX graph in the making: operators and constants, and weights that go into a file beside it as they come.

Small integers are stored for MatMulNBits, DynamicQuantizeMatMul and GatherBlockQuantized, operators of ONNX Runtime's own
that compute with them as they are; a matrix that serves as embedding and as output is there once.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from pocketlm.core.errors import InputError
from pocketlm.core.extras import need
from pocketlm.export.feedback import BLOCK
from pocketlm.export.importance import Importance
from pocketlm.export.onnx_weights import Weights, quantize, quantize_rows

OPSET, IR = 21, 10  # of 2024, so that phones' runtimes of that time open the file
ALIGNED = 64  # bytes, so that a runtime may map the data file into memory
RUNTIME = "com.microsoft"  # the domain of ONNX Runtime's own operators
TABLES = ("embed_tokens.weight", "_embeddings.weight")  # ends of the names of matrices whose rows are looked up
JOIN = "+"  # between the names of the source's tensors that are stored as one
DATA = "model.onnx.data"  # beside the graph: large tensors

Ends = Mapping[str, tuple[int, Sequence[Any]]]  # name of an input or output -> (element type, shape)


@dataclass(frozen=True)
class Precision:
    """How matrices are stored: in 32 or 16 bits (floats), 8 or 4 (blocks of integers).

    Attributes:
        finer: bits of the matrices that can least afford to lose any, see onnx_models.
        rows: integers with one scale an output instead of one a block, for products with many inputs at once: a runtime
            then multiplies nothing but integers, see `linear`.
    """

    bits: int
    finer: int
    rows: bool = False


@dataclass
class Graph:
    """A graph in the making: its nodes, and its weights, which go into the data file as they come.

    Attributes:
        data: the file for large tensors; None for the nodes alone, which takes no time.
        moments: of the inputs of matrices, where they are known, see importance.moments_of; where `precision.rows` what
            they read, see importance.inputs_of.
        tick: called at each tensor of the source.
        kept: matrices that stayed at 16 bits because their rows do not divide into blocks.
        used: names of the source's tensors that are in the graph.
    """

    weights: Weights
    precision: Precision
    data: BinaryIO | None
    moments: Importance = field(default_factory=dict)
    tick: Callable[[], None] = lambda: None
    nodes: list[Any] = field(default_factory=list)
    tensors: list[Any] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    used: set[str] = field(default_factory=set)
    _stored: dict[str, int] = field(default_factory=dict)  # bits of the matrices that are stored

    def node(self, operator: str, *inputs: str, domain: str = "", outputs: Sequence[str] = (), **more: Any) -> str:
        """Add a node; returns its first output, named after it unless `outputs` says how."""
        name = f"{operator}_{len(self.nodes)}"
        helper = need("onnx", "ONNX export", "onnx").helper
        named = list(outputs) or [name]
        self.nodes.append(helper.make_node(operator, list(inputs), named, name=name, domain=domain, **more))
        return named[0]

    def constant(self, name: str, values: Any, dtype: type = np.int64) -> str:
        """A small tensor inside the graph; the same name twice is one tensor."""
        if all(tensor.name != name for tensor in self.tensors):
            array: NDArray[Any] = np.asarray(values, dtype)
            self.tensors.append(need("onnx", "ONNX export", "onnx").numpy_helper.from_array(array, name))
        return name

    def vector(self, name: str, plus: float = 0.0) -> str:
        """A tensor of the source that is no matrix, in float32, with `plus` added."""
        self._use(name)
        self._store(name, self.weights.read(name) + np.float32(plus) if self.data else None)
        return name

    def norm(self, x: str, name: str, epsilon: float, plus: float) -> str:
        """Root-mean-square normalization of the last axis (Zhang and Sennrich, 2019)."""
        scale = self.vector(name, plus)
        return self.node("SimplifiedLayerNormalization", x, scale, axis=-1, epsilon=epsilon, stash_type=1)

    def layer_norm(self, x: str, name: str, epsilon: float) -> str:
        """Layer normalization of the last axis."""
        scale, shift = self.vector(f"{name}.weight"), self.vector(f"{name}.bias")
        return self.node("LayerNormalization", x, scale, shift, axis=-1, epsilon=epsilon)

    def linear(self, x: str, name: str, *, finer: bool = False, outputs: Sequence[str] = ()) -> str:
        """x times the transposed matrix NAME.weight, plus NAME.bias where the source has one."""
        matrix, (rows, columns) = f"{name}.weight", self.weights.shape(f"{name}.weight")
        bits = self._matrix(matrix, finer)
        bias = self.vector(f"{name}.bias") if f"{name}.bias" in self.weights else ""
        if bits > 8:
            product = self.node(
                "FusedMatMul", x, self._floats(matrix), domain=RUNTIME, transB=1, outputs=() if bias else outputs
            )
            return self.node("Add", product, bias, outputs=outputs) if bias else product
        inputs = [x, *self._blocks(matrix), *(["", "", bias] if bias else [])]
        # accuracy level 4: the other factor is rounded to 8-bit integers too, which is what makes it fast
        return self.node(
            "MatMulNBits", *inputs, domain=RUNTIME, outputs=outputs,
            K=columns, N=rows, bits=bits, block_size=BLOCK, accuracy_level=4,
        )  # fmt: skip

    def linears(self, x: str, *names: str) -> list[str]:
        """As `linear` with each of several matrices that have as many rows; a single product where `precision.rows`."""
        if not self.precision.rows:
            return [self.linear(x, name) for name in names]
        matrices, biases = (JOIN.join(f"{name}.{part}" for name in names) for part in ("weight", "bias"))
        self._joined_rows(matrices, biases)
        # inputs of like size, since all of them are rounded by one scale when they come
        even = self.node("Mul", x, f"{matrices}.even")
        codes, scales = f"{matrices}.codes", f"{matrices}.scales"
        product = self.node("DynamicQuantizeMatMul", even, codes, scales, "", biases, domain=RUNTIME)
        if len(names) == 1:
            return [product]
        outputs = [f"{name}.out" for name in names]
        self.node("Split", product, outputs=outputs, axis=-1, num_outputs=len(names))
        return outputs

    def _joined_rows(self, matrices: str, biases: str) -> None:
        """Store matrices that read the same as one, and their biases; see `quantize_rows`."""
        for name in (*matrices.split(JOIN), *biases.split(JOIN)):
            self._use(name)
        if self.data is None:
            return
        weight, bias = (
            np.concatenate([self.weights.read(name) for name in all.split(JOIN)]) for all in (matrices, biases)
        )
        codes, scales, even = quantize_rows(weight, self.moments.get(matrices.split(JOIN)[0].removeprefix("bert.")))
        for name, values in (("codes", codes), ("scales", scales), ("even", even)):
            self._store(f"{matrices}.{name}", values)
        self._store(biases, bias)

    def lookup(self, ids: str, name: str) -> str:
        """Rows of the matrix NAME.weight."""
        matrix = f"{name}.weight"
        bits = self._matrix(matrix)
        if bits > 8:
            rows = self.node("Gather", matrix, ids)
            return rows if bits == 32 else self.node("Cast", rows, to=1)
        codes, scales = self._blocks(matrix)
        return self.node(
            "GatherBlockQuantized", codes + ".rows", ids, scales, domain=RUNTIME,
            bits=bits, block_size=BLOCK, gather_axis=0, quantize_axis=1,
        )  # fmt: skip

    def _matrix(self, name: str, finer: bool = False) -> int:
        """Store a matrix of the source, once; returns its bits."""
        if name in self._stored:
            return self._stored[name]
        bits = self.precision.finer if finer else self.precision.bits
        if bits <= 8 and self.weights.shape(name)[1] % BLOCK:
            bits = 16
            self.kept.append(name)
        self._stored[name] = bits
        self._use(name)
        if self.data is None:
            return bits
        weight = self.weights.read(name)
        if bits > 8:
            self._store(name, weight.astype(np.float32 if bits == 32 else np.float16))
            return bits
        blocks = quantize(weight, bits, self.moments.get(name))
        place = self._store(f"{name}.codes", blocks.codes)
        if name.endswith(TABLES):  # the same bytes once more, as rows for the lookup
            self._declare(f"{name}.codes.rows", blocks.codes.reshape(len(weight), -1), place)
        self._store(f"{name}.scales", blocks.scales)
        return bits

    def _floats(self, name: str) -> str:
        """A matrix that is stored as floats, in float32."""
        return name if self._stored[name] == 32 else self._widened(name)

    def _blocks(self, name: str) -> list[str]:
        """Codes and scales of a matrix that is stored in blocks."""
        return [f"{name}.codes", self._widened(f"{name}.scales")]

    def _widened(self, name: str) -> str:
        """A float16 tensor in float32: half the bytes in the file; the runtime widens it once, when it loads."""
        wide = f"{name}.wide"
        if not any(wide in node.output for node in self.nodes):
            self.node("Cast", name, outputs=[wide], to=1)
        return wide

    def _use(self, name: str) -> None:
        self.used.add(name)
        self.tick()

    def _store(self, name: str, values: NDArray[Any] | None) -> int:
        """Write a tensor into the data file; returns where it begins."""
        if values is None or self.data is None:
            return 0
        self.data.write(bytes(-self.data.tell() % ALIGNED))
        place = self.data.tell()
        self.data.write(np.ascontiguousarray(values).data)
        self._declare(name, values, place)
        return place

    def _declare(self, name: str, values: NDArray[Any], place: int) -> None:
        onnx = need("onnx", "ONNX export", "onnx")
        tensor = onnx.TensorProto(name=name, dims=values.shape, data_location=onnx.TensorProto.EXTERNAL)
        tensor.data_type = onnx.helper.np_dtype_to_tensor_dtype(values.dtype)
        for key, value in (("location", DATA), ("offset", place), ("length", values.nbytes)):
            tensor.external_data.add(key=key, value=str(value))
        self.tensors.append(tensor)

    def close(self, inputs: Ends, outputs: Ends, unused: Collection[str] = ()) -> Any:
        """The finished graph (onnx.GraphProto).

        Args:
            unused: tensors of the source that it does without.

        Raises:
            InputError: the source has other tensors that are not in the graph.
        """
        left = [name for name in self.weights if name not in self.used and name not in unused]
        if left := [name for name in left if not name.endswith("rotary_emb.inv_freq")]:
            raise InputError(f"tensor {left[0]} has no place in an ONNX graph of this family")
        helper = need("onnx", "ONNX export", "onnx").helper
        ends = [[helper.make_tensor_value_info(name, *end) for name, end in part.items()] for part in (inputs, outputs)]
        return helper.make_graph(self.nodes, "pocketlm", *ends, initializer=self.tensors)
