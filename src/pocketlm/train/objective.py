"""The next-token objective: cross-entropy on the answer's tokens only, the vocabulary computed only where a label is."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from pocketlm.train.batches import Batch


def next_token_loss(model: Any, batch: Batch) -> Tensor:
    """Summed cross-entropy over a batch's labels, in nats.

    Rows are padded on the right and attend causally, so no mask is needed: a row's tokens never see its padding. A
    shared prefix is run once; its keys and values are repeated for every row, and gradients flow back through them.

    Args:
        model: a Hugging Face causal language model (`.model`, `.lm_head`).
    """
    hidden = _hidden(model, batch)  # (rows, length, width)
    picked = hidden.reshape(-1, hidden.shape[-1])[batch.position]
    logits = model.lm_head(picked).float()  # (labels, vocabulary)
    return functional.cross_entropy(logits, batch.label, reduction="sum")


def _hidden(model: Any, batch: Batch) -> Tensor:
    if not len(batch.prefix):
        hidden: Tensor = model.model(input_ids=batch.ids, use_cache=False).last_hidden_state
        return hidden
    rows, length = batch.ids.shape
    cache = model.model(input_ids=batch.prefix[None], use_cache=True).past_key_values
    cache.batch_repeat_interleave(rows)
    start = len(batch.prefix)
    positions = torch.arange(start, start + length, device=batch.ids.device)[None].expand(rows, -1)
    shared: Tensor = model.model(
        input_ids=batch.ids, past_key_values=cache, position_ids=positions, use_cache=True
    ).last_hidden_state
    return shared
