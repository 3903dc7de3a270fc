"""What an ONNX bundle is made of: file names, the settings beside the graph, and stored tensors read back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from pocketlm.core.errors import InputError
from pocketlm.core.extras import need
from pocketlm.core.files import read_json, write_json, write_text
from pocketlm.engines.embedder import check_parts, longest
from pocketlm.export import onnx_models
from pocketlm.export.base import Source
from pocketlm.export.feedback import BLOCK, Floats
from pocketlm.export.onnx_graph import JOIN
from pocketlm.export.onnx_weights import Blocks, dequantize
from pocketlm.models.load import load_tokenizer
from pocketlm.models.tokens import TOKENIZER, copy_tokenizer

FILE, GENAI, TEMPLATE = "model.onnx", "genai_config.json", "chat_template.jinja"
ROOM = 2048  # tokens for which onnxruntime-genai takes memory at once, unless the app says otherwise


def config_of(source: Source) -> Any:
    """The folder's configuration, as transformers understands it."""
    from transformers import AutoConfig

    if not (source.folder / "config.json").is_file():
        hint = "merge the adapter first" if (source.folder / "adapter_config.json").is_file() else "not a model folder"
        raise InputError(f"{source.folder}: no config.json ({hint})")
    try:
        return AutoConfig.from_pretrained(source.folder, local_files_only=True)
    except (ValueError, KeyError) as error:
        kind = read_json(source.folder / "config.json").get("model_type")
        known = ", ".join(onnx_models.FAMILIES)
        raise InputError(f"{source.folder}: ONNX export knows the families {known}, not {kind!r}") from error


def write_tokenizer(source: Source, out: Path, config: Any) -> None:
    """tokenizer.json, and its settings with the stop token and the chat template of the source."""
    copy_tokenizer(source.folder, out)
    settings, tokenizer = _settings(source.folder), load_tokenizer(source.folder)
    settings.pop("chat_template", None)
    settings.setdefault("tokenizer_class", type(tokenizer).__name__)  # else config.json, which stays behind, would tell
    if source.kind == "encoder":
        check_parts(source.folder)
        settings["model_max_length"] = longest(source.folder, tokenizer, config)
    if source.stop_token:
        settings["eos_token"] = source.stop_token
    write_json(out / "tokenizer_config.json", settings)
    if template := template_of_source(source):
        write_text(out / TEMPLATE, template)


def _settings(folder: Path) -> dict[str, Any]:
    file = folder / "tokenizer_config.json"
    found: dict[str, Any] = read_json(file) if file.is_file() else {}
    return found


def template_of_source(source: Source) -> str | None:
    """The chat template to travel: the source's own word, else its folder's."""
    file = source.folder / TEMPLATE
    if source.chat_template is not None:
        return source.chat_template
    return file.read_text(encoding="utf-8") if file.is_file() else _settings(source.folder).get("chat_template")


def vocabulary_of(folder: Path) -> dict[str, int]:
    """Token -> id, of a folder's tokenizer.json."""
    tokenizers = need("tokenizers", "ONNX export", "onnx")
    found: dict[str, int] = tokenizers.Tokenizer.from_file(str(folder / TOKENIZER)).get_vocab(True)
    return found


def stop_of(source: Source, ids: Mapping[str, int]) -> int:
    """The id of the token that ends an answer."""
    token = source.stop_token or _text(_settings(source.folder).get("eos_token"))
    if token not in ids:
        raise InputError(f"{source.folder / 'tokenizer.json'}: the stop token {token!r} is not in the vocabulary")
    return ids[token]


def _text(token: Any) -> str:
    """A special token in tokenizer_config.json: text, a table with content, or nothing."""
    return str((token.get("content") if isinstance(token, dict) else token) or "")


