"""The promises about size: `python size.py WHEEL` says how big it is, how long an import takes, and what it needs."""

from __future__ import annotations

import importlib.metadata
import statistics
import subprocess
import sys
from pathlib import Path

WHEEL_BYTES = 10_000_000
IMPORT_SECONDS = 0.1

IMPORT = """
import time
start = time.perf_counter()
import lodedb
print(time.perf_counter() - start)
"""


def main() -> None:
    wheel = Path(sys.argv[1]).stat().st_size
    runs = [
        subprocess.run([sys.executable, "-c", IMPORT], capture_output=True, text=True, check=True) for _ in range(9)
    ]
    seconds = statistics.median(float(run.stdout) for run in runs)
    files = importlib.metadata.files("lodedb") or []
    installed = sum(file.size or 0 for file in files)
    print(f"wheel {wheel / 1e6:.2f} MB, installed {installed / 1e6:.2f} MB, import {seconds * 1e3:.1f} ms")
    requires = [needed for needed in importlib.metadata.requires("lodedb") or [] if "extra" not in needed]
    assert wheel < WHEEL_BYTES and seconds < IMPORT_SECONDS
    assert [needed.split(">")[0] for needed in requires] == ["numpy"], requires


if __name__ == "__main__":
    main()
