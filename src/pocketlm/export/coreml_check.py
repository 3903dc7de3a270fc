"""What can be proven of a .mlpackage on a machine that cannot open one.

The file is read back and held against its source: files, metadata, inputs, state, rope tables and every weight. Then
its very program is interpreted: beside transformers with the same (dequantized) weights, which proves the program to
rounding, and beside the source model, which tells what the precision costs. So a model on torch with those weights can stand
for the file where its job is scored.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor

from pocketlm.core.files import read_json
from pocketlm.core.progress import progress
from pocketlm.engines.coreml_engine import PACKAGE
from pocketlm.export.base import Check, Source
from pocketlm.export.coreml_facts import context_of, generation, read_config
from pocketlm.export.coreml_graph import (
    causal_mask,
    head_dim,
    kv_heads,
    layer_kinds,
    prepare,
    read_tensors,
    restore,
    rope_names,
    rope_tables,
)
from pocketlm.export.coreml_interpret import Interpreter
from pocketlm.export.coreml_package import QUANTIZED, Package, Stored, read_package
from pocketlm.models.tokens import TOKENIZER

# the largest ||stored - source|| / ||source|| of a matrix; heads out of order or another model's weights are at 1 or more. At int4
# columns make up for each other, which spares the products and not the numbers.
BOUNDS = {"fp16": 0.001, "int8": 0.04, "int4": 0.25, "pal4": 0.2}
ROUNDING = 0.002  # nats that a program in float16 may differ from transformers in float32 with the same weights
COSTS = {"fp16": 0.005, "int8": 0.1, "int4": 2.0, "pal4": 2.0}  # nats against the source: a broken file is far above
CLOSE = {"fp16": 0.999, "int8": 0.99, "int4": 0.9, "pal4": 0.9}  # cosine of an encoder's vectors with the source's
DESCRIBING = (".json", ".jinja", ".txt", ".model")  # files of a model's folder beside its weights
PROBE = (
    "On Monday at 7:30 she wrote: the train to Lisbon leaves at noon, so please pack two shirts, a map and the blue "
    "umbrella; call me if anything changes. "
)
STEPS = 2  # single tokens behind the probe's prompt
SHORT = 24  # tokens of a probe, more where a sliding window would not be reached


def inspect_package(source: Source, folder: Path, precision: str, context: int) -> list[Check]:
    """All checks of a converted folder; each fails with what was found, none raises for a fault of the file."""
    config = read_config(source.folder)
    package = read_package(folder / PACKAGE)
    facts = generation(source, context)
    checks = [_files(source, folder), *_metadata(package, folder, facts)]
    if source.kind == "decoder":
        places = context_of(config, context)
        checks += [_inputs(package, {"inputIds": [1, places], "causalMask": [1, 1, places, places]}, "logits")]
        checks += [_state(package, config, places), _rope(package, config, places)]
    else:
        checks.append(_inputs(package, {"inputIds": [1, facts["context"]]}, "embedding"))
    with progress("Reading the package back", total=3) as update, torch.no_grad():
        check, dequantized = _weights(stored_tensors(source, package))
        checks.append(check)
        update(note="weights compared")
        if not dequantized:
            return [*checks, Check("program", False, "not run: its weights are not those of the source")]
        prove = _decoder_program if source.kind == "decoder" else _encoder_program
        for check in prove(source, config, package, precision, dequantized):
            checks.append(check)
            update(note=check.name)
    return checks


# Files and descriptions


def _files(source: Source, folder: Path) -> Check:
    """What lies beside the package."""
    wrong = [
        name
        for name in (TOKENIZER, "config.json")
        if not (folder / name).is_file() or read_json(folder / name) != read_json(source.folder / name)
    ]
    return Check("files", not wrong, f"not the source's: {', '.join(wrong)}" if wrong else "tokenizer and config equal")


def _metadata(package: Package, folder: Path, facts: Mapping[str, Any]) -> Iterator[Check]:
    """Stop token, template and the rest, in the package and beside it, byte for byte."""
    file = folder / "generation.json"
    beside = read_json(file) if file.is_file() else {}
    for key, want in facts.items():
        inside = package.metadata.get(f"pocketlm.{key}")
        wanted = "" if want is None else str(want)
        passed = inside == wanted and beside.get(key) == want
        found = (
            f"{want!r:.40}"
            if passed
            else f"wanted {want!r:.40}, package {inside!r:.40}, beside {beside.get(key)!r:.40}"
        )
        yield Check(key.replace("_", " "), passed, found)


def _inputs(package: Package, most: Mapping[str, Sequence[int]], output: str) -> Check:
    """Names and how long each axis may be."""
    found = {}
    for one in package.spec.description.input:
        ranges = one.type.multiArrayType.shapeRange.sizeRanges
        found[one.name] = [int(axis.upperBound) for axis in ranges]
        if any(int(axis.lowerBound) != 1 for axis in ranges):
            found[one.name] = []
    outputs = [one.name for one in package.spec.description.output]
    passed = found == {name: list(sizes) for name, sizes in most.items()} and outputs == [output]
    told = ", ".join(f"{name} up to {sizes}" for name, sizes in found.items())
    return Check("inputs", passed, f"{told}; output {', '.join(outputs)}")


def _state(package: Package, config: Any, places: int) -> Check:
    """The cache that the system keeps between calls."""
    want = [config.num_hidden_layers, kv_heads(config), places, head_dim(config)]
    found = {
        one.name: [int(size) for size in one.type.stateType.arrayType.shape] for one in package.spec.description.state
    }
    written = {operation.inputs["input"][0] for operation in package.operations if operation.kind == "write_state"}
    passed = found == {"keyCache": want, "valueCache": want} and written == set(found)
    size = sum(2 * float(np.prod(shape)) for shape in found.values()) / 1e6
    return Check(
        "state", passed, f"{', '.join(found) or 'none'} {next(iter(found.values()), [])}, {size:.1f} MB float16"
    )


def _rope(package: Package, config: Any, places: int) -> Check:
    """The tables of rotary positions, against the config's base."""
    worst = 0.0
    for name in sorted(set(rope_names(config).values())):
        for part, want in zip(("cosines", "sines"), rope_tables(config, name, places), strict=True):
            stored = package.stored.get(f"model_{name}_{part}")
            if stored is None or stored.parts["val"].shape != tuple(want.shape):
                return Check("rope", False, f"the {part} of {name} are missing or of another shape")
            worst = max(worst, float((torch.from_numpy(stored.dequantize()) - want).abs().max()))
    return Check("rope", worst < 0.001, f"tables differ by at most {worst:.1e} from the config's")


