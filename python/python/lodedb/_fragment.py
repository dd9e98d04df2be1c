"""What `highlight=` finds."""

from __future__ import annotations

from typing import final


@final
class Fragment(str):
    """A part of a text in which words were found, with marks around these: a string. Made by `Hit.highlights`.

    `range` says where it stands in the text, `words` where the words stand that were found: pairs of start and end, as in
    `text[start:end]`. Where the field is a list of texts, `element` says which of them it is of.

    >>> db = lodedb.open(":memory:")
    >>> notes = db.collection("notes", dim=1, text=["body"])
    >>> notes.upsert({"id": 1, "vector": [1], "body": "A sluice box washes gold."})
    1
    >>> hit = notes.search(text="washing", highlight=["body"])[0]
    >>> fragment = hit.highlights["body"][0]
    >>> print(fragment, fragment.range, fragment.words)
    A sluice box <b>washes</b> gold. (0, 25) [(13, 19)]
    >>> hit["body"][13:19]
    'washes'
    """

    __slots__ = ("element", "range", "words")

    range: tuple[int, int]
    words: list[tuple[int, int]]
    element: int

    def __new__(cls, marked: str, range: tuple[int, int], words: list[tuple[int, int]], element: int = 0) -> Fragment:
        fragment = super().__new__(cls, marked)
        fragment.range, fragment.words, fragment.element = range, words, element
        return fragment

    def __getnewargs__(self) -> tuple[str, tuple[int, int], list[tuple[int, int]], int]:  # type: ignore[override]
        return str(self), self.range, self.words, self.element


Fragment.__module__ = "lodedb"
