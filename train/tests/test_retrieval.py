"""Ranks, recall and short queries on pictures that are known by heart."""

import math

import numpy as np
import pytest
import torch

from heads import WordList
from retrieval import (
    CaptionIndex,
    ShortQuery,
    WordIndex,
    average_precision,
    found,
    mean_average_precision,
    place,
    ranks,
    recall_at,
    short_queries,
    short_recall,
)

TEXTS = ["a dog runs in snow", "a dog sleeps", "two boys play football", "two boys swim"]


def test_the_place_among_equals_is_their_mean():
    scores = np.array([3.0, 1.0, 1.0, 1.0, 0.0])
    assert [place(scores, i) for i in range(5)] == [1, 3, 3, 3, 5]


def test_recall_counts_queries_whose_picture_comes_early():
    assert recall_at(np.array([1, 2, 10, 11]), 1) == 0.25
    assert recall_at(np.array([1, 2, 10, 11]), 10) == 0.75


def test_a_caption_finds_the_picture_with_its_rare_words_first():
    index = CaptionIndex(TEXTS)
    scores = index.scores(["dog", "snow"])
    assert scores[0] > scores[1] > scores[2] == 0
    assert scores[0] > 2 * scores[1]  # snow is rarer than dog
    assert ranks(index, ["Snowing on dogs", "boys swimming"], [0, 3]).tolist() == [1, 1]
    assert ranks(index, ["a zebra"], [2]).tolist() == [2.5]


def test_bm25_is_that_of_the_textbook():
    # Two of four texts hold "dog", whose length is 3 and 2 stems of 3 on average.
    rarity = math.log(1 + 2.5 / 2.5)
    assert CaptionIndex(TEXTS).scores(["dog"])[:2].tolist() == pytest.approx(
        [rarity * 2.2 / (1 + 1.2 * (0.25 + 0.75 * length / 3)) for length in (3, 2)]
    )


def test_a_search_for_every_word_leaves_out_what_lacks_one():
    scores = CaptionIndex(TEXTS).scores(["boi", "swim"], every=True)
    assert np.isinf(scores[:3]).all() and scores[3] > 0
    assert found(scores, frozenset({0, 3}), 10) == 1


def test_picture_words_count_by_how_much_likelier_they_are_than_usual():
    picture_words = WordList(["dog", "snow"], [0.1, 0.01])
    index = WordIndex(picture_words, np.array([[0.1, 0.01], [0.2, 0.01], [0.1, 0.04]], np.float32))
    both = index.scores(["dog", "snow", "zebra", "dog"])
    assert both.tolist() == pytest.approx([0, math.log(2), math.log(4)], abs=0.01)
    assert index.scores(["zebra"]).tolist() == [0, 0, 0]


def test_average_precision_is_one_when_all_relevant_come_first():
    scores = np.array([0.9, 0.8, 0.7, 0.1])
    assert average_precision(scores, np.array([True, True, False, False])) == 1
    assert average_precision(scores, np.array([False, True, False, True])) == 0.5


def test_only_words_that_enough_pictures_are_about_are_judged():
    captions = [["a dog"] * 5 if i < 5 else ["a cat", "a cow"] for i in range(10)]
    probabilities = torch.linspace(1, 0, 10).repeat(2, 1).T.numpy()
    words = WordList(["dog", "cat"], [0.1, 0.1])
    assert mean_average_precision(words, probabilities, captions) == (1.0, 1)


def test_short_queries_are_words_that_people_agree_on():
    agreed = ["a red dog runs", "the red dog", "a wolf on grass"]
    captions = [agreed] * 6 + [["a cat", "a cat sits"]] * 4
    queries = {query.stems: query.relevant for query in short_queries(captions)}
    # Four pictures of cats are too few to ask for.
    assert queries.keys() == {("dog",), ("red",), ("dog", "red")}
    assert set(queries.values()) == {frozenset(range(6))}
    assert short_queries(captions) == short_queries(captions)


def test_short_recall_is_the_mean_over_queries():
    index = CaptionIndex(TEXTS)
    queries = [
        ShortQuery(("dog",), frozenset({0, 1})),
        ShortQuery(("boi",), frozenset({0, 1, 2, 3})),
    ]
    assert short_recall(index, queries) == pytest.approx((0.2, 0.75))
    assert short_recall(index, []) == (0, 0)
