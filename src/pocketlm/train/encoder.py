"""An encoder that trains: texts as tokens -> vectors of length 1, with gradients; written as sentence-transformers reads it.

It knows nothing of what its vectors are for: pairs (contrastive.py) and labels are others' business.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from pocketlm.core.config import TrainConfig
from pocketlm.core.files import atomic_dir, write_json
from pocketlm.engines.embedder import check_parts, longest
from pocketlm.models.load import load_tokenizer, resolve_encoder
from pocketlm.train.lora import add_peft, target_layers

LIKE, SLACK = 1.25, 8  # how much longer, and by how many tokens more, a group's longest text may be than its shortest
STEP = 8  # padded lengths are multiples of this: oneDNN compiles and keeps a product for every shape it meets
AT_ONCE = 4096  # tokens computed at once; more fall out of the cache
MODULES = ("Transformer", "Pooling", "Normalize")

Ids = list[int]  # a text's tokens


class Encoder(nn.Module):
    """A Hugging Face model whose vector of a text is the mean of its tokens' last states (Reimers and Gurevych 2019,
    arXiv:1908.10084), and its tokenizer.

    Any architecture that `AutoModel` opens: BERT and its smaller kin, and decoders.

    Attributes:
        longest: tokens of a text that are read, what the tokenizer adds included.
        limit: as many are read here, `longest` or fewer; what is saved reads `longest`.
        width: numbers of a vector.
        autocast: the type of products; None: the weights' own.
        checkpointing: keep nothing of a group of texts for its gradient but compute it again, so that a batch may be of any
            size (as GradCache does: Gao et al. 2021, arXiv:2101.06983).
    """

    def __init__(self, model: Any, tokenizer: Any, longest: int, autocast: torch.dtype | None = None) -> None:
        super().__init__()
        self.model, self.tokenizer, self.longest, self.autocast = model, tokenizer, longest, autocast
        self.limit = longest
        self.checkpointing = False
        self.width: int = model.config.get_text_config().hidden_size

    @classmethod
    def load(cls, base: str, *, autocast: torch.dtype | None = None, lora: TrainConfig | None = None) -> Encoder:
        """A base in fp32: `starter:minilm-l6`, `hf:NAME`, a model's folder or a run's.

        Args:
            lora: how its linear layers get adapters, which then are all that is trained; None: every weight is.

        Raises:
            InputError: no such base, one that pools in another way, or no layer that `lora.targets` names.
        """
        from transformers import AutoModel
        from transformers.utils import logging

        folder = resolve_encoder(base)
        check_parts(folder)
        logging.disable_progress_bar()
        model = AutoModel.from_pretrained(folder, dtype=torch.float32, local_files_only=True)
        for name, weight in model.named_parameters():
            weight.requires_grad_("pooler" not in name)  # BERT's head for pairs of sentences: nothing reads it here
        tokenizer = load_tokenizer(folder)
        if lora is not None:
            add_adapters(model, lora)
        return cls(model, tokenizer, longest(folder, tokenizer, model.config), autocast).eval()

    def tokens(self, texts: Sequence[str]) -> list[Ids]:
        """Texts as token ids, cut to `limit`."""
        if not texts:
            return []
        ids: list[Ids] = self.tokenizer(list(texts), truncation=True, max_length=self.limit)["input_ids"]
        return ids

    def forward(self, ids: Sequence[Ids]) -> Tensor:
        """(texts, width) in fp32, each of length 1; zeros for a text without tokens."""
        lengths = [len(tokens) for tokens in ids]
        groups = list(alike(lengths))
        if not groups:
            return torch.zeros(0, self.width, device=self.device)
        vectors = torch.cat([self._group([ids[i] for i in group]) for group in groups])
        place = torch.tensor([i for group in groups for i in group], device=self.device)
        return vectors[place.argsort()]

    @torch.no_grad()
    def embed(self, ids: Sequence[Ids]) -> Tensor:
        """As `forward`, without gradients and dropout."""
        was_training = self.training
        self.eval()
        vectors: Tensor = self(ids)
        self.train(was_training)
        return vectors

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        found: torch.device = next(self.model.parameters()).device
        return found

    def save(self, folder: Path) -> None:
        """Write what sentence-transformers and `open_embedder` read, adapters merged into the weights."""
        with atomic_dir(folder) as aside:
            merged(self.model).save_pretrained(aside)
            self.tokenizer.save_pretrained(aside)
            write_layout(aside, self.width, self.longest)

    def _group(self, ids: Sequence[Ids]) -> Tensor:
        if not (self.checkpointing and torch.is_grad_enabled()):
            return self._means(ids)
        again: Tensor = checkpoint(self._means, ids, use_reentrant=False)
        return again

    def _means(self, ids: Sequence[Ids]) -> Tensor:
        """The vectors of texts of like length."""
        most = max(map(len, ids))
        if not most:
            return torch.zeros(len(ids), self.width, device=self.device)
        if most > STEP:
            most = max(most, min(-(-most // STEP) * STEP, self.longest))
        blank = self.model.config.get_text_config().pad_token_id or 0
        tokens = torch.tensor([row + [blank] * (most - len(row)) for row in ids], device=self.device)
        lengths = torch.tensor([[len(row)] for row in ids], device=self.device)
        real = torch.arange(most, device=self.device) < lengths
        with torch.autocast(self.device.type, self.autocast, enabled=self.autocast is not None):
            states = self.model(input_ids=tokens, attention_mask=real.long()).last_hidden_state
        # the length of a vector is lost anyway, so a sum does for a mean
        return functional.normalize((states.float() * real[:, :, None]).sum(1), dim=1)


def alike(lengths: Sequence[int]) -> Iterator[list[int]]:
    """Indices of texts of like length, the shorter first, at most `AT_ONCE` padded tokens (or one text) at a time."""
    group: list[int] = []
    for i in sorted(range(len(lengths)), key=lambda i: lengths[i]):
        if group:
            shortest = lengths[group[0]]
            too_long = lengths[i] > (LIKE * shortest + SLACK if shortest else 0)
            if too_long or (len(group) + 1) * lengths[i] > AT_ONCE:
                yield group
                group = []
        group.append(i)
    if group:
        yield group


def add_adapters(model: Any, settings: TrainConfig) -> None:
    """Put PEFT's LoRA beside an encoder's linear layers; everything else is frozen.

    Raises:
        InputError: no layer is named as `train.targets` says.
    """
    # the default names are a decoder's; in an encoder they mean: all
    targets = settings.targets if "targets" in settings.model_fields_set else ["all"]
    names = [name for name in target_layers(model, targets, settings.last_layers) if "pooler" not in name]
    add_peft(model, names, settings)


def merged(model: Any) -> Any:
    """The model without adapters, their updates in its weights; itself where there are none."""
    from peft.tuners.tuners_utils import BaseTunerLayer

    if not any(isinstance(module, BaseTunerLayer) for module in model.modules()):
        return model
    plain = copy.deepcopy(model)
    layers = [(name, module) for name, module in plain.named_modules() if isinstance(module, BaseTunerLayer)]
    for name, module in layers:
        module.merge()
        path, _, leaf = name.rpartition(".")
        setattr(plain.get_submodule(path), leaf, module.get_base_layer())
    if hasattr(plain, "peft_config"):
        del plain.peft_config
    return plain


def write_layout(folder: Path, width: int, longest: int) -> None:
    """Write the files that tell sentence-transformers how the model in `folder` makes vectors: mean, then length 1."""
    paths = ["", "1_Pooling", "2_Normalize"]
    modules = [
        {"idx": i, "name": str(i), "path": path, "type": f"sentence_transformers.models.{kind}"}
        for i, (path, kind) in enumerate(zip(paths, MODULES, strict=True))
    ]
    others = ("cls_token", "max_tokens", "mean_sqrt_len_tokens", "weightedmean_tokens", "lasttoken")
    pooling = {"word_embedding_dimension": width, "pooling_mode_mean_tokens": True}
    pooling |= {f"pooling_mode_{other}": False for other in others}
    write_json(folder / "modules.json", modules)
    write_json(folder / "1_Pooling" / "config.json", {**pooling, "include_prompt": True})
    (folder / "2_Normalize").mkdir(exist_ok=True)
    write_json(folder / "sentence_bert_config.json", {"max_seq_length": longest, "do_lower_case": False})
    write_json(
        folder / "config_sentence_transformers.json",
        {"prompts": {}, "default_prompt_name": None, "similarity_fn_name": "cosine"},
    )
