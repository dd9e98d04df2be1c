"""From other vector stores to a Lode file: one call, which reads the store through its own package and proves the result.

Each call reads in batches, so that memory stays bounded, writes a new file, compares the number of records, some records
as a whole, and what searches find with the exact answer, and only then puts the file in its place. An error leaves no file.
It gives a `Report`; `print` shows a line for each collection.

>>> import tempfile, pyarrow, pyarrow.parquet
>>> from lodedb import migrate
>>> folder = tempfile.TemporaryDirectory()
>>> table = pyarrow.table({"id": ["a", "b"], "vector": [[0.9, 0.1], [0.2, 0.8]], "title": ["Mines", "Rivers"]})
>>> pyarrow.parquet.write_table(table, f"{folder.name}/notes.parquet")
>>> report = migrate.from_parquet(f"{folder.name}/notes.parquet", text=["title"])
>>> report.records, report.collections[0].compared, report.collections[0].recall
(2, 2, {'vector': 1.0})
>>> with lodedb.open(report.path) as db:
...     db["notes"].search([1.0, 0.0], k=1)[0]["title"]
'Mines'
>>> folder.cleanup()

The packages of the other stores are needed, and not installed with Lode.

| from | call | what becomes what |
|---|---|---|
| Chroma | `from_chroma(folder)` | a collection each; documents are the text field `document` |
| FAISS | `from_faiss(index, ids, fields, to=...)` | ids and fields by the number of the vector |
| hnswlib | `from_hnswlib(index, ids, fields, to=...)` | ids and fields by label |
| LanceDB | `from_lancedb(folder)` | a collection for each table |
| Qdrant | `from_qdrant(folder)`, or a client | a collection each; named vectors keep their names |
| sqlite-vec | `from_sqlite_vec(file)` | a collection for each `vec0` table |
| Parquet | `from_parquet(file)` | one collection |

A field called `id` or `vector` gets a `_` behind its name, and dots in names become maps, so that filters still call them the
same. Values that Lode has not, such as bytes, are for `convert=`, a function of a record's fields. With ids that are texts, LangChain
opens the result: `LodeVectorStore(embedding, path, "notes", text_field="document", metadata_field=None)`.
"""

from lodedb.migrate._chroma import from_chroma
from lodedb.migrate._indexes import from_faiss, from_hnswlib
from lodedb.migrate._lancedb import from_lancedb
from lodedb.migrate._parquet import from_parquet
from lodedb.migrate._qdrant import from_qdrant
from lodedb.migrate._report import CollectionReport, Report
from lodedb.migrate._run import Options
from lodedb.migrate._source import MigrationError
from lodedb.migrate._sqlite_vec import from_sqlite_vec

__all__ = [
    "CollectionReport",
    "MigrationError",
    "Options",
    "Report",
    "from_chroma",
    "from_faiss",
    "from_hnswlib",
    "from_lancedb",
    "from_parquet",
    "from_qdrant",
    "from_sqlite_vec",
]
