"""How good an order is, where each answer has a grade."""

import math

K = 10


def mean_ndcg(found, grades):
    """The mean over queries of nDCG@10: the gain of a grade is 2^grade - 1, halved and more by the logarithm of its place.

    `found` are row numbers of each query, the best first; `grades` a dict from row numbers to grades for each. A query
    without a positive grade counts for nothing.
    """
    pairs = [
        (ids, wanted) for ids, wanted in zip(found, grades, strict=True) if any(grade > 0 for grade in wanted.values())
    ]
    return sum(ndcg(ids, wanted) for ids, wanted in pairs) / len(pairs)


def ndcg(ids, wanted):
    best = sorted(wanted.values(), reverse=True)[:K]
    return _gain(wanted.get(row, 0) for row in ids[:K]) / _gain(best)


def _gain(grades):
    return sum((2 ** max(grade, 0) - 1) / math.log2(place + 2) for place, grade in enumerate(grades))
