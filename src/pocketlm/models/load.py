"""From a base's name to a Hugging Face folder of fp32 weights and a tokenizer, and from a folder to a model in memory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pocketlm.core.errors import EnvironmentLacks, InputError
from pocketlm.core.files import atomic_dir, read_json, write_json
from pocketlm.core.progress import say
from pocketlm.models.starters import STARTERS, starter_encoder, starter_file
from pocketlm.tasks.template import Template, template_for


def resolve_base(uri: str) -> Path:
    """The folder of a base: `starter:NAME`, `hf:NAME` (a hub repository) or a path.

    Raises:
        InputError: nothing by that name. EnvironmentLacks: it cannot be fetched.
    """
    scheme, _, name = uri.partition(":")
    if scheme == "starter":
        return _unpack_starter(name)
    if scheme == "hf":
        return _fetch_hub(name)
    folder = Path(uri)
    if not (folder / "config.json").is_file():
        raise InputError(f"base {uri}: not a folder with config.json; write starter:NAME, hf:NAME or a model folder")
    return folder


def resolve_encoder(uri: str) -> Path:
    """The folder of a model that turns texts into vectors: as `resolve_base`, a starter of that kind, or a run's folder.

    Raises:
        InputError: nothing by that name. EnvironmentLacks: it cannot be fetched.
    """
    scheme, _, name = uri.partition(":")
    if scheme == "starter" and (name not in STARTERS or STARTERS[name].is_encoder):
        return starter_encoder(name)
    inner = Path(uri) / "model"
    return inner if (inner / "config.json").is_file() else resolve_base(uri)


def load_tokenizer(folder: Path) -> Any:
    """The folder's fast tokenizer."""
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(folder)


def load_model(folder: Path, dtype: Any) -> Any:
    """The folder's causal language model in `dtype`, in evaluation mode."""
    from transformers import AutoModelForCausalLM
    from transformers.utils import logging

    logging.disable_progress_bar()
    return AutoModelForCausalLM.from_pretrained(folder, dtype=dtype, local_files_only=True).eval()


def is_encoder(folder: Path) -> bool:
    """Whether a model's folder holds one that turns texts into vectors and writes none."""
    named = read_json(folder / "config.json").get("architectures") or []
    return not any(name.endswith(("ForCausalLM", "ForConditionalGeneration", "LMHeadModel")) for name in named)


def template_of(tokenizer: Any) -> Template:
    """The chat template the tokenizer carries, otherwise the one whose markers it knows."""
    return template_for(list(tokenizer.get_vocab()), tokenizer.chat_template)


def lineage(uri: str) -> dict[str, Any]:
    """What a model was made from: name, licence, source, checksum where known."""
    starter = STARTERS.get(uri.partition(":")[2])
    if starter is None:
        return {"base": uri}
    return {
        "base": uri,
        "title": starter.title,
        "licence": starter.licence,
        "source": starter.source,
        "sha256": starter.sha256,
    }


def _unpack_starter(name: str) -> Path:
    """Dequantize a starter's GGUF once; the folder is kept beside it."""
    file = starter_file(name)
    folder = file.parent / "hf"
    stamp, made_from = folder / "pocketlm.json", {"sha256": STARTERS[name].sha256, "unpacking": 2}
    if stamp.is_file() and read_json(stamp) == made_from:
        return folder
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from transformers.utils import logging

    say(f"Unpacking {STARTERS[name].title} (once)")
    logging.disable_progress_bar()
    level, _ = logging.get_verbosity(), logging.set_verbosity_error()
    source = {"pretrained_model_name_or_path": str(file.parent), "gguf_file": file.name}
    model = AutoModelForCausalLM.from_pretrained(**source, dtype=torch.float32)
    tokenizer = AutoTokenizer.from_pretrained(**source)
    _split_digits(tokenizer)
    logging.set_verbosity(level)
    if hasattr(model.config, "quantization_config"):  # the weights are plain now, and must be saved as such
        del model.config.quantization_config
    model.hf_quantizer = None
    with atomic_dir(folder) as aside:
        model.save_pretrained(aside)
        tokenizer.save_pretrained(aside)
        write_json(aside / stamp.name, made_from)
    return folder


def _split_digits(tokenizer: Any) -> None:
    """Give SmolLM2's tokenizer its first step back, each digit a token of its own; the import from GGUF drops it."""
    from tokenizers import pre_tokenizers

    steps = [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    tokenizer.backend_tokenizer.pre_tokenizer = pre_tokenizers.Sequence(steps)


def _fetch_hub(name: str) -> Path:
    from huggingface_hub import snapshot_download

    patterns = ["*.json", "*.safetensors", "*.model", "*.jinja"]
    try:
        return Path(snapshot_download(name, allow_patterns=patterns))
    except Exception as error:  # the hub's client raises many kinds; all mean: not to be had
        raise EnvironmentLacks(
            f"hf:{name}: the hub could not be reached or has no such model ({type(error).__name__}); "
            "check the name and the network, or use starter:smollm2-135m"
        ) from error
