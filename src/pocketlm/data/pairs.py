"""What embeddings are trained on: pairs, scored pairs or plain texts, dealt into splits and kept in a folder.

A folder `prepare_pairs` wrote holds train, valid and test .jsonl in the task's own layout, corpus.jsonl with every text
among which answers are sought, and a manifest. Knows nothing of vectors.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from pocketlm.core.config import DataConfig
from pocketlm.core.errors import InputError, Problems
from pocketlm.core.files import atomic_dir, sha256_file, sha256_value, write_jsonl
from pocketlm.core.manifest import hash_inputs, read_manifest, write_manifest
from pocketlm.core.progress import say
from pocketlm.core.text import folded
from pocketlm.data.gather import gather
from pocketlm.data.shapes import Example
from pocketlm.data.sources import read_items, sources
from pocketlm.data.split import SPLITS, deal, split_of_name
from pocketlm.data.splitting import KIND
from pocketlm.tasks.embed import EmbedRow, EmbedTask

TASK = "embed"
CORPUS = "corpus.jsonl"


@dataclass(frozen=True)
class PairData:
    """A prepared folder."""

    folder: Path

    def rows(self, split: str) -> list[EmbedRow]:
        """Rows of "train", "valid" or "test", one an anchor."""
        file = self.folder / f"{split}.jsonl"
        return EmbedTask.rows([(value, f"{file}:{number}") for number, value in enumerate(_values(file), 1)])

    @cached_property
    def texts(self) -> list[str]:
        """Every text among which answers are sought; of plain texts, those."""
        return [value["text"] for value in _values(self.folder / CORPUS)]

    @cached_property
    def titles(self) -> list[str]:
        """The texts' titles, empty where there is none."""
        return [value.get("title", "") for value in _values(self.folder / CORPUS)]

    @property
    def sha256(self) -> str:
        """Hash of all rows and texts."""
        return sha256_value([[file.name, sha256_file(file)] for file in sorted(self.folder.glob("*.jsonl"))])


def prepare_pairs(raw: Path, out: Path, config: DataConfig, home: Path, seed: int) -> PairData:
    """Read what lies under `raw` (rows of the task `embed`, a BEIR folder, or plain texts) and deal it into splits.

    Files named by a split are that split; of the others each anchor with all its rows falls into one by a hash.

    Args:
        config: names further files, relative to `home`.

    Raises:
        InputError, Problems: nothing of use there, or rows that cannot be read.
    """
    given = {"valid": config.valid, "test": config.test}
    paths = {"": raw, **{split: home / name for split, name in given.items() if name}}
    files = [file for path in paths.values() for file in _files(path)]
    made_from = {
        "inputs": hash_inputs(files),
        "settings": {"valid_share": config.valid_share, "test_share": config.test_share, "seed": seed, "given": given},
    }
    if (out / "manifest.json").is_file():
        kept = read_manifest(out)
        if all(kept.get(key) == value for key, value in made_from.items()):
            return PairData(out)
    rows: dict[str, list[dict[str, Any]]] = {split: [] for split in SPLITS}
    texts: dict[str, str] = {}
    for split, path in paths.items():
        found, more = _read(path)
        if not split:  # what stands in the raw folder too and was given as a split is that split's
            found = [
                example for example in found if not _is_given(example, [home / name for name in given.values() if name])
            ]
        texts |= more
        for name, row in _dealt(found, split, config, seed):
            rows[name].append(row)
    rows = _without_leaks(rows)
    for row in (row for some in rows.values() for row in some if "positive" in row):
        for text in (row["positive"], row.get("negative")):
            if text:
                texts.setdefault(text, "")
    if not texts and not rows["train"]:
        raise InputError(f"{raw}: holds neither pairs nor texts; see `pocketlm data check {raw}`")
    with atomic_dir(out) as folder:
        corpus = [{"_id": str(i), "title": title, "text": text} for i, (text, title) in enumerate(texts.items())]
        for name, values in {**{f"{split}.jsonl": some for split, some in rows.items()}, CORPUS: corpus}.items():
            if values:  # an empty file would be a fault to whoever reads the folder
                write_jsonl(folder / name, values)
        counts = {split: len(some) for split, some in rows.items()} | {"texts": len(texts)}
        write_manifest(folder, {"kind": KIND, "task": TASK, "counts": counts, **made_from})
    return PairData(out)


