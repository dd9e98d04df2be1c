"""What the comparison asks of a library.

An engine builds an index over the rows of a set with one thread and writes it to a folder (`build`), opens it again from
there (`open`), and gives for each of its `settings` a function that answers one query (`searcher`). What that function
returns is the library's own result; `ids` turns it into row numbers outside of the measured time. `queries` brings the
queries into the form that the library takes with the least work.
"""

from pathlib import Path

EF = (10, 12, 16, 20, 24, 32, 40, 48, 64, 80, 96, 128, 160, 192, 256, 320, 384, 512, 768, 1024)
RECALL = (0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.925, 0.95, 0.96, 0.97, 0.98, 0.985, 0.99, 0.993, 0.996, 0.998, 0.999)


class Engine:
    """One way to use one library."""

    package = None  # its name on PyPI; None: not installed from there
    module = None  # what is imported
    needs = ()  # packages that it wants beside itself
    imports = ()  # modules of them without which it can't run
    parts = ()  # of the comparison of databases, what it takes part in

    def __init__(self, data, folder):
        self.metric, self.dim, self.count = data.metric, data.dim, len(data.base)
        self.folder = Path(folder)

    def settings(self):
        """What `searcher` takes, from fast to exact. Several lists are measured each on its own."""
        return [[{"ef": ef} for ef in EF]]

    def queries(self, rows):
        return list(rows)

    def ids(self, result):
        return list(result)
