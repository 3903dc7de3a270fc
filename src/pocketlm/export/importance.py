"""Which inputs of a matrix matter: the mean squares of what a layer reads while the model does its job.

An error in a weight costs the square of what it is multiplied with, and a few inputs of a small model are hundreds of times
as large as the others. Rounding that minds this (llama.cpp's importance matrix, 2024; for pruning: Wanda, arXiv:2306.11695)
brought the KL of SmolLM2-135M at 4 bits from 0.50 to 0.21.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pocketlm.core.progress import progress
from pocketlm.export.strings import SENTENCES, odd_strings
from pocketlm.tasks.template import TEMPLATES, Message

LONGEST = 1024  # tokens read of a text
READ, TOKENS = 64, 2048  # texts read for the inputs of an encoder's matrices, and the most tokens kept of them
MOST = 500_000_000  # numbers of all tables of products: two gigabytes
ANSWER = 24  # tokens of the model's own that follow each sentence
LOOKED_UP = 0.3  # of what counts of an output matrix that is the embedding too: that its rows stay as they are, since they are looked up

Importance = Mapping[str, NDArray[np.float32]]


def importance_of(folder: Path, texts: Sequence[str] = ()) -> Importance:
    """Name of a matrix -> the mean square of each of its inputs, of shape (columns,), for a decoder's folder.

    The embedding is listed where it is also the output matrix. The model is loaded in float32: about ten seconds for 135 M
    parameters.

    Args:
        texts: prompts with their answers; by default a few plain sentences, which the model answers.

    Raises:
        InputError: the folder is no decoder with a chat template.
    """
    return _measure(folder, texts, _squares)


def moments_of(folder: Path, texts: Sequence[str] = ()) -> Importance:
    """As `importance_of`, but the mean product of each two inputs, (columns, columns): which of them speak together.

    Matrices that read the same share one table. Where MOST numbers do not hold all, the widest have their mean squares only.
    """
    return _measure(folder, texts, _products)


def inputs_of(folder: Path, texts: Sequence[str] = ()) -> Importance:
    """Name of a matrix -> some of what it reads, (tokens, columns), for an encoder's folder.

    Args:
        texts: of its job; by default a few plain sentences.
    """
    from pocketlm.engines.embedder import EncoderEmbedder

    encoder = EncoderEmbedder(folder)
    found: dict[str, NDArray[np.float32]] = {}

    def listener(name: str) -> Callable[[Any, Any, Any], None]:
        def listen(module: Any, inputs: Any, output: Any) -> None:
            read = inputs[0].flatten(0, -2).numpy()
            found[name] = np.concatenate([found[name], read]) if name in found else read

        return listen

    for name, module in encoder.linears():
        module.register_forward_hook(listener(f"{name}.weight"))
    encoder.embed([*([*texts][:READ] or SENTENCES), *odd_strings(READ)])
    encoder.close()
    return {name: read[:: len(read) // TOKENS + 1] for name, read in found.items()}


def is_delicate(name: str, layers: int) -> bool:
    """Whether a decoder's matrix is stored finer at 4 bits and fewer: keys and values, which several heads share, and the ways down
    of the first and last eighth of the layers.

    For each byte more these gain SmolLM2-135M most; values and every third or fourth way down, as in llama-quantize's mixes of
    medium size, take as many and gain less.
    """
    found = re.fullmatch(r"model\.layers\.(\d+)\.(self_attn\.[kv]|mlp\.down)_proj\.weight", name)
    if not found:
        return False
    return found[2] != "mlp.down" or min(int(found[1]), layers - 1 - int(found[1])) < layers // 8


def _measure(folder: Path, texts: Sequence[str], what: Callable[[Any], Any]) -> Importance:
    import torch

    from pocketlm.engines.torch_engine import TorchEngine

    engine = TorchEngine(folder)
    read = [ids for text in texts if (ids := engine.tokenize(text)[:LONGEST])] or _answered(engine)
    layers = {
        f"{name}.weight": module
        for name, module in engine.model.named_modules()
        if isinstance(module, torch.nn.Linear)
    }  # fmt: skip
    sums: dict[str, Any] = {}
    with progress("Weighing inputs", len(read)) as tick:
        engine.model.set_attn_implementation("sdpa")
        fit = _that_fit(layers)
        hooks = [
            layer.register_forward_hook(_listener(sums, name, what if name in fit else _squares))
            for name, layer in layers.items()
            if name == _first(name) or _first(name) not in layers
        ]
        with torch.inference_mode():
            for ids in read:
                engine.model(torch.tensor([ids]), use_cache=False)
                tick()
        for hook in hooks:
            hook.remove()
    tied = engine.model.get_output_embeddings().weight is engine.model.get_input_embeddings().weight
    engine.close()
    found = {name: (total / count).numpy() for name, (total, count) in sums.items()}
    found |= {name: found[_first(name)] for name in layers if _first(name) in found}
    if tied and "lm_head.weight" in found:
        found["model.embed_tokens.weight"] = found["lm_head.weight"] = _looked_up(found["lm_head.weight"])
    return found


def _looked_up(read: NDArray[np.float32]) -> NDArray[np.float32]:
    """What an output matrix reads, for one whose rows are the embedding too: where columns make up for each other's errors in
    the product, its rows move further from what they were than rounding takes them, so that counts less."""
    if read.ndim == 2:
        read = (1 - LOOKED_UP) * read + LOOKED_UP * np.diag(read.diagonal())
    return read.astype(np.float32)


def _squares(read: Any) -> Any:
    return read.square().sum(0)


def _products(read: Any) -> Any:
    return read.T @ read


def _first(name: str) -> str:
    """The first of the matrices that read the same as this one."""
    return re.sub(r"[kv]_proj\.weight$", "q_proj.weight", name).replace("up_proj.weight", "gate_proj.weight")


def _that_fit(layers: Mapping[str, Any]) -> list[str]:
    """Names of the layers whose tables of products have room together; of those that read the same, the first."""
    found, numbers = [], 0
    for name in sorted(
        {_first(name) for name in layers} & layers.keys(), key=lambda name: int(layers[name].in_features)
    ):
        numbers += layers[name].in_features ** 2
        if numbers <= MOST:
            found.append(name)
    return found


def _answered(engine: Any) -> list[list[int]]:
    """Plain sentences with the model's own answers, as tokens."""
    template = TEMPLATES[engine.template]
    prompts = [template.render([Message("user", sentence)]) for sentence in SENTENCES]
    answers = engine.generate(prompts, max_tokens=ANSWER)
    return [[*engine.tokenize(prompt), *answer.ids] for prompt, answer in zip(prompts, answers, strict=True)]


def _listener(sums: dict[str, Any], name: str, what: Callable[[Any], Any]) -> Callable[[Any, Any, Any], None]:
    """A forward hook that adds up the squares or products of a layer's inputs, and how many there were."""

    def listen(module: Any, inputs: Any, output: Any) -> None:
        read = inputs[0].flatten(0, -2)
        total, count = sums.get(name, (0, 0))
        sums[name] = (total + what(read), count + len(read))

    return listen