def _is_given(example: Example, given: Sequence[Path]) -> bool:
    return Path(example.where.rpartition(":")[0]).resolve() in {path.resolve() for path in given}


def _without_leaks(rows: dict[str, list[dict[str, Any]]]) -> dict[str, list[dict[str, Any]]]:
    """The rows without those of an earlier split that stand in a later one: same anchor, or same pair either way round."""
    seen: set[frozenset[str]] = set()
    kept = {}
    for split in reversed(SPLITS):
        kept[split] = [row for row in rows[split] if _same(row) not in seen]
        seen |= {_same(row) for row in kept[split]}
    if dropped := sum(map(len, rows.values())) - sum(map(len, kept.values())):
        say(f"{dropped} rows stand in a later split too and were left out of the earlier one")
    return {split: kept[split] for split in SPLITS}


def _same(row: dict[str, Any]) -> frozenset[str]:
    """What makes two rows the same, case and white space aside."""
    texts = (row["a"], row["b"]) if "a" in row else (row["anchor"],)
    return frozenset(map(folded, texts))


def _read(path: Path) -> tuple[list[Example], dict[str, str]]:
    """Rows, and texts with their titles."""
    if (path / CORPUS).is_file():
        texts = _documents(path / CORPUS)
        return (_examples(path, TASK) if any((path / "qrels").glob("*.tsv")) else []), texts
    found = gather(path)
    if found.task == "complete":
        values = [example.row for example in _examples(path, "complete")]
        return [], {value["text"]: str(value.get("title") or "") for value in values}
    return _examples(path, TASK), {}


def _documents(corpus: Path) -> dict[str, str]:
    """The texts of a retrieval folder with their titles."""
    texts, faults = {}, []
    for item in read_items(corpus):
        if item.problem or not isinstance(item.value, dict) or not isinstance(item.value.get("text"), str):
            faults.append(item.problem or f'{item.where}: a document needs "text"')
        else:
            texts[item.value["text"]] = str(item.value.get("title") or "")
    if faults:
        raise Problems(f"{corpus}: cannot be read", faults)
    return texts


def _examples(path: Path, task: str) -> list[Example]:
    found = gather(path, task=task)
    for other in found.others:
        say(f"left out: {other}")
    faults = [f"{fault.where}: {fault.why}" for fault in found.faults]
    faults += [f"{e.where}: a text is empty; add it or delete the row" for e in found.examples if _is_empty(e.row)]
    if faults:
        raise Problems(f"{path}: cannot be read", faults)
    return found.examples


def _is_empty(row: Mapping[str, Any]) -> bool:
    """Whether one of its texts is."""
    return any(not row[key].strip() for key in ("anchor", "positive", "negative", "a", "b") if key in row)


def _dealt(examples: Sequence[Example], split: str, config: DataConfig, seed: int) -> list[tuple[str, dict[str, Any]]]:
    """(split, row) of every example. `split`: the one they were given as, "" for none."""
    named = [split or split_of_name(_stem(example.where)) for example in examples]
    free = {_key(example) for example, name in zip(examples, named, strict=True) if name is None}
    there = {*named, *(name for name, file in (("valid", config.valid), ("test", config.test)) if file)}
    shares = {"valid": config.valid_share, "test": config.test_share}
    valid, test = (0.0 if name in there else share for name, share in shares.items())
    taken = deal(dict.fromkeys(sorted(free), ""), valid, test, seed) if free else {}
    return [(name or taken[_key(e)], dict(e.row)) for e, name in zip(examples, named, strict=True)]


def _key(example: Example) -> str:
    """What must stay together: an anchor, case and white space aside."""
    return folded(example.text)


def _stem(where: str) -> str:
    return Path(where.rpartition(":")[0]).name.partition(".")[0]


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path] if path.is_file() else []
    if any(source.path.is_dir() for source in sources(path)):
        return sorted(file for file in path.rglob("*") if file.is_file() and file.name[0] != ".")
    return [source.path for source in sources(path)]


def _values(file: Path) -> list[dict[str, Any]]:
    """The rows of a file, none where there is no file."""
    if not file.is_file():
        return []
    with file.open(encoding="utf-8") as lines:
        return [json.loads(line) for line in lines if line.strip()]
