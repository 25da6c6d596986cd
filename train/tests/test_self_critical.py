"""Captions drawn from the model, and what is learnt of them."""

from collections import Counter

import numpy as np
import pytest
import torch
from conftest import tiny_network

from data import BOS, EOS, PAD, UNK
from objectives import Part, Pictures
from self_critical import SelfCriticalLoss, advantages, draw, likelihood
from settings import SelfCritical


@pytest.fixture
def memory(captioner):
    """Of two pictures."""
    with torch.no_grad():
        return captioner.encode(torch.randn(2, 4, 24))


def chances(samples: int, seed: int) -> torch.Tensor:
    """For two pictures."""
    return torch.from_numpy(np.random.default_rng(seed).random((2, samples, 12)))


def test_drawn_captions_depend_on_the_chances_alone(captioner, memory):
    drawn = draw(captioner, memory, chances(5, 1))
    torch.manual_seed(99)
    assert draw(captioner, memory, chances(5, 1)) == drawn
    assert draw(captioner, memory, chances(5, 2)) != drawn


def test_drawn_captions_end_hold_no_special_tokens_and_repeat_nothing_at_once(captioner, memory):
    drawn = draw(captioner, memory, chances(200, 1))
    assert len(drawn) == 400
    assert any(ids[-1] == EOS for ids in drawn)
    for ids in drawn:
        assert EOS not in ids[:-1]
        assert ids[-1] == EOS or len(ids) == captioner.config.max_length
        assert not {PAD, BOS, UNK} & set(ids)
        assert all(ids[i] not in ids[max(0, i - 2) : i] for i in range(len(ids)))


def test_words_are_drawn_as_often_as_they_are_likely(captioner, memory):
    captioner.bias.data[10:] = -1e4
    drawn = draw(captioner, memory, chances(2000, 1))
    counts = Counter(tuple(ids[:2]) for ids in drawn[:2000])
    pairs = [list(pair) for pair in counts]
    first = [(k[:1], v[:1]) for k, v in memory]
    likely = likelihood(captioner, first, pairs).exp().tolist()
    assert sum(likely) == pytest.approx(1, abs=0.02)
    for pair, share in zip(counts, likely, strict=True):
        assert counts[pair] / 2000 == pytest.approx(share, abs=0.04)


@torch.no_grad()
def test_the_likelihood_is_that_of_writing_word_by_word(captioner, memory):
    drawn = draw(captioner, memory, chances(3, 4))
    found = likelihood(captioner, memory, drawn)
    for row, ids in enumerate(drawn):
        own = [(k[row // 3, None], v[row // 3, None]) for k, v in memory]
        past, history, total = captioner.no_past(1), torch.full((1, 7), BOS), 0.0
        for place, token in enumerate(ids):
            nothing = torch.zeros(1, captioner.config.vocabulary)
            logits, past, _ = captioner.step(history, captioner.place[place], own, past, nothing)
            total += logits.log_softmax(-1)[0, token].item()
            history = torch.cat([history, torch.tensor([[token]])], 1)
        assert found[row].item() == pytest.approx(total, abs=1e-4)


def test_captions_of_more_reward_become_likelier(cache):
    network = tiny_network()
    people = [[5, 6, 7, 8, EOS], [9, 10, 11, 12, EOS]]
    captions = {name: [people[i % 2]] for i, name in enumerate(cache.names)}
    pictures = Pictures(cache.names, cache, captions, {})
    objective = SelfCriticalLoss(pictures, SelfCritical(8, 0.0, 0.0), bf16=False)
    optimiser = torch.optim.Adam(network.parameters(), 3e-3)
    rewards = []
    for step in range(80):
        optimiser.zero_grad()
        part = Part(range(8), slice(0, 8), np.random.default_rng(step))
        loss, figures = objective.loss(network.train(), part)
        loss.backward()
        optimiser.step()
        rewards.append(figures["reward"])
    assert np.mean(rewards[-10:]) > 3 * np.mean(rewards[:10])


def test_an_advantage_is_over_the_mean_of_the_others():
    found = advantages(torch.tensor([[1.0, 2.0, 6.0], [3.0, 3.0, 3.0]]))
    assert found.tolist() == [[-3.0, -1.5, 4.5], [0.0, 0.0, 0.0]]
