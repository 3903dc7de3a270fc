"""Texts as they are compared: case and white space aside."""

from __future__ import annotations


def folded(text: str) -> str:
    """A text whose case and white space say nothing: one space between words."""
    return " ".join(text.casefold().split())
