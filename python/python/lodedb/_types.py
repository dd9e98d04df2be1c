"""What calls give back as dicts."""

from typing import Literal, TypedDict


class CollectionStats(TypedDict):
    """Counts of a collection, as `Collection.stats` gives them.

    `dead_records` were deleted or replaced and still take room; `active_records` are in memory and in the log only;
    `graphs` is the number of `segments` that a graph leads through, to `graph_records` records.
    """

    name: str
    records: int
    dead_records: int
    active_records: int
    active_bytes: int
    segments: int
    graphs: int
    graph_records: int


class Stats(TypedDict):
    """Counts of a database, as `Database.stats` gives them.

    Of the file's `file_bytes`, `live_bytes` are in use, `free_bytes` will be used by later writes, and `log_bytes` are
    the log. `generation` counts the checkpoints since the file was created, `commits` the commits.
    """

    file_bytes: int
    live_bytes: int
    free_bytes: int
    log_bytes: int
    generation: int
    commits: int
    uuid: str
    collections: list[CollectionStats]


class SegmentExplain(TypedDict):
    """How a search went through one segment, as `Explain.segments` lists it.

    Of `records` that live, `matches` pass the filter; its index alone told that they are from `estimate[0]` to
    `estimate[1]`. `plan` led to the result, `given_up` was tried before; `scored` counts codes or rows scored where the
    filter had a say, and `time` is in seconds.
    """

    records: int
    estimate: tuple[int, int]
    matches: int
    plan: Literal["graph", "graph over", "codes", "rows"]
    given_up: Literal["graph", "graph over", "codes", "rows"] | None
    scored: int
    time: float


class SparseExplain(TypedDict):
    """How a sparse vector was searched for, as `Explain.sparse` lists it.

    `found` candidates were found, for which `scored` records were scored exactly, in `time` seconds.
    """

    name: str
    found: int
    scored: int
    time: float


class WordsExplain(TypedDict):
    """How words were searched for, as `Explain.words` tells it: how many candidates were found, in how many seconds."""

    found: int
    time: float
