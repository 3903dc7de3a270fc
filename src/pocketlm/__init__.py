"""PocketLM: your own examples in, a small language model that ships out.

The same verbs as the command line, loaded when first used:
`open_engine(uri)`, `read_rows(path)`, `prepare(raw, out)`, `train_run(...)`, `evaluate(task, engine, rows)`, `explain(engine, text)`, `export(subject, ...)`,
`open_notes(path)`.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_VERBS = {
    "CallTask": "pocketlm.tasks.call",
    "Run": "pocketlm.train.run",
    "ToolSet": "pocketlm.tasks.tools",
    "compare": "pocketlm.evaluate.compare",
    "evaluate": "pocketlm.evaluate.evaluate",
    "explain": "pocketlm.evaluate.explain",
    "export": "pocketlm.export.bundle",
    "load_config": "pocketlm.core.config",
    "open_engine": "pocketlm.engines.open",
    "open_notes": "pocketlm.notes.api",
    "prepare": "pocketlm.data.dataset",
    "prepare_labelled": "pocketlm.data.labelled",
    "read_rows": "pocketlm.data.read",
    "train_classifier": "pocketlm.train.classify",
    "train_run": "pocketlm.train.run",
}
__all__ = ["__version__", *_VERBS]


def __getattr__(name: str) -> Any:
    if name in _VERBS:
        return getattr(import_module(_VERBS[name]), name)
    raise AttributeError(f"module 'pocketlm' has no attribute {name!r}; it has {', '.join(__all__)}")
