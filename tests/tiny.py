"""A tiny random Llama with a real byte-level BPE tokenizer, saved as a Hugging Face folder.

Small enough to build in a second, real enough that every stage (train, export, run) takes it for a model: grouped
query attention, tied embeddings, ChatML tokens, SmolLM2's pre-tokenizer. It knows no language.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
TEXT = (
    "system user assistant You are a helpful assistant. Set an alarm for 7 in the morning, please! What's the weather "
    'in Paris on Monday? {"name":"set_alarm","arguments":{"time":"07:30","days":["monday","friday"]}} play music call '
    'mum remind me to buy milk and bread at noon; turn the lights off in the kitchen. She said: "that isn\'t mine". '
)


@lru_cache(maxsize=1)
def _tokenizer_json() -> str:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=480,
        min_frequency=1,
        special_tokens=SPECIAL,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator([TEXT, TEXT.replace(" ", "  "), TEXT.replace(". ", ".\n\n")], trainer)
    return str(tokenizer.to_str())


def make_tiny_tokenizer() -> PreTrainedTokenizerFast:
    """The tokenizer alone: at most 480 tokens, ids 0, 1, 2 are <|endoftext|>, <|im_start|>, <|im_end|>."""
    return PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=Tokenizer.from_str(_tokenizer_json()),
        bos_token="<|im_start|>",
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        unk_token="<|endoftext|>",
    )


def make_tiny_llama(folder: Path, *, seed: int = 0, layers: int = 2, width: int = 64) -> Path:
    """Save a random model and its tokenizer in `folder` and return it. The same seed gives the same bytes."""
    tokenizer = make_tiny_tokenizer()
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=width,
        intermediate_size=2 * width,
        num_hidden_layers=layers,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=1024,
        rms_norm_eps=1e-5,
        rope_parameters={"rope_type": "default", "rope_theta": 10000.0},
        tie_word_embeddings=True,
        initializer_range=0.1,  # far from a flat distribution, so that greedy choices have no near-ties
        bos_token_id=1,
        eos_token_id=2,
        pad_token_id=0,  # the padding row of an embedding starts as zeros, and the stop token must be learnable
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = LlamaForCausalLM(config)
    model.float().save_pretrained(folder)  # type: ignore[no-untyped-call]
    tokenizer.save_pretrained(folder)
    return Path(folder)
