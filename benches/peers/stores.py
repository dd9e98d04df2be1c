"""Embedded databases with fields and texts. Vectors are indexed and searched as in `databases.py` and `libraries.py`."""

from contextlib import contextmanager

import databases
import libraries
import numpy as np
from databases import BATCH
from sets import K
from store import STOP_WORDS, Store, as_dict, as_text, batches, columns


class Lode(Store, databases.Lode):
    parts = ("records", "filters", "words", "ranking")
    joined = False

    def _collection(self, db):
        fields = ["text"] if self.joined else ["title", "text"]
        words = {"text": fields} if self.words else {}
        return db.collection("bench", dim=self.dim, metric=self.metric, **words)

    def build(self, documents):
        import lodedb

        base, fields = documents.vectors.base, documents.fields
        ids = np.arange(len(base), dtype=np.uint64)
        with lodedb.open(str(self.folder / "bench.lode")) as db:
            records = self._collection(db)
            for batch in batches(len(base), BATCH):
                some = {name: column[batch] for name, column in fields.items()}
                records.upsert(ids=ids[batch], vectors=base[batch], fields=some)
            records.optimize()

    condition = staticmethod(as_dict)

    def filtered_searcher(self, **setting):
        search = self.records.search
        return lambda query, condition: search(vector=query, k=K, where=condition, **setting)

    def word_searcher(self):
        search = self.records.search
        return lambda text: search(text=text, k=K)

    def hybrid_searcher(self):
        search = self.records.search
        return lambda query, text: search(vector=query, text=text, k=K)

    @contextmanager
    def writing(self):
        import lodedb

        with lodedb.open(str(self.folder / "bench.lode")) as db:
            records = self._collection(db)
            yield lambda ids, vectors, rows: records.upsert(ids=ids, vectors=vectors, fields=columns(rows))

    def close(self):
        self.db.close()


class LodeJoined(Lode):
    """With title and text in one field, as the others have them."""

    parts = ("words", "ranking")
    joined = True


class QdrantEdge(Store, databases.QdrantEdge):
    parts = ("records", "filters", "words")
    threads = 0

    def build(self, documents):
        import qdrant_edge as qdrant

        shard = self._create(qdrant)
        self._index_fields(qdrant, shard)
        base, rows = documents.vectors.base, documents.rows
        for batch in batches(len(base), BATCH):
            ids = range(batch.start, batch.stop)
            self._upsert(qdrant, shard, ids, base[batch], rows[batch])
        shard.optimize()
        shard.flush()
        shard.close()

    def _index_fields(self, qdrant, shard):
        kinds = {"u1000": qdrant.PayloadSchemaType.Integer, "category": qdrant.PayloadSchemaType.Keyword}
        if self.words:
            kinds["text"] = qdrant.TextIndexParams(
                tokenizer=qdrant.TokenizerType.Word,
                lowercase=True,
                stopwords=qdrant.StopwordsSet(custom=set(STOP_WORDS)),
                stemmer=qdrant.SnowballParams(qdrant.SnowballLanguage.English),
                scoring=True,
            )
        for name, kind in kinds.items():
            shard.update(qdrant.UpdateOperation.create_field_index(name, kind))

    def _upsert(self, qdrant, shard, ids, vectors, rows):
        points = [qdrant.Point(*one) for one in zip(ids, vectors.tolist(), rows, strict=True)]
        shard.update(qdrant.UpdateOperation.upsert_points(points))

    def condition(self, field, comparison, value):
        import qdrant_edge as qdrant

        test = {"range": qdrant.RangeFloat(lt=value)} if comparison == "<" else {"match": qdrant.MatchValue(value)}
        return qdrant.Filter(must=[qdrant.FieldCondition(key=field, **test)])

    def filtered_searcher(self, ef, rescored):
        import qdrant_edge as qdrant

        codes = qdrant.QuantizationSearchParams(rescore=rescored > 0, oversampling=max(1.0, rescored / K))
        params = qdrant.SearchParams(hnsw_ef=ef, quantization=codes)
        search, request, query_of = self.shard.search, qdrant.SearchRequest, qdrant.Query.Nearest
        return lambda query, condition: search(request(query=query_of(query), limit=K, params=params, filter=condition))

    def word_searcher(self):
        import qdrant_edge as qdrant

        search, request, query_of = self.shard.query, qdrant.QueryRequest, qdrant.TextQuery
        return lambda text: search(request(limit=K, query=query_of("text", text)))

    @contextmanager
    def writing(self):
        import qdrant_edge as qdrant

        def upsert(ids, vectors, rows):
            self._upsert(qdrant, shard, ids.tolist(), vectors, rows)
            shard.flush()

        shard = qdrant.EdgeShard.load(str(self.folder / "shard"))
        yield upsert
        shard.close()

    def close(self):
        self.shard.close()


