"""What the comparison of databases asks of one.

A store is an engine (`engine.py`) that keeps fields and texts beside its vectors. `build` takes them from Python objects
to a closed folder, durable and indexed, with the threads that the library takes by itself; `open` reads it again.
`searcher` and `ids` are those of the engine; `filtered_searcher` gives a function of a query and a `condition`, which is
in the form that the library takes; `word_searcher` one of a text, `hybrid_searcher` one of a vector and a text. `writing`
opens for writing and gives a function that replaces records, and returns when they are durable.

With `words`, the texts are indexed for words as well. Then, unless `joined` is false, the field `text` holds the title too,
for libraries that search one field at a time.
"""

COARSE = (16, 32, 64, 128, 256, 512)


class Store:
    """To be mixed into an engine, before it."""

    parts = ("records", "filters")
    joined = True
    indexed = ("u1000", "category")  # what filters ask for, where a library wants to be told

    def __init__(self, documents, folder, words=False):
        super().__init__(documents.vectors, folder)
        self.words = words

    def filter_settings(self):
        """The settings to choose from for a filter: fewer, for each is tried with each filter."""
        return [[one for one in line if one.get("ef", COARSE[0]) in COARSE] for line in self.settings()]

    def first_answer(self, query):
        """The first search after opening."""
        return self.searcher(**self.settings()[0][0])(query)

    def close(self):
        """Nothing to do for most that only read."""


def batches(count, size):
    return (slice(start, min(start + size, count)) for start in range(0, count, size))


def columns(rows):
    return {name: [row[name] for row in rows] for name in rows[0]}


def as_dict(field, comparison, value):
    return {field: {"$lt": value} if comparison == "<" else value}


def as_text(field, comparison, value):
    return f"{field} < {value}" if comparison == "<" else f"{field} = '{value}'"


# Lucene's English stop words, for those that can be given some.
STOP_WORDS = (
    "a an and are as at be but by for if in into is it no not of on or such that the their then there these they this "
    "to was will with"
).split()
