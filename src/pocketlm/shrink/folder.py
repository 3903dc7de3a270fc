"""A model folder with some of its weights gone: what the surgeries share. Knows nothing of what is cut and why."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from pocketlm.core.errors import InputError
from pocketlm.core.files import atomic_dir, read_json, write_json
from pocketlm.models.adapters import STAMP
from pocketlm.models.load import load_model

STALE = {"vocab.json", "merges.txt", "added_tokens.json", "tokenizer.model"}  # tokenizer.json says it all
WEIGHTS = {".safetensors", ".bin", ".gguf"}


@dataclass(frozen=True)
class Shrunk:
    """What a surgery did.

    Attributes:
        folder: the new model.
        before, after: parameters; a matrix that is embedding and output at once counts once.
        how: the surgeries so far, the last one at the end, as the folder's pocketlm.json says.
    """

    folder: Path
    before: int
    after: int
    how: list[dict[str, Any]]

    @property
    def saved(self) -> float:
        """Share of the parameters that is gone."""
        return 1 - self.after / self.before


def operate(
    source: Path, to: Path, surgery: Callable[[Any], Mapping[str, Any]], files: Mapping[str, Any] | None = None
) -> Shrunk:
    """Load a model, let `surgery` change it in place, and write the new folder, whole or not at all.

    Args:
        surgery: takes the model and returns what it did, for the folder's pocketlm.json.
        files: JSON files that take the place of the folder's own; the others are copied as they are.

    Raises:
        InputError: the folder is no model, or one of a kind that the surgery does not know.
    """
    source = Path(source)
    if not (source / "config.json").is_file():
        raise InputError(f"{source}: not a model folder (no config.json)")
    model = load_model(source, "auto")
    before = parameters(model)
    done = dict(surgery(model))
    stamp = read_json(source / STAMP) if (source / STAMP).is_file() else {}
    how = [*stamp.get("shrunk", []), done]
    with atomic_dir(to) as aside:
        for file in source.iterdir():
            if file.is_file() and file.suffix not in WEIGHTS and file.name not in STALE:
                shutil.copyfile(file, aside / file.name)
        (aside / "model.safetensors.index.json").unlink(missing_ok=True)  # of weights in several files
        model.save_pretrained(aside)
        for name, value in (files or {}).items():
            write_json(aside / name, value)
        write_json(aside / STAMP, {"adapter": None, "shrunk": how})
    return Shrunk(Path(to), before, parameters(model), how)


def parameters(model: nn.Module) -> int:
    """Number of a model's weights, shared ones once."""
    return sum(weight.numel() for weight in model.parameters())


def blocks_of(model: Any) -> nn.ModuleList:
    """The decoder blocks.

    Raises:
        InputError: a model of another kind.
    """
    layers = getattr(getattr(model, "model", None), "layers", None)
    if not isinstance(layers, nn.ModuleList):
        raise InputError(
            f"{model.config.model_type} models are not shrunk; choose one of the Llama, Qwen or Gemma 3 kind"
        )
    return layers


def keep(layer: Any, *, rows: Tensor | None = None, columns: Tensor | None = None) -> None:
    """Leave a linear layer or an embedding only some of its outputs (rows) and inputs (columns), in place."""
    weight = layer.weight.detach()
    weight = weight if rows is None else weight[rows]
    weight = weight if columns is None else weight[:, columns]
    layer.weight = nn.Parameter(weight.contiguous(), requires_grad=layer.weight.requires_grad)
    if isinstance(layer, nn.Embedding):
        layer.num_embeddings = len(weight)
        return
    layer.out_features, layer.in_features = weight.shape
    if layer.bias is not None and rows is not None:
        layer.bias = nn.Parameter(layer.bias.detach()[rows].contiguous(), requires_grad=layer.bias.requires_grad)
