"""LiteRT as an export format: a decoder becomes one .litertlm file for LiteRT-LM, a sentence encoder one .tflite model.

The container holds the model with its prefill and decode signatures, tokenizer.json, the stop token, the chat template and
the length of the cache. Beside an encoder's model lies its tokenizer.json. Nothing of training or scores is known here.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from pocketlm.core.errors import InputError
from pocketlm.core.extras import need
from pocketlm.core.files import atomic_path, read_json
from pocketlm.core.progress import progress
from pocketlm.export.base import Check, Converted, Kind, Source
from pocketlm.export.feedback import BLOCK
from pocketlm.export.importance import moments_of
from pocketlm.export.litert_weights import bits, distances, rope_bases, stored_weights
from pocketlm.export.smooth import multiplied
from pocketlm.models.litert_file import BEGIN, EXTRA, exported_template, read_container
from pocketlm.models.load import load_tokenizer
from pocketlm.models.tokens import TOKENIZER, copy_tokenizer

CONTEXT = 2048  # tokens of prompt and answer; every one of them costs cache and, at each step, a product
PREFILLS = (32, 128, 512)  # tokens of a prompt taken at once
LENGTHS = (32, 128, 512)  # tokens of a text that an encoder reads
# Of a matrix to what was stored of it, at most; heads out of order are at 1 or more.
DISTANCE = {"fp32": 1e-6, "fp16": 1e-3, "int8": 0.03}
# The same of a decoder's matrices that are rounded before the trace: columns that make up for each other spare the products, not
# the numbers, and large inputs make columns of one row unlike.
ROUNDED = {"int8": 0.12, "int4": 0.35}
SIZES = (64, 32)  # of int4's blocks, the first that all rows divide into: the larger ones take 3 % less
UNUSED = ("pooler.", "bert.pooler.")  # what a sentence encoder is saved with and never asked for
FOLDED = ("position_embeddings.weight", "token_type_embeddings.weight")  # whose rows are constants of each signature
ASKED, ANSWERED = "What is the weather like today?", 12  # a request to LiteRT-LM, and tokens of the answer


class LitertFormat:
    """See `base.Format`.

    Args:
        context: tokens of prompt and answer together, at most the model's own.
        prefills: numbers of tokens that a prompt is taken in.
    """

    name = "litert"
    form = 3
    precisions: ClassVar[dict[Kind, tuple[str, ...]]] = {
        "decoder": ("int8", "int4", "fp16", "fp32"),
        "encoder": ("int8", "fp16", "fp32"),
    }
    runtime = "LiteRT-LM"
    executes = True

    def __init__(self, context: int = CONTEXT, prefills: tuple[int, ...] = PREFILLS) -> None:
        self._context, self._prefills = context, prefills

    def convert(self, source: Source, out: Path, precision: str) -> Converted:
        """See `base.Format`."""
        known = self.precisions[source.kind]
        if precision not in known:
            raise InputError(f"precision {precision!r}: LiteRT has {', '.join(known)} for {source.kind}s")
        with TemporaryDirectory(dir=out) as aside, progress("Converting for LiteRT", 3) as tick:
            model = self._model(source, Path(aside), precision, tick)
            stored = bits(model.read_bytes())
            if source.kind == "encoder":
                shutil.move(model, out / "model.tflite")
                copy_tokenizer(source.folder, out)
            else:
                pack(source, model, out / "model.litertlm", self._length(source))
            tick(1)
        files = [path for path in out.iterdir() if path.is_file()]
        parameters = sum(int(np.prod(shape)) for _, shape in _shapes(source.folder))
        return Converted(
            file="model.tflite" if source.kind == "encoder" else "model.litertlm",
            size_mb=sum(path.stat().st_size for path in files) / 1e6,
            bits_per_weight=stored / parameters,
            parameters=parameters,
            notes=_NOTES.get(precision, ()),
        )

    def open(self, folder: Path, kind: Kind, *, threads: int | None = None) -> Any:
        """See `base.Format`."""
        if kind == "encoder":
            from pocketlm.engines.litert_embedder import LitertEmbedder

            return LitertEmbedder(folder / "model.tflite", threads=threads)
        from pocketlm.engines.litert_engine import LitertEngine

        return LitertEngine(folder / "model.litertlm", threads=threads)

    def inspect(self, source: Source, folder: Path, precision: str) -> list[Check]:
        """See `base.Format`. Where LiteRT-LM is installed, it is also asked to open the file and to answer."""
        if source.kind == "encoder":
            return [_weights(source, (folder / "model.tflite").read_bytes(), precision)]
        file = read_container(folder / "model.litertlm")
        tokenizer = load_tokenizer(source.folder)
        stop = tokenizer.convert_tokens_to_ids(source.stop_token or tokenizer.eos_token)
        template = file.jinja == _template(source, tokenizer)
        content = file.model_bytes()
        checks = [
            _weights(source, content, precision),
            _rope(source, content),
            Check("stop in the file", file.stops == (stop,), f"tokens {list(file.stops)}, wanted {stop}"),
            Check("template in the file", template, "the template of training" if template else "another template"),
        ]
        return [*checks, *_runtime(folder / "model.litertlm")]

    def _length(self, source: Source) -> int:
        config = read_json(source.folder / "config.json")
        return min(self._context, int(config.get("max_position_embeddings") or self._context))

    def _model(self, source: Source, aside: Path, precision: str, tick: Any) -> Path:
        """The .tflite model in its precision."""
        from pocketlm.export.litert_quantize import quantize, round_matrices, slim
        from pocketlm.export.litert_trace import trace_decoder, trace_encoder

        exact, smaller, size = aside / "exact.tflite", aside / "smaller.tflite", BLOCK
        if source.kind == "encoder":
            trace_encoder(source.folder, exact, lengths=_upto(LENGTHS, _longest_text(source.folder)))
        else:
            context, size = self._length(source), _block_size(source.folder)

            def change(model: Any) -> None:
                if precision in ROUNDED:
                    round_matrices(model, dict(moments_of(source.folder, source.texts)), precision, size)

            prefills = _upto(self._prefills, context, last=False)
            trace_decoder(source.folder, exact, context=context, prefills=prefills, change=change)
        tick(1, "quantizing")
        if precision != "fp32":
            quantize(exact, smaller, precision, size)
            smaller.replace(exact)
        tick(1, "packing")
        slim(exact)
        return exact


def _block_size(folder: Path) -> int:
    """Of int4."""
    columns = [shape[1] for _, shape in _shapes(folder) if len(shape) == 2]
    return next((size for size in SIZES if all(count % size == 0 for count in columns)), SIZES[-1])


_NOTES = {
    "int4": ("embeddings and the output layer are stored in 8 bits",),
    "fp16": ("norms are stored in 32 bits",),
}


def pack(source: Source, model: Path, out: Path, context: int) -> None:
    """Write a container of a .tflite model, the tokenizer and what LiteRT-LM must know.

    No start token is written: the runtime would put it in front of every prompt, also where the template has written it
    already (SmolLM2's <|im_start|>), and a doubled token changes the answers.

    Raises:
        InputError: the stop token is not in the vocabulary. EnvironmentLacks: litert-lm-builder is not installed.
    """
    builder = need("litert_lm_builder.litertlm_builder", "a .litertlm export", EXTRA, "litert-lm-builder")
    from litert_lm_builder.runtime.proto import llm_metadata_pb2

    tokenizer = load_tokenizer(source.folder)
    stop = source.stop_token or tokenizer.eos_token
    if stop not in tokenizer.get_vocab():
        raise InputError(f"{source.folder}: the stop token {stop!r} is not in the vocabulary")
    metadata = llm_metadata_pb2.LlmMetadata(max_num_tokens=context, jinja_prompt_template=_template(source, tokenizer))
    metadata.stop_tokens.add().token_ids.ids.append(tokenizer.convert_tokens_to_ids(stop))
    metadata.llm_model_type.generic_model.SetInParent()
    notes = {"name": source.name, BEGIN: tokenizer.bos_token or "", **_lineage(source)}
    with atomic_path(out) as aside, TemporaryDirectory() as there:
        kept = Path(there) / "metadata.pb"
        kept.write_bytes(metadata.SerializeToString())
        made = builder.LitertLmFileBuilder()
        for key, value in notes.items():
            made.add_system_metadata(builder.Metadata(key=key, value=value, dtype=builder.DType.STRING))
        made.add_llm_metadata(str(kept))
        made.add_hf_tokenizer(str(source.folder / TOKENIZER))
        made.add_tflite_model(str(model), builder.TfLiteModelType.PREFILL_DECODE)
        with aside.open("wb") as file:
            made.build(file)


def _lineage(source: Source) -> dict[str, str]:
    return {key: str(value) for key, value in source.lineage.items() if isinstance(value, str | int | float)}


def _template(source: Source, tokenizer: Any) -> str:
    """The chat template as it travels in the file; empty where the model has none."""
    jinja = source.chat_template or tokenizer.chat_template
    special = {name: str(token) for name, token in tokenizer.special_tokens_map.items() if isinstance(token, str)}
    return exported_template(jinja, special) if jinja else ""


def _upto(sizes: tuple[int, ...], most: int, *, last: bool = True) -> tuple[int, ...]:
    """Those sizes that are smaller, and the most itself where it is wanted or nothing is smaller."""
    smaller = tuple(size for size in sizes if size < most)
    return (*smaller, most) if last or not smaller else smaller


def _longest_text(folder: Path) -> int:
    from transformers import AutoConfig

    from pocketlm.engines.embedder import check_parts, longest

    check_parts(folder)
    return min(LENGTHS[-1], longest(folder, load_tokenizer(folder), AutoConfig.from_pretrained(folder)))


# What is proven of a file


def _shapes(folder: Path) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Every tensor of a model's folder that is exported, with its shape; tied ones once."""
    from safetensors import safe_open

    tied = read_json(folder / "config.json").get("tie_word_embeddings")
    for file in sorted(folder.glob("*.safetensors")):
        with safe_open(file, "np") as tensors:
            for name in tensors.keys():  # noqa: SIM118, no dictionary
                kept, again = tensors.get_slice(name), tied and name == "lm_head.weight"
                if "F" in kept.get_dtype() and not again and not name.startswith(UNUSED):  # no tables of positions
                    yield name, tuple(kept.get_shape())


def _matrices(source: Source, precision: str) -> Iterator[tuple[NDArray[np.float32], tuple[int, ...]]]:
    """The matrices of a model's folder, one at a time, and whether their columns (0) or rows (1) were multiplied on the way."""
    from safetensors import safe_open

    folder, encoder = source.folder, source.kind == "encoder"
    wanted = {name for name, shape in _shapes(folder) if len(shape) == 2 and not name.endswith(FOLDED)}
    axes = multiplied([name for name, _ in _shapes(folder)]) if precision in ROUNDED and not encoder else {}
    for file in sorted(folder.glob("*.safetensors")):
        with safe_open(file, "pt") as tensors:
            for name in sorted(wanted.intersection(tensors.keys())):
                yield tensors.get_tensor(name).float().numpy(), (0,) if encoder else axes.get(name, ())


def _weights(source: Source, content: bytes, precision: str) -> Check:
    found = list(distances(_matrices(source, precision), stored_weights(content)))
    bounds = DISTANCE if source.kind == "encoder" else DISTANCE | ROUNDED
    worst, bound = max(found, default=float("inf")), bounds[precision]
    told = (
        f"{len(found)} matrices read back; furthest from the source: {worst:.2%} (at most {bound:.2%} at {precision})"
    )
    return Check("weights", worst <= bound, told)


def _rope(source: Source, content: bytes) -> Check:
    from transformers import AutoConfig

    config: Any = AutoConfig.from_pretrained(source.folder).get_text_config()
    width = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    ropes = config.rope_parameters
    wanted = sorted({float(one["rope_theta"]) for one in ([ropes] if "rope_theta" in ropes else ropes.values())})
    found = rope_bases(stored_weights(content), width)
    plain = all(one.get("rope_type") == "default" for one in ([ropes] if "rope_theta" in ropes else ropes.values()))
    near = len(found) == len(wanted) and np.allclose(found, wanted, rtol=1e-3)
    return Check("rope in the graph", bool(near) or not plain, f"bases {found}, wanted {wanted}")


def _runtime(file: Path) -> list[Check]:
    """LiteRT-LM's own answer to one request beside the same model's run signature by signature."""
    if find_spec("litert_lm") is None:
        return []
    from pocketlm.engines.litert_engine import LitertEngine
    from pocketlm.engines.litert_lm import ask
    from pocketlm.tasks.template import Message

    engine = LitertEngine(file)
    try:
        prompt = engine.render([Message("user", ASKED)])
        wanted = engine.generate([prompt], max_tokens=ANSWERED)[0].text
        shown, got = ask(file, ASKED, ANSWERED)
    finally:
        engine.close()
    return [
        Check("LiteRT-LM's prompt", shown == prompt, "the template's" if shown == prompt else f"{shown!r:.80}"),
        Check("LiteRT-LM's answer", got == wanted, f"{got!r:.60}, run by signatures {wanted!r:.60}"),
    ]
