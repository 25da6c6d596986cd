"""Beam search writes the likeliest captions, and says how likely they are."""

import itertools

import pytest
import torch
from conftest import tiny_config
from torch import Tensor

from data import BOS, EOS, PAD, UNK
from decode import beam_search
from metrics import loops
from model import HISTORY, NEVER, Captioner


@pytest.fixture
def features() -> Tensor:
    """Seven pictures."""
    return torch.randn(7, 4, 24, generator=torch.Generator().manual_seed(5))


@pytest.fixture
def boost() -> Tensor:
    return torch.randn(7, 40, generator=torch.Generator().manual_seed(6))


def words(tokens: Tensor) -> list[int]:
    """The tokens of a hypothesis up to <eos> or the end."""
    ids = tokens.tolist()
    return ids[: ids.index(EOS) + 1] if EOS in ids else ids


def banned(before: list[int]) -> set[int]:
    """What may not follow these tokens."""
    again = {PAD, BOS, UNK, *before[-2:]}
    for n in (3, 4):
        started = before[len(before) - n + 1 :]
        if len(before) >= 2 * n - 1 and before[-2 * n + 1 : len(before) - n] == started:
            again.add(before[-n])
    return again


@torch.no_grad()
def choices(captioner: Captioner, features: Tensor, boost: Tensor, ids: list[int]) -> Tensor:
    """Log-probabilities [T, V] of what each token was chosen from, by teacher forcing."""
    memory = captioner.encode(features.unsqueeze(0))
    states = captioner.decode(memory, torch.tensor([[BOS, *ids[:-1]]]), torch.tensor([0]))
    logits = captioner.logits(states)[0]
    for place in range(len(ids)):
        fresh = boost.clone()
        fresh[ids[:place]] = 0
        logits[place] += fresh
        logits[place, list(banned(ids[:place]))] = NEVER
    return logits.log_softmax(-1)


@torch.no_grad()
def test_one_beam_is_greedy_decoding(captioner, features, boost):
    found = beam_search(captioner, features, boost=boost)
    for picture in range(len(features)):
        memory = captioner.encode(features[picture : picture + 1])
        history, past = torch.full((1, HISTORY), BOS), captioner.no_past(1)
        written, margins = [], []
        while EOS not in written and len(written) < 12:
            logits, past, _ = captioner.step(
                history, captioner.place[len(written)], memory, past, boost[picture : picture + 1]
            )
            best = logits[0].topk(2)
            written.append(int(best.indices[0]))
            margins.append(float(best.values[0] - best.values[1]) / len(written))
            history = torch.cat([history, best.indices[None, :1]], 1)
        assert words(found.tokens[picture, 0]) == written
        assert found.margin[picture] == pytest.approx(min(margins), abs=1e-5)


@pytest.mark.parametrize("beams", [1, 3, 5])
def test_a_score_is_that_of_writing_word_by_word(captioner, features, boost, beams):
    found = beam_search(captioner, features, beams, 0.7, boost)
    for picture, beam in itertools.product(range(len(features)), range(beams)):
        ids = words(found.tokens[picture, beam])
        steps = choices(captioner, features[picture], boost[picture], ids)
        likelihood = steps[torch.arange(len(ids)), ids].sum()
        entropy = -(steps.exp() * steps).sum(-1).mean()
        assert found.likelihood[picture, beam] == pytest.approx(float(likelihood), abs=1e-3)
        assert found.certainty[picture, beam] == pytest.approx(float(-entropy), abs=1e-4)


@pytest.mark.parametrize("length_penalty", [0.0, 1.0])
def test_hypotheses_differ_and_the_best_comes_first(captioner, features, length_penalty):
    found = beam_search(captioner, features, 5, length_penalty)
    for tokens, likelihood in zip(found.tokens, found.likelihood, strict=True):
        hypotheses = [words(row) for row in tokens]
        assert len(set(map(tuple, hypotheses))) == 5
        worth = [
            value / len(ids) ** length_penalty
            for value, ids in zip(likelihood.tolist(), hypotheses, strict=True)
        ]
        assert worth == sorted(worth, reverse=True)


