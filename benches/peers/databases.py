"""Embedded databases: each keeps its records in a file or folder, written in batches and indexed before it is searched."""

import numpy as np
from engine import EF, RECALL, Engine
from sets import K

BATCH = 10_000


class Lode(Engine):
    """Lode through its Python package: as it is without any setting, by `ef`, and by `recall`."""

    module = "lodedb"

    def _collection(self, db):
        return db.collection("bench", dim=self.dim, metric=self.metric)

    def build(self, base):
        import lodedb

        with lodedb.open(str(self.folder / "bench.lode")) as db:
            records = self._collection(db)
            ids = np.arange(len(base), dtype=np.uint64)
            for start in range(0, len(base), BATCH):
                batch = slice(start, start + BATCH)
                records.upsert(ids=ids[batch], vectors=base[batch])
            records.optimize()

    def open(self):
        import lodedb

        self.db = lodedb.open(str(self.folder / "bench.lode"), read_only=True)
        self.records = self.db["bench"]

    def settings(self):
        return [[{}], [{"ef": ef} for ef in EF], [{"recall": recall} for recall in RECALL]]

    def searcher(self, **setting):
        search = self.records.search
        return lambda query: search(vector=query, k=K, **setting)

    def ids(self, result):
        return [hit.id for hit in result]


class QdrantEdge(Engine):
    """Qdrant's shard in the process, with codes of one byte."""

    package, module = "qdrant-edge-py", "qdrant_edge"
    threads = 1  # that build; 0: as many as it takes by itself

    def _create(self, qdrant):
        vectors = qdrant.EdgeVectorParams(
            size=self.dim,
            distance=qdrant.Distance.Euclid if self.metric == "l2" else qdrant.Distance.Cosine,
            quantization_config=qdrant.ScalarQuantizationConfig(qdrant.ScalarType.Int8, quantile=0.99, always_ram=True),
        )
        graph = qdrant.HnswIndexConfig(
            m=16, ef_construct=200, full_scan_threshold=10, max_indexing_threads=self.threads
        )
        config = qdrant.EdgeConfig(
            vectors=vectors,
            hnsw_config=graph,
            optimizers=qdrant.EdgeOptimizersConfig(default_segment_number=1, indexing_threshold=1000),
            max_search_threads=1,
        )
        return qdrant.EdgeShard.create(str(self.folder / "shard"), config)

    def build(self, base):
        import qdrant_edge as qdrant

        shard = self._create(qdrant)
        for start in range(0, len(base), BATCH):
            rows = enumerate(base[start : start + BATCH].tolist(), start)
            shard.update(qdrant.UpdateOperation.upsert_points([qdrant.Point(i, row) for i, row in rows]))
        shard.optimize()
        shard.flush()
        shard.close()

    def open(self):
        import qdrant_edge as qdrant

        self.shard = qdrant.EdgeShard.load(str(self.folder / "shard"))

    def settings(self):
        """With codes alone; with ten, twenty or forty of the nearest scored again with their vectors."""
        return [[{"ef": ef, "rescored": n} for ef in EF if ef >= n] for n in (0, 10, 20, 40)]

    def queries(self, rows):
        return rows.tolist()

    def searcher(self, ef, rescored):
        import qdrant_edge as qdrant

        codes = qdrant.QuantizationSearchParams(rescore=rescored > 0, oversampling=max(1.0, rescored / K))
        params = qdrant.SearchParams(hnsw_ef=ef, quantization=codes)
        search, request, query_of = self.shard.search, qdrant.SearchRequest, qdrant.Query.Nearest
        return lambda query: search(request(query=query_of(query), limit=K, params=params))

    def ids(self, result):
        return [point.id for point in result]


class LanceDb(Engine):
    """One partition with a graph on codes of one byte."""

    package, module = "lancedb", "lancedb"

    def build(self, base):
        import lancedb
        import pyarrow

        rows = pyarrow.FixedSizeListArray.from_arrays(pyarrow.array(base.ravel()), self.dim)
        records = pyarrow.table({"id": pyarrow.array(range(len(base))), "vector": rows})
        table = lancedb.connect(str(self.folder)).create_table("bench", records)
        table.create_index(
            metric="l2" if self.metric == "l2" else "cosine",
            index_type="IVF_HNSW_SQ",
            num_partitions=1,
            m=16,
            ef_construction=200,
        )
        table.wait_for_index(["vector_idx"])

    def open(self):
        import lancedb

        self.table = lancedb.connect(str(self.folder)).open_table("bench")

    def settings(self):
        return [[{"ef": ef, "refine": refine} for ef in EF if ef >= K * refine] for refine in (1, 2, 4)]

    def searcher(self, ef, refine):
        def search(query):
            found = self.table.search(query).distance_type(metric).limit(K).ef(ef).select(["id", "_distance"])
            return (found.refine_factor(refine) if refine > 1 else found).to_arrow()

        metric = "l2" if self.metric == "l2" else "cosine"
        return search

    def ids(self, result):
        return result["id"].to_pylist()


