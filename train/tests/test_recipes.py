"""The recipes of configs/: what they say of their networks is true."""

from pathlib import Path

import pytest
import torch

from backbone import Backbone
from heads import MAX_WORDS, WordList
from model import ModelConfig
from network import build
from settings import Recipe

CONFIGS = Path(__file__).parents[1] / "configs"
RECIPES = sorted(path.parent for path in CONFIGS.glob("*/model.toml"))
SIZES = ("xs", "s", "m", "l", "xl")
TOKENS = 8470  # of all captions of Flickr30K by the rule of data.py


def without_weights(model: ModelConfig) -> Backbone:
    """A backbone on torch's device for shapes alone."""
    with torch.device("meta"):
        return Backbone(model.backbone, pretrained=False).eval()


def megabytes(recipe: Path) -> float:
    """A model's size in fp32, all of Flickr30K's words known."""
    model = Recipe.read(recipe, TOKENS, MAX_WORDS).model
    backbone = without_weights(model)
    with torch.device("meta"):
        words = WordList(["word"] * MAX_WORDS, [0.1] * MAX_WORDS)
        network = build(backbone, 0, model, words)
    everything = {*backbone.parameters(), *network.parameters()}
    return 4 * sum(p.numel() for p in everything) / 1e6


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: path.name)
def test_channels_positions_and_stages_fit_the_backbone(recipe):
    read = Recipe.read(recipe, vocabulary=100, picture_words=50)
    model, backbone = read.model, without_weights(read.model)
    pixels = torch.empty(1, model.size, model.size, 3, dtype=torch.uint8, device="meta")
    assert backbone(pixels).shape == (1, model.positions, model.channels)
    assert model.width % model.heads == 0
    assert all(0 <= stage.tail <= len(backbone.stages) for stage in read.stages.values())
    assert list(read.stages) == sorted(read.stages) != []


def test_the_five_sizes_rise_from_50_to_450_megabytes():
    sizes = [megabytes(CONFIGS / size) for size in SIZES]
    assert sizes == sorted(sizes)
    assert 45 < sizes[0] < 60 and 400 < sizes[-1] < 460
    assert all(larger > 1.4 * smaller for smaller, larger in zip(sizes, sizes[1:], strict=False))


def test_a_recipe_without_stages_takes_those_of_lite():
    lite = Recipe.read(CONFIGS / "lite", 100, 50)
    assert Recipe.read(CONFIGS / "xs", 100, 50).stages == lite.stages


def test_a_recipe_without_stages_and_without_lite_is_an_error(tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "model.toml").write_text((CONFIGS / "xs" / "model.toml").read_text())
    with pytest.raises(ValueError, match="has no stages"):
        Recipe.read(tmp_path / "mine", 100, 50)
