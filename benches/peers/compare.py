"""Compares Lode with other vector search libraries: one command, every engine in a process of its own.

    python3 benches/peers/compare.py [--sets sift-200k mnist arxiv-30k] [--engines lode hnswlib ...]

It makes a virtual environment, installs what installs from PyPI (and Lode from `python/`), measures each engine on each
set (Lode before and after the others), prints a table and the ratios, and draws recall against queries a second. What
can't be installed or fails is told and left out. All of it lies in `target/peers`, unless told otherwise.
"""

import argparse
import os
import platform
import subprocess
import sys
import time
from pathlib import Path

import environment

HERE = Path(__file__).resolve().parent
DEFAULT_SETS = ("sift-200k", "mnist", "arxiv-30k")


def main():
    options = arguments()
    engines = list(environment.ready(options, "ENGINES"))
    python = options.venv / "bin" / "python"
    results = options.out / time.strftime("%Y%m%d-%H%M%S")
    results.mkdir(parents=True)
    print(
        f"{platform.platform()}, {environment.processor()}, {os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}"
    )
    for name in options.sets:
        measure_all(options, python, engines, name, results)
    command = [python, HERE / "report.py", results, "--plot", results / "recall-qps.png"]
    if options.json:
        command += ["--json", options.json]
    subprocess.run(command, check=True)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--sets", nargs="+", default=DEFAULT_SETS, help="names under LODE_DATA, or folders")
    add("--metric", choices=["l2", "cosine"], help="of folders whose name does not tell")
    add("--engines", nargs="+", help="which to measure (default: all)")
    add("--json", type=Path, help="write all figures to this file as well")
    add("--timeout", type=float, default=3600, help="seconds that one engine may take on one set")
    environment.add_options(parser)
    return parser.parse_args()


def measure_all(options, python, engines, name, results):
    """Lode first and once more at the end, so that a machine that gets slower meanwhile is noticed."""
    order = [*engines, "lode"] if "lode" in engines and len(engines) > 1 else engines
    for number, engine in enumerate(order):
        print(f"{name}: {engine}", flush=True)
        out = results / f"{Path(name).name}.{number:02}.{engine}.json"
        command = [python, HERE / "measure.py", engine, name, out]
        if options.metric:
            command += ["--metric", options.metric]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=options.timeout)
        except subprocess.TimeoutExpired:
            print(f"  {engine}: left out, it took more than {options.timeout:.0f} s")
            continue
        if done.returncode:
            print(f"  {engine}: left out, {environment.last_line(done.stderr) or f'ended with {done.returncode}'}")


if __name__ == "__main__":
    sys.exit(main())
