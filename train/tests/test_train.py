"""Configuration, losses, resuming and learning."""

import tomllib
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from conftest import tiny_config
from torch import nn

from backbone import GridToSequence
from data import BOS, EOS, PAD, SPECIALS, UNK, Cache, Vocabulary, _finish
from model import Captioner
from train import Config, Network, TrainConfig, Trainer, grouped_by_length, hide_words

CONFIGS = Path(__file__).parents[1] / "configs"


def tiny_training(**changes) -> TrainConfig:
    settings = {
        "epochs": 2,
        "pictures": 3,
        "learning_rate": 1e-2,
        "warmup_steps": 2,
        "weight_decay": 0.01,
        "label_smoothing": 0.0,
        "clip": 1.0,
        "word_dropout": 0.0,
        "bf16": False,
        "tail": 0,
        "augmented_views": 0,
    }
    return TrainConfig(**settings | changes)


@pytest.fixture
def cache(tmp_path) -> Cache:
    """Grids of 2 views of 8 pictures, random."""
    path = tmp_path / "features.npy"
    grids = np.random.default_rng(0).normal(size=(8, 2, 24, 2, 2)).astype(np.float16)
    np.save(path, grids)
    _finish(path, path, [f"{i}.jpg" for i in range(8)])
    return Cache(path)


def make_trainer(run: Path, cache: Cache, config: TrainConfig, dropout: float = 0.1) -> Trainer:
    run.mkdir(exist_ok=True)
    torch.manual_seed(0)
    network = Network(nn.Sequential(GridToSequence()), Captioner(tiny_config(dropout=dropout)))
    vocabulary = Vocabulary([*SPECIALS, *(f"w{i}" for i in range(36))])
    random = np.random.default_rng(1)
    captions = {
        name: [[*random.integers(4, 40, random.integers(3, 9)).tolist(), EOS] for _ in range(2)]
        for name in cache.names
    }
    whole = Config(seed=5, model=network.captioner.config, train=config)
    return Trainer(run, network, whole, vocabulary, captions, cache)


@pytest.mark.parametrize("path", sorted(CONFIGS.iterdir()), ids=lambda p: p.name)
def test_every_settings_file_is_read(path):
    config = Config.parse(tomllib.loads(path.read_text()), vocabulary=100)
    assert config.model.vocabulary == 100


@pytest.mark.parametrize(
    ("section", "name"), [("model", "depth"), ("train", "lr"), (None, "sede"), ("train", "clip")]
)
def test_an_unknown_or_missing_setting_fails(section, name):
    settings = tomllib.loads((CONFIGS / "lite.toml").read_text())
    table = settings[section] if section else settings
    if name in table:
        del table[name]
    else:
        table[name] = 1
    with pytest.raises(ValueError, match=name):
        Config.parse(settings, vocabulary=100)


def test_grouping_by_length_changes_no_loss(captioner):
    network = Network(nn.Identity(), captioner)
    captions = [[[5, 6, EOS], [7, EOS]], [[8, 9, 10, 11, 12, EOS]], [[4, 4, EOS], [5, EOS]]]
    features = torch.randn(3, 4, 24)
    loss = network.loss(features, captions, tiny_training())
    total, count = 0.0, 0
    for i, each in enumerate(captions):
        for ids in each:
            memory = captioner.encode(features[i : i + 1])
            states = captioner.decode(memory, torch.tensor([[BOS, *ids[:-1]]]), torch.tensor([0]))
            logits = captioner.logits(states)[0]
            total += F.cross_entropy(logits, torch.tensor(ids), reduction="sum").item()
            count += len(ids)
    assert loss.item() == pytest.approx(total / count, abs=1e-5)


def test_groups_hold_every_caption_once():
    captions = [[[5] * n + [EOS] for n in range(1, 6)] for _ in range(3)]
    rows = []
    for inputs, targets, picture in grouped_by_length(captions):
        assert (inputs[:, 0] == BOS).all()
        for row, which in zip(targets.tolist(), picture.tolist(), strict=True):
            rows.append((which, [t for t in row if t != PAD]))
    assert sorted(rows) == sorted((i, ids) for i in range(3) for ids in captions[i])


def test_hidden_words_are_neither_bos_nor_padding():
    torch.manual_seed(0)
    inputs = torch.tensor([[BOS, 5, 6, PAD]]).repeat(500, 1)
    hidden = hide_words(inputs, 0.5)
    assert (hidden[:, 0] == BOS).all() and (hidden[:, 3] == PAD).all()
    assert (hidden[:, 1:3] == UNK).float().mean().item() == pytest.approx(0.5, abs=0.06)


@pytest.mark.parametrize("stop", [1, 3, 5])
def test_a_resumed_run_has_the_losses_of_one_that_was_not_stopped(tmp_path, cache, stop):
    scores = iter([0.5, 0.4, 0.3, 0.2])
    whole = make_trainer(tmp_path / "whole", cache, tiny_training()).train(lambda: next(scores))
    assert len(whole) == 6
    assert len(set(whole)) == 6
    stopped = make_trainer(tmp_path / "stopped", cache, tiny_training())
    before = [stopped.train_step() for _ in range(stop)]
    stopped.save("last.pt")
    after = make_trainer(tmp_path / "stopped", cache, tiny_training()).train(lambda: 0.0)
    assert before + after == whole


def test_a_run_does_not_go_on_with_other_settings(tmp_path, cache):
    make_trainer(tmp_path / "run", cache, tiny_training()).save("last.pt")
    with pytest.raises(ValueError, match="other settings"):
        make_trainer(tmp_path / "run", cache, tiny_training(learning_rate=1.0))


def test_a_worse_network_never_replaces_the_best(tmp_path, cache):
    scores = iter([0.5, 0.6, 0.4])
    make_trainer(tmp_path / "run", cache, tiny_training(epochs=3)).train(lambda: next(scores))
    best = torch.load(tmp_path / "run" / "best.pt", weights_only=True)
    last = torch.load(tmp_path / "run" / "last.pt", weights_only=True)
    assert (best["best"], best["step"]) == (0.6, 6)
    assert (last["best"], last["step"]) == (0.6, 9)
    assert not list((tmp_path / "run").glob("*.tmp"))


def test_a_tiny_set_is_learnt_by_heart(tmp_path, cache):
    trainer = make_trainer(tmp_path / "run", cache, tiny_training(epochs=60, pictures=8), dropout=0)
    for each in trainer.captions.values():
        del each[1:]
    losses = trainer.train(lambda: 0.0)
    assert losses[0] > 3
    trainer.network.eval()
    trainer.network.captioner.never.zero_()
    assert losses[-1] < 0.2


def test_bf16_gives_nearly_the_same_loss(captioner):
    network = Network(nn.Identity(), captioner)
    captions = [[[5, 6, 7, EOS], [8, EOS]]] * 4
    features = torch.randn(4, 4, 24)
    exact = network.loss(features, captions, tiny_training()).item()
    rough = network.loss(features, captions, tiny_training(bf16=True)).item()
    assert rough == pytest.approx(exact, rel=0.02)
