"""Passages by meaning: the signs of all vectors in memory choose candidates, the file's own bytes order them.

The signs are kept in a file beside the notes file so that a new process need not read every vector. It may be deleted at
any time; where it is behind, what changed is caught up.
"""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pocketlm.core.errors import EnvironmentLacks
from pocketlm.core.files import atomic_path
from pocketlm.notes.notebook import ENCODER_SETTING, Notebook
from pocketlm.notes.words import json_list

Ints = NDArray[np.int64]
Floats = NDArray[np.float32]

SUFFIX = "-vectors"
ROUGH = 3000  # passages that the signs of both choose
BLOCK = 20_000  # vectors read at once
BEHIND = 0.02  # share of passages that may have come or gone before the file beside is written again
SAMPLE = 64  # vectors that tell whether a file beside belongs to the notes file
PLAIN = b"SQLite format 3\0"  # how a file begins that is not encrypted


@dataclass(frozen=True)
class Signs:
    """The signs of the vectors of all passages.

    Attributes:
        version: of the store, when it was read.
        encoder: what made the vectors.
        width: numbers of a vector.
        ids, notes: numbers of the passages, rising, and of their notes (passages,).
        bits: 1 where a number is above 0, (words of 64 bits, passages), since one such row is compared at a time.
        blank: passages that have no vector yet (passages,).
    """

    version: int
    encoder: str
    width: int
    ids: Ints
    notes: Ints
    bits: NDArray[np.uint64]
    blank: NDArray[np.bool_]

    def nearest(self, question: Floats, count: int, among: NDArray[np.bool_] | None = None) -> list[int]:
        """The `count` passages that seem nearest to a question's vector, in no order. `among`: those that may be found.

        Those with the fewest other signs are looked at again: the question's numbers are summed with the passage's signs, which
        finds nearly all that the whole vectors would (asymmetric distance: Gordo et al. 2014, doi:10.1109/TPAMI.2013.101).
        """
        if len(question) != self.width:
            return []
        apart = np.zeros(len(self.ids), dtype=np.uint16)
        for row, sign in zip(self.bits, signs(question[None])[:, 0], strict=True):
            apart += np.bitwise_count(row ^ sign)
        apart[self.blank if among is None else self.blank | ~among] = self.width + 1
        rough = _fewest(apart, ROUGH)
        rough = rough[apart[rough] <= self.width]
        held = np.unpackbits(np.ascontiguousarray(self.bits[:, rough].T).view(np.uint8), axis=1)[:, : self.width]
        found: list[int] = self.ids[rough[_fewest(-(held.astype(np.float32) @ question), count)]].tolist()
        return found


def signs_of(book: Notebook) -> Signs:
    """The signs as the notes file is now."""
    encoder, version = book.store.setting(ENCODER_SETTING), book.store.version
    known: Signs | None = book.caches.get("signs")
    if known and (known.version, known.encoder) == (version, encoder):
        return known
    beside = book.store.path.with_name(book.store.path.name + SUFFIX)
    known = known or _load(beside, book.store.db)
    saved = len(known.ids) if known else 0
    if known and known.encoder == encoder and known.version <= version:
        known = _caught_up(book.store.db, known, version)
    else:
        known = _read(book.store.db, version, encoder)
    book.caches["signs"] = known
    if abs(len(known.ids) - saved) > BEHIND * len(known.ids) and _is_plain(book.store.path):
        _save(known, beside)
    return known


def _fewest(numbers: NDArray[Any], count: int) -> Ints:
    """Places of the `count` least, in no order."""
    return np.argpartition(numbers, count)[:count] if count < len(numbers) else np.arange(len(numbers))


def cosines(db: Any, passages: Sequence[int], question: Floats) -> dict[int, float]:
    """Passage -> cosine of its vector with a question's; those without a vector of that width are left out."""
    found = db.execute(
        "SELECT id, vector FROM passage WHERE id IN (SELECT value FROM json_each(?))", (json_list(passages),)
    )
    rows = [row for row in found if row[1] and len(row[1]) == len(question)]
    codes = _codes([row[1] for row in rows], len(question)).astype(np.float32)
    lengths = np.maximum(np.linalg.norm(codes, axis=1) * np.linalg.norm(question), 1e-9)
    return dict(zip((row[0] for row in rows), (codes @ question / lengths).tolist(), strict=True))


def signs(vectors: NDArray[Any]) -> NDArray[np.uint64]:
    """Of vectors (n, width): (words of 64 bits, n)."""
    bits = np.packbits(vectors > 0, axis=1)
    return np.ascontiguousarray(np.pad(bits, ((0, 0), (0, -bits.shape[1] % 8))).view(np.uint64).T)


