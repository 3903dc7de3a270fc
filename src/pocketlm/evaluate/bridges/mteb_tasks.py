"""Our embedders under MTEB, the Massive Text Embedding Benchmark (`pip install 'pocketlm[bench]'`).

`EmbedderModel` is an embedder as MTEB sees an encoder. Besides MTEB's own tasks, which fetch their data from the hub,
it runs tasks made of local files: a retrieval folder in BEIR's layout, and pairs of sentences with a score.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import mteb
import torch
from datasets import Dataset
from mteb.abstasks.retrieval import AbsTaskRetrieval
from mteb.abstasks.sts import AbsTaskSTS
from mteb.abstasks.task_metadata import TaskMetadata
from mteb.models.model_meta import ModelMeta

from pocketlm.core import progress
from pocketlm.core.errors import InputError
from pocketlm.data.sources import read_items
from pocketlm.engines.embedder import Embedder, Vectors

SPLIT = "test"


class EmbedderModel:
    """An embedder as MTEB's EncoderProtocol. `texts` counts what was embedded."""

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder
        self.texts = 0
        self.mteb_model_meta = ModelMeta.create_empty({"name": f"pocketlm/{_slug(embedder.uri)}", "revision": "local"})

    def encode(self, inputs: Iterable[dict[str, Any]], *, task_metadata: Any, **_: Any) -> Vectors:
        """Vectors (texts, width) of batches of texts; queries and documents are embedded alike."""
        batches = list(inputs)
        if not all("text" in batch for batch in batches):
            raise InputError(f"mteb:{task_metadata.name}: is not about texts alone; choose a task of texts")
        texts = [text for batch in batches for text in batch["text"]]
        self.texts += len(texts)
        return self._embedder.embed(texts)

    def similarity(self, embeddings1: Any, embeddings2: Any) -> Any:
        """Cosines of each vector with each (first, second); they have length 1."""
        return torch.as_tensor(embeddings1) @ torch.as_tensor(embeddings2).T

    def similarity_pairwise(self, embeddings1: Any, embeddings2: Any) -> Any:
        """Cosines of the vectors at the same place (rows)."""
        return (torch.as_tensor(embeddings1) * torch.as_tensor(embeddings2)).sum(-1)


class LocalTask:
    """What tasks of local files have in common. `limit`: the first so many queries or pairs."""

    kind = main_score = ""

    def __init__(self, path: Path, limit: int | None = None) -> None:
        self.metadata = _metadata(path, self.kind, self.main_score)
        self._path, self._limit = path, limit
        super().__init__()

    def unload_data(self) -> None:
        """Forget the rows. MTEB's own method also forgets an object's metadata, and these have no other."""
        self.dataset: Any = None
        self.data_loaded = False


class LocalRetrieval(LocalTask, AbsTaskRetrieval):  # type: ignore[misc]
    """A folder with corpus.jsonl and queries.jsonl (`_id`, `text`, the corpus also `title`) and qrels/test.tsv
    (`query-id`, `corpus-id`, `score`), as BEIR has it (Thakur et al., 2021)."""

    kind, main_score = "Retrieval", "ndcg_at_10"

    def load_data(self, num_proc: int | None = None, **_: Any) -> None:
        """Read the files.

        Raises:
            InputError: one is missing, a row lacks a key, or the qrels name what is not there.
        """
        corpus = {str(row["_id"]): row for _, row in _rows(self._path / "corpus.jsonl", "_id", "text")}
        queries = {str(row["_id"]): row["text"] for _, row in _rows(self._path / "queries.jsonl", "_id", "text")}
        relevant = _relevant(_qrels(self._path), queries, corpus)
        if self._limit:
            relevant = dict(list(relevant.items())[: self._limit])
        self.dataset = {
            "default": {
                SPLIT: {
                    "corpus": Dataset.from_list(
                        [{"id": id, "title": row.get("title") or "", "text": row["text"]} for id, row in corpus.items()]
                    ),
                    "queries": Dataset.from_list([{"id": id, "text": queries[id]} for id in relevant]),
                    "relevant_docs": relevant,
                    "top_ranked": None,
                }
            }
        }
        self.data_loaded = True


class LocalSTS(LocalTask, AbsTaskSTS):  # type: ignore[misc]
    """A JSONL file of {"a": sentence, "b": sentence, "score": how alike}."""

    kind, main_score = "STS", "cosine_spearman"

    def load_data(self, num_proc: int | None = None, **_: Any) -> None:
        """Read the file.

        Raises:
            InputError: it is missing, a row lacks a key, or all scores are the same.
        """
        rows = [
            {"sentence1": row["a"], "sentence2": row["b"], "score": _number(where, row["score"])}
            for where, row in _rows(self._path, "a", "b", "score")
        ][: self._limit]
        scores = [row["score"] for row in rows]
        self.min_score, self.max_score = min(scores), max(scores)
        if self.min_score == self.max_score:
            raise InputError(f"{self._path}: all scores are {self.max_score}; a correlation needs different ones")
        self.dataset = {"default": {SPLIT: Dataset.from_list(rows)}}
        self.data_loaded = True


