"""Prints a table of engines as JSON: what each needs, and what of it is not installed here.

`python list_engines.py ENGINES|STORES`
"""

import importlib.util
import json
import sys

import engines


def described(engine):
    wanted = [engine.module, *engine.imports]
    return {
        "package": engine.package,
        "module": engine.module,
        "needs": engine.needs,
        "missing": [name for name in wanted if importlib.util.find_spec(name) is None],
        "parts": engine.parts,
    }


print(json.dumps({name: described(engine) for name, engine in getattr(engines, sys.argv[1]).items()}))
