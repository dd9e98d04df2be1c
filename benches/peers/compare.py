"""Compares Lode with other vector search libraries: one command, every engine in a process of its own.

    python3 benches/peers/compare.py [--sets sift-200k mnist arxiv-30k] [--engines lode hnswlib ...]

It makes a virtual environment, installs what installs from PyPI (and Lode from `python/`), measures each engine on each
set (Lode before and after the others), prints a table and the ratios, and draws recall against queries a second. What
can't be installed or fails is told and left out. All of it lies in `target/peers`, unless told otherwise.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import time
import venv
from pathlib import Path

HERE = Path(__file__).resolve().parent
CHECKOUT = HERE.parents[1]
DEFAULT_SETS = ("sift-200k", "mnist", "arxiv-30k")
TOOLS = ("numpy", "matplotlib")


def main():
    options = arguments()
    python = options.venv / "bin" / "python"
    if not options.no_install:
        install(options, python)
    known = json.loads(run_for_text(python, "list_engines.py"))
    engines = options.engines or list(known)
    for unknown in (name for name in engines if name not in known):
        raise SystemExit(f"no engine {unknown}; there are {', '.join(known)}")
    missing = [name for name in engines if not known[name]["installed"]]
    for name in missing:
        print(f"{name}: left out, {known[name]['module']} is not installed")
    engines = [name for name in engines if name not in missing]
    results = options.out / time.strftime("%Y%m%d-%H%M%S")
    results.mkdir(parents=True)
    print(f"{platform.platform()}, {processor()}, {os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}")
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
    add("--venv", type=Path, default=CHECKOUT / "target/peers/venv", help="the virtual environment")
    add("--out", type=Path, default=CHECKOUT / "target/peers/results", help="where the figures are kept")
    add("--lode", default=str(CHECKOUT / "python"), help="what pip installs as Lode: a folder, or a wheel")
    add("--json", type=Path, help="write all figures to this file as well")
    add("--no-install", action="store_true", help="take the virtual environment as it is")
    add("--timeout", type=float, default=3600, help="seconds that one engine may take on one set")
    return parser.parse_args()


def install(options, python):
    """Each package by its own call of pip, so that one which can't be installed takes no other with it."""
    if not python.exists():
        venv.create(options.venv, with_pip=True)
    pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, *TOOLS], check=True)
    known = json.loads(run_for_text(python, "list_engines.py"))
    wanted = [known[name] for name in options.engines or known if name in known]
    packages = dict.fromkeys(name for engine in wanted for name in [engine["package"] or options.lode, *engine["needs"]])
    for package in packages:
        print(f"installing {package}", flush=True)
        done = subprocess.run([*pip, package], capture_output=True, text=True)
        if done.returncode:
            print(f"  {package} can't be installed: {last_line(done.stderr)}")


def run_for_text(python, script):
    return subprocess.run([python, HERE / script], check=True, capture_output=True, text=True).stdout


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
            print(f"  {engine}: left out, {last_line(done.stderr) or f'ended with {done.returncode}'}")


def last_line(text):
    return (text.strip().splitlines() or [""])[-1]


def processor():
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.machine())


if __name__ == "__main__":
    sys.exit(main())
