"""What kinds.py makes of a WordNet of six nouns, and the file that search/ holds."""

from pathlib import Path

import pytest

import kinds
from kinds import WordNet

# wndb(5WN): offset, file, type, names, pointers. A pug is a dog, a dog an animal, and a
# carpenter's plane is the second synset that is called plane.
DATA = """\
  1 The licence.
00000001 03 n 01 entity 0 000 | all there is
00000002 05 n 02 animal 0 fauna 0 001 @ 00000001 n 0000 | it lives
00000003 05 n 01 dog 0 002 @ 00000002 n 0000 ~ 00000004 n 0000 | it barks
00000004 05 n 02 pug 0 Pug_Dog 0 001 @ 00000003 n 0000 | it snores
00000005 06 n 01 plane 0 001 @ 00000001 n 0000 | it flies
00000006 06 n 02 carpenter's_plane 0 plane 0 001 @ 00000001 n 0000 | it smooths
"""
INDEX = """\
  1 The licence.
animal n 1 2 @ ~ 1 1 00000002
carpenter's_plane n 1 1 @ 1 0 00000006
dog n 1 2 @ ~ 1 1 00000003
entity n 1 1 ~ 1 0 00000001
fauna n 1 2 @ ~ 1 0 00000002
plane n 2 1 @ 2 1 00000005 00000006
pug n 1 1 @ 1 0 00000004
pug_dog n 1 1 @ 1 0 00000004
"""


@pytest.fixture
def wordnet(tmp_path: Path) -> WordNet:
    (tmp_path / "data.noun").write_text(DATA)
    (tmp_path / "index.noun").write_text(INDEX)
    return WordNet(tmp_path)


def test_a_class_has_its_names_and_the_kinds_it_is_one_of_the_nearest_first(wordnet: WordNet):
    known = {"00000002": "animal", "00000003": "dog"}
    assert kinds.words(wordnet, known, "00000004") == ["pug", "pug dog", "dog", "animal"]


def test_names_that_mostly_mean_something_else_are_left_out(wordnet, monkeypatch):
    monkeypatch.setattr(kinds, "SENSES", 1)
    assert kinds.words(wordnet, {}, "00000006") == ["carpenter's plane"]


def test_a_kind_that_wordnet_does_not_have_fails(wordnet: WordNet):
    assert wordnet.sense("plane#2") == "00000006"
    for name in ("plane#3", "unicorn"):
        with pytest.raises(ValueError, match="no noun"):
            wordnet.sense(name)


def test_every_class_of_the_shipped_model_has_its_line():
    root = Path(__file__).parents[2]
    classes = (root / "captioner/model/classes.txt").read_text().splitlines()
    lines = (root / "search/kinds.tsv").read_text().splitlines()
    synsets = [line.partition("\t")[0] for line in lines]
    assert synsets == [line.partition("\t")[0] for line in classes]
    assert all(line.partition("\t")[2] for line in lines)
