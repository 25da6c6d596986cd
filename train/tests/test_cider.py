"""CIDEr-D over token ids."""

import numpy as np
import pytest
from pycocoevalcap.cider.cider import Cider

from cider import CiderD
from data import EOS


def caption(random: np.random.Generator) -> list[int]:
    """Of a dozen words, so that n-grams are shared."""
    return [*(random.integers(4, 16, random.integers(1, 12))).tolist(), EOS]


def text(ids: list[int], count_end: bool) -> str:
    return " ".join(str(i) for i in ids if count_end or i != EOS)


@pytest.mark.parametrize("count_end", [True, False])
def test_it_is_what_pycocoevalcap_calls_cider(count_end):
    random = np.random.default_rng(0)
    references = {f"{i}": [caption(random) for _ in range(5)] for i in range(60)}
    written = {name: caption(random) for name in references}
    written["0"] = references["0"][0]
    written["1"] = [5] * 9
    written["2"] = []
    written["3"] = [99, 98, 97, EOS]
    theirs = Cider().compute_score(
        {name: [text(ids, count_end) for ids in each] for name, each in references.items()},
        {name: [text(ids, count_end)] for name, ids in written.items()},
    )[1]
    ours = CiderD(references, count_end)
    assert [ours.score(name, ids) for name, ids in written.items()] == pytest.approx(
        theirs, abs=1e-6
    )
    assert len(set(theirs)) > 50


def test_a_caption_that_stops_early_is_worth_less_if_the_end_counts():
    people = [5, 6, 7, 8, 9, EOS]
    references = {"a": [people], "b": [[20, 21, 22, EOS]], "c": [[30, 31, 32, EOS]]}
    whole, broken = people[:4] + people[-1:], people[:4]
    assert CiderD(references, count_end=False).score("a", whole) == pytest.approx(
        CiderD(references, count_end=False).score("a", broken)
    )
    scored = CiderD(references)
    assert scored.score("a", [9, EOS]) > scored.score("a", [9])
    assert scored.score("a", people) == pytest.approx(10)
