"""Small random models of every family that is exported, saved as Hugging Face folders; norms and biases are random too."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from tiny import TEXT, make_tiny_tokenizer
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers
from transformers import (
    AlbertConfig,
    AutoModel,
    AutoModelForCausalLM,
    BertConfig,
    BertModel,
    DistilBertConfig,
    Gemma3TextConfig,
    LlamaConfig,
    MistralConfig,
    MobileBertConfig,
    PreTrainedTokenizerFast,
    Qwen2Config,
    Qwen3Config,
)

BERT_SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
SHAPE: dict[str, Any] = {
    "vocab_size": len(make_tiny_tokenizer()),
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 512,
    "initializer_range": 0.1,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
DEFAULT_ROPE = {"rope_type": "default", "rope_theta": 10000.0}
LLAMA3_ROPE = {
    "rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 64,
}  # fmt: skip
CONFIGS: dict[str, Callable[[], Any]] = {
    "llama-untied-bias": lambda: LlamaConfig(**SHAPE, tie_word_embeddings=False, attention_bias=True),
    "llama-wide-heads": lambda: LlamaConfig(**SHAPE, tie_word_embeddings=True, head_dim=32),
    "qwen2": lambda: Qwen2Config(**SHAPE, tie_word_embeddings=True),
    "qwen3": lambda: Qwen3Config(**SHAPE, tie_word_embeddings=True, head_dim=32),
    "mistral": lambda: MistralConfig(**SHAPE, sliding_window=None, tie_word_embeddings=False),
    "llama-rope-linear": lambda: LlamaConfig(
        **SHAPE, rope_parameters={**DEFAULT_ROPE, "rope_type": "linear", "factor": 4.0}
    ),
    "llama-rope-llama3": lambda: LlamaConfig(**SHAPE, rope_parameters={**DEFAULT_ROPE, **LLAMA3_ROPE}),
    "gemma3": lambda: Gemma3TextConfig(
        **{**SHAPE, "num_hidden_layers": 5},
        head_dim=32,
        query_pre_attn_scalar=32,
        sliding_window=16,
        layer_types=[
            "sliding_attention",
            "sliding_attention",
            "full_attention",
            "sliding_attention",
            "sliding_attention",
        ],
        rope_parameters={
            "full_attention": {"rope_type": "default", "rope_theta": 50000.0},
            "sliding_attention": {"rope_type": "default", "rope_theta": 700.0},
        },
    ),
}


def randomise(model: Any) -> Any:
    """Norms and biases are made random: a forgotten one must show."""
    with torch.no_grad():
        for weight in model.parameters():
            if weight.dim() == 1:
                weight += 0.3 * torch.randn_like(weight)
    return model


def random_model(folder: Path, config: Any) -> Path:
    """Save a model of `config` with the tiny tokenizer."""
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(config).float()  # type: ignore[no-untyped-call]
    randomise(model).save_pretrained(folder)
    make_tiny_tokenizer().save_pretrained(folder)
    return folder


def make_tiny_bert(folder: Path, *, lowercase: bool = True) -> Path:
    """Save a random BERT with a real WordPiece tokenizer; norms and biases are random too."""
    tokenizer = _wordpiece(folder, lowercase)
    config = BertConfig(
        vocab_size=tokenizer.get_vocab_size(), hidden_size=64, intermediate_size=96, num_hidden_layers=2,
        num_attention_heads=4, max_position_embeddings=64, initializer_range=0.2,
    )  # fmt: skip
    torch.manual_seed(0)
    randomise(BertModel(config).float()).save_pretrained(folder)
    return folder


ENCODER: dict[str, Any] = {
    "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4,
    "max_position_embeddings": 64, "initializer_range": 0.2,
}  # fmt: skip
ENCODERS: dict[str, Callable[[int], Any]] = {  # size of the vocabulary -> config
    "bert": lambda size: BertConfig(vocab_size=size, **ENCODER),
    "distilbert": lambda size: DistilBertConfig(
        vocab_size=size, dim=32, hidden_dim=48, n_layers=2, n_heads=4, max_position_embeddings=64, initializer_range=0.2
    ),
    "mobilebert": lambda size: MobileBertConfig(
        vocab_size=size, **ENCODER, embedding_size=16, intra_bottleneck_size=16, num_feedforward_networks=2
    ),
    "albert": lambda size: AlbertConfig(vocab_size=size, embedding_size=16, **ENCODER),
    "llama": lambda size: LlamaConfig(vocab_size=size, num_key_value_heads=2, **ENCODER),
}


def make_tiny_encoder(folder: Path, kind: str = "bert") -> Path:
    """Save a random model of one of `ENCODERS` with a WordPiece tokenizer; the same bytes each time."""
    words = sorted(set(re.findall(r"[a-z]+|\d|\S", TEXT.lower())) | {*"abcdefghijklmnopqrstuvwxyz"})
    vocabulary = [*BERT_SPECIAL, *words, *(f"##{letter}" for letter in "abcdefghijklmnopqrstuvwxyz0123456789")]
    config = ENCODERS[kind](_wordpiece(folder, vocabulary=vocabulary).get_vocab_size())
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        AutoModel.from_config(config).float().save_pretrained(folder)  # type: ignore[no-untyped-call]
    return folder


def _wordpiece(folder: Path, lowercase: bool = True, vocabulary: Sequence[str] = ()) -> Tokenizer:
    """Save a tokenizer of BERT's kind that reads at most 64 tokens; without a vocabulary it is learnt, never twice the same."""
    ids = {token: i for i, token in enumerate(vocabulary)}
    tokenizer = Tokenizer(models.WordPiece(vocab=ids, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=lowercase)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    trainer = trainers.WordPieceTrainer(vocab_size=200, special_tokens=BERT_SPECIAL, show_progress=False)
    if not vocabulary:
        tokenizer.train_from_iterator([TEXT, "Creme brulee Crème 漢 _ -"], trainer)
    around = [("[CLS]", 2), ("[SEP]", 3)]
    tokenizer.post_processor = processors.TemplateProcessing("[CLS] $A [SEP]", "[CLS] $A [SEP] $B:1 [SEP]:1", around)
    named = {f"{token[1:-1].lower()}_token": token for token in BERT_SPECIAL}
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_max_length=64, **named).save_pretrained(folder)
    return tokenizer
