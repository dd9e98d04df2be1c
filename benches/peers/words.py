"""Libraries that search words alone. Stemmed by Snowball for English, without Lucene's stop words."""

import re

from sets import K
from store import STOP_WORDS, Store


class WordIndex(Store):
    """Needs no vectors."""

    parts = ("words", "ranking")
    package = module = None
    needs = imports = ()

    def __init__(self, documents, folder, words=True):
        self.folder = folder

    def first_answer(self, query):
        return self.word_searcher()("first words")


class Bm25s(WordIndex):
    package, module = "bm25s", "bm25s"
    needs = ("numba", "PyStemmer")
    imports = ("numba", "Stemmer")

    def _tokenizer(self):
        import Stemmer
        from bm25s.tokenization import Tokenizer

        return Tokenizer(stemmer=Stemmer.Stemmer("english"), stopwords=STOP_WORDS)

    def build(self, documents):
        import bm25s

        tokenizer = self._tokenizer()
        index = bm25s.BM25(k1=1.2, b=0.75, backend="numba")
        index.index(
            tokenizer.tokenize(documents.fields["text"], show_progress=False, return_as="tuple"), show_progress=False
        )
        index.save(str(self.folder), show_progress=False)
        tokenizer.save_vocab(str(self.folder))

    def open(self):
        import bm25s

        self.index = bm25s.BM25.load(str(self.folder))
        self.tokenizer = self._tokenizer()
        self.tokenizer.load_vocab(str(self.folder))

    def word_searcher(self):
        def search(text):
            words = tokenize([text], update_vocab=False, show_progress=False, return_as="ids")
            return find(words, k=K, show_progress=False)

        tokenize, find = self.tokenizer.tokenize, self.index.retrieve
        return search

    def ids(self, result):
        """It fills up with records that hold none of the words."""
        return [
            row for row, score in zip(result.documents[0].tolist(), result.scores[0].tolist(), strict=True) if score > 0
        ]


class Tantivy(WordIndex):
    package, module = "tantivy", "tantivy"

    def _register(self, index):
        import tantivy

        builder = tantivy.TextAnalyzerBuilder(tantivy.Tokenizer.simple())
        for filtered in (
            tantivy.Filter.remove_long(40),
            tantivy.Filter.lowercase(),
            tantivy.Filter.custom_stopword(STOP_WORDS),
            tantivy.Filter.stemmer("english"),
        ):
            builder = builder.filter(filtered)
        index.register_tokenizer("english", builder.build())

    def build(self, documents):
        import tantivy

        schema = tantivy.SchemaBuilder()
        schema.add_text_field("text", tokenizer_name="english", index_option="freq")
        schema.add_integer_field("row", fast=True)
        index = tantivy.Index(schema.build(), path=str(self.folder))
        self._register(index)
        writer = index.writer(num_threads=1)
        for row, text in enumerate(documents.fields["text"]):
            writer.add_document(tantivy.Document(row=row, text=text))
        writer.commit()
        writer.wait_merging_threads()

    def open(self):
        import tantivy

        self.index = tantivy.Index.open(str(self.folder))
        self._register(self.index)
        self.reader = self.index.searcher()

    def word_searcher(self):
        """Words alone, in lower case: so nothing of a text is taken for its query language."""

        def search(text):
            return find(parse(" ".join(words.findall(text.lower())), fields), K, False).hits

        words, fields = re.compile(r"[^\W_]+"), ["text"]
        parse, find = self.index.parse_query, self.reader.search
        return search

    def ids(self, result):
        return self.reader.fast_field_values("row", [address for _, address in result])