def genai_config(source: Source, out: Path, config: Any) -> dict[str, Any]:
    """onnxruntime-genai's description of the folder (genai_config.json)."""
    ids, settings = vocabulary_of(out), _settings(out)
    stop = stop_of(source, ids)
    context = onnx_models.context_of(config)
    cache = {f"past_{part}_names": f"past_key_values.%d.{part}" for part in ("key", "value")}
    kept = {f"present_{part}_names": f"present.%d.{part}" for part in ("key", "value")}
    decoder = {
        "session_options": {"log_id": "onnxruntime-genai", "provider_options": []},
        "filename": FILE,
        "head_size": onnx_models.head_width(config),
        "hidden_size": config.hidden_size,
        "inputs": {"input_ids": "input_ids", "attention_mask": "attention_mask", **cache},
        "outputs": {"logits": "logits", **kept},
        "num_attention_heads": config.num_attention_heads,
        "num_hidden_layers": config.num_hidden_layers,
        "num_key_value_heads": onnx_models.kv_heads(config),
    }
    model = {
        "type": config.model_type,
        "bos_token_id": ids.get(_text(settings.get("bos_token")), stop),
        "eos_token_id": stop,
        "pad_token_id": ids.get(_text(settings.get("pad_token")), stop),
        "context_length": context,
        "vocab_size": config.vocab_size,
        "decoder": decoder,
    }
    search = {
        "do_sample": False,
        "num_beams": 1,
        "max_length": min(context, ROOM),
        "past_present_share_buffer": True,
    }
    return {"model": model, "search": search}


AROUND = (".scales", ".even")  # ends of the names of what belongs to codes


class Tensors:
    """The stored tensors of a graph, read from its files.

    Attributes:
        stored: bytes of all of them; what two tensors share counts once.
    """

    def __init__(self, folder: Path, graph: Any) -> None:
        self._folder, self._onnx = folder, need("onnx", "ONNX export", "onnx")
        self._protos = {tensor.name: tensor for tensor in graph.initializer}
        places = {name: self._place(tensor) for name, tensor in self._protos.items()}
        self.stored = sum(length for _, _, length in set(places.values()))
        joined = {name.removesuffix(".codes") for name in self._protos if JOIN in name and not name.endswith(AROUND)}
        self._joined = {name: (one, place) for one in joined for place, name in enumerate(one.split(JOIN))}

    def __contains__(self, name: str) -> bool:
        return name in self._protos

    def __iter__(self) -> Iterator[str]:
        return iter(self._protos)

    def shape(self, name: str) -> tuple[int, ...]:
        return tuple(self._protos[name].dims)

    def read(self, name: str) -> Any:
        """A tensor's values, in the type they are stored in."""
        tensor = self._protos[name]
        file, offset, length = self._place(tensor)
        if file == name:
            return self._onnx.numpy_helper.to_array(tensor)
        dtype = self._onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type)
        values = np.fromfile(self._folder / file, dtype, length // dtype.itemsize, offset=offset)
        if values.nbytes != length:
            raise InputError(f"{self._folder / file}: truncated; export or download it again")
        return values.reshape(tensor.dims)

    def holds(self, name: str) -> bool:
        """Whether a tensor of the source is stored, in whatever form."""
        return name in self or f"{name}.codes" in self or name in self._joined

    def matrix(self, name: str) -> tuple[Floats, int]:
        """A tensor of the source as the runtime computes with it, in float32, and its bits."""
        if name in self:
            values = self.read(name)
            return values.astype(np.float32), 8 * values.itemsize
        if name in self._joined:
            one, place = self._joined[name]
            values, bits = self.matrix(one)
            rows = len(values) // len(one.split(JOIN))
            return values[place * rows : (place + 1) * rows], bits
        codes, scales = self.read(f"{name}.codes"), self.read(f"{name}.scales")
        if f"{name}.even" in self:  # see onnx_weights.quantize_rows
            return codes.T * scales[:, None] * self.read(f"{name}.even"), 8
        bits = 8 * codes.shape[-1] // BLOCK
        return dequantize(Blocks(bits, codes, scales)), bits

    def steps(self, name: str) -> Floats | None:
        """What one integer more is worth, (rows, columns), of a matrix whose rows have one scale each; None of another."""
        if name in self._joined:
            one, place = self._joined[name]
            every = self.steps(one)
            return None if every is None else np.split(every, len(one.split(JOIN)))[place]
        if f"{name}.even" not in self:
            return None
        steps: Floats = self.read(f"{name}.scales")[:, None] * self.read(f"{name}.even")
        return steps

    def _place(self, tensor: Any) -> tuple[str, int, int]:
        """File, offset and bytes; a tensor inside the graph has its name for a file."""
        if tensor.data_location != self._onnx.TensorProto.EXTERNAL:
            return tensor.name, 0, len(tensor.raw_data)
        entries = {entry.key: entry.value for entry in tensor.external_data}
        return entries["location"], int(entries["offset"]), int(entries["length"])
