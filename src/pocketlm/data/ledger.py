"""Everything asked of teachers and answered, a line each, on the disk before anything is done with it.

A killed run goes on from here: what was answered is never asked again, and what was asked without an answer is counted as
paid. A torn last line, which only a kill leaves, is cut off. One run at a time may write.
"""

from __future__ import annotations

import json
import os
import threading
import time
from pathlib import Path
from typing import IO, Any

from pocketlm.core.errors import InputError
from pocketlm.core.files import disk_errors, dump_compact, lock


class Ledger:
    """An append-only file of records `{"asked" | "answered" | "failed": key, ...}`."""

    def __init__(self, path: Path) -> None:
        """Raises InputError: the file is not a ledger."""
        self.path = Path(path)
        self.answers: dict[str, dict[str, Any]] = {}
        self.spent = 0.0
        self._open: dict[str, float] = {}  # asked and not ended: key -> the worst case
        self._lock = threading.Lock()
        self._file: IO[bytes] | None = None
        self._size = 0  # bytes of whole lines
        if self.path.is_file():
            self._load()
        self.spent += sum(self._open.values())  # of a killed run: may have been charged
        self._open.clear()

    def asked(self, key: str, worst: float) -> None:
        """A request is about to be sent that costs at most so much."""
        self._write({"asked": key, "worst": worst})

    def answered(self, key: str, record: dict[str, Any]) -> None:
        """An answer arrived: on the disk when this returns."""
        self._write({"answered": key, **record, "time": round(time.time(), 3)})

    def failed(self, key: str, why: str, price: float) -> None:
        """A request ended without an answer; `price` is what it may have cost."""
        self._write({"failed": key, "why": why, "price": price})

    def close(self) -> None:
        """Close the file."""
        if self._file:
            self._file.close()
            self._file = None

    def _write(self, record: dict[str, Any]) -> None:
        with self._lock, disk_errors(self.path):
            if self._file is None:
                self._file = self._opened()
            self._file.write(dump_compact(record).encode() + b"\n")
            self._file.flush()
            os.fsync(self._file.fileno())
            self._note(record)

    def _opened(self) -> IO[bytes]:
        """The file for us alone, without the torn line of a kill."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        file = self.path.open("ab")
        if not lock(file):
            file.close()
            raise InputError(f"{self.path}: another run is asking; wait until it is done, or choose another --out")
        with self.path.open("rb") as now:
            added = now.read()[self._size :]
        if b"\n" in added:
            file.close()
            raise InputError(f"{self.path}: another run has asked meanwhile; run the same command again")
        file.truncate(self._size)
        return file

    def _load(self) -> None:
        data = self.path.read_bytes()
        whole = data[: data.rfind(b"\n") + 1]
        self._size = len(whole)
        for number, line in enumerate(whole.splitlines(), 1):
            try:
                self._note(json.loads(line))
            except (ValueError, KeyError, TypeError, AttributeError):
                raise InputError(
                    f"{self.path}:{number}: not a line of a ledger; mend it, or choose another --out"
                ) from None

    def _note(self, record: dict[str, Any]) -> None:
        if "asked" in record:
            self.spent += self._open.get(record["asked"], 0.0)  # asked before by a run that was killed
            self._open[record["asked"]] = float(record["worst"])
        elif "answered" in record:
            self._open.pop(record["answered"], None)
            self.answers[record["answered"]] = record
            self.spent += float(record["price"])
        else:
            self._open.pop(record["failed"], None)
            self.spent += float(record["price"])
