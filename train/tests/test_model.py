"""The captioner; how it is searched is tested in test_decode.py."""

import pytest
import torch
from conftest import tiny_config

from data import BOS, PAD, UNK
from model import HISTORY, NEVER, Captioner, Dropout, repeating


@torch.no_grad()
def test_a_later_token_never_changes_an_earlier_logit(captioner):
    memory = captioner.encode(torch.randn(1, 4, 24))
    tokens = torch.randint(4, 40, (1, 8))
    changed = tokens.clone()
    changed[0, 5:] = 7
    picture = torch.tensor([0])
    before = captioner.logits(captioner.decode(memory, tokens, picture))
    after = captioner.logits(captioner.decode(memory, changed, picture))
    assert torch.equal(before[:, :5], after[:, :5])
    assert not torch.allclose(before[:, 5:], after[:, 5:])


@torch.no_grad()
def test_the_cache_changes_nothing(captioner):
    memory = captioner.encode(torch.randn(3, 4, 24))
    tokens = torch.cat([torch.full((3, 1), BOS), 4 + torch.arange(21).view(3, 7)], 1)
    whole = captioner.logits(captioner.decode(memory, tokens, torch.arange(3)))
    past, history = captioner.no_past(3), torch.full((3, HISTORY - 1), BOS)
    no_boost = torch.zeros(3, 40)
    for i in range(tokens.shape[1]):
        history = torch.cat([history, tokens[:, i : i + 1]], 1)
        logits, past, _ = captioner.step(history, captioner.place[i], memory, past, no_boost)
        for row in range(3):
            written = logits[row] > NEVER / 2
            assert written.sum() >= 40 - 3 - 2  # <pad>, <bos>, <unk>; the last two words
            assert torch.allclose(logits[row, written], whole[row, i, written], atol=1e-5)


@torch.no_grad()
def test_a_step_says_where_it_looked(captioner):
    memory = captioner.encode(torch.randn(3, 4, 24))
    history = torch.full((3, HISTORY), BOS)
    looked = captioner.step(
        history, captioner.place[0], memory, captioner.no_past(3), torch.zeros(3, 40)
    )[2]
    assert looked.shape == (3, 4)
    assert torch.allclose(looked.sum(1), torch.ones(3), atol=1e-5)


@torch.no_grad()
def test_the_boost_is_added_to_words_not_yet_written(captioner):
    memory = captioner.encode(torch.randn(1, 4, 24))
    history = torch.tensor([[BOS] * (HISTORY - 3) + [9, 10, 11]])

    def logits(boost):
        step = captioner.step(history, captioner.place[3], memory, captioner.no_past(1), boost)
        return step[0][0]

    boost = torch.zeros(1, 40)
    boost[0, [9, 20]] = 2.5
    plain, boosted = logits(torch.zeros(1, 40)), logits(boost)
    assert boosted[20] == pytest.approx(plain[20].item() + 2.5, abs=1e-5)
    assert boosted[9] == plain[9]


@torch.no_grad()
def test_what_captions_never_hold_is_never_written(captioner):
    memory = captioner.encode(torch.randn(1, 4, 24))
    history = torch.tensor([[BOS] * (HISTORY - 2) + [9, 10]])
    boost = torch.full((1, 40), 50.0)
    logits = captioner.step(history, captioner.place[2], memory, captioner.no_past(1), boost)[0][0]
    never = set((logits < NEVER / 2).nonzero().flatten().tolist())
    assert never == {PAD, BOS, UNK, 9, 10}


@pytest.mark.parametrize(
    ("history", "never"),
    [
        ([1, 1, 1, 1, 1, 8, 9], {8, 9}),  # neither of the last two words
        ([1, 5, 6, 7, 8, 5, 6], {5, 6}),  # 5 6 7 8 5 6 [7]: the 8 is in between
        ([1, 1, 5, 6, 7, 5, 6], {5, 6, 7}),  # 5 6 7 5 6 [7]
        ([5, 6, 7, 8, 5, 6, 7], {6, 7, 8}),  # 5 6 7 8 5 6 7 [8]
    ],
)
def test_a_word_or_phrase_does_not_follow_itself(history, never):
    assert set(repeating(torch.tensor([history]))[0].tolist()) - {PAD} == never


def test_dropout_keeps_the_mean_and_drops_its_share():
    torch.manual_seed(0)
    dropped = Dropout(0.25).train()(torch.ones(1001, 99))
    assert (dropped == 0).float().mean().item() == pytest.approx(0.25, abs=0.01)
    assert dropped.mean().item() == pytest.approx(1.0, abs=0.02)
    assert torch.equal(Dropout(0.25).eval()(torch.ones(5)), torch.ones(5))


def test_shapes_follow_the_configuration():
    captioner = Captioner(tiny_config(decoder_layers=3, encoder_layers=2, width=16)).eval()
    memory = captioner.encode(torch.randn(2, 4, 24))
    assert len(memory) == 3
    assert memory[0][0].shape == (2, 4, 4, 4)
    states = captioner.decode(memory, torch.randint(4, 40, (5, 6)), torch.tensor([0, 0, 1, 1, 1]))
    assert states.shape == (5, 6, 16)
    assert captioner.logits(states).shape == (5, 6, 40)
