"""Libraries without fields that take a filter into a search. Fields are columns beside them: what passes is told by these.

usearch is not among them: its Python package takes no filter.
"""

import libraries
import numpy as np
from sets import K
from store import Store


class Hnswlib(Store, libraries.Hnswlib):
    """Asks a Python function about each record that it meets."""

    parts = ("filters",)

    def __init__(self, documents, folder, words=False):
        super().__init__(documents, folder, words)
        self.fields = documents.fields

    def build(self, documents):
        super().build(documents.vectors.base)

    def condition(self, field, comparison, value):
        column = self.fields[field]
        return (lambda row: column[row] < value) if comparison == "<" else (lambda row: column[row] == value)

    def filtered_searcher(self, ef):
        self.index.set_ef(ef)
        search = self.index.knn_query
        return lambda query, condition: search(query, K, 1, condition)


class FaissHnsw(Store, libraries.FaissHnsw):
    """Takes a bitmap, which is made of a numpy column for each search. Where its graph finds few, it returns few."""

    parts = ("filters",)

    def __init__(self, documents, folder, words=False):
        super().__init__(documents, folder, words)
        self.fields = documents.fields

    def build(self, documents):
        super().build(documents.vectors.base)

    def open(self):
        """Strings become codes, which numpy compares faster."""
        super().open()
        names, self.codes_of = {}, {"u1000": np.array(self.fields["u1000"], dtype=np.int16)}
        codes = [names.setdefault(name, len(names)) for name in self.fields["category"]]
        self.names, self.codes_of["category"] = names, np.array(codes, dtype=np.int16)

    def condition(self, field, comparison, value):
        column = self.codes_of[field]
        return (column, np.less, value) if comparison == "<" else (column, np.equal, self.names[value])

    def filtered_searcher(self, ef):
        import faiss

        def search(query, condition):
            column, compare, value = condition
            rows = faiss.IDSelectorBitmap(np.packbits(compare(column, value), bitorder="little"))
            return find(query, K, params=parameters(sel=rows, efSearch=ef))

        find, parameters = self.index.search, faiss.SearchParametersHNSW
        return search

    def ids(self, result):
        return [row for row in super().ids(result) if row >= 0]
