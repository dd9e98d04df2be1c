from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from os import PathLike
from types import TracebackType
from typing import Any, Literal, SupportsIndex, TypedDict, final, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray
from typing_extensions import Self

from lodedb._filter import Condition
from lodedb._fragment import Fragment
from lodedb._progress import Progress
from lodedb._types import CollectionStats, SegmentExplain, SlowSearch, SparseExplain, Stats, WordsExplain

__all__ = [
    "Collection",
    "Database",
    "Explain",
    "Fusion",
    "Hit",
    "Hits",
    "Scan",
    "Transaction",
    "TransactionCollection",
    "__version__",
    "distribution",
    "open",
    "rrf",
    "weighted",
]
__version__: str

_Id = str | int | np.integer[Any]
_Row = dict[str, Any]
_Fields = dict[str, Any]
_Metric = Literal["cosine", "dot", "l2", "hamming"]
_Quantization = Literal["auto", "none", "sq7", "sq4", "rabitq"]
_Dtype = Literal["f32", "f16", "bf16", "i8", "binary"]
_Progress = Callable[[Progress], object] | bool | None
_Vectors = ArrayLike | dict[str, ArrayLike]
_Where = Mapping[str, Any] | str | Condition
_Embed = Callable[[list[str]], ArrayLike]
_Rerank = Callable[[Hits], Sequence[float] | NDArray[Any]]

class _Vector(TypedDict, total=False):
    dim: int
    metric: _Metric
    dtype: _Dtype
    quantization: _Quantization

class _TextField(TypedDict, total=False):
    analyzer: str
    positions: bool
    fold_accents: bool
    stop_words: Iterable[str]
    max_term_bytes: int

class _Highlight(TypedDict, total=False):
    fragments: int
    fragment_bytes: int
    before: str
    after: str

def open(
    path: str | PathLike[str],
    *,
    read_only: bool = False,
    create: bool = True,
    durability: Literal["full", "batched", "none"] = "full",
    maintenance: Literal["background", "manual"] = "background",
    slow_search: float | None = None,
    on_slow_search: Callable[[SlowSearch], object] | None = None,
) -> Database:
    """Opens the database at `path`, or one in memory for ":memory:".

    It is created where there is none, unless `create` is false. One handle writes to a file; any number, in this
    process and in others, read it with `read_only=True`, and see what was written before each call.

    `durability` says when a write is acknowledged: "full", when it is on the disk; "batched", when the operating
    system has it, and it is on the disk at most 10 ms later; "none", the same, and on the disk at the next checkpoint.
    `maintenance="manual"` leaves building graphs to `optimize`.

    `slow_search` is a number of seconds: each search that takes at least that long is told to `on_slow_search`, a function
    of a dict (see `lodedb.SlowSearch`), or logged as a warning of the logger "lodedb" where there is none.

    Raises OSError, LockedError where another handle writes, CorruptError.

    >>> with lodedb.open(":memory:") as db:
    ...     notes = db.collection("notes", dim=3)
    ...     notes.upsert([{"id": "a", "vector": [0.9, 0.1, 0.0], "title": "Mines"}])
    ...     notes.search([0.8, 0.2, 0.1], k=1)[0]["title"]
    1
    'Mines'
    """

def rrf(k: float = 60.0) -> Fusion:
    """Reciprocal rank fusion: a record gets `1 / (k + rank)` from each part that finds it. `fusion="rrf"` is `rrf(k=60)`.

    >>> lodedb.rrf(k=10)
    lodedb.rrf(k=10)
    """

def weighted(**weights: float) -> Fusion:
    """Scores of each part, from its worst candidate to its best mapped to 0 to 1, added up with these weights.

    Parts are called `vector` and `text`; where a search has several vectors, by their names, as sparse ones always are. Those
    that are not named count 1.

    >>> lodedb.weighted(vector=0.7, text=0.3)
    lodedb.weighted(vector=0.7, text=0.3)
    """

def distribution(**weights: float) -> Fusion:
    """As `weighted`, but scores are mapped to 0 to 1 from three standard deviations below their mean to three above.

    >>> lodedb.distribution(text=2)
    lodedb.distribution(text=2)
    """

@final
class Fusion:
    """How the rankings of the parts of a search become one. Made by `lodedb.rrf`, `weighted` and `distribution`."""

