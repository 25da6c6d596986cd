"""A tiny data set, made on the fly, and what every test needs of it."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from data import Dataset
from model import Captioner, ModelConfig

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
            rows += [f"{name}| {n}| {caption} {'So it is .' * n}" for n in range(5)]
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
    settings = {
        "backbone": "tf_efficientnet_lite0",
        "size": 64,
        "vocabulary": 40,
        "channels": 24,
        "positions": 4,
        "max_length": 12,
        "width": 32,
        "heads": 4,
        "encoder_layers": 1,
        "decoder_layers": 2,
        "dropout": 0.0,
    }
    return ModelConfig(**settings | changes)


@pytest.fixture
def captioner() -> Captioner:
    """A tiny captioner with random weights that write captions of several words."""
    torch.set_num_threads(1)
    torch.manual_seed(3)
    return Captioner(tiny_config()).eval()
