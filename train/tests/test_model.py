"""Backbone and captioner."""

from pathlib import Path

import pytest
import timm
import torch
from conftest import tiny_config

from backbone import Backbone, fold_batch_norm
from data import BOS, EOS, PAD, UNK
from model import NO_REPEAT, Captioner, Dropout

COFFEE = Path(__file__).parents[2] / "testdata" / "photos" / "coffee.png"


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
    past = captioner.no_past(3)
    writable = torch.ones(40, dtype=torch.bool)
    writable[[PAD, BOS, UNK]] = False
    for i in range(tokens.shape[1]):
        recent = tokens[:, [max(i - 1, 0), i]]
        logits, past = captioner.step(recent, captioner.place[i], memory, past)
        for row in range(3):
            kept = writable.clone()
            kept[recent[row]] = False
            assert torch.allclose(logits[row, kept], whole[row, i, kept], atol=1e-5)


def test_greedy_writes_words_then_eos_then_pad(captioner):
    with torch.no_grad():
        captioner.bias[EOS] = 3.0
    captions = captioner.greedy(torch.randn(20, 4, 24))
    for row in captions.tokens.tolist():
        end = row.index(EOS) if EOS in row else len(row)
        assert all(t not in (PAD, BOS, EOS, UNK) for t in row[:end])
        assert all(row[i] not in row[max(i - NO_REPEAT, 0) : i] for i in range(end))
        assert set(row[end + 1 :]) <= {PAD}
    assert captions.tokens.shape[1] <= 12
    assert (captions.score < 0).all()


def test_a_caption_does_not_depend_on_its_neighbours_in_the_batch(captioner):
    features = torch.randn(5, 4, 24)
    together = captioner.greedy(features)
    for i in range(5):
        alone = captioner.greedy(features[i : i + 1])
        length = alone.tokens.shape[1]
        assert torch.equal(together.tokens[i, :length], alone.tokens[0])
        assert together.score[i].item() == pytest.approx(alone.score[0].item(), abs=1e-5)


def test_forced_tokens_are_written_and_the_rest_is_chosen(captioner):
    with torch.no_grad():
        captioner.bias[EOS] = -9.0
    features = torch.randn(2, 4, 24)
    forced = torch.tensor([[9, -1, 11]])
    tokens = captioner.greedy(features, forced).tokens
    assert (tokens[:, 0] == 9).all() and (tokens[:, 2] == 11).all()
    free = captioner.greedy(features).tokens
    again = captioner.greedy(features, free)
    assert torch.equal(again.tokens, free)


def test_dropout_keeps_the_mean_and_drops_its_share():
    torch.manual_seed(0)
    dropped = Dropout(0.25).train()(torch.ones(1001, 99))
    assert (dropped == 0).float().mean().item() == pytest.approx(0.25, abs=0.01)
    assert dropped.mean().item() == pytest.approx(1.0, abs=0.02)


def test_folding_batch_norm_changes_no_feature():
    torch.manual_seed(0)
    net = timm.create_model("tf_efficientnet_lite0", pretrained=False).eval()
    for module in net.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(std=0.1)
            module.running_var.uniform_(0.5, 2.0)
    pixels = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        before = net.forward_features(pixels)
        fold_batch_norm(net)
        assert not any(isinstance(m, torch.nn.BatchNorm2d) for m in net.modules())
        assert torch.allclose(net.forward_features(pixels), before, atol=1e-4)


def test_body_and_tail_make_the_whole_backbone():
    backbone = Backbone("tf_efficientnet_lite0", pretrained=False).eval()
    pixels = torch.randint(0, 256, (2, 64, 64, 3), dtype=torch.uint8)
    with torch.no_grad():
        whole = backbone(pixels)
        assert whole.shape == (2, 4, backbone.channels)
        for tail in (0, 1, 3):
            grid = backbone.body(pixels, tail)
            assert torch.equal(backbone.tail(tail)(grid), whole)


def test_the_backbone_knows_coffee_and_random_weights_do_not():
    Backbone("tf_efficientnet_lite2").eval().check(COFFEE, 224)
    with pytest.raises(ValueError, match="not coffee"):
        Backbone("tf_efficientnet_lite2", pretrained=False).eval().check(COFFEE, 224)


def test_shapes_follow_the_configuration():
    captioner = Captioner(tiny_config(decoder_layers=3, encoder_layers=2, width=16)).eval()
    memory = captioner.encode(torch.randn(2, 4, 24))
    assert len(memory) == 3
    assert memory[0][0].shape == (2, 4, 4, 4)