@final
class Database:
    """A database: one file with any number of collections. Made by `lodedb.open`; usable from any thread.

    >>> db = lodedb.open(":memory:")
    >>> notes = db.collection("notes", dim=3)
    >>> db.collections(), "notes" in db
    (['notes'], True)
    >>> db["notes"]
    Collection('notes', dim=3, metric='cosine', len=0)
    >>> db.close()
    """

    def collection(
        self,
        name: str,
        dim: int | None = None,
        *,
        metric: _Metric | None = None,
        dtype: _Dtype | None = None,
        quantization: _Quantization | None = None,
        vectors: Mapping[str, int | _Vector] | None = None,
        id_type: Literal["int", "str"] | None = None,
        text: Iterable[str] | Mapping[str, str | _TextField] | None = None,
        sparse: Sequence[str] | None = None,
        unindexed: Iterable[str] | None = None,
        m: int | None = None,
        ef_construction: int | None = None,
        embed: _Embed | None = None,
        embed_field: str = "text",
    ) -> Collection:
        """The collection `name`: created where there is none, compared with what is asked for where there is.

        `dim` declares one vector called "vector"; `vectors` several by name, as `{"text": 384, "image": {"dim":
        512, "metric": "dot", "dtype": "f16"}}`; `sparse` names sparse ones, such as SPLADE makes: few terms out of many, each
        with a weight, compared by dot product. Without these and `text`, the collection has to exist, and nothing else of its
        schema can be given. `metric` is "cosine" unless said otherwise, "dot", "l2" or, for the dtype "binary",
        "hamming"; `dtype` is "f32", or "f16", "bf16", "i8", "binary". `id_type` fixes the kind of ids, which the
        first record decides otherwise. `m` (16) and `ef_construction` (128) say how dense the graph is and how
        thoroughly it is built. Every field is indexed, but for those (names, or dotted paths) in `unindexed`: filters
        on them read the records one by one, and it saves room where values are all different.

        `text` names the fields that are searched for words: `["title", "body"]`, as English, or a dict with the way of each:
        "english" (the default: words, folded, without stop words, stemmed), another language such as "german", "simple"
        (words, folded: for names), "none" (the value as it is: for codes), or a dict of `analyzer`, `positions` (True; phrases
        need them, and they are about half of the index), `fold_accents` (True), `stop_words` and `max_term_bytes` (255). Values
        are texts or lists of texts.

        `quantization` says in which form vectors are searched before the best are scored exactly: "sq7" a byte a
        dimension, "sq4" half a byte, "rabitq" a bit, "none" floats; "auto", the default, picks "sq7" or "sq4" by the
        number of dimensions and records. Smaller forms take less memory and are less exact. Binary vectors are
        searched as they are.

        `embed` is a function from a list of strings to an array with a row for each. With it, records without a vector
        get one made of their field `embed_field`, and searches take a string. It is not stored: give it each time.

        Raises SchemaError where the collection exists and differs, NotFoundError, ReadOnlyError.

        >>> db = lodedb.open(":memory:")
        >>> db.collection("pages", vectors={"text": 384, "image": {"dim": 512, "metric": "dot"}})
        Collection('pages', vectors={'text': {'dim': 384, 'metric': 'cosine'}, 'image': {'dim': 512, 'metric': 'dot'}}, len=0)
        >>> db.collection("notes", dim=384, text={"title": "english", "code": "none", "body": {"analyzer": "german"}})
        Collection('notes', dim=384, metric='cosine', text=['title', 'code', 'body'], len=0)
        """

    def collections(self) -> list[str]:
        """The names of the collections, in alphabetical order."""

    def drop(self, name: str) -> None:
        """Deletes the collection `name` with all its records. Raises NotFoundError."""

    def transaction(self) -> Transaction:
        """Several writes, over several collections, that happen together or not at all.

        The `with` block commits at its end and rolls back where an exception leaves it. Other writers wait meanwhile.

        >>> db = lodedb.open(":memory:")
        >>> ores, gems = db.collection("ores", dim=1), db.collection("gems", dim=1)
        >>> with db.transaction() as tx:
        ...     tx["ores"].insert([{"id": "galena", "vector": [7.5]}])
        ...     tx["gems"].insert([{"id": "opal", "vector": [2.1]}])
        1
        1
        >>> len(ores), len(gems)
        (1, 1)
        """

    def flush(self) -> None:
        """Makes everything written so far durable: needed with durability "batched" and "none" only."""

    def checkpoint(self) -> None:
        """Folds the log into the file, so that the next opening has nothing to replay."""

    def optimize(self, *, progress: _Progress = None) -> None:
        """Builds now what maintenance would build with time: each collection becomes one segment under a graph.

        Search is correct without it; this is about speed and space. `progress` is called with a `Progress` some times
        a second; True shows tqdm's bar, or a line where tqdm is not installed. Ctrl-C, or an exception of `progress`,
        stops it; what was not finished is then left as it was.
        """

    def compact(self) -> None:
        """Gives the room of deleted records and free space back to the file system."""

    def backup(self, path: str | PathLike[str]) -> None:
        """Writes a copy of the database, as it is now, to a new file at `path`. Raises OSError, also where it exists."""

    def verify(self) -> None:
        """Reads everything and compares it with its checksums and with itself. Raises CorruptError."""

    def stats(self) -> Stats:
        """Counts: the file's bytes, and each collection's records and segments."""

    def close(self) -> None:
        """Folds the log into the file and closes it; every handle of it raises ClosedError from now on."""

    def __enter__(self) -> Self: ...
    def __exit__(
        self,
        kind: type[BaseException] | None = None,
        error: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None: ...
    def __getitem__(self, name: str, /) -> Collection: ...
    def __contains__(self, name: str, /) -> bool: ...

@final
class Collection:
    """A named set of records. Each call sees everything that was acknowledged before it began.

    A record is an id (a string or a whole number from 0 on; one kind per collection), one vector or several by name,
    and fields: None, bool, int, float, str, datetime, places as `{"lat": .., "lon": ..}`, lists and dicts. As a row it
    is one dict: `id` and the names of the vectors are reserved, every other key is a field. Instants without a time
    zone are in UTC.

    >>> db = lodedb.open(":memory:")
    >>> ores = db.collection("ores", dim=2, metric="l2")
    >>> ores.upsert([
    ...     {"id": "galena", "vector": [7.5, 2.5], "metal": "lead"},
    ...     {"id": "cassiterite", "vector": [6.9, 6.5], "metal": "tin"},
    ... ])
    2
    >>> len(ores), "galena" in ores
    (2, True)
    """

    @property
    def name(self) -> str:
        """The collection's name."""

    def upsert(
        self,
        records: Iterable[_Row] | _Row | Any | None = None,
        *,
        ids: Iterable[_Id] | NDArray[Any] | None = None,
        vectors: _Vectors | None = None,
        sparse: Any | None = None,
        fields: dict[str, Any] | None = None,
    ) -> int:
        """Puts records in, each in place of the one with its id where there is one: all of them or none. Gives their number.

        As rows: dicts, in any iterable. As a table: anything with Arrow's C data interface (pyarrow, polars, duckdb) or a
        pandas frame, with a column `id`, a column for each vector, and fields. As columns: `ids`, `vectors` as an array of
        one row a record (a dict of arrays by name where there are several vectors), `sparse` as a list (or, where there are
        several, a dict of lists by name), `fields` as a dict of columns.
        C-contiguous float32, float16 and int8 arrays are taken as they are, others are converted. Vectors of the dtype
        "binary" are zeros and ones, or uint8 packed as by `numpy.packbits`. A sparse vector is a dict of weights by term, a pair
        of arrays (terms and weights), an object that has both (`indices`, and `values` or `data`), or a row of a scipy matrix; a
        column of them may be such a matrix, in tables maps or structs of `indices` and `values`. A record may be without it. Weights
        are above 0, and float32.

        Raises DimensionError, ArgumentError, SchemaError, LimitError for a record that can't be stored; nothing was
        changed then.

        >>> db = lodedb.open(":memory:")
        >>> notes = db.collection("notes", dim=2)
        >>> notes.upsert(ids=["a", "b"], vectors=np.eye(2, dtype=np.float32), fields={"year": [1849, 1851]})
        2
        >>> notes.get("b")["year"]
        1851
        """

    def insert(
        self,
        records: Iterable[_Row] | _Row | Any | None = None,
        *,
        ids: Iterable[_Id] | NDArray[Any] | None = None,
        vectors: _Vectors | None = None,
        sparse: Any | None = None,
        fields: dict[str, Any] | None = None,
    ) -> int:
        """As `upsert`, but an id that exists, or appears twice, raises AlreadyExistsError."""

    @overload
    def update(self, id: _Id, fields: _Fields) -> int: ...
    @overload
    def update(self, id: dict[Any, _Fields], fields: None = None) -> int:
        """Sets some fields of a record; its other fields and its vectors stay. Gives the number of records.

        `update({id: fields, ..})` does it for several records, all or none. Raises NotFoundError.

        >>> db = lodedb.open(":memory:")
        >>> notes = db.collection("notes", dim=1)
        >>> notes.upsert({"id": 7, "vector": [1.0], "title": "Mines"})
        1
        >>> notes.update(7, {"year": 1849})
        1
        >>> notes.get(7)["title"], notes.get(7)["year"]
        ('Mines', 1849)
        """

    @overload
    def delete(self, ids: _Id | Iterable[_Id] | NDArray[Any], *, where: None = None) -> int: ...
    @overload
    def delete(self, ids: None = None, *, where: _Where) -> int:
        """Deletes the records with these ids, or those that pass `where` (as in `search`), and gives their number.

        Ids that don't exist are passed over. One of both is needed: `where={}` deletes every record. Raises FilterError.

        >>> db = lodedb.open(":memory:")
        >>> notes = db.collection("notes", dim=1)
        >>> notes.upsert(ids=range(5), vectors=np.ones((5, 1)), fields={"year": range(1848, 1853)})
        5
        >>> notes.delete([0, 7]), notes.delete(where="year > 1850"), len(notes)
        (1, 2, 2)
        """

    @overload
    def get(self, ids: _Id) -> _Row | None: ...  # type: ignore[overload-overlap]
    @overload
    def get(self, ids: Iterable[_Id] | NDArray[Any]) -> list[_Row | None]:
        """The record with this id as a row, or None; for several ids a list. Vectors are numpy arrays.

        >>> db = lodedb.open(":memory:")
        >>> notes = db.collection("notes", dim=1)
        >>> notes.upsert({"id": "a", "vector": [1.0], "title": "Mines"})
        1
        >>> notes.get("a")
        {'id': 'a', 'vector': array([1.], dtype=float32), 'title': 'Mines'}
        >>> notes.get(["b"])
        [None]
        """

    def count(self, where: _Where | None = None) -> int:
        """Number of records that pass `where` (as in `search`); without it, of all, as `len` gives it. Raises FilterError.

        >>> db = lodedb.open(":memory:")
        >>> notes = db.collection("notes", dim=1)
        >>> notes.upsert(ids=range(5), vectors=np.ones((5, 1)), fields={"year": [1848, 1849, 1849, 1850, None]})
        5
        >>> notes.count(), notes.count("year = 1849"), notes.count({"year": {"$ne": 1849}})
        (5, 2, 3)
        """

    def facets(self, field: str, where: _Where | None = None, limit: int | None = None) -> dict[Any, int]:
        """The values of a field and how many of the records that pass `where` have them, the most frequent first.

        `field` is a name or a dotted path. Values with as many records come in their order; each element of a list counts,
        once a record; a place is `(lat, lon)`. `limit` ends after so many values. As in every dict, True and 1 are one
        key: their counts are added. Raises FilterError.

        >>> db = lodedb.open(":memory:")
        >>> ores = db.collection("ores", dim=1)
        >>> ores.upsert(ids=range(4), vectors=np.ones((4, 1)), fields={"metal": ["lead", "tin", "lead", "zinc"]})
        4
        >>> ores.facets("metal")
        {'lead': 2, 'tin': 1, 'zinc': 1}
        >>> ores.facets("metal", "metal != 'tin'", limit=1)
        {'lead': 2}
        """

    def scan(
        self,
        *,
        where: _Where | None = None,
        order_by: str | None = None,
        descending: bool = False,
        after: _Id | tuple[Any, _Id] | None = None,
        limit: int | None = None,
        allow_unknown_fields: bool = False,
    ) -> Scan:
        """Walks the records there are now that pass `where` (as in `search`), in the order of their ids: an iterator of rows.

        `order_by` names a field, or a dotted path, to sort by instead: numbers, then texts, instants, truth values, the other
        way round with `descending`; records without such a value come last, and those with equal ones in the order of
        their ids.

        `after` begins behind an id, so that pages fit together even when records are written in between; `limit` ends
        after so many. With `order_by`, an id stands for the value that its record has now; `after=(value, id)` works where
        the record may have changed or gone.

        Raises FilterError at the first record, and NotFoundError for `after` an id that isn't there and `order_by`.

        >>> db = lodedb.open(":memory:")
        >>> notes = db.collection("notes", dim=1)
        >>> notes.upsert(ids=range(5), vectors=np.ones((5, 1)), fields={"year": [1850, 1849, 1851, 1849, 1850]})
        5
        >>> [row["id"] for row in notes.scan(after=1, limit=2)]
        [2, 3]
        >>> [row["id"] for row in notes.scan(where="year < 1851", order_by="year", descending=True)]
        [0, 4, 1, 3]
        >>> [row["id"] for row in notes.scan(order_by="year", after=(1849, 3), limit=2)]
        [0, 4]
        """

    def search(
        self,
        vector: ArrayLike | str | dict[str, Any] | None = None,
        *,
        sparse: Any | None = None,
        text: str | None = None,
        k: int | None = 10,
        where: _Where | None = None,
        allow_unknown_fields: bool = False,
        min_score: float | None = None,
        group_by: str | None = None,
        group_size: int = 1,
        using: str | None = None,
        recall: float | None = None,
        ef: int | None = None,
        exact: bool = False,
        text_fields: Iterable[str] | Mapping[str, float] | None = None,
        k1: float | None = None,
        b: float | None = None,
        highlight: Iterable[str] | Mapping[str, _Highlight] | None = None,
        fusion: Literal["rrf", "weighted", "distribution"] | Fusion | None = None,
        depth: int | None = None,
        diversity: float | None = None,
        rerank: _Rerank | None = None,
        rerank_depth: int | None = None,
    ) -> Hits:
        """The `k` records nearest to `vector`, or to a `sparse` one, or with the words of `text`, or several of these, the best
        first; fewer only where fewer match.

        `vector` is an array; a text to make a vector of, with `embed`; or a dict of several vectors by name. `text` is what a
        person types: `gold mine` (any of the words, the more the better), `+gold -coal` (must, must not be there), `"sluice
        box"` or `"sluice box"~2` (together, or so far from it), `prosp*`, `mininng~` (misspelt), `title:gold`, `gold^2`.

        `sparse` is a sparse vector, as `upsert` takes it, compared by dot product; or a dict of them by name. Only records that have
        a term of it are found by it, and these are exactly the best.

        `where` is a filter: a dict of operators, a string, or an expression of `lodedb.F`. However few or many records
        pass, the hits are `min(k, matches)`, at the recall of a search without it. A field that no record has is an
        error, unless `allow_unknown_fields` takes it for missing.

        Hits with a score under `min_score` are left out; with `k=None` it alone says where hits end, and the search is
        exact. `group_by` names a field: at most `group_size` hits have the same value there.

        `using` names the vector to compare with, where there are several. `recall` (0.98) is the share of the true
        neighbours that is to be found on average, 0.5 to 0.999; each graph has measured what that takes. `ef`, in its
        place, is how many candidates the graph keeps, 1 to 65,536: more find more and take longer. `exact` scores
        every record instead.

        Words are searched for in all text fields, or in `text_fields`: names, or a dict of how much each counts. Their scores are
        BM25's, with `k1` (1.2) and `b` (0.75). `highlight` names text fields whose best fragments hits have with the words
        marked, as `hit.highlights`; or is a dict of settings of each: `fragments` (3), `fragment_bytes` (160), `before` and
        `after` ("<b>" and "</b>").

        A search of several parts makes one ranking of theirs by `fusion`: "rrf" (reciprocal ranks, the default), or what
        `lodedb.rrf`, `weighted` and `distribution` give. `hit.score` is the fused value then, and `hit.scores` has those of the
        parts. `diversity`, 0 to 1, is how unlike hits are to be (maximal marginal relevance). `depth` is how many
        candidates each part gives to these: `max(4 * k, 100)` unless said otherwise.

        `rerank` is a function of the best `rerank_depth` (`max(4 * k, 100)`) hits, as `Hits`, to a score for each: hits come in
        their order then, `k` of them.

        Raises FilterError, DimensionError, ArgumentError.

        >>> db = lodedb.open(":memory:")
        >>> notes = db.collection("notes", dim=2, text=["body"])
        >>> notes.upsert([
        ...     {"id": "east", "vector": [1, 0], "year": 1849, "tags": ["gold"], "body": "A sluice box washes gold."},
        ...     {"id": "north", "vector": [0, 1], "year": 1851, "tags": ["gold", "tin"], "body": "Rivers carry gold and tin."},
        ... ])
        2
        >>> notes.search([1.0, 0.0], k=1)
        Hits([Hit(id='east', score=1.0000)])
        >>> notes.search([1.0, 0.0], k=1, where={"year": {"$gt": 1850}, "tags": {"$in": ["gold", "silver"]}})
        Hits([Hit(id='north', score=0.0000)])
        >>> notes.search([1.0, 0.0], where="year > 1850 and tags in ('gold', 'silver')").ids
        ['north']
        >>> from lodedb import F
        >>> notes.search([1.0, 0.0], where=(F.year > 1850) & F.tags.is_in(["gold", "silver"])).ids
        ['north']
        >>> notes.search([1.0, 0.0], k=None, min_score=0.5).ids
        ['east']
        >>> notes.search(text="gold +river", highlight=["body"])[0].highlights
        {'body': ['<b>Rivers</b> carry <b>gold</b> and tin.']}
        >>> hits = notes.search([1.0, 0.0], text="tin", fusion=lodedb.weighted(vector=0.3, text=0.7))
        >>> hits[0].id, hits[0].scores["vector"], hits[1].scores["text"]
        ('north', 0.0, 0.0)
        >>> terms = db.collection("terms", sparse=["splade"])
        >>> terms.upsert(ids=[1, 2], sparse=[{17: 0.5, 4711: 1.25}, {17: 1.0}])
        2
        >>> terms.search(sparse={17: 1.0, 4711: 2.0})
        Hits([Hit(id=1, score=3.0000), Hit(id=2, score=1.0000)])
        >>> notes.search([1.0, 0.0], rerank=lambda hits: [hit["year"] for hit in hits])
        Hits([Hit(id='north', score=1851.0000), Hit(id='east', score=1849.0000)])
        """

    def explain(
        self,
        vector: ArrayLike | str | dict[str, Any] | None = None,
        *,
        sparse: Any | None = None,
        text: str | None = None,
        k: int | None = 10,
        where: _Where | None = None,
        allow_unknown_fields: bool = False,
        min_score: float | None = None,
        group_by: str | None = None,
        group_size: int = 1,
        using: str | None = None,
        recall: float | None = None,
        ef: int | None = None,
        exact: bool = False,
        text_fields: Iterable[str] | Mapping[str, float] | None = None,
        k1: float | None = None,
        b: float | None = None,
        highlight: Iterable[str] | Mapping[str, _Highlight] | None = None,
        fusion: Literal["rrf", "weighted", "distribution"] | Fusion | None = None,
        depth: int | None = None,
        diversity: float | None = None,
        rerank: _Rerank | None = None,
        rerank_depth: int | None = None,
    ) -> Explain:
        """Runs the search that `search` runs with the same arguments, and tells how: the way taken through each segment, what
        the filter left, and the time it took. Printed, it is a tree. `rerank` is not called: the hits are those that it would be
        given.

        >>> db = lodedb.open(":memory:")
        >>> notes = db.collection("notes", dim=1)
        >>> notes.upsert(ids=range(100), vectors=np.ones((100, 1)), fields={"year": range(1800, 1900)})
        100
        >>> explained = notes.explain([1.0], where="year >= 1848")
        >>> explained.hits, explained.matches, explained.records
        (10, 52, 100)
        >>> [segment["plan"] for segment in explained.segments]
        ['rows']
        """

    def search_many(
        self,
        vectors: ArrayLike | list[str],
        *,
        k: int = 10,
        where: _Where | None = None,
        allow_unknown_fields: bool = False,
        min_score: float | None = None,
        group_by: str | None = None,
        group_size: int = 1,
        using: str | None = None,
        recall: float | None = None,
        ef: int | None = None,
        exact: bool = False,
        threads: int | None = None,
    ) -> tuple[NDArray[Any], NDArray[np.float32]]:
        """Searches for each row of `vectors`: ids and scores as arrays of the shape (rows, k).

        Ids are uint64, or strings in an object array. Where there are fewer than `k` hits, the id is 2**64 - 1 or None
        and the score NaN. All queries see the same records, and `where` is evaluated once for many of them. `threads`
        bounds the threads; None takes all processors. The other options are as in `search`.

        >>> db = lodedb.open(":memory:")
        >>> notes = db.collection("notes", dim=2)
        >>> notes.upsert(ids=[3, 4], vectors=[[1, 0], [0, 1]], fields={"year": [1849, 1851]})
        2
        >>> ids, scores = notes.search_many([[1, 0], [0, 1]], k=1)
        >>> ids.ravel(), scores.ravel()
        (array([3, 4], dtype=uint64), array([1., 1.], dtype=float32))
        >>> notes.search_many([[1, 0], [0, 1]], k=1, where="year > 1850")[0].ravel()
        array([4, 4], dtype=uint64)
        """

    def measure_recall(
        self,
        *,
        k: int = 10,
        sample: int = 200,
        where: _Where | None = None,
        allow_unknown_fields: bool = False,
        using: str | None = None,
        recall: float | None = None,
        ef: int | None = None,
    ) -> float:
        """The share of the true `k` nearest that searches find, measured: whether `recall` is kept, what `ef` gives.

        `sample` of the records are looked for among the others (those that pass `where`), by a search and exactly, on
        all processors; Ctrl-C ends it no sooner. `using`, `recall` and `ef` are as in `search`. 1.0 where there are fewer
        than two records.

        >>> db = lodedb.open(":memory:")
        >>> notes = db.collection("notes", dim=1, metric="l2")
        >>> notes.upsert(ids=range(50), vectors=np.arange(50.0).reshape(50, 1))
        50
        >>> notes.measure_recall(k=5, recall=0.9)
        1.0
        """

    def optimize(self, *, progress: _Progress = None) -> None:
        """As `Database.optimize`, for this collection only."""

    def stats(self) -> CollectionStats:
        """Counts of records and segments."""

    def __len__(self) -> int: ...
    def __contains__(self, id: _Id, /) -> bool: ...
    def _repr_html_(self) -> str: ...

@final
class Hits:
    """What a search found, the best first: a sequence of `Hit`.

    >>> db = lodedb.open(":memory:")
    >>> notes = db.collection("notes", dim=2, metric="l2")
    >>> notes.upsert([{"id": 1, "vector": [0, 0], "title": "Mines"}, {"id": 2, "vector": [3, 4], "title": "Rivers"}])
    2
    >>> hits = notes.search([0, 0])
    >>> hits.ids, hits.distances
    ([1, 2], array([0., 5.], dtype=float32))
    >>> hits[1].id, hits[1].score, hits[1].distance, hits[1]["title"]
    (2, -5.0, 5.0, 'Rivers')
    >>> hits.to_dict()["title"]
    ['Mines', 'Rivers']
    """

    @property
    def ids(self) -> list[Any]:
        """The ids of the hits."""

    @property
    def scores(self) -> NDArray[np.float32]:
        """The scores: larger is better with every metric, with words, and with both."""

    @property
    def distances(self) -> NDArray[np.float32]:
        """The distances: 1 - cosine, minus the dot product, the Euclidean distance, or the bits that differ; NaN where there is none."""

    def to_dict(self) -> dict[str, Any]:
        """Columns by name: `id`, `score`, `distance` and each field; a field called `score` is `field_score`."""

    def to_pandas(self) -> Any:
        """The columns of `to_dict` as a pandas `DataFrame`. Needs pandas."""

    def to_polars(self) -> Any:
        """The columns of `to_dict` as a polars `DataFrame`. Needs polars."""

    def to_arrow(self) -> Any:
        """The columns of `to_dict` as a pyarrow `Table`. Needs pyarrow."""

    def __len__(self) -> int: ...
    @overload
    def __getitem__(self, index: SupportsIndex, /) -> Hit: ...
    @overload
    def __getitem__(self, index: slice, /) -> Hits: ...
    def __iter__(self) -> Iterator[Hit]: ...
    def _repr_html_(self) -> str: ...

@final
class Hit:
    """A record that a search found. Its fields are read when they are asked for; `hit["title"]` reads one."""

    @property
    def id(self) -> Any:
        """The record's id."""

    @property
    def score(self) -> float:
        """How good the hit is; larger is better."""

    @property
    def scores(self) -> dict[str, float]:
        """What the record scores in each part of the search: `vector` and `text`, or the names of vectors where there are
        several, those of sparse ones, and `rerank`. A part that did not find the record has its score as well; words and terms
        that do not match have 0.
        """

    @property
    def highlights(self) -> dict[str, list[Fragment]]:
        """By field that `highlight=` named, the best fragments of its text, the best first; none where no word was found."""

    @property
    def distance(self) -> float:
        """How far the record's vector is from the query; smaller is nearer. With several vectors, the first; NaN where there is none."""

    @property
    def fields(self) -> dict[str, Any]:
        """The record's fields."""

    def record(self) -> _Row:
        """The whole record as a row: id, vectors and fields."""

    def __getitem__(self, name: str, /) -> Any: ...

@final
class Explain:
    """How a search was carried out, and what it took. Made by `Collection.explain`; printed, it is a tree.

    >>> db = lodedb.open(":memory:")
    >>> notes = db.collection("notes", dim=1)
    >>> notes.upsert(ids=range(100), vectors=np.ones((100, 1)), fields={"n": range(100)})
    100
    >>> explained = notes.explain([1.0], where="n < 30")
    >>> explained.hits, explained.matches, explained.records, explained.filter
    (10, 30, 100, 'n < 30')
    >>> [segment["plan"] for segment in explained.segments]
    ['rows']
    """

    @property
    def hits(self) -> int:
        """Number of hits."""

    @property
    def records(self) -> int:
        """Number of records in the collection."""

    @property
    def matches(self) -> int:
        """Number of records that pass the filter; all without one."""

    @property
    def filter(self) -> str | None:
        """The filter as text, or None."""

    @property
    def segments(self) -> list[SegmentExplain]:
        """How each segment was searched, in this order; those without a match were not.

        Of its living `records`, `matches` pass the filter; its index alone told that they are from `estimate[0]` to
        `estimate[1]`. `plan` is the way that led to the result: "graph" (followed, results must pass), "graph over"
        (followed over records that do not pass), "cells" (codes that pass scored in the cells nearest to the query, the best
        rescored), "codes" (all codes that pass scored, the best rescored), "rows" (all stored vectors that pass scored). `given_up` is the way tried first, where too few records near the query passed,
        or None. `scored` counts codes or rows scored where the filter had a say; `time` is in seconds.
        """

    @property
    def sparse(self) -> list[SparseExplain]:
        """How sparse vectors were searched for, one after the other: `name`, `found` candidates, records `scored` exactly for these,
        and `time` in seconds.
        """

    @property
    def words(self) -> WordsExplain | None:
        """How words were searched for: `found` candidates, and `time` in seconds; None where they were not."""

    @property
    def filter_time(self) -> float:
        """Seconds to evaluate the filter. Answers to the latest filters are kept, so that a repeated one takes none."""

    @property
    def time(self) -> float:
        """Seconds of everything."""

@final
class Scan:
    """Records in the order of their ids, or of a field. Made by `Collection.scan`."""

    def __iter__(self) -> Self: ...
    def __next__(self) -> _Row: ...

@final
class Transaction:
    """Several writes that happen together or not at all. Made by `Database.transaction`."""

    def collection(self, name: str) -> TransactionCollection:
        """The collection `name` within this transaction. Raises NotFoundError."""

    def drop(self, name: str) -> None:
        """Deletes the collection `name` with all its records. Raises NotFoundError."""

    def _enter_from_any_thread(self) -> None:
        """As `__enter__`, for `lodedb.aio`, where a thread is nobody's own."""

    def __enter__(self) -> Self: ...
    def __exit__(
        self,
        kind: type[BaseException] | None = None,
        error: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None: ...
    def __getitem__(self, name: str, /) -> TransactionCollection: ...

@final
class TransactionCollection:
    """A collection within a transaction: reads see what the transaction has written."""

    @property
    def name(self) -> str:
        """The collection's name."""

    def upsert(
        self,
        records: Iterable[_Row] | _Row | Any | None = None,
        *,
        ids: Iterable[_Id] | NDArray[Any] | None = None,
        vectors: _Vectors | None = None,
        sparse: Any | None = None,
        fields: dict[str, Any] | None = None,
    ) -> int:
        """As `Collection.upsert`."""

    def insert(
        self,
        records: Iterable[_Row] | _Row | Any | None = None,
        *,
        ids: Iterable[_Id] | NDArray[Any] | None = None,
        vectors: _Vectors | None = None,
        sparse: Any | None = None,
        fields: dict[str, Any] | None = None,
    ) -> int:
        """As `Collection.insert`."""

    @overload
    def update(self, id: _Id, fields: _Fields) -> int: ...
    @overload
    def update(self, id: dict[Any, _Fields], fields: None = None) -> int:
        """As `Collection.update`."""

    @overload
    def delete(self, ids: _Id | Iterable[_Id] | NDArray[Any], *, where: None = None) -> int: ...
    @overload
    def delete(self, ids: None = None, *, where: _Where) -> int:
        """As `Collection.delete`; a filter sees what the transaction has written."""

    @overload
    def get(self, ids: _Id) -> _Row | None: ...  # type: ignore[overload-overlap]
    @overload
    def get(self, ids: Iterable[_Id] | NDArray[Any]) -> list[_Row | None]:
        """As `Collection.get`."""

    def __len__(self) -> int: ...
    def __contains__(self, id: _Id, /) -> bool: ...

def _command(arguments: Sequence[str]) -> int:
    """Runs the command `lode` on the process's own streams and gives its exit code. `arguments` begin with the name of the program."""
