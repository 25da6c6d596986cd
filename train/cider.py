"""CIDEr-D over token ids, fast enough to be a reward in training.

Vedantam et al. 2015, with the clipping and the penalty on length of their CIDEr-D:
the mean cosine between a caption's and each reference's tf-idf vectors of n-grams,
for n of 1 to 4, times 10. What pycocoevalcap calls CIDEr is the same (it is tested
against that), but knows only the document frequencies of the captions it scores.

<eos> counts as a word, in captions and references: only so is there a price for a
caption that stops in the middle of a phrase ("a man in a"), which optimising CIDEr-D
otherwise leads to.
"""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from data import EOS

LONGEST = 4  # words of an n-gram
SIGMA = 6.0  # words: deviation of the penalty on another length than the reference's

Ngram = tuple[int, ...]


class CiderD:
    """Scores captions of known pictures."""

    def __init__(
        self, references: Mapping[str, Sequence[Sequence[int]]], count_end: bool = True
    ) -> None:
        """Counts in how many pictures' references each n-gram is, and weighs them.

        references: the token ids of each picture's captions. count_end=False
        leaves <eos> out, as the published figures do.
        """
        self.count_end = count_end
        counts = {name: [self._count(ids) for ids in each] for name, each in references.items()}
        frequency = Counter(
            gram for each in counts.values() for gram in {gram for ref in each for gram in ref}
        )
        self.rarest = math.log(len(references))  # idf of what one picture has, or none
        # The idf of the others only: most n-grams are of one picture.
        self.idf = {g: self.rarest - math.log(n) for g, n in frequency.items() if n > 1}
        self.references = {name: self._weigh(each) for name, each in counts.items()}

    def _count(self, ids: Sequence[int]) -> dict[Ngram, int]:
        """How often each n-gram is in a caption."""
        kept = tuple(ids) if self.count_end else tuple(i for i in ids if i != EOS)
        counts: dict[Ngram, int] = {}
        for n in range(1, LONGEST + 1):
            for start in range(len(kept) - n + 1):
                gram = kept[start : start + n]
                counts[gram] = counts.get(gram, 0) + 1
        return counts

    def _norms(self, counts: dict[Ngram, int]) -> list[float]:
        """The length of the tf-idf vector of each n; 1 for that of length 0."""
        squares = [0.0] * LONGEST
        for gram, count in counts.items():
            squares[len(gram) - 1] += (count * self.idf.get(gram, self.rarest)) ** 2
        return [math.sqrt(square) or 1.0 for square in squares]

    def _weigh(
        self, references: Iterable[dict[Ngram, int]]
    ) -> tuple[list[int], dict[Ngram, list[tuple[int, int, float]]]]:
        """The references' lengths; for each n-gram the references that hold it.

        Of each such reference its number, how often it has the n-gram, and the
        n-gram's share of its vector.
        """
        lengths: list[int] = []
        weights: dict[Ngram, list[tuple[int, int, float]]] = {}
        for number, counts in enumerate(references):
            norms = self._norms(counts)
            for gram, count in counts.items():
                share = count * self.idf.get(gram, self.rarest) / norms[len(gram) - 1]
                if share:
                    weights.setdefault(gram, []).append((number, count, share))
            lengths.append(_length(counts))
        return lengths, weights

    def score(self, picture: str, ids: Sequence[int]) -> float:
        """CIDEr-D of a caption of the picture, of 0 to 10."""
        lengths, weights = self.references[picture]
        counts = self._count(ids)
        norms = self._norms(counts)
        cosines = [0.0] * len(lengths)
        for gram, count in counts.items():
            if found := weights.get(gram):
                share = self.idf.get(gram, self.rarest) / norms[len(gram) - 1]
                for number, times, theirs in found:
                    cosines[number] += min(count, times) * share * theirs
        length = _length(counts)
        penalties = (math.exp(-((length - other) ** 2) / (2 * SIGMA**2)) for other in lengths)
        total = sum(map(float.__mul__, cosines, penalties))
        return 10 * total / (LONGEST * len(lengths))


def _length(counts: dict[Ngram, int]) -> int:
    """The number of pairs of words, which pycocoevalcap takes for the length."""
    return sum(count for gram, count in counts.items() if len(gram) == 2)
