"""A tiny data set, made on the fly, and what every test needs of it."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import settings
from backbone import GridToSequence
from data import EOS, Cache, Dataset, _finish
from heads_loss import HeadsLoss, Pooled
from model import Captioner, ModelConfig
from network import Network
from objectives import CrossEntropyLoss, LanguageModelLoss, Objective, Pictures
from self_critical import SelfCriticalLoss

SHARED = Path(__file__).parents[3] / "shared" / "data"

SCENES = (
    ("red", (200, 30, 30), "A red dog runs through the wet grass ."),
    ("green", (30, 200, 30), "Two green birds sit on a long fence ."),
    ("blue", (30, 30, 200), "The blue man 's boat is in water ."),
)


def write_dataset(folder: Path, per_scene: int = 4) -> Path:
    """Pictures of one colour each, 5 captions a picture, the last of each scene for val."""
    (folder / "flickr30k_images").mkdir(parents=True)
    rows = ["image_name| comment_number| comment"]
    splits: dict[str, list[str]] = {"train": [], "val": []}
    random = np.random.default_rng(0)
    for colour, rgb, caption in SCENES:
        for i in range(per_scene):
            name = f"{colour}{i}.jpg"
            noise = random.integers(-20, 20, (60, 80, 3)) + rgb
            image = Image.fromarray(noise.clip(0, 255).astype(np.uint8))
            image.save(folder / "flickr30k_images" / name)
            rows += [f"{name}| {n}| {caption} {'So it is .' * n} Number {i} ." for n in range(5)]
            splits["val" if i == per_scene - 1 else "train"].append(name)
    (folder / "results.csv").write_text("\n".join(rows) + "\n")
    for split, names in splits.items():
        (folder / f"{split}.txt").write_text("\n".join(names) + "\n")
    return folder


@pytest.fixture(scope="session")
def dataset(tmp_path_factory) -> Dataset:
    """The tiny data set, opened."""
    return Dataset.open(write_dataset(tmp_path_factory.mktemp("data")))


def tiny_config(**changes) -> ModelConfig:
    """A captioner of a few thousand weights for 64 x 64 pixels."""
    values = {
        "backbone": "tf_efficientnet_lite0",
        "size": 64,
        "vocabulary": 40,
        "channels": 24,
        "positions": 4,
        "max_length": 12,
        "picture_words": 6,
        "words_hidden": 8,
        "width": 32,
        "heads": 4,
        "encoder_layers": 1,
        "decoder_layers": 2,
        "dropout": 0.0,
    }
    return ModelConfig(**values | changes)


def tiny_network(**changes) -> Network:
    """Over grids that are the features already; the same weights each time."""
    torch.manual_seed(0)
    config = tiny_config(**changes)
    priors = [0.5, 0.3, 0.2, 0.1, 0.1, 0.1]
    return Network(GridToSequence(), nn.Linear(config.channels, 1000), config, priors)


@pytest.fixture
def cache(tmp_path) -> Cache:
    """Random grids of 2 views of 8 pictures."""
    path = tmp_path / "features.npy"
    np.save(path, np.random.default_rng(0).normal(size=(8, 2, 24, 2, 2)).astype(np.float16))
    _finish(path, path, [f"{i}.jpg" for i in range(8)])
    return Cache(path)


def tiny_pictures(cache: Cache, captions: int = 2) -> Pictures:
    """Random captions of the cache's pictures, and shares of picture words."""
    random = np.random.default_rng(1)
    tokens = {
        name: [
            [*random.integers(4, 40, random.integers(3, 9)).tolist(), EOS] for _ in range(captions)
        ]
        for name in cache.names
    }
    shares = {name: torch.from_numpy(random.random(6)).float() for name in cache.names}
    return Pictures(cache.names, cache, tokens, shares)


OBJECTIVES = ("cross_entropy", "self_critical", "heads", "language_model")


def tiny_objective(name: str, cache: Cache) -> tuple[Objective, settings.Objective]:
    """Each of OBJECTIVES without label smoothing and word dropout, with its settings."""
    pictures, network = tiny_pictures(cache), tiny_network()
    if name == "cross_entropy":
        kind = settings.CrossEntropy(label_smoothing=0.0, word_dropout=0.0, words_weight=0.1)
        return CrossEntropyLoss(pictures, kind, bf16=False), kind
    if name == "self_critical":
        kind = settings.SelfCritical(samples=3, cross_entropy=0.5, label_smoothing=0.0)
        return SelfCriticalLoss(pictures, kind, bf16=False), kind
    if name == "heads":
        kind = settings.Heads(classes_weight=0.5, views=2)
        untouched = tiny_network()
        torch.nn.init.normal_(untouched.classes.weight)
        pooled = Pooled.compute(cache, cache.names, 2, network, untouched)
        return HeadsLoss(pooled, pictures.words, kind), kind
    kind = settings.LanguageModel(captions="", label_smoothing=0.0, word_dropout=0.0)
    captions = [ids for each in pictures.captions.values() for ids in each[:1]]
    return LanguageModelLoss(captions, kind, bf16=False), kind


@pytest.fixture
def captioner() -> Captioner:
    """A tiny captioner with random weights that write captions of several words."""
    torch.set_num_threads(1)
    torch.manual_seed(3)
    return Captioner(tiny_config()).eval()