# Weights


def stored_tensors(source: Source, package: Package) -> dict[str, tuple[Tensor, Stored | None]]:
    """Each of the source's tensors, as the program uses it, and where the package holds it.

    coremltools stores equal constants once and drops a factor of ones and an offset of zeros.
    """
    config = read_config(source.folder)
    found: dict[str, tuple[Tensor, Stored | None]] = {}
    for name, tensor in prepare(config, read_tensors(source.folder)).items():
        base = name.replace(".", "_")
        names = (base + kind + end for kind in ("", "_to_fp16") for end in ("_stored", ""))
        stored = next((package.stored[one] for one in names if one in package.stored), None)
        found[name] = (tensor, stored or _equal_or_dropped(name, tensor, package))
    return found


def _equal_or_dropped(name: str, tensor: Tensor, package: Package) -> Stored | None:
    """A vector that has no name of its own in the package."""
    if tensor.dim() != 1:
        return None
    nothing = torch.zeros_like(tensor) if name.endswith("bias") else torch.ones_like(tensor)
    if torch.equal(tensor, nothing):
        return Stored("dropped", {})
    half = tensor.half().numpy()
    for stored in package.stored.values():
        if stored.kind == "const" and stored.parts["val"].shape == half.shape:
            value = np.asarray(stored.parts["val"].value)
            if value.dtype == np.float16 and np.array_equal(value, half):
                return stored
    return None


