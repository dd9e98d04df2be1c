"""The command `lode` that the package installs."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LODE = str(Path(sys.executable).with_name("lode"))


def lode(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([LODE, *map(str, arguments)], capture_output=True, text=True, timeout=60)


@pytest.fixture
def guide(tmp_path: Path) -> Path:
    path = tmp_path / "guide.lode"
    ran = lode("import", ROOT / "examples/data/minerals.jsonl", path, "--text", "description")
    assert ran.returncode == 0, ran.stderr
    return path


def test_it_is_the_same_command(guide: Path) -> None:
    assert "[gold]" in lode("search", guide, "fool's gold").stdout
    assert lode("search", guide, "zzyzx").returncode == 1
    ran = lode("serch")
    assert (ran.returncode, ran.stdout) == (2, "")
    assert ran.stderr.startswith("lode: unrecognized subcommand 'serch'")
    assert len(ran.stderr.splitlines()) == 1


def test_tables_are_left_to_python(guide: Path, tmp_path: Path) -> None:
    file = tmp_path / "x.parquet"
    file.write_bytes(b"PAR1")
    ran = lode("import", file, guide)
    assert ran.returncode == 2
    assert "give the table to `upsert`" in ran.stderr


def test_ctrl_c_ends_it_at_once(tmp_path: Path) -> None:
    file = tmp_path / "x.jsonl"
    file.write_text('{"id": 1, "body": "gold"}\n')
    command = [LODE, "import", str(file), str(tmp_path / "x.lode"), "--embed", "sleep 30", "--embed-field", "body"]
    running = subprocess.Popen(command, start_new_session=True, stderr=subprocess.PIPE)
    time.sleep(1.0)
    os.killpg(running.pid, signal.SIGINT)
    assert running.wait(timeout=10) == -signal.SIGINT
    assert running.stderr is not None and running.stderr.read() == b""
    running.stderr.close()


def test_a_closed_pipe_is_no_error(guide: Path) -> None:
    ran = subprocess.run(f"'{LODE}' export '{guide}' | head -c 10", shell=True, capture_output=True, text=True)
    assert ran.stderr == ""
    assert ran.stdout == '{"id":"aca'
