"""Every example and docstring: they run as they stand, and stub and extension say the same."""

from __future__ import annotations

import ast
import doctest
import inspect
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import lodedb
import lodedb.aio
import numpy as np
import pytest
from lodedb import _lodedb

ROOT = Path(__file__).resolve().parents[2]
STUB = Path(lodedb.__file__).with_name("_lodedb.pyi")


def documented() -> Iterator[tuple[str, Any]]:
    yield "lodedb", lodedb
    yield "lodedb.aio", lodedb.aio
    for name, thing in vars(_lodedb).items():
        if name.startswith("_"):
            continue
        yield name, thing
        if isinstance(thing, type):
            for member in vars(thing):
                if not member.startswith("__"):
                    yield f"{name}.{member}", getattr(thing, member)


def runtime_doc(name: str) -> str:
    return inspect.getdoc(dict(documented())[name]) or ""


@pytest.mark.parametrize("name", [name for name, thing in documented() if ">>>" in (inspect.getdoc(thing) or "")])
def test_examples_in_docstrings(name: str) -> None:
    names = {"lodedb": lodedb, "np": np}
    test = doctest.DocTestParser().get_doctest(runtime_doc(name), names, name, None, 0)
    failures: list[str] = []
    doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE).run(test, out=failures.append)
    assert not failures, "".join(failures)


def stub_docs() -> Iterator[tuple[str, str]]:
    for node in ast.parse(STUB.read_text()).body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            if doc := ast.get_docstring(node):
                yield node.name, doc
        if isinstance(node, ast.ClassDef):
            for member in node.body:
                if isinstance(member, ast.FunctionDef) and (doc := ast.get_docstring(member)):
                    yield f"{node.name}.{member.name}", doc


@pytest.mark.parametrize(("name", "doc"), [pytest.param(*pair, id=pair[0]) for pair in stub_docs()])
def test_stub_and_extension_have_the_same_docstrings(name: str, doc: str) -> None:
    if name.split(".")[-1].startswith("_"):
        return
    assert runtime_doc(name) == doc


def test_everything_public_has_a_docstring() -> None:
    bare = [name for name, thing in documented() if not inspect.getdoc(thing) and "._" not in name]
    assert not bare


def blocks(file: str) -> list[str]:
    return re.findall(r"```python\n(.*?)```", (ROOT / file).read_text(), flags=re.DOTALL)


@pytest.mark.parametrize("file", ["README.md", "python/README.md"])
def test_examples_in_readmes(file: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    found = blocks(file)
    assert found
    for block in found:
        exec(compile(block, file, "exec"), {"__name__": "readme"})


def test_quickstart() -> None:
    command = [sys.executable, str(ROOT / "examples/quickstart.py")]
    assert "Verified and closed" in subprocess.run(command, capture_output=True, text=True, check=True).stdout
