"""Packages that some tests need and that the package itself does not."""

from __future__ import annotations

import importlib
import os

import pytest


def need(*modules: str) -> None:
    """Skips the tests of a file where a package is not installed; where LODE_TEST_EVERYTHING is set, fails instead."""
    for module in modules:
        if os.environ.get("LODE_TEST_EVERYTHING"):
            importlib.import_module(module)
        else:
            pytest.importorskip(module, exc_type=ImportError)