class Chroma(Engine):
    package, module = "chromadb", "chromadb"
    threads = {"num_threads": 1}  # that build and search

    def _client(self):
        import chromadb

        settings = chromadb.Settings(anonymized_telemetry=False)
        return chromadb.PersistentClient(str(self.folder), settings=settings)

    def _create(self):
        graph = {"space": "l2" if self.metric == "l2" else "cosine", "max_neighbors": 16, "ef_construction": 200}
        graph["ef_search"] = EF[0]
        self.client = self._client()
        return self.client.create_collection("bench", configuration={"hnsw": {**graph, **self.threads}})

    def build(self, base):
        records = self._create()
        for start in range(0, len(base), 5000):
            rows = base[start : start + 5000]
            records.add(ids=[str(i) for i in range(start, start + len(rows))], embeddings=rows)
        self.client.close()

    def open(self):
        self.client = self._client()
        self.records = self.client.get_collection("bench")

    def _set_ef(self, ef):
        """It takes another one only when the index is loaded."""
        if ef != self.records.configuration["hnsw"]["ef_search"]:
            self.records.modify(configuration={"hnsw": {"ef_search": ef}})
            self.client.close()
            self.open()
            self.records.query(query_embeddings=np.ones(self.dim, dtype=np.float32), n_results=1, include=[])

    def searcher(self, ef):
        self._set_ef(ef)
        search = self.records.query
        return lambda query: search(query_embeddings=query, n_results=K, include=[])

    def ids(self, result):
        return [int(name) for name in result["ids"][0]]


class SqliteVec(Engine):
    """Exact search inside SQLite, which is all that it has."""

    package, module = "sqlite-vec", "sqlite_vec"
    needs = ("pysqlite3-binary",)  # for a Python whose own sqlite3 loads no extensions

    def _connect(self):
        import pysqlite3 as sqlite3
        import sqlite_vec

        db = sqlite3.connect(str(self.folder / "bench.db"))
        db.enable_load_extension(True)
        sqlite_vec.load(db)
        return db

    def build(self, base):
        db = self._connect()
        metric = "l2" if self.metric == "l2" else "cosine"
        db.execute(f"create virtual table bench using vec0(vector float[{self.dim}] distance_metric={metric})")
        rows = ((i + 1, row.tobytes()) for i, row in enumerate(base))
        db.executemany("insert into bench(rowid, vector) values (?, ?)", rows)
        db.commit()
        db.close()

    def open(self):
        self.db = self._connect()

    def settings(self):
        return [[{}]]

    def queries(self, rows):
        return [row.tobytes() for row in rows]

    def searcher(self):
        ask = f"select rowid from bench where vector match ? and k = {K} order by distance"
        return lambda query: self.db.execute(ask, (query,)).fetchall()

    def ids(self, result):
        return [row[0] - 1 for row in result]


class Omendb(Engine):
    package, module = "omendb", "omendb"

    def _create(self):
        import omendb

        # Its codes know no other metric than l2, which gives the same order for vectors of length 1.
        dense = {"dim": self.dim, "quantization": "sq8"}
        return omendb.create(str(self.folder / "bench"), {"metric": "l2", "dense": dense})

    def build(self, base):
        db = self._create()
        for start in range(0, len(base), BATCH):
            rows = base[start : start + BATCH]
            db.set(ids=[str(i) for i in range(start, start + len(rows))], vectors=rows)
        db.optimize()
        db.flush()
        db.close()

    def open(self):
        import omendb

        self.db = omendb.open(str(self.folder / "bench"))

    def settings(self):
        return [[{"ef": ef} for ef in EF if ef >= 3 * K]]  # it refuses less

    def searcher(self, ef):
        search = self.db.search
        return lambda query: search(query, K, ef)

    def ids(self, result):
        return [int(hit["id"]) for hit in result]
