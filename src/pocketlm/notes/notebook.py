"""A notes file together with the models that read it: what every capability works on. Models are opened when first needed."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pocketlm.core.errors import InputError
from pocketlm.engines.base import Engine
from pocketlm.engines.embedder import Embedder
from pocketlm.notes.encoder import DEFAULT, NoEncoder, named, open_encoder
from pocketlm.notes.store import Store

GENERATOR = "starter:smollm2-135m"
NO_GENERATOR = "none"  # nothing is written, only quoted
ENCODER_SETTING = "encoder"
NO_ENCODER = NoEncoder.uri  # words alone


class Notebook:
    """Notes and their models.

    Args:
        path: the notes file; made where there is none, unless `must_exist`.
        encoder: what turns passages into vectors; by default what the file was made with, otherwise `encoder.DEFAULT`.
        generator: any engine, for what must be written (see `engines/open.py`); most capabilities need none.
        password: of an encrypted file.

    Raises:
        InputError: see `Store`.
    """

    def __init__(
        self,
        path: Path | str,
        *,
        encoder: str | Embedder = "",
        generator: str | Engine = GENERATOR,
        password: str = "",
        must_exist: bool = False,
    ) -> None:
        self.store = Store(path, password=password, must_exist=must_exist)
        self._encoder, self._generator = encoder, generator
        self.caches: dict[str, Any] = {}  # indexes of capabilities, each with the store's version it was built for

    def __enter__(self) -> Notebook:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    @property
    def encoder_uri(self) -> str:
        """What turns passages into vectors; as the file keeps it, see `encoder.named`."""
        if not isinstance(self._encoder, str):
            return self._encoder.uri
        return named(self._encoder or self.store.setting(ENCODER_SETTING) or DEFAULT)

    @cached_property
    def embedder(self) -> Embedder:
        """Raises EnvironmentLacks: its packages or its download are missing."""
        return open_encoder(self.encoder_uri) if isinstance(self._encoder, str) else self._encoder

    def check_encoder(self) -> None:
        """Whether the file's vectors can be held against new ones.

        Raises:
            InputError: another encoder made them.
        """
        made = self.store.setting(ENCODER_SETTING)
        if made and made != self.encoder_uri:
            raise InputError(
                f"{self.store.path}: its vectors are made by {made}, not by {self.encoder_uri}; `pocketlm notes import` encodes"
                " all anew; search by words goes on"
            )

    @property
    def generator_uri(self) -> str:
        """What writes; "none" where nothing does."""
        return self._generator if isinstance(self._generator, str) else self._generator.uri

    @cached_property
    def generator(self) -> Engine:
        """Raises InputError, EnvironmentLacks: see `open_engine`."""
        from pocketlm.engines.open import open_engine

        return open_engine(self._generator) if isinstance(self._generator, str) else self._generator

    def close(self) -> None:
        """Give the file, and models that were opened here, back."""
        for name, given in (("embedder", self._encoder), ("generator", self._generator)):
            if isinstance(given, str) and name in self.__dict__:
                self.__dict__[name].close()
        self.store.close()


def to_bytes(vectors: NDArray[np.float32]) -> list[bytes]:
    """Vectors (texts, width) as the file keeps them: signed bytes, the largest number of each 127; the length is lost."""
    largest = np.maximum(np.abs(vectors).max(1, keepdims=True, initial=0.0), 1e-9)
    return [code.tobytes() for code in np.rint(vectors / largest * 127).astype(np.int8)]
