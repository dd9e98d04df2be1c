"""The virtual environment that the comparisons run in: what is put there, and what is there."""

import json
import platform
import subprocess
import tempfile
import venv
from pathlib import Path

HERE = Path(__file__).resolve().parent
CHECKOUT = HERE.parents[1]
TOOLS = ("numpy", "matplotlib")
PIP = ("-m", "pip", "install", "--quiet", "--disable-pip-version-check")


def add_options(parser):
    """What every comparison can be told of its environment."""
    add = parser.add_argument
    add("--venv", type=Path, default=CHECKOUT / "target/peers/venv", help="the virtual environment")
    add("--out", type=Path, default=CHECKOUT / "target/peers/results", help="where the figures are kept")
    add("--lode", default=str(CHECKOUT / "python"), help="what pip installs as Lode: a folder, or a wheel")
    add("--no-install", action="store_true", help="take the virtual environment as it is")


def ready(options, table):
    """Installs what the engines of `table` need, as far as told to and possible; gives the names that can be measured.

    `table` is the name of a table in `engines.py`.
    """
    python = options.venv / "bin" / "python"
    if not options.no_install:
        _install(options, python, table)
    known = _known(python, table)
    names = options.engines or list(known)
    for unknown in (name for name in names if name not in known):
        raise SystemExit(f"no engine {unknown}; there are {', '.join(known)}")
    for name in names:
        if known[name]["missing"]:
            print(f"{name}: left out, {', '.join(known[name]['missing'])} not installed")
    return {name: known[name] for name in names if not known[name]["missing"]}


def _install(options, python, table):
    """Each package by its own call of pip, so that one which can't be installed takes no other with it."""
    if not python.exists():
        venv.create(options.venv, with_pip=True)
    pip = [python, *PIP]
    subprocess.run([*pip, *TOOLS], check=True)
    known = _known(python, table)
    wanted = [known[name] for name in options.engines or known if name in known]
    packages = [name for engine in wanted for name in (engine["package"] or options.lode, *engine["needs"])]
    for package in dict.fromkeys(packages):
        print(f"installing {package}", flush=True)
        done = subprocess.run([*pip, package], capture_output=True, text=True)
        if done.returncode:
            print(f"  {package} can't be installed: {last_line(done.stderr)}")


def _known(python, table):
    command = [python, HERE / "list_engines.py", table]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def last_line(text):
    return (text.strip().splitlines() or [""])[-1]


def processor():
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.machine())


class NotInstalled(Exception):
    """A package could not be put into a folder of its own; the message says why."""


def installed_bytes(options, engine):
    """What a package and its dependencies take, put into an empty folder by pip without compiled Python; not counted is
    numpy, which every one of them has. Raises NotInstalled."""
    package = engine["package"] or options.lode
    if not engine["package"] and options.no_install and Path(package).is_dir():
        raise NotInstalled("its size, for --lode names no wheel")
    python = options.venv / "bin" / "python"
    with tempfile.TemporaryDirectory(prefix="peers-") as folder:
        command = [python, *PIP, "--no-compile", "--no-warn-conflicts", "--target", folder, package]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            raise NotInstalled(f"its size, {last_line(done.stderr)}")
        files = (path for path in Path(folder).rglob("*") if path.is_file())
        return sum(file.stat().st_size for file in files if not file.relative_to(folder).parts[0].startswith("numpy"))
