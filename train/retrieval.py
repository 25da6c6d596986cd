"""How well pictures are found by what a model says about them.

An index gives every picture a score for a query. CaptionIndex knows the
sentences, as a search engine does; WordIndex the probabilities of picture words.
Queries are what people wrote: whole captions, which look for their own picture,
and short queries, which look for all pictures that people use these words for.

Shapes: N pictures, Q queries, W picture words.
"""

import math
import random
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Protocol

import numpy as np
import torch

from heads import WordList, stems

K1, B = 1.2, 0.75  # of BM25, as Bleve and Lucene have them
USED_BY = 2  # captions of a picture must use a word for the picture to be about it
FEWEST, MOST = 5, 120  # pictures that a short query is about
PER_LENGTH = 100  # short queries of one, of two and of three words


class Index(Protocol):
    """Scores all pictures for a query."""

    def scores(self, query: Sequence[str], every: bool = False) -> np.ndarray:
        """float32 [N] for the stems of a query; every: -inf where one of them is missing."""


class CaptionIndex:
    """BM25 over the stems of one text a picture."""

    def __init__(self, texts: Sequence[str]) -> None:
        """Counts the stems of each picture's text."""
        self.size = len(texts)
        counted = [Counter(stems(text)) for text in texts]
        lengths = np.array([counts.total() for counts in counted], np.float32)
        norm = K1 * (1 - B + B * lengths / max(lengths.mean(), 1))
        rows, counts = defaultdict(list), defaultdict(list)
        for row, found in enumerate(counted):
            for stem, count in found.items():
                rows[stem].append(row)
                counts[stem].append(count)
        self.column: dict[str, np.ndarray] = {}
        for stem, holding in rows.items():
            rarity = math.log(1 + (self.size - len(holding) + 0.5) / (len(holding) + 0.5))
            count = np.array(counts[stem], np.float32)
            column = np.zeros(self.size, np.float32)
            column[holding] = rarity * count * (K1 + 1) / (count + norm[holding])
            self.column[stem] = column

    def scores(self, query: Sequence[str], every: bool = False) -> np.ndarray:
        """As in Index."""
        nothing = np.zeros(self.size, np.float32)
        columns = [self.column.get(stem, nothing) for stem in dict.fromkeys(query)]
        total = np.sum([nothing, *columns], 0)
        if every:
            total[np.any([column == 0 for column in columns], 0)] = -np.inf
        return total


class WordIndex:
    """The sum of log p(word | picture) - log p(word) over the words of the query."""

    def __init__(self, picture_words: WordList, probabilities: np.ndarray) -> None:
        """Takes the probabilities of each picture's words, [N, W]."""
        self.row = {stem: i for i, stem in enumerate(picture_words.stems)}
        self.log_odds = picture_words.log_odds(torch.from_numpy(probabilities)).T.numpy()

    def scores(self, query: Sequence[str], every: bool = False) -> np.ndarray:
        """As in Index; no known word is ever missing, and others count nothing."""
        rows = [self.row[stem] for stem in dict.fromkeys(query) if stem in self.row]
        return self.log_odds[rows].sum(0)


def place(scores: np.ndarray, wanted: int) -> float:
    """The place of a picture among all, the first is 1; the mean place of those that are equal."""
    return float((scores > scores[wanted]).sum() + ((scores == scores[wanted]).sum() + 1) / 2)


def ranks(index: Index, queries: Sequence[str], wanted: Sequence[int]) -> np.ndarray:
    """The place [Q] of the picture that each text is about."""
    found = [place(index.scores(stems(q)), w) for q, w in zip(queries, wanted, strict=True)]
    return np.array(found)


def recall_at(ranks: np.ndarray, k: int) -> float:
    """The share of queries whose picture is among the first k."""
    return float((ranks <= k).mean())


@dataclass(frozen=True)
class ShortQuery:
    """One to three stems, and the pictures that people use all of them for."""

    stems: tuple[str, ...]
    relevant: frozenset[int]


def about(captions: Sequence[str]) -> list[str]:
    """The stems that USED_BY or more of a picture's captions use, sorted."""
    counts = Counter(stem for caption in captions for stem in set(stems(caption)))
    return sorted(stem for stem, count in counts.items() if count >= USED_BY)


def short_queries(captions: Sequence[Sequence[str]], seed: int = 7) -> list[ShortQuery]:
    """PER_LENGTH queries of each length, drawn from all that are about FEWEST to MOST pictures."""
    drawn = []
    for length in (1, 2, 3):
        pictures: Mapping[tuple[str, ...], set[int]] = defaultdict(set)
        for row, each in enumerate(captions):
            for query in combinations(about(each), length):
                pictures[query].add(row)
        fit = sorted(q for q, rows in pictures.items() if FEWEST <= len(rows) <= MOST)
        chosen = random.Random(seed).sample(fit, min(PER_LENGTH, len(fit)))
        drawn += [ShortQuery(query, frozenset(pictures[query])) for query in chosen]
    return drawn


def found(scores: np.ndarray, relevant: frozenset[int], k: int) -> int:
    """How many relevant pictures are among the first k; never one of score -inf."""
    first = np.argsort(-scores, kind="stable")[:k]
    return sum(int(row) in relevant for row in first if scores[row] > -np.inf)


def short_recall(index: Index, queries: Sequence[ShortQuery]) -> tuple[float, float]:
    """Mean precision@10 and mean recall@50 of short queries; 0 if there are none."""
    precision, recall = [0.0] * len(queries), [0.0] * len(queries)
    for i, query in enumerate(queries):
        scores = index.scores(query.stems, every=True)
        precision[i] = found(scores, query.relevant, 10) / 10
        recall[i] = found(scores, query.relevant, 50) / len(query.relevant)
    return sum(precision) / max(1, len(queries)), sum(recall) / max(1, len(queries))


def average_precision(scores: np.ndarray, relevant: np.ndarray) -> float:
    """Mean precision at the places of the relevant pictures (bool [N])."""
    hits = relevant[np.argsort(-scores, kind="stable")]
    precision = hits.cumsum() / np.arange(1, len(hits) + 1)
    return float(precision[hits].mean())


def mean_average_precision(
    picture_words: WordList, probabilities: np.ndarray, captions: Sequence[Sequence[str]]
) -> tuple[float, int]:
    """Over the picture words that FEWEST or more pictures are about; and how many these are."""
    column = {stem: i for i, stem in enumerate(picture_words.stems)}
    relevant = np.zeros(probabilities.shape, bool)
    for row, each in enumerate(captions):
        relevant[row, [column[stem] for stem in about(each) if stem in column]] = True
    judged = np.flatnonzero(relevant.sum(0) >= FEWEST)
    each = [average_precision(probabilities[:, w], relevant[:, w]) for w in judged]
    return (float(np.mean(each)) if each else 0.0), len(judged)
