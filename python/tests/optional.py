"""Packages that some tests need and that the package itself does not."""

from __future__ import annotations

import importlib
import os
from typing import Any

import pytest


def need(module: str) -> Any:
    """The module; where it is not installed, the file's tests are skipped, or fail where LODE_TEST_EVERYTHING is set."""
    if os.environ.get("LODE_TEST_EVERYTHING"):
        return importlib.import_module(module)
    return pytest.importorskip(module, exc_type=ImportError)