def precision_of(stored: Stored) -> str:
    """How a tensor is stored, whatever was asked for."""
    if stored.kind not in QUANTIZED:
        return "fp16"
    return "pal4" if "lut" in stored.parts else stored.parts["data"].dtype.lower()


def _weights(tensors: Mapping[str, tuple[Tensor, Stored | None]]) -> tuple[Check, dict[str, Tensor]]:
    """Every tensor dequantized and compared; the worst is named.

    Also gives the dequantized tensors by their names, none where one is missing or of another shape.
    """
    dequantized, errors, missing, shapes = {}, {}, [], []
    for name, (tensor, stored) in tensors.items():
        if stored is None:
            missing.append(name)
            continue
        back = tensor if stored.kind == "dropped" else torch.from_numpy(stored.dequantize())
        dequantized[name] = back
        if back.shape != tensor.shape:
            shapes.append(name)
            continue
        errors[name] = float((back - tensor).norm() / tensor.norm().clamp_min(1e-9)), BOUNDS[precision_of(stored)]
    if missing or shapes or not errors:
        what = f"missing {', '.join(missing[:3]) or 'none'}; of another shape {', '.join(shapes[:3]) or 'none'}"
        return Check("weights", False, what), {}
    worst = max(errors, key=lambda name: errors[name][0] / errors[name][1])
    beyond = [name for name, (error, bound) in errors.items() if not error <= bound]
    error, bound = errors[worst]
    told = f"{len(errors)} tensors dequantized, {len(beyond)} beyond their bound; worst {worst}: {error:.2%} of {bound:.2%}"
    return Check("weights", not beyond, told), dequantized


def write_twin(source: Source, folder: Path, out: Path) -> None:
    """A model folder for torch whose weights are those of the package in `folder`, dequantized: what few bits cost the job can
    be told with them, since the program is proven to do what transformers does."""
    config = read_config(source.folder)
    found = stored_tensors(source, read_package(folder / PACKAGE)).items()
    tensors = {
        name: tensor if stored is None or stored.kind == "dropped" else torch.from_numpy(stored.dequantize())
        for name, (tensor, stored) in found
    }
    restored = restore(config, tensors)
    if getattr(config, "tie_word_embeddings", False):
        restored.pop("lm_head.weight", None)
    pooler = {name.removeprefix("bert."): one for name, one in read_tensors(source.folder).items() if "pooler." in name}
    whole = {name: one.contiguous() for name, one in (restored | pooler).items()}
    save_file(whole, out / "model.safetensors", metadata={"format": "pt"})
    for file in (*source.folder.glob("*.*"), *source.folder.glob("1_Pooling/*.json")):
        if file.suffix in DESCRIBING and "safetensors" not in file.name:
            place = out / file.relative_to(source.folder)
            place.parent.mkdir(exist_ok=True)
            shutil.copyfile(file, place)


# The program


def _decoder_program(
    source: Source, config: Any, package: Package, precision: str, dequantized: dict[str, Tensor]
) -> Iterator[Check]:
    """The interpreted program's logits beside transformers', with the same weights and with the source's."""
    ids = _probe(source, config, package)
    pieces = [5, len(ids) - 5 - STEPS, *[1] * STEPS]
    interpreter = Interpreter(package, _by_value(package, dequantized))
    logits, end = [], 0
    for new in pieces:
        end += new
        mask = causal_mask(new, end).numpy().astype(np.float16)
        told: dict[str, Any] = {"inputIds": np.array([ids[end - new : end]], np.int32), "causalMask": mask}
        logits.append(torch.from_numpy(interpreter.predict(told)["logits"][0, -1]).float())
    found = torch.stack(logits).log_softmax(-1)
    ends = np.cumsum(pieces) - 1
    del interpreter
    same = _reference(source, config, "decoder", dequantized)(input_ids=torch.tensor([ids])).logits[0, ends]
    yield _compared(
        "program", found, same.log_softmax(-1), ROUNDING, f"a prompt of {end - STEPS} tokens, {STEPS} steps"
    )
    true = _reference(source, config, "decoder", None)(input_ids=torch.tensor([ids])).logits[0, ends]
    yield _compared("precision", found, true.log_softmax(-1), COSTS[precision], "against the source")