class LanceDb(Store, databases.LanceDb):
    parts = ("records", "filters", "words")

    def build(self, documents):
        import lancedb
        from lancedb.index import FTS, Bitmap, BTree, HnswSq

        base = documents.vectors.base
        records = self._table(np.arange(len(base)), base, documents.fields)
        table = lancedb.connect(str(self.folder)).create_table("bench", records)
        indexes = {"vector": HnswSq(distance_type=self.metric, num_partitions=1, m=16, ef_construction=200)}
        indexes.update((name, kind()) for name, kind in (("u1000", BTree), ("category", Bitmap)))
        if self.words:
            indexes["text"] = FTS(stem=True, remove_stop_words=True, custom_stop_words=STOP_WORDS)
        for name, kind in indexes.items():
            table.create_index(name, config=kind)
        table.wait_for_index([f"{name}_idx" for name in indexes])

    def _table(self, ids, vectors, fields):
        import pyarrow

        vectors = pyarrow.FixedSizeListArray.from_arrays(pyarrow.array(vectors.ravel()), self.dim)
        return pyarrow.table({"id": pyarrow.array(ids), "vector": vectors, **fields})

    condition = staticmethod(as_text)

    def filtered_searcher(self, ef, refine):
        def search(query, condition):
            found = self.table.search(query).distance_type(metric).limit(K).ef(ef).where(condition, prefilter=True)
            found = found.select(["id", "_distance"])
            return (found.refine_factor(refine) if refine > 1 else found).to_arrow()

        metric = self.metric
        return search

    def word_searcher(self):
        search = self.table.search
        return lambda text: search(text, query_type="fts").limit(K).select(["id", "_score"]).to_arrow()

    @contextmanager
    def writing(self):
        import lancedb

        def upsert(ids, vectors, rows):
            records = self._table(ids, vectors, columns(rows))
            table.merge_insert("id").when_matched_update_all().when_not_matched_insert_all().execute(records)

        table = lancedb.connect(str(self.folder)).open_table("bench")
        yield upsert


class Zvec(Store, libraries.Zvec):
    parts = ("records", "filters", "words")
    threads = {}

    def build(self, documents):
        zvec = self._init()
        records = zvec.create_and_open(str(self.folder / "db"), self._schema(zvec, documents.rows[0]))
        base, rows = documents.vectors.base, documents.rows
        for batch in batches(len(base), 1000):
            records.insert(self._docs(zvec, range(batch.start, batch.stop), base[batch], rows[batch]))
        records.optimize()
        records.flush()
        records.close()

    def _schema(self, zvec, row):
        ranges, values = zvec.InvertIndexParam(enable_range_optimization=True), zvec.InvertIndexParam()
        indexes = {"u1000": ranges, "category": values}
        if self.words:
            indexes["text"] = zvec.FtsIndexParam("standard", ["lowercase", "stemmer"])
        types = {int: zvec.DataType.INT64, str: zvec.DataType.STRING}
        fields = [
            zvec.FieldSchema(name, types[type(value)], index_param=indexes.get(name)) for name, value in row.items()
        ]
        return zvec.CollectionSchema("bench", fields=fields, vectors=self._vectors(zvec))

    def _docs(self, zvec, ids, vectors, rows):
        return [zvec.Doc(id=str(i), vectors={"v": v}, fields=row) for i, v, row in zip(ids, vectors, rows, strict=True)]

    condition = staticmethod(as_text)

    def filtered_searcher(self, ef, refine=None):
        zvec = self._init()
        refining = {} if refine is None else {"is_using_refiner": True, "scale_factor": refine / K}
        param = zvec.HnswQueryParam(ef=ef, **refining)
        search, query_of = self.records.query_internal_ids, zvec.Query
        return lambda query, condition: search(query_of("v", vector=query, param=param), topk=K, filter=condition)

    def word_searcher(self):
        zvec = self._init()
        search, query_of, words_of = self.records.query_internal_ids, zvec.Query, zvec.Fts
        return lambda text: search(query_of("text", fts=words_of(match_string=text)), topk=K)

    @contextmanager
    def writing(self):
        def upsert(ids, vectors, rows):
            records.upsert(self._docs(zvec, ids, vectors, rows))
            records.flush()

        zvec = self._init()
        records = zvec.open(str(self.folder / "db"))
        yield upsert
        records.close()

    def close(self):
        self.records.close()


class Chroma(Store, databases.Chroma):
    threads = {}

    def build(self, documents):
        records = self._create()
        base, rows = documents.vectors.base, documents.rows
        for batch in batches(len(base), 5000):
            self._put(records.add, range(batch.start, batch.stop), base[batch], rows[batch])
        self.client.close()

    def _put(self, how, ids, vectors, rows):
        """The text goes where texts go; the other fields are the metadata."""
        texts = [row["text"] for row in rows]
        others = [{name: value for name, value in row.items() if name != "text"} for row in rows]
        how(ids=[str(i) for i in ids], embeddings=vectors, documents=texts, metadatas=others)

    condition = staticmethod(as_dict)

    def filtered_searcher(self, ef):
        self._set_ef(ef)
        search = self.records.query
        return lambda query, condition: search(query_embeddings=query, n_results=K, where=condition, include=[])

    @contextmanager
    def writing(self):
        with self._client() as client:
            records = client.get_collection("bench")
            yield lambda ids, vectors, rows: self._put(records.upsert, ids, vectors, rows)

    def close(self):
        self.client.close()


class Omendb(Store, databases.Omendb):
    def build(self, documents):
        db = self._create()
        base, rows = documents.vectors.base, documents.rows
        for batch in batches(len(base), BATCH):
            ids = [str(i) for i in range(batch.start, batch.stop)]
            db.set(ids=ids, vectors=base[batch], metadatas=rows[batch])
        db.optimize()
        db.flush()
        db.close()

    condition = staticmethod(as_dict)

    def filtered_searcher(self, ef):
        search = self.db.search
        return lambda query, condition: search(query, K, ef, condition)

    @contextmanager
    def writing(self):
        import omendb

        def upsert(ids, vectors, rows):
            db.set(ids=[str(i) for i in ids], vectors=vectors, metadatas=rows)
            db.flush()

        db = omendb.open(str(self.folder / "bench"))
        yield upsert
        db.close()

    def close(self):
        self.db.close()
