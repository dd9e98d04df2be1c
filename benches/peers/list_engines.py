"""Prints the engines as JSON: what each needs, and whether that is installed here."""

import importlib.util
import json

from engines import ENGINES

print(
    json.dumps(
        {
            name: {
                "package": engine.package,
                "module": engine.module,
                "needs": engine.needs,
                "installed": importlib.util.find_spec(engine.module) is not None,
            }
            for name, engine in ENGINES.items()
        }
    )
)