def _codes(vectors: Sequence[bytes], width: int) -> NDArray[np.int8]:
    return np.frombuffer(b"".join(vectors), dtype=np.int8).reshape(len(vectors), width)


def _read(db: Any, version: int, encoder: str, where: str = "1", *values: Any) -> Signs:
    """The signs of passages; the first vector tells the width."""
    ids: list[int] = []
    notes: list[int] = []
    blank: list[bool] = []
    first = db.execute("SELECT length(vector) FROM passage WHERE vector IS NOT NULL LIMIT 1").fetchone()
    width = int(first[0]) if first else 0
    parts = [np.zeros((-(-width // 64), 0), dtype=np.uint64)]
    rows = db.execute(f"SELECT id, note, vector FROM passage WHERE {where} ORDER BY id", values)
    while some := rows.fetchmany(BLOCK):
        ids += [row[0] for row in some]
        notes += [row[1] for row in some]
        lacks = [row[2] is None or len(row[2]) != width for row in some]
        blank += lacks
        vectors = [bytes(width) if lack else row[2] for row, lack in zip(some, lacks, strict=True)]
        parts.append(signs(_codes(vectors, width)))
    return Signs(
        version,
        encoder,
        width,
        np.array(ids, dtype=np.int64),
        np.array(notes, dtype=np.int64),
        np.concatenate(parts, axis=1),
        np.array(blank, dtype=np.bool_),
    )


def _caught_up(db: Any, known: Signs, version: int) -> Signs:
    """What is new is added, what is gone is taken out: a changed note's passages have new numbers."""
    if known.version == version:
        return known
    last = int(known.ids[-1]) if len(known.ids) else 0
    kept = ~known.blank
    if db.execute("SELECT count(*) FROM passage WHERE id <= ?", (last,)).fetchone()[0] != len(known.ids):
        kept &= np.isin(known.ids, [row[0] for row in db.execute("SELECT id FROM passage WHERE id <= ?", (last,))])
    blank = json_list(known.ids[known.blank].tolist())
    where = "id > ? OR id IN (SELECT value FROM json_each(?))"
    new = _read(db, version, known.encoder, where, last, blank)
    if new.width != known.width:
        return _read(db, version, known.encoder)
    ids = np.concatenate([known.ids[kept], new.ids])
    order = np.argsort(ids, kind="stable")
    bits = np.concatenate([known.bits[:, kept], new.bits], axis=1)[:, order]
    return replace(
        new,
        ids=ids[order],
        notes=np.concatenate([known.notes[kept], new.notes])[order],
        bits=np.ascontiguousarray(bits),  # whole rows are compared: three times as quick where they lie together
        blank=np.concatenate([known.blank[kept], new.blank])[order],
    )


def _save(known: Signs, path: Path) -> None:
    """A folder that cannot be written to is no reason not to search."""
    try:
        with atomic_path(path) as aside, aside.open("wb") as out:
            np.savez(
                out,
                told=np.array([known.version, known.width]),
                encoder=np.array(known.encoder),
                ids=known.ids,
                notes=known.notes,
                bits=known.bits,
                blank=known.blank,
            )
    except (OSError, EnvironmentLacks):
        pass


def _load(path: Path, db: Any) -> Signs | None:
    """What `_save` wrote, if it is whole and this notes file's."""
    try:
        with np.load(path, allow_pickle=False) as kept:
            version, width = kept["told"].tolist()
            known = Signs(version, str(kept["encoder"]), width, kept["ids"], kept["notes"], kept["bits"], kept["blank"])
    except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile):
        return None
    return known if _fits(known, db) else None


def _fits(known: Signs, db: Any) -> bool:
    """Whether passages that both have are the same in both, looked at here and there."""
    places = np.unique(np.linspace(0, max(len(known.ids) - 1, 0), SAMPLE).astype(np.int64))[: len(known.ids)]
    wanted = "id IN (SELECT value FROM json_each(?))"
    there = _read(db, known.version, known.encoder, wanted, json_list(known.ids[places].tolist()))
    at = np.searchsorted(known.ids, there.ids)
    return (
        there.width == known.width
        and bool((there.bits == known.bits[:, at]).all())
        and bool((there.notes == known.notes[at]).all())
    )


def _is_plain(path: Path) -> bool:
    """An encrypted file's vectors are not written anywhere else."""
    try:
        with path.open("rb") as file:
            return file.read(len(PLAIN)) == PLAIN
    except OSError:
        return False
