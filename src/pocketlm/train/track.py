"""Where a training's metrics go: always a file of JSON lines, and the trackers a user has.

The trackers are accelerate's; each needs its own package.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from pocketlm.core.config import Config
from pocketlm.core.errors import EnvironmentLacks
from pocketlm.core.files import dump_compact

LIVE = "metrics.live.jsonl"  # grows with every step, whatever then happens

Log = Callable[[dict[str, float]], None]


@contextmanager
def tracked(names: Sequence[str], folder: Path, config: Config, *, quiet: bool = False) -> Iterator[Log]:
    """Yield `log(entry)`, which writes a step's metrics to `folder` and to every tracker named; quiet, to none.

    Raises:
        EnvironmentLacks: a tracker's package is not installed.
    """
    missing = [name for name in names if not find_spec(name)]
    if missing:
        raise EnvironmentLacks(f"train.track: {missing[0]} is not installed: pip install {missing[0]}")
    if quiet:
        yield lambda _: None
        return
    trackers = [_start(name, folder, config) for name in names]

    def log(entry: dict[str, float]) -> None:
        live.write(dump_compact(entry) + "\n")
        live.flush()
        values = {key: value for key, value in entry.items() if key != "step"}
        for tracker in trackers:
            tracker.log(values, step=int(entry["step"]))

    with (folder / LIVE).open("a", encoding="utf-8") as live:
        try:
            yield log
        finally:
            for tracker in trackers:
                tracker.finish()


def _start(name: str, folder: Path, config: Config) -> Any:
    from accelerate import PartialState
    from accelerate.tracking import TensorBoardTracker, TrackioTracker, WandBTracker

    PartialState()  # the trackers ask it whether they are the main process
    run = folder.resolve().name
    tracker: Any
    if name == "tensorboard":
        tracker = TensorBoardTracker(run, folder.parent / "tensorboard")
    elif name == "wandb":
        tracker = WandBTracker("pocketlm", name=run, dir=str(folder))
    else:
        tracker = TrackioTracker("pocketlm", name=run)
    tracker.start()
    settings = config.model_dump(exclude={"data"})
    tracker.store_init_configuration({**_flat(settings.pop("train"), "train."), **_flat(settings)})
    return tracker


def _flat(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    plain = (bool, int, float, str, type(None))
    return {prefix + key: value if isinstance(value, plain) else str(value) for key, value in values.items()}
