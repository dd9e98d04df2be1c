"""What `progress=` is told, and the bar that `progress=True` shows."""

import sys
from typing import Any, NamedTuple


class Progress(NamedTuple):
    """How far a long call is: `done` of `total` records of `collection`."""

    collection: str
    done: int
    total: int


Progress.__module__ = "lodedb"


def bar() -> Any:
    """tqdm's bar where tqdm is installed, else a line on standard error."""
    try:
        from tqdm.auto import tqdm
    except ImportError:
        return _Line()
    return _Bar(tqdm(unit=" records"))


class _Bar:
    def __init__(self, tqdm: Any) -> None:
        self._tqdm = tqdm

    def __call__(self, progress: Progress) -> None:
        self._tqdm.total = progress.total
        self._tqdm.set_description(progress.collection, refresh=False)
        self._tqdm.update(progress.done - self._tqdm.n)

    def close(self) -> None:
        self._tqdm.close()


class _Line:
    def __init__(self) -> None:
        self._shown = False

    def __call__(self, progress: Progress) -> None:
        self._shown = True
        percent = 100 * progress.done // max(progress.total, 1)
        sys.stderr.write(f"\r{progress.collection}: {progress.done:_} of {progress.total:_} records, {percent} %")
        sys.stderr.flush()

    def close(self) -> None:
        if self._shown:
            sys.stderr.write("\n")
