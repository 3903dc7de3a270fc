"""A Core ML package on macOS: a decoder with the cache that the system keeps, or a text encoder.

One text at a time; the prompt goes in at once, then each token. Knows nothing about tasks. Core ML itself is reached
through two functions, so that everything else here is tested where Core ML does not exist.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from pocketlm.core.errors import InputError
from pocketlm.core.extras import need
from pocketlm.core.files import read_json
from pocketlm.engines.base import Ids
from pocketlm.engines.matcher import Matchers
from pocketlm.engines.stepwise import Reading, Scores, Stepwise, log_softmax

PACKAGE = "model.mlpackage"
HIDDEN = -3e4  # what the mask says of a place that is not seen; float16 ends at -65504


class Runtime(Protocol):
    """What is asked of Core ML; coremltools.models.MLModel is one."""

    def predict(self, data: Mapping[str, Any], state: Any = None) -> Mapping[str, Any]:
        """The outputs of one call."""
        ...

    def make_state(self) -> Any:
        """An empty cache."""
        ...


def open_runtime(folder: Path) -> Runtime:
    """The package of a converted folder.

    Raises:
        EnvironmentLacks: coremltools is missing. InputError: no package there.
    """
    if not (folder / PACKAGE).is_dir():
        raise InputError(f"{folder}: no {PACKAGE} there")
    runtime: Runtime = need("coremltools", "a Core ML package", "coreml").models.MLModel(str(folder / PACKAGE))
    return runtime


class CoreMlEngine(Stepwise):
    """A folder with model.mlpackage, tokenizer.json and generation.json; see `Engine`.

    Args:
        runtime: instead of Core ML.
    """

    def __init__(self, folder: Path, *, runtime: Runtime | None = None) -> None:
        from pocketlm.models.load import load_tokenizer
        from pocketlm.tasks.template import template_for

        facts = read_json(folder / "generation.json")
        self.uri = str(folder / PACKAGE)
        self._tokenizer = load_tokenizer(folder)
        self.template = template_for(list(self._tokenizer.get_vocab()), facts["chat_template"]).name
        self._stop: int = facts["stop_token_id"]
        self.begin: int = facts["begin_token_id"]
        added: list[int] = self._tokenizer("")["input_ids"]
        self.opening = [self.begin] if self.begin in added[:1] else []
        self.context = int(facts["context"])
        self._runtime = runtime or open_runtime(folder)
        vocabulary = int(read_json(folder / "config.json")["vocab_size"])
        self._matchers = Matchers(self._tokenizer, vocabulary, self._stop)

    def close(self) -> None:
        """Drop the package."""
        del self._runtime

    def _reading(self) -> Reading:
        return _Text(self._runtime, self.context).feed

    def _most(self, prompt: int, max_tokens: int) -> int:
        return min(max_tokens, max(self.context - prompt, 1))


class _Text:
    """One text on its way through the package: its cache and how many places are taken."""

    def __init__(self, runtime: Runtime, context: int) -> None:
        self._runtime, self._context, self._total = runtime, context, 0
        self._state = runtime.make_state()

    def feed(self, ids: Ids) -> Scores:
        """Log-probabilities of what comes behind further tokens.

        Raises:
            InputError: there is no place for them.
        """
        new, self._total = len(ids), self._total + len(ids)
        if not 0 < new <= self._total <= self._context:
            raise InputError(f"a text of {self._total} tokens; this package's cache holds 1 to {self._context}")
        later = np.arange(self._total) > np.arange(self._total - new, self._total)[:, None]
        mask = np.where(later, np.float16(HIDDEN), np.float16(0))[None, None]
        inputs = {"inputIds": np.array([list(ids)], np.int32), "causalMask": mask}
        logits = np.asarray(self._runtime.predict(inputs, self._state)["logits"], np.float32).reshape(-1)
        return log_softmax(logits)


class CoreMlEmbedder:
    """A converted encoder; see `Embedder`.

    Args:
        runtime: instead of Core ML.
    """

    def __init__(self, folder: Path, *, runtime: Runtime | None = None) -> None:
        from pocketlm.models.load import load_tokenizer

        self.uri = str(folder / PACKAGE)
        self._longest = int(read_json(folder / "generation.json")["context"])
        self._width = int(read_json(folder / "config.json")["hidden_size"])
        self._tokenizer = load_tokenizer(folder)
        self._runtime = runtime or open_runtime(folder)

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Vectors (texts, width) of length 1; zeros for a text without tokens. Longer texts are cut."""
        vectors = np.zeros((len(texts), self._width), np.float32)
        for row, text in enumerate(texts):
            ids = self._tokenizer(text, truncation=True, max_length=self._longest)["input_ids"]
            if ids:
                found = self._runtime.predict({"inputIds": np.array([ids], np.int32)})
                vectors[row] = np.asarray(found["embedding"]).reshape(-1)
        return vectors

    def close(self) -> None:
        """Drop the package."""
        del self._runtime
