"""Libraries without a database around them: an index in memory that can be written to a file.

With the settings that each project's own documents advise. hnswlib's are the yardstick: `M` 16, `ef_construction` 200.
"""

import math

import numpy as np
from engine import EF, Engine
from sets import K


class Hnswlib(Engine):
    package, module = "hnswlib", "hnswlib"

    def _index(self):
        import hnswlib

        return hnswlib.Index(space="l2" if self.metric == "l2" else "ip", dim=self.dim)

    def build(self, base):
        index = self._index()
        index.init_index(max_elements=len(base), M=16, ef_construction=200)
        index.set_num_threads(1)
        index.add_items(base, num_threads=1)
        index.save_index(str(self.folder / "index"))

    def open(self):
        self.index = self._index()
        self.index.load_index(str(self.folder / "index"))
        self.index.set_num_threads(1)

    def searcher(self, ef):
        self.index.set_ef(ef)
        search = self.index.knn_query
        return lambda query: search(query, K, 1)

    def ids(self, result):
        return result[0][0].tolist()


class Usearch(Engine):
    package, module = "usearch", "usearch"

    def build(self, base):
        from usearch.index import Index

        index = Index(
            ndim=self.dim,
            metric="l2sq" if self.metric == "l2" else "ip",
            dtype="bf16",
            connectivity=16,
            expansion_add=200,
        )
        index.add(np.arange(len(base), dtype=np.uint64), base, threads=1)
        index.save(str(self.folder / "index"))

    def open(self):
        from usearch.index import Index

        self.index = Index.restore(str(self.folder / "index"))

    def searcher(self, ef):
        self.index.expansion_search = ef
        search = self.index.search
        return lambda query: search(query, K, threads=1)

    def ids(self, result):
        return result.keys.tolist()


class Faiss(Engine):
    """What the faiss engines have in common; a subclass names the index."""

    package, module = "faiss-cpu", "faiss"

    def _new_index(self, faiss, metric):
        raise NotImplementedError

    def build(self, base):
        import faiss

        faiss.omp_set_num_threads(1)
        metric = faiss.METRIC_L2 if self.metric == "l2" else faiss.METRIC_INNER_PRODUCT
        index = self._new_index(faiss, metric)
        index.train(base)
        index.add(base)
        faiss.write_index(index, str(self.folder / "index"))

    def open(self):
        import faiss

        faiss.omp_set_num_threads(1)
        self.index = faiss.read_index(str(self.folder / "index"))

    def queries(self, rows):
        return [rows[i : i + 1] for i in range(len(rows))]

    def ids(self, result):
        return result[1][0].tolist()


class FaissHnsw(Faiss):
    codes = "Flat"

    def _new_index(self, faiss, metric):
        index = faiss.index_factory(self.dim, f"HNSW16_{self.codes}", metric)
        index.hnsw.efConstruction = 200
        return index

    def searcher(self, ef):
        self.index.hnsw.efSearch = ef
        search = self.index.search
        return lambda query: search(query, K)


class FaissHnswSq8(FaissHnsw):
    codes = "SQ8"


class FaissIvfPq(Faiss):
    """4-bit product quantisation with in-register look-ups, rescored with the vectors."""

    def _new_index(self, faiss, metric):
        lists = 2 ** round(math.log2(2 * math.sqrt(self.count)))
        return faiss.index_factory(self.dim, f"IVF{lists},PQ{self.dim // 2}x4fs,RFlat", metric)

    def settings(self):
        probes = (2, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128)
        return [[{"probes": n, "refine": r} for n in probes] for r in (2, 4, 8, 16)]

    def open(self):
        import faiss

        super().open()
        self.coarse = faiss.downcast_index(self.index.base_index)

    def searcher(self, probes, refine):
        self.coarse.nprobe = probes
        self.index.k_factor = refine
        search = self.index.search
        return lambda query: search(query, K)


class Scann(Engine):
    """A tree, anisotropic hashing, and reordering with the vectors."""

    package, module = "scann", "scann"

    def build(self, base):
        from scann import scann_ops_pybind as scann

        leaves = max(1, round(2 * math.sqrt(len(base))))
        builder = scann.builder(base, K, "squared_l2" if self.metric == "l2" else "dot_product")
        builder = builder.set_n_training_threads(1).tree(
            num_leaves=leaves, num_leaves_to_search=leaves // 20, training_sample_size=len(base)
        )
        threshold = {} if self.metric == "l2" else {"anisotropic_quantization_threshold": 0.2}
        searcher = builder.score_ah(2, **threshold).reorder(100).build()
        searcher.serialize(str(self.folder))

    def open(self):
        from scann import scann_ops_pybind as scann

        self.index = scann.load_searcher(str(self.folder))

    def settings(self):
        leaves = (2, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192)
        return [[{"leaves": n, "reorder": r} for n in leaves] for r in (20, 40, 80, 160)]

    def searcher(self, leaves, reorder):
        search = self.index.search
        return lambda query: search(query, K, reorder, leaves)

    def ids(self, result):
        return result[0].tolist()


