from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import lodedb
import pytest


@pytest.fixture
def db() -> Iterator[lodedb.Database]:
    """A database in memory."""
    with lodedb.open(":memory:") as database:
        yield database


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where a database can be made."""
    return tmp_path / "test.lode"
