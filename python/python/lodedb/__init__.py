"""Lode: an embedded vector database in one file.

>>> import lodedb
>>> db = lodedb.open(":memory:")
>>> notes = db.collection("notes", dim=3)
>>> notes.upsert([{"id": "a", "vector": [0.9, 0.1, 0.0], "title": "Mines"}])
1
>>> notes.search([0.8, 0.2, 0.1], k=1)[0]["title"]
'Mines'
"""

from lodedb._errors import (
    AlreadyExistsError,
    ArgumentError,
    ClosedError,
    CorruptError,
    DimensionError,
    FilterError,
    LimitError,
    LockedError,
    LodeError,
    NotFoundError,
    PoisonedError,
    ReadOnlyError,
    SchemaError,
)
from lodedb._filter import Condition, Expression, F, Field
from lodedb._fragment import Fragment
from lodedb._lodedb import (
    Collection,
    Database,
    Explain,
    Fusion,
    Hit,
    Hits,
    Scan,
    Transaction,
    TransactionCollection,
    __version__,
    distribution,
    open,
    rrf,
    weighted,
)
from lodedb._progress import Progress
from lodedb._types import CollectionStats, Latency, SegmentExplain, SlowSearch, SparseExplain, Stats, WordsExplain

__all__ = [
    "AlreadyExistsError",
    "ArgumentError",
    "ClosedError",
    "Collection",
    "CollectionStats",
    "Condition",
    "CorruptError",
    "Database",
    "DimensionError",
    "Explain",
    "Expression",
    "F",
    "Field",
    "FilterError",
    "Fragment",
    "Fusion",
    "Hit",
    "Hits",
    "Latency",
    "LimitError",
    "LockedError",
    "LodeError",
    "NotFoundError",
    "PoisonedError",
    "Progress",
    "ReadOnlyError",
    "Scan",
    "SchemaError",
    "SegmentExplain",
    "SlowSearch",
    "SparseExplain",
    "Stats",
    "Transaction",
    "TransactionCollection",
    "WordsExplain",
    "__version__",
    "distribution",
    "open",
    "rrf",
    "weighted",
]
