"""Every example and docstring: they run as they stand, and stub and extension say the same."""

from __future__ import annotations

import ast
import doctest
import importlib
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
from optional import need

ROOT = Path(__file__).resolve().parents[2]
STUB = Path(lodedb.__file__).with_name("_lodedb.pyi")


def documented() -> Iterator[tuple[str, Any]]:
    yield "lodedb", lodedb
    yield "lodedb.aio", lodedb.aio
    for name, thing in vars(_lodedb).items():
        if not name.startswith("_"):
            yield from with_members(name, thing)


def with_members(name: str, thing: Any) -> Iterator[tuple[str, Any]]:
    yield name, thing
    if isinstance(thing, type):
        for member in vars(thing):
            if not member.startswith("__"):
                yield f"{name}.{member}", getattr(thing, member)


def runtime_doc(name: str) -> str:
    return inspect.getdoc(dict(documented())[name]) or ""


@pytest.mark.parametrize("name", [name for name, thing in documented() if ">>>" in (inspect.getdoc(thing) or "")])
def test_examples_in_docstrings(name: str) -> None:
    run_examples(name, runtime_doc(name))


def run_examples(name: str, doc: str) -> None:
    names = {"lodedb": lodedb, "np": np}
    test = doctest.DocTestParser().get_doctest(doc, names, name, None, 0)
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


@pytest.mark.parametrize(
    ("module", "needs"),
    [
        ("langchain", "langchain_core"),
        ("llama_index", "llama_index.core"),
        ("haystack", "haystack"),
        ("migrate", "pyarrow"),
    ],
)
def test_modules_that_need_other_packages(module: str, needs: str) -> None:
    need(needs)
    imported = importlib.import_module(f"lodedb.{module}")
    run_examples(imported.__name__, inspect.getdoc(imported) or "")
    for public in imported.__all__:
        for name, thing in with_members(public, getattr(imported, public)):
            doc = inspect.getdoc(thing) if callable(thing) or isinstance(thing, property) else None
            assert doc or "._" in name or not callable(thing), f"{module}.{name} has no docstring"
            run_examples(name, doc if doc and ">>>" in doc else "")


MISSING = """
import sys
import lodedb
assert not any(name in sys.modules for name in ("langchain_core", "llama_index", "haystack", "lodedb.migrate"))
sys.modules[sys.argv[1]] = None
try:
    __import__(sys.argv[2])
except ImportError as error:
    print(error)
"""


@pytest.mark.parametrize(
    ("framework", "module", "said"),
    [
        ("langchain_core", "lodedb.langchain", "needs the package 'langchain-core': pip install langchain-core"),
        ("llama_index", "lodedb.llama_index", "needs the package 'llama-index-core': pip install llama-index-core"),
        ("haystack", "lodedb.haystack", "pip install haystack-ai, or pip install 'lodedb[haystack]'"),
    ],
)
def test_a_framework_that_is_not_there_is_an_error_that_names_it(framework: str, module: str, said: str) -> None:
    command = [sys.executable, "-c", MISSING, framework, module]
    assert said in subprocess.run(command, capture_output=True, text=True, check=True).stdout


def blocks(file: str) -> list[str]:
    return re.findall(r"```python\n(.*?)```", (ROOT / file).read_text(), flags=re.DOTALL)


@pytest.mark.parametrize("file", ["README.md", "python/README.md"])
def test_examples_in_readmes(file: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    found = blocks(file)
    assert found
    for block in found:
        for module in ("langchain_core", "chromadb"):
            if module in block:
                need(module)
        exec(compile(block, file, "exec"), {"__name__": "readme"})


def run_example(*command: str) -> str:
    path = str(ROOT / "examples" / command[0])
    done = subprocess.run([sys.executable, path, *command[1:]], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_rag(tmp_path: Path) -> None:
    printed = run_example("rag.py")
    assert "scarlet pigment" in printed and "Cinnabar" in printed and "[" in printed
    note = tmp_path / "note.txt"
    note.write_text("A sluice box washes gold out of gravel.\n\nRivers carry sand.")
    printed = run_example("rag.py", "What washes gold?", str(note))
    assert "[washes] [gold]" in printed and "note.txt" in printed


def test_migrate_from_chroma(tmp_path: Path) -> None:
    chromadb = need("chromadb")
    printed = run_example("migrate_from_chroma.py")
    assert "513 records, 100 compared and equal" in printed and "recall@10" in printed
    folder = tmp_path / "old"
    notes = chromadb.PersistentClient(str(folder)).create_collection("notes")
    notes.add(ids=["a"], embeddings=[[1.0, 2.0]], documents=["Gold."])
    assert "notes: 1 records" in run_example("migrate_from_chroma.py", str(folder))
    assert (tmp_path / "old.lode").exists()


def test_quickstart() -> None:
    command = [sys.executable, str(ROOT / "examples/quickstart.py")]
    assert "Verified and closed" in subprocess.run(command, capture_output=True, text=True, check=True).stdout
