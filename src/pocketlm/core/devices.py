"""Devices people train on and ship to, and the memory a model may have there.

An app on a phone gets part of the memory only: iOS ends apps at about half of it (a little more on newer iPhones), Android
grants native memory until the system runs short, for which half is a careful figure too. Memory sizes are the makers'.
"""

from __future__ import annotations

from dataclasses import dataclass

from pocketlm.core.errors import InputError

APP_SHARE = {"phone": 0.5, "laptop": 0.75, "gpu": 0.95}  # of the memory, for one app


@dataclass(frozen=True)
class Device:
    """One device.

    Attributes:
        kind: phone, laptop or gpu.
        memory_gb: of the device, or of the GPU's own.
        source: whose figure that is.
    """

    name: str
    kind: str
    memory_gb: float
    source: str

    @property
    def usable_gb(self) -> float:
        """What one app may use."""
        return self.memory_gb * APP_SHARE[self.kind]


DEVICES = [
    Device("iphone-se3", "phone", 4, "Apple does not tell; teardowns (iFixit 2022)"),
    Device("iphone-15", "phone", 6, "Apple does not tell; teardowns (TechInsights 2023)"),
    Device("iphone-16", "phone", 8, "Apple, Apple Intelligence requirements 2024"),
    Device("pixel-8a", "phone", 8, "Google, Pixel 8a technical specifications"),
    Device("pixel-9", "phone", 12, "Google, Pixel 9 technical specifications"),
    Device("galaxy-a15", "phone", 4, "Samsung, Galaxy A15 specifications (smallest model)"),
    Device("galaxy-s24", "phone", 8, "Samsung, Galaxy S24 specifications"),
    Device("laptop-8gb", "laptop", 8, "any"),
    Device("laptop-16gb", "laptop", 16, "any"),
    Device("macbook-air-m3", "laptop", 8, "Apple, MacBook Air (M3) technical specifications (smallest model)"),
    Device("t4", "gpu", 16, "NVIDIA, T4 data sheet"),
    Device("rtx-3060", "gpu", 12, "NVIDIA, GeForce RTX 3060 specifications"),
    Device("rtx-4090", "gpu", 24, "NVIDIA, GeForce RTX 4090 specifications"),
    Device("a100-80gb", "gpu", 80, "NVIDIA, A100 data sheet"),
    Device("h100", "gpu", 80, "NVIDIA, H100 data sheet"),
]


def find_device(name: str) -> Device:
    """The device of a name.

    Raises:
        InputError: it is not in the table.
    """
    for device in DEVICES:
        if device.name == name:
            return device
    raise InputError(f"--device {name}: not in the table; known: {', '.join(device.name for device in DEVICES)}")
