"""The next-token objective: cross-entropy on the answer's tokens only, the vocabulary computed only where a label is."""

from __future__ import annotations

from typing import Any

from torch import Tensor
from torch.nn import functional

from pocketlm.train.batches import Batch


def next_token_loss(model: Any, batch: Batch) -> Tensor:
    """Summed cross-entropy over a batch's labels, in nats.

    Args:
        model: a Hugging Face causal language model (`.model`, `.lm_head`) with packed attention.
    """
    hidden = model.model(input_ids=batch.ids, position_ids=batch.positions, use_cache=False, batch=batch)
    logits = model.lm_head(hidden.last_hidden_state[0, batch.labelled]).float()  # (labels, vocabulary)
    return functional.cross_entropy(logits, batch.label, reduction="sum")
