"""What a training will take, before it starts: time, memory, disk, energy, money, and where the model then fits.

Foretold from the real thing: the model is loaded, a few of the training's own steps run, and what they took is multiplied.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from pocketlm.core.config import Config
from pocketlm.core.devices import DEVICES, Device
from pocketlm.core.machine import disk_free, memory_free, memory_peak
from pocketlm.data.split import AnyRow
from pocketlm.models.load import resolve_base
from pocketlm.tasks.tools import ToolSet
from pocketlm.train.compute import choose_micro, choose_threads
from pocketlm.train.method import check_method, choose, load_objective
from pocketlm.train.probe import PROBE_SECONDS, probe
from pocketlm.train.run import count, encode_all

EXPORTED_BITS = {"q8_0": 8.5, "q4_0": 4.5}  # a weight's, scales included
RUNTIME_MB = 60  # what a runtime needs besides weights and keys and values


@dataclass(frozen=True)
class Plan:
    """What a training will take.

    Attributes:
        seconds: of training; start_seconds: of reading and loading before it, and writing the model after it.
        memory, memory_free, disk, disk_free: bytes; memory is the process's peak.
        kwh, cost: see CostConfig.
        parameters, trained: weights of the model, and those that are trained.
        exported_mb: of the model as a file, by precision.
        fits: by device, whether a phone can run the exported model, or whether the training fits a laptop or GPU.
    """

    steps: int
    tokens: int
    seconds: float
    start_seconds: float
    memory: int
    memory_free: int
    disk: int
    disk_free: int
    kwh: float
    cost: float
    parameters: int
    trained: int
    compute: str
    exported_mb: dict[str, float]
    fits: dict[str, bool]

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)


def plan_run(
    config: Config, tools: ToolSet | None, train: Sequence[AnyRow], valid: Sequence[AnyRow], folder: Path
) -> Plan:
    """Probe a training for a few seconds.

    Raises:
        InputError: as `train_run`.
    """
    settings, start, free = config.train, time.perf_counter(), memory_free()
    check_method(settings)
    torch.set_flush_denormal(True)
    material = encode_all(config, tools, train, valid, epochs=1)
    torch.set_num_threads(choose_threads(settings.threads))
    compute = choose(settings)
    objective = load_objective(resolve_base(config.base), settings, compute)
    model, loaded = objective.model, time.perf_counter() - start
    what = f"{count(model)} of {config.base}, {compute}"
    micro = choose_micro(objective, material.epochs[0], settings, what)
    settings = settings.model_copy(update={"micro_tokens": micro})
    found = probe(objective, material.epochs, material.valid, settings, seed=config.seed, seconds=PROBE_SECONDS)
    parameters, trained = (
        sum(p.numel() for p in model.parameters() if p.requires_grad or every) for every in (True, False)
    )
    packed = sum(p.numel() for p in model.parameters() if p.dtype == torch.uint8)  # two weights a byte
    whole = parameters + packed - (0 if settings.method == "full" else trained)  # an adapter is merged at the end
    state = 12 + (4 if settings.patience else 0)  # bytes a trained weight: itself, AdamW's two, the best so far
    adapter = 0 if settings.method == "full" else 4 * trained
    disk = 4 * whole + state * trained * (settings.save_total_limit + 1) + adapter
    exported = {name: whole * bits / 8e6 for name, bits in EXPORTED_BITS.items()}
    finer = 4 * trained if settings.rounded else 0  # beside the rounded ones, which the probe does not come to
    memory = memory_peak() + finer + 4 * whole  # at the end the base is read once more, to write the model from
    return Plan(
        steps=found.steps,
        tokens=found.tokens,
        seconds=round(found.seconds, 1),
        start_seconds=round(2 * loaded, 1),  # the merged model is made from the base read once more
        memory=memory,
        memory_free=free,
        disk=disk,
        disk_free=disk_free(folder),
        **config.cost.of(found.seconds),
        parameters=whole,
        trained=trained,
        compute=str(compute),
        exported_mb={name: round(size, 1) for name, size in exported.items()},
        fits={device.name: _fits(device, exported["q8_0"], memory) for device in DEVICES},
    )


def _fits(device: Device, exported_mb: float, memory: int) -> bool:
    """A phone runs the exported model, anything else trains it."""
    needed = (exported_mb + RUNTIME_MB) * 1e6 if device.kind == "phone" else memory
    return needed <= device.usable_gb * 1e9
