"""What of a base is trained: a low-rank update beside its frozen layers (LoRA and its kin), or all its weights.

Plain LoRA is ours (lora.py), since its speed is. DoRA, dropout and quantized bases go through PEFT's layers.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from pocketlm.core.config import TrainConfig
from pocketlm.core.errors import EnvironmentLacks, InputError
from pocketlm.models.load import load_model
from pocketlm.train.attention import check_packing, use_packed_attention
from pocketlm.train.compute import Compute, choose_compute, choose_device, keep_freed_memory
from pocketlm.train.fused import fuse
from pocketlm.train.lora import add_lora, add_peft, target_layers
from pocketlm.train.objective import NextToken

BITS = {"qlora-8bit": 8, "qlora-4bit": 4}


def choose(settings: TrainConfig, before: str | None = None) -> Compute:
    """The arithmetic to train in; only LoRA on a processor has frozen products to run in 8 bits.

    Args:
        before: what an interrupted training chose.
    """
    if choose_device(settings.device).type != "cpu":
        floats = (before or settings.compute).replace("auto", "bf16").replace("int8+", "").replace("int8", "bf16")
        return Compute(torch.float32 if floats == "fp32" else torch.bfloat16)
    compute = choose_compute(before or settings.compute)
    return compute if _is_ours(settings) else Compute(compute.dtype)


def _is_ours(settings: TrainConfig) -> bool:
    """Whether it is plain LoRA, in our own layers."""
    return settings.method == "lora" and not settings.dora and not settings.dropout


def load_objective(base: Path, settings: TrainConfig, compute: Compute) -> NextToken:
    """The base in memory and what is minimised, as the settings say; raises as `load_trainable`."""
    autocast = compute.autocast(settings.method)
    model = load_trainable(base, settings, compute)
    return NextToken(model, smoothing=settings.label_smoothing, noise=settings.neftune, autocast=autocast)


def load_trainable(base: Path, settings: TrainConfig, compute: Compute) -> Any:
    """The base in memory, ready for packed batches; what is trained requires gradients, everything else is frozen.

    Raises:
        InputError: no layer matches `train.targets`, or the base cannot train on packed rows. EnvironmentLacks: a quantized
            base is asked for and cannot be had.
    """
    device = choose_device(settings.device)
    model = _load(base, settings, compute).to(device)
    use_packed_attention(model)
    check_packing(model)
    if settings.compile:
        for block in model.model.layers:
            block.compile(dynamic=True)
    elif device.type == "cpu":
        fuse(model, int8=compute.int8)
    if settings.checkpointing:
        newer = getattr(model, "activation_checkpointing_enable", None)  # its name in later transformers
        enable = newer or model.gradient_checkpointing_enable
        enable({"use_reentrant": False})
    keep_freed_memory()  # from here on: what loading frees must not become holes in training's memory
    return model


def load_frozen(folder: Path, settings: TrainConfig, compute: Compute) -> Any:
    """A model that only tells, ready for packed batches.

    Raises:
        InputError: it cannot read packed rows.
    """
    model = load_model(folder, compute.dtype).requires_grad_(False)
    device = choose_device(settings.device)
    model.to(device)
    use_packed_attention(model)
    check_packing(model)
    if device.type == "cpu":
        fuse(model)
    return model


def _load(base: Path, settings: TrainConfig, compute: Compute) -> Any:
    if settings.method == "full":  # in fp32: small updates of bf16 weights would be rounded away
        return load_model(base, torch.float32).requires_grad_(True)
    if settings.method in BITS:
        model = _load_quantized(base, BITS[settings.method], compute.dtype)
    else:
        model = load_model(base, compute.dtype)
    if _is_ours(settings):
        add_lora(
            model, settings.targets, settings.rank, settings.alpha, last_layers=settings.last_layers,
            rank_stabilized=settings.rank_stabilized, int8=compute.int8,
        )  # fmt: skip
    else:
        _add_peft(model, settings)
    return model


def _add_peft(model: Any, settings: TrainConfig) -> None:
    names = target_layers(model, settings.targets, settings.last_layers)
    add_peft(model, names, settings, task_type="CAUSAL_LM")
    for name, parameter in model.named_parameters():
        if "lora_" in name:
            parameter.data = parameter.data.float()  # as ours: what is trained stays in fp32


def _load_quantized(base: Path, bits: int, dtype: torch.dtype) -> Any:
    """The base with its linear layers in 8 or 4 bits (NF4; Dettmers et al. 2023, arXiv:2305.14314)."""
    from transformers import AutoModelForCausalLM, BitsAndBytesConfig

    mend = "train with --set train.method=lora instead, which needs no quantized base"
    try:
        import bitsandbytes  # noqa: F401
    except ImportError as error:
        raise EnvironmentLacks(
            f"train.method: qlora-{bits}bit needs bitsandbytes: pip install bitsandbytes; or {mend}"
        ) from error
    config = BitsAndBytesConfig(
        load_in_8bit=bits == 8,
        load_in_4bit=bits == 4,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_compute_dtype=dtype,
        bnb_4bit_use_double_quant=True,
    )
    try:
        model = AutoModelForCausalLM.from_pretrained(
            base, dtype=dtype, local_files_only=True, quantization_config=config
        ).eval()
        with torch.no_grad():
            finite = bool(torch.isfinite(model(torch.tensor([[0, 1]])).logits).all())
    except Exception as error:  # bitsandbytes raises many kinds where a device is not supported
        raise EnvironmentLacks(
            f"train.method: bitsandbytes runs no {bits}-bit model on this device ({str(error)[:100]!r}); {mend}"
        ) from error
    if not finite:
        raise EnvironmentLacks(f"train.method: bitsandbytes' {bits}-bit products are not finite on this device; {mend}")
    return model


def check_method(settings: TrainConfig) -> None:
    """Settings that contradict each other.

    Raises:
        InputError: they do.
    """
    if settings.method == "full" and (settings.dora or settings.dropout or settings.last_layers):
        raise InputError(
            "train.method: full has no adapter, so leave out train.dora, train.dropout and train.last_layers"
        )
    if settings.patience and settings.rounded:
        raise InputError("train.patience: might end before train.rounded begins; set one of them")
    if settings.method != "full" and settings.rounded:
        raise InputError(
            f"train.rounded: {settings.method} leaves the base's weights as they are; it is for method full"
        )
    if not _is_ours(settings) and settings.compute.startswith("int8"):
        raise InputError(
            f"train.compute: {settings.compute} is for the frozen layers of plain LoRA; write auto, bf16 or fp32"
        )
    if settings.watch == "exact" and not settings.patience:
        raise InputError("train.watch: exact says when to stop, so it needs train.patience, such as 2")