def _compared(name: str, found: Tensor, want: Tensor, most: float, what: str) -> Check:
    """Kullback-Leibler divergence in nats, the mean over places, and how often the likeliest token is the same."""
    divergence = float((want.exp() * (want - found)).sum(-1).mean())
    same = found.argmax(-1) == want.argmax(-1)
    # where the reference itself is undecided, either token is right
    gap = want.amax(-1) - want.gather(-1, found.argmax(-1, keepdim=True)).squeeze(-1)
    tops = name != "program" or bool((gap < 0.05).all())
    told = f"{what}: divergence {divergence:.2g} nats (at most {most}), same top token {int(same.sum())} of {len(same)}"
    return Check(name, bool(np.isfinite(divergence)) and divergence <= most and tops, told)


def _encoder_program(
    source: Source, config: Any, package: Package, precision: str, dequantized: dict[str, Tensor]
) -> Iterator[Check]:
    """The interpreted program's vectors beside transformers', for texts of several lengths."""
    ids = _probe(source, config, package)
    texts = [ids[:1], ids[: len(ids) // 2], ids]
    interpreter = Interpreter(package, _by_value(package, dequantized))
    found = [
        torch.from_numpy(interpreter.predict({"inputIds": np.array([text], np.int32)})["embedding"][0])
        for text in texts
    ]
    length = max(abs(float(vector.norm()) - 1) for vector in found)
    for name, weights, least in (("program", dequantized, 0.9999), ("precision", None, CLOSE[precision])):
        model = _reference(source, config, "encoder", weights)
        means = [model(input_ids=torch.tensor([text])).last_hidden_state[0].mean(0) for text in texts]
        pairs = zip(found, means, strict=True)
        cosine = min(float(torch.nn.functional.cosine_similarity(one, mean, dim=0)) for one, mean in pairs)
        what = "with the same weights" if weights else "against the source"
        told = f"texts of {', '.join(str(len(text)) for text in texts)} tokens {what}: cosine at least {cosine:.5f}"
        yield Check(name, cosine >= least and length < 0.001, told)


def _probe(source: Source, config: Any, package: Package) -> list[int]:
    """Token ids to try: SHORT of them, or enough to pass a sliding window; never more than the cache holds."""
    from pocketlm.models.load import load_tokenizer

    words = load_tokenizer(source.folder)(PROBE, add_special_tokens=False)["input_ids"]
    window = 0
    if source.kind == "decoder" and "sliding_attention" in layer_kinds(config):
        window = int(config.sliding_window)
    places = int(package.metadata.get("pocketlm.context") or SHORT)
    wanted = min(max(SHORT, window + SHORT // 2), places)
    return [int(words[index % len(words)]) % config.vocab_size for index in range(wanted)]


def _by_value(package: Package, dequantized: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Dequantized matrices by the names of the program's values, so that none is made twice."""
    names = {name.replace(".", "_") + end: name for name in dequantized for end in ("_stored", "_to_fp16_stored")}
    return {value: dequantized[name] for value, name in names.items() if value in package.stored}


def _reference(source: Source, config: Any, kind: str, weights: dict[str, Tensor] | None) -> Any:
    """transformers' model of the source's config, with the given tensors or the source's own."""
    from transformers import MODEL_FOR_CAUSAL_LM_MAPPING, MODEL_MAPPING
    from transformers.utils import logging

    family = (MODEL_FOR_CAUSAL_LM_MAPPING if kind == "decoder" else MODEL_MAPPING)[type(config)]
    told: dict[str, Any] = {} if kind == "decoder" else {"add_pooling_layer": False}
    folder = source.folder if weights is None else None
    if weights is not None:
        told |= {"config": config, "state_dict": restore(config, weights)}
    logging.disable_progress_bar()
    level, _ = logging.get_verbosity(), logging.set_verbosity_error()  # a pooler that is left over is no news
    try:
        return family.from_pretrained(folder, dtype=torch.float32, local_files_only=True, **told).eval()
    finally:
        logging.set_verbosity(level)
