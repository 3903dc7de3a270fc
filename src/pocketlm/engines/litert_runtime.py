"""A .tflite model on LiteRT's CPU arithmetic (XNNPACK): signatures by name, over buffers that stay where they are."""

from __future__ import annotations

import atexit
import os
from functools import cache
from typing import Any
from weakref import finalize

import numpy as np
from numpy.typing import NDArray

from pocketlm.core.errors import InputError
from pocketlm.core.extras import need
from pocketlm.core.machine import cores
from pocketlm.core.quiet import muted

NOWHERE = "/nonexistent"  # where drivers of neural processors would be; looked for, they only fill the log


class LitertModel:
    """A compiled model.

    Args:
        content: the .tflite model.
        name: for messages.

    Raises:
        InputError: LiteRT cannot load it. EnvironmentLacks: LiteRT is not installed.
    """

    def __init__(self, content: bytes, name: str, threads: int | None = None) -> None:
        need("ai_edge_litert.compiled_model", "a model for LiteRT", "litert", "ai-edge-litert")
        from ai_edge_litert.compiled_model import CompiledModel
        from ai_edge_litert.environment import Environment, EnvironmentOptions
        from ai_edge_litert.hardware_accelerator import HardwareAccelerator
        from ai_edge_litert.options import CpuOptions, Options

        _quiet_end()
        self._name, self._content = name, content  # the model reads the weights from these bytes
        options = Options(
            hardware_accelerators=HardwareAccelerator.CPU, cpu_options=CpuOptions(num_threads=threads or cores())
        )
        try:
            with muted():
                place = EnvironmentOptions(compiler_plugin_path=NOWHERE, dispatch_library_path=NOWHERE)
                environment = Environment.create(options=place)
                self._model = CompiledModel.from_buffer(content, environment=environment, options=options)
        except (RuntimeError, ValueError) as error:
            raise InputError(f"{name}: LiteRT cannot load it ({str(error).splitlines()[0]})") from error
        self._buffers: list[Any] = []
        self._free = finalize(self, _free, self._buffers, self._model, environment)
        self.signatures: dict[str, Any] = self._model.get_signature_list()

    def inputs(self, signature: str) -> dict[str, Any]:
        """Name, shape and dtype of a signature's inputs."""
        details: dict[str, Any] = self._model.get_input_tensor_details(signature)
        return details

    def outputs(self, signature: str) -> dict[str, Any]:
        """Name, shape and dtype of a signature's outputs."""
        details: dict[str, Any] = self._model.get_output_tensor_details(signature)
        return details

    def buffer(self, signature: str, name: str) -> Any:
        """A buffer for an input or output, filled with zeros."""
        is_input = name in self.inputs(signature)
        make = self._model.create_input_buffer_by_name if is_input else self._model.create_output_buffer_by_name
        details = (self.inputs if is_input else self.outputs)(signature)[name]
        with muted():
            made = make(signature, name)
            made.write(np.zeros(details["shape"], details["dtype"]))
        self._buffers.append(made)
        return made

    def run(self, signature: str, inputs: dict[str, Any], outputs: dict[str, Any]) -> None:
        """Compute; a buffer may be input and output at once, then it is changed in place."""
        try:
            self._model.run_by_name(signature, inputs, outputs)
        except RuntimeError as error:
            raise InputError(f"{self._name}: LiteRT cannot compute it ({str(error).splitlines()[0]})") from error

    def close(self) -> None:
        """Free the model and its buffers. A second call does nothing."""
        self._free()


@cache
def _quiet_end() -> None:
    """LiteRT's own last parts are dropped, and told of, behind Python's end: standard error closes with Python then."""
    atexit.register(lambda: os.dup2(os.open(os.devnull, os.O_WRONLY), 2))


def _free(buffers: list[Any], model: Any, environment: Any) -> None:
    with muted():  # LiteRT tells of every part it drops, at the end of the process too
        for buffer in buffers:
            buffer.destroy()
        model.close()
        environment.close()


def read(buffer: Any, size: int) -> NDArray[np.float32]:
    """The numbers of a float32 buffer."""
    numbers: NDArray[np.float32] = buffer.read(size, np.float32)
    return numbers