def test_enough_beams_find_the_likeliest_of_all_captions():
    torch.manual_seed(4)
    captioner = Captioner(tiny_config(vocabulary=8, max_length=3)).eval()
    features, no_boost = torch.randn(1, 4, 24), torch.zeros(8)
    possible = []
    for ids in itertools.product([EOS, 4, 5, 6, 7], repeat=3):
        if EOS not in ids[: len(words(torch.tensor(ids))) - 1]:
            possible.append(tuple(words(torch.tensor(ids))))
    worth = {}
    for ids in set(possible):
        steps = choices(captioner, features[0], no_boost, list(ids))
        worth[ids] = float(steps[torch.arange(len(ids)), list(ids)].sum()) / len(ids)
    likeliest = sorted(worth, key=lambda ids: -worth[ids])[:10]
    found = beam_search(captioner, features, 60, 1.0)
    assert [tuple(words(row)) for row in found.tokens[0, :10]] == likeliest


def test_no_caption_loops(captioner):
    captioner.bias.data[EOS] = -3  # long captions
    found = beam_search(captioner, torch.randn(50, 4, 24), 3)
    for ids in map(words, found.tokens.flatten(0, 1)):
        assert not {PAD, BOS, UNK} & set(ids)
        for place, token in enumerate(ids):
            assert token not in banned(ids[:place])
        assert not loops([str(i) for i in ids])


@pytest.mark.parametrize("beams", [1, 3])
def test_a_caption_does_not_depend_on_its_neighbours(captioner, features, boost, beams):
    together = beam_search(captioner, features, beams, 1.0, boost)
    for picture in range(len(features)):
        row = slice(picture, picture + 1)
        alone = beam_search(captioner, features[row], beams, 1.0, boost[row])
        length = alone.tokens.shape[2]
        assert torch.equal(together.tokens[row, :, :length], alone.tokens)
        assert (together.tokens[row, :, length:] == PAD).all()
        for name in ("likelihood", "certainty"):
            assert torch.allclose(getattr(together, name)[row], getattr(alone, name), atol=1e-4)


def test_forced_tokens_are_written_by_all_beams_and_free_ones_chosen(captioner, features):
    forced = torch.tensor([[5, 6, -1, 9]]).expand(7, -1)
    found = beam_search(captioner, features, 3, forced=forced)
    assert (found.tokens[:, :, :2] == torch.tensor([5, 6])).all()
    for ids in map(words, found.tokens.flatten(0, 1)):
        assert len(ids) == 3 or ids[3] == 9
    assert len({tuple(row) for row in found.tokens[0].tolist()}) == 3


def test_a_forced_end_ends_all_beams(captioner, features):
    forced = torch.tensor([[5, EOS, -1], [5, 6, EOS]])
    found = beam_search(captioner, features[:2], 3, forced=forced)
    assert found.tokens[:, 0].tolist() == [[5, EOS, PAD], [5, 6, EOS]]
    assert found.tokens.shape == (2, 3, 3)


def test_a_boosted_word_is_written_once(captioner, features):
    plain = beam_search(captioner, features, 3)
    rare = next(w for w in range(4, 40) if not (plain.tokens == w).any())
    boost = torch.zeros(7, 40)
    boost[:, rare] = 30
    boosted = beam_search(captioner, features, 3, boost=boost)
    assert (boosted.tokens[:, 0] == rare).sum(-1).tolist() == [1] * 7


def test_where_each_word_looked_sums_to_one(captioner, features):
    found = beam_search(captioner, features, 3)
    looked = found.cross_attention
    assert looked.shape == (len(features), found.tokens.shape[2], 2, 2)
    assert torch.allclose(looked.sum((2, 3)), torch.ones(looked.shape[:2]), atol=1e-5)