class Zvec(Engine):
    """zvec's HNSW on codes, by the call for low latency of a collection that is open for reading."""

    package, module = "zvec", "zvec"
    codes = "UNIFORM_UINT8"
    threads = {"optimize_threads": 1}  # that build

    def _init(self):
        import zvec

        if not getattr(Zvec, "ready", False):
            zvec.init(query_threads=1, **self.threads, log_level=zvec.LogLevel.ERROR)
            Zvec.ready = True
        return zvec

    def _vectors(self, zvec):
        index = zvec.HnswIndexParam(
            metric_type=zvec.MetricType.L2,  # the only one with codes of a global scale; the same order for length 1
            m=32,
            ef_construction=200,
            quantize_type=getattr(zvec.QuantizeType, self.codes),
            use_contiguous_memory=True,
        )
        return zvec.VectorSchema("v", zvec.DataType.VECTOR_FP32, self.dim, index_param=index)

    def build(self, base):
        zvec = self._init()
        schema = zvec.CollectionSchema("bench", vectors=self._vectors(zvec))
        records = zvec.create_and_open(str(self.folder / "db"), schema)
        for start in range(0, len(base), 1000):
            rows = enumerate(base[start : start + 1000], start)
            records.insert([zvec.Doc(id=str(i), vectors={"v": row}) for i, row in rows])
        records.optimize(zvec.OptimizeOption(concurrency=1))
        records.flush()
        records.close()

    def open(self):
        zvec = self._init()
        self.records = zvec.open(str(self.folder / "db"), zvec.CollectionOption(read_only=True))

    def settings(self):
        """Plain; and with the nearest 20, 40 or all of the candidates scored again with their vectors."""
        plain = [{"ef": ef} for ef in EF]
        return [plain] + [[{"ef": ef, "refine": n} for ef in EF if ef >= n] for n in (20, 40, 0)]

    def searcher(self, ef, refine=None):
        zvec = self._init()
        if refine is None:
            param = zvec.HnswQueryParam(ef=ef)
        else:
            param = zvec.HnswQueryParam(ef=ef, is_using_refiner=True, scale_factor=refine / K)
        search, query_of = self.records.query_internal_ids, zvec.Query
        return lambda query: search(query_of("v", vector=query, param=param), topk=K)

    def ids(self, result):
        return [int(name) for name in self.records.resolve_internal_ids(result) if name is not None]


class ZvecInt8(Zvec):
    codes = "INT8"


class Svs(Engine):
    """Intel's Vamana; a subclass names the form of the vectors."""

    package, module = "scalable-vs", "svs"

    def _distance(self, svs):
        return svs.DistanceType.L2 if self.metric == "l2" else svs.DistanceType.MIP

    def _parameters(self, svs):
        alpha = 1.2 if self.metric == "l2" else 0.95
        return svs.VamanaBuildParameters(alpha=alpha, graph_max_degree=32, window_size=200)

    def _data(self, svs, base):
        return base.astype(np.float16)

    def _saved(self, svs, path):
        return svs.VectorDataLoader(path, svs.DataType.float16)

    def build(self, base):
        import svs

        index = svs.Vamana.build(self._parameters(svs), self._data(svs, base), self._distance(svs), num_threads=1)
        index.save(*(str(self.folder / part) for part in ("config", "graph", "data")))

    def open(self):
        import svs

        self.index = svs.Vamana(
            str(self.folder / "config"),
            svs.GraphLoader(str(self.folder / "graph")),
            self._saved(svs, str(self.folder / "data")),
            self._distance(svs),
            num_threads=1,
        )

    def queries(self, rows):
        return [rows[i : i + 1] for i in range(len(rows))]

    def searcher(self, ef):
        self.index.search_window_size = ef
        search = self.index.search
        return lambda query: search(query, K)

    def ids(self, result):
        return result[0][0].tolist()


class SvsLvq8(Svs):
    """With locally adaptive codes, which only Intel's processors can search."""

    bits = (8, 0)

    def _data(self, svs, base):
        source = str(self.folder / "vectors.fvecs")
        svs.write_vecs(base, source)
        return svs.LVQLoader(svs.VectorDataLoader(source, svs.DataType.float32), *self.bits)

    def _saved(self, svs, path):
        return svs.LVQLoader(path)

    def build(self, base):
        super().build(base)
        (self.folder / "vectors.fvecs").unlink()


class SvsLvq4x8(SvsLvq8):
    bits = (4, 8)


class Turbovec(Engine):
    """A scan of codes of 4 bits, the best of which are scored again with the vectors here, for it keeps none."""

    package, module = "turbovec", "turbovec"

    def build(self, base):
        from turbovec import TurboQuantIndex

        if self.metric != "cosine":
            raise ValueError("turbovec has no Euclidean distance")
        index = TurboQuantIndex(dim=self.dim, bit_width=4)
        index.add(base)
        index.write(str(self.folder / "index"))
        np.save(self.folder / "vectors.npy", base)

    def open(self):
        from turbovec import TurboQuantIndex

        self.index = TurboQuantIndex.load(str(self.folder / "index"))
        self.vectors = np.load(self.folder / "vectors.npy")

    def settings(self):
        return [[{"rescored": n} for n in (10, 12, 14, 16, 20, 24, 32, 48, 64)]]

    def queries(self, rows):
        return [rows[i : i + 1] for i in range(len(rows))]

    def searcher(self, rescored):
        def search(query):
            near = find(query, rescored)[1][0]
            return near[np.argsort(-(vectors[near] @ query[0]))[:K]]

        find, vectors = self.index.search, self.vectors
        return search
