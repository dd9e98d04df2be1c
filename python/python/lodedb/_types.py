"""What calls give back as dicts."""

from typing import Literal, TypedDict


class Latency(TypedDict):
    """How long calls through this handle took, in seconds: how many, on average, and by percentiles, which are known to
    about a fifth. `buckets` is the histogram: times, ascending, with the number of calls that took at most this.
    """

    count: int
    mean: float
    p50: float
    p90: float
    p99: float
    max: float
    buckets: list[tuple[float, int]]


class SlowSearch(TypedDict):
    """A search that took too long, as `on_slow_search` of `lodedb.open` is told of it.

    `hits` is 0 for one that failed, `k` is None for all with at least a score, `vectors` counts the vectors that it looked
    for, `text` are the words, and `filter` is the filter as text.
    """

    collection: str
    seconds: float
    hits: int
    k: int | None
    vectors: int
    text: str | None
    filter: str | None


class CollectionStats(TypedDict):
    """Counts of a collection, as `Collection.stats` gives them.

    `dead_records` were deleted or replaced and still take room; `active_records` are in memory and in the log only;
    `graphs` is the number of `segments` that a graph leads through, to `graph_records` records; `kept_filters` answers to
    filters are kept in memory, in `kept_filter_bytes`. `part_bytes` are the bytes in the file of each kind of part: "vectors",
    "codes", "graph", "cells", "words", "field index", "fields", "ids" and others.
    """

    name: str
    records: int
    dead_records: int
    active_records: int
    active_bytes: int
    segments: int
    graphs: int
    graph_records: int
    kept_filters: int
    kept_filter_bytes: int
    part_bytes: dict[str, int]


class Stats(TypedDict):
    """Counts of a database, as `Database.stats` gives them.

    Of the file's `file_bytes`, `live_bytes` are in use, `free_bytes` will be used by later writes, and `log_bytes` are
    the log. `generation` counts the checkpoints since the file was created, `commits` the commits;
    the latencies are those of searches and commits through this handle.
    """

    file_bytes: int
    live_bytes: int
    free_bytes: int
    log_bytes: int
    generation: int
    commits: int
    uuid: str
    search_latency: Latency
    commit_latency: Latency
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
    plan: Literal["graph", "graph over", "cells", "codes", "rows"]
    given_up: Literal["graph", "graph over", "cells", "codes", "rows"] | None
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
