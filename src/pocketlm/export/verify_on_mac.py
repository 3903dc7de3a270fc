"""Proof of a Core ML package on a Mac. Needs: pip install coremltools numpy tokenizers, and macOS 15 or later.

    python3 verify_on_mac.py

Lies beside model.mlpackage, tokenizer.json and prompts.json. Runs the kept prompts through Core ML and compares with the
trained model's answers. Exit codes: 0 it agrees, 2 this is no Mac or a package is missing, 3 it does not agree.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

HIDDEN = -3e4  # what the mask says of a place that is not seen
NEAR = 0.5  # nats that a kept token's log-probability may be off

Logits = Sequence[float]
Decoder = Callable[[], Callable[[Sequence[int]], Logits]]  # starts a text; then tokens in, logits of the next out


def mask_of(new: int, total: int) -> list[list[float]]:
    """For `new` tokens that end at place `total`: 0 for what each sees, HIDDEN for what comes later."""
    return [[0.0 if place <= total - new + row else HIDDEN for place in range(total)] for row in range(new)]


def answer(
    step: Callable[[Sequence[int]], Logits], prompt: Sequence[int], most: int, stop: int
) -> tuple[list[int], Logits]:
    """The greedy answer, the stop token included, and the first logits."""
    first = logits = step(prompt)
    tokens: list[int] = []
    while True:
        tokens.append(max(range(len(logits)), key=logits.__getitem__))
        if tokens[-1] == stop or len(tokens) == most:
            return tokens, first
        logits = step(tokens[-1:])


def log_probabilities(logits: Logits, ids: Sequence[int]) -> list[float]:
    """Natural-log probabilities of some tokens."""
    from math import exp, log

    most = max(logits)
    total = most + log(sum(exp(one - most) for one in logits))
    return [logits[one] - total for one in ids]


def check_answers(decoder: Decoder, cases: Sequence[dict[str, Any]], stop: int) -> tuple[int, list[str]]:
    """How many cases agree, and a line for each: the same answer, and near log-probabilities of its first token."""
    agreed, lines = 0, []
    for number, case in enumerate(cases, start=1):
        began = time.perf_counter()
        tokens, logits = answer(decoder(), case["prompt"], len(case["answer"]), stop)
        told = log_probabilities(logits, [token for token, _ in case["top"]])
        off = max((abs(found - want) for found, (_, want) in zip(told, case["top"], strict=True)), default=0.0)
        same = sum(one == two for one, two in zip(tokens, case["answer"], strict=False))
        passed = tokens == list(case["answer"]) and off <= NEAR
        agreed += passed
        seconds = time.perf_counter() - began
        lines.append(
            f"{number}: {'agrees' if passed else 'DIFFERS'}, {same} of {len(case['answer'])} tokens equal, "
            f"log-probabilities off by {off:.2f}, {seconds:.2f} s"
        )
    return agreed, lines


def check_vectors(
    embed: Callable[[Sequence[int]], Sequence[float]], cases: Sequence[dict[str, Any]]
) -> tuple[int, list[str]]:
    """How many vectors point where they should: a cosine of at least 0.95."""
    agreed, lines = 0, []
    for number, case in enumerate(cases, start=1):
        cosine = sum(one * two for one, two in zip(embed(case["prompt"]), case["vector"], strict=True))
        agreed += cosine >= 0.95
        lines.append(f"{number}: {'agrees' if cosine >= 0.95 else 'DIFFERS'}, cosine {cosine:.4f}")
    return agreed, lines


def check_tokens(encode: Callable[[str], Sequence[int]], cases: Sequence[dict[str, Any]]) -> list[int]:
    """Numbers of the cases whose text the tokenizer beside the package cuts in another way."""
    return [n for n, case in enumerate(cases, start=1) if case["text"] and list(encode(case["text"])) != case["prompt"]]


def open_decoder(predict: Callable[..., dict[str, Any]], make_state: Callable[[], Any]) -> Decoder:
    """Texts through `predict(inputs, state)`."""
    import numpy as np

    def start() -> Callable[[Sequence[int]], Logits]:
        state, total = make_state(), 0

        def step(tokens: Sequence[int]) -> Logits:
            nonlocal total
            total += len(tokens)
            mask = np.array([[mask_of(len(tokens), total)]], np.float16)
            found = predict({"inputIds": np.array([tokens], np.int32), "causalMask": mask}, state)
            logits: list[float] = np.asarray(found["logits"], np.float64).reshape(-1).tolist()
            return logits

        return step

    return start


def verdict(kept: dict[str, Any], agreed: int, lines: Sequence[str], other: Sequence[int]) -> int:
    """Print what was found; the exit code."""
    print("\n".join(lines))
    total = len(kept["cases"])
    print(
        f"{agreed} of {total} agree (at least {kept['least']:.0%} must); {len(other)} with other token ids {list(other)[:5]}"
    )
    return 0 if total and agreed >= kept["least"] * total and not other else 3


def main() -> int:
    """Check the folder this file lies in."""
    folder = Path(__file__).resolve().parent
    if sys.platform != "darwin":
        print("Core ML exists on Apple's systems only; run this on a Mac", file=sys.stderr)
        return 2
    try:
        import coremltools
        import numpy as np
        from tokenizers import Tokenizer
    except ImportError as error:
        print(f"{error.name} is missing: pip install coremltools numpy tokenizers", file=sys.stderr)
        return 2
    kept = json.loads((folder / "prompts.json").read_text(encoding="utf-8"))
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    special = bool(kept["add_special_tokens"])
    other = check_tokens(lambda text: tokenizer.encode(text, add_special_tokens=special).ids, kept["cases"])
    model = coremltools.models.MLModel(str(folder / "model.mlpackage"))
    if kept["kind"] == "encoder":
        embed = lambda ids: np.asarray(model.predict({"inputIds": np.array([ids], np.int32)})["embedding"]).reshape(-1)  # noqa: E731
        agreed, lines = check_vectors(embed, kept["cases"])
    else:
        agreed, lines = check_answers(
            open_decoder(model.predict, model.make_state), kept["cases"], kept["stop_token_id"]
        )
    return verdict(kept, agreed, lines, other)


if __name__ == "__main__":
    sys.exit(main())
