"""Picture words: which there are, what they are learnt from, and how they rank."""

import math

import pytest
import torch

from data import SPECIALS
from heads import MIN_CAPTIONS, SMALLEST, WordHead, WordList, stems


def test_stems_leave_out_stop_words_and_possessive_endings():
    assert stems("The dogs are running on the man 's boats") == ["dog", "run", "man", "boat"]
    assert stems("It is what it is .") == []


def test_a_word_list_holds_stems_that_enough_captions_use_with_their_shares():
    captions = ["A dog and a dog ."] * MIN_CAPTIONS + ["Two cats ."] * (MIN_CAPTIONS + 2)
    captions += ["A bird ."] * (MIN_CAPTIONS - 1)
    words = WordList.build(captions)
    assert words.stems == ["cat", "two", "dog"]
    assert words.priors == pytest.approx([10 / 25, 10 / 25, 8 / 25])


def test_targets_are_the_shares_of_a_pictures_captions():
    words = WordList(["dog", "run", "red"], [0.1, 0.1, 0.1])
    captions = {"a.jpg": ["A dog runs .", "Dogs , dogs !", "A cat ."], "b.jpg": ["Red ."]}
    targets = words.targets(captions)
    assert targets["a.jpg"].tolist() == pytest.approx([2 / 3, 1 / 3, 0])
    assert targets["b.jpg"].tolist() == [0, 0, 1]


def test_columns_lead_from_the_vocabulary_to_picture_words():
    words = WordList(["dog", "run"], [0.1, 0.1])
    vocabulary = [*SPECIALS, "the", "dogs", "dog", "running", "dog's", "cat"]
    assert words.columns(vocabulary).tolist() == [-1, -1, -1, -1, -1, 0, 0, 1, 0, -1]


def test_log_odds_are_zero_at_the_prior_and_finite_at_zero():
    words = WordList(["dog", "run"], [0.2, 0.01])
    odds = words.log_odds(torch.tensor([[0.2, 0.01], [0.4, 0.0]]))
    assert odds[0].tolist() == pytest.approx([0, 0], abs=1e-6)
    assert odds[1].tolist() == pytest.approx(
        [math.log((0.4 + SMALLEST) / (0.2 + SMALLEST)), math.log(SMALLEST / (0.01 + SMALLEST))],
        rel=1e-4,
    )


def test_the_head_begins_with_the_priors_and_learns_a_picture():
    torch.manual_seed(0)
    priors = [0.3, 0.01, 0.1]
    head = WordHead(24, 16, priors).eval()
    with torch.no_grad():
        begin = head(torch.randn(50, 4, 24)).sigmoid()
    assert begin.shape == (50, 3)
    assert begin.mean(0).tolist() == pytest.approx(priors, rel=0.1)
    features, targets = torch.randn(2, 4, 24), torch.tensor([[1.0, 0, 0.6], [0, 0.4, 0]])
    optimiser = torch.optim.Adam(head.parameters(), 1e-2)
    for _ in range(300):
        optimiser.zero_grad()
        torch.nn.functional.binary_cross_entropy_with_logits(head(features), targets).backward()
        optimiser.step()
    with torch.no_grad():
        assert torch.allclose(head(features).sigmoid(), targets, atol=0.03)