def run_mteb(embedder: Embedder, tasks: Sequence[str | Path | Any], limit: int | None = None) -> dict[str, Any]:
    """Run tasks of MTEB on an embedder.

    Args:
        tasks: names of MTEB's tasks (their data is fetched from the hub), folders for `LocalRetrieval`, JSONL files for
            `LocalSTS`, or task objects.
        limit: at most so many queries or pairs of each local task.

    Returns:
        {"metrics": {task: {metric: value}}, "main": {task: the metric that counts}, "versions": {"mteb"}, "samples": texts
        embedded}.

    Raises:
        InputError: no such task or file, or its data cannot be loaded.
    """
    model = EmbedderModel(embedder)
    metrics: dict[str, dict[str, float]] = {}
    main: dict[str, str] = {}
    for task in [_task(task, limit) for task in tasks]:
        try:
            found = mteb.evaluate(model, task, cache=None, co2_tracker=False, show_progress_bar=not progress.quiet)
        except OSError as error:  # the hub's client and the datasets library raise kinds of it
            raise InputError(
                f"mteb:{task.metadata.name}: its data cannot be loaded ({error}); is the network there?"
            ) from error
        for result in found.task_results:
            numbers = _metrics(result)
            metrics |= numbers
            main |= dict.fromkeys(numbers, task.metadata.main_score)
    return {"metrics": metrics, "main": main, "versions": {"mteb": version("mteb")}, "samples": model.texts}


def _task(task: str | Path | Any, limit: int | None) -> Any:
    if not isinstance(task, (str, Path)):
        return task
    path = Path(task)
    if path.is_dir():
        return LocalRetrieval(path, limit)
    if path.is_file():
        return LocalSTS(path, limit)
    if limit:
        raise InputError(f"mteb:{task}: --limit is for local files; leave it out for a task of MTEB's own")
    try:
        return mteb.get_task(str(task))
    except (KeyError, ValueError) as error:
        raise InputError(f"mteb:{task}: no task of MTEB, no folder and no file of that name") from error


def _metadata(path: Path, kind: str, main_score: str) -> Any:
    """What MTEB must know of a task. The language is not used for scoring, but must be one it knows."""
    return TaskMetadata(
        name=_slug(path.stem),
        description=f"{kind} from {path}",
        type=kind,
        dataset={"path": str(path), "revision": "local"},
        eval_splits=[SPLIT],
        eval_langs=["eng-Latn"],
        main_score=main_score,
    )


def _metrics(result: Any) -> dict[str, dict[str, float]]:
    """Numbers by task; where it has several splits or subsets (languages), by each of these."""
    found = {
        (result.task_name, split, scores["hf_subset"]): {
            name: float(value)
            for name, value in scores.items()
            if isinstance(value, (int, float)) and math.isfinite(value)  # JSON has no others
        }
        for split, subsets in result.scores.items()
        for scores in subsets
    }
    return {key[0] if len(found) == 1 else " ".join(key): numbers for key, numbers in found.items()}


def _relevant(
    file: Path, queries: dict[str, str], corpus: dict[str, dict[str, Any]]
) -> dict[str, dict[str, int]]:  # fmt: skip
    """Query -> document -> how relevant it is."""
    relevant: dict[str, dict[str, int]] = {}
    for where, row in _rows(file, "query-id", "corpus-id", "score"):
        query, document = row["query-id"], row["corpus-id"]
        for id, known, name in ((query, queries, "queries.jsonl"), (document, corpus, "corpus.jsonl")):
            if id not in known:
                raise InputError(f'{where}: names "{id}", which is not in {name}')
        relevant.setdefault(query, {})[document] = int(_number(where, row["score"]))
    if not relevant:
        raise InputError(f"{file}: holds no row; each one names a query, a document and how relevant it is")
    return relevant


def _qrels(folder: Path) -> Path:
    for name in (f"qrels/{SPLIT}.tsv", "qrels.tsv"):
        if (folder / name).is_file():
            return folder / name
    raise InputError(f"{folder}: has no qrels/{SPLIT}.tsv; its columns are query-id, corpus-id and score")


def _rows(file: Path, *keys: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """(place, row) of a file whose rows must have these keys."""
    for item in read_items(file):
        if item.problem:
            raise InputError(item.problem)
        missing = [key for key in keys if not isinstance(item.value, dict) or key not in item.value]
        if missing:
            raise InputError(f"{item.where}: has no {missing[0]}; each row needs {', '.join(keys)}")
        yield item.where, item.value


def _number(where: str, value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        raise InputError(f"{where}: score is {value!r}, not a number") from None


def _slug(text: str) -> str:
    return re.sub(r"[^\w.-]+", "-", text).strip("-") or "local"
