"""Captions, layouts, vocabulary, pixels and caches; splits are in test_splits.py."""

import logging
import shutil

import numpy as np
import pytest
from conftest import write_dataset
from PIL import Image

import data as d


def test_the_row_without_its_second_separator_is_read(tmp_path):
    path = tmp_path / "results.csv"
    path.write_text(
        "image_name| comment_number| comment\n"
        "2199200615.jpg| 3| Two dogs | one ball .\n"
        "2199200615.jpg| 4   A dog runs across the grass .\n"
    )
    assert d.read_captions(path) == {
        "2199200615.jpg": ["Two dogs | one ball .", "A dog runs across the grass ."]
    }


def test_a_line_that_is_no_row_is_reported(tmp_path, caplog):
    path = tmp_path / "results.csv"
    table = "image_name| comment_number| comment\n1.jpg| 0| A dog .\n"
    path.write_text(table + "nonsense\n" + table.replace("1.jpg", "2.jpg"))  # two, joined by cat
    assert d.read_captions(path) == {"1.jpg": ["A dog ."], "2.jpg": ["A dog ."]}
    assert "results.csv:3 is not a caption" in caplog.text
    assert len(caplog.records) == 1


@pytest.mark.parametrize(
    ("caption", "words"),
    [
        ("Two DOGS , running .", ["two", "dogs", "running"]),
        ("A man 's T-shirt", ["a", "man's", "t-shirt"]),
        ('"Hi" -- 3 boys!', ["hi", "3", "boys"]),
        ("", []),
    ],
)
def test_words_are_lower_case_without_punctuation(caption, words):
    assert d.words(caption) == words


def test_the_vocabulary_keeps_words_that_occur_four_times_ranked_by_count():
    vocabulary = d.Vocabulary.build(["dog cat ."] * 4 + ["dog bird"] * 3)
    assert vocabulary.words == [*d.SPECIALS, "dog", "cat"]
    assert vocabulary.encode("A dog and cat", 10) == [d.UNK, 4, d.UNK, 5, d.EOS]
    assert vocabulary.encode("dog dog dog dog", 3) == [4, 4, d.EOS]
    assert vocabulary.decode([4, 5, d.EOS, 4]) == "dog cat"


def test_the_vocabulary_holds_at_most_ten_thousand_tokens():
    captions = [" ".join(f"w{i}" for i in range(12_000))] * 4
    assert len(d.Vocabulary.build(captions)) == d.MAX_TOKENS


def test_a_vocabulary_comes_back_from_its_file(tmp_path):
    vocabulary = d.Vocabulary.build(["a dog"] * 4)
    (tmp_path / "vocabulary.txt").write_text(vocabulary.text())
    assert d.Vocabulary.read(tmp_path / "vocabulary.txt").words == vocabulary.words


def test_junk_and_repeated_captions_are_not_trained_on(dataset):
    dataset.captions["junk.jpg"] = ["a", "Broken image of a dog", "A dog runs .", "A dog runs ."]
    assert dataset.training_captions("junk.jpg") == ["A dog runs ."]
    del dataset.captions["junk.jpg"]


def test_the_archive_is_read_as_it_unpacks(tmp_path):
    """flickr30k_images/ holds results.csv, the pictures' folder, and a copy of both below."""
    inner = write_dataset(tmp_path / "flickr30k_images")
    for split in ("train", "val"):
        (inner / f"{split}.txt").rename(tmp_path / f"{split}.txt")
    shutil.copytree(inner / "flickr30k_images", inner / "flickr30k_images" / "flickr30k_images")
    shutil.copy(inner / "results.csv", inner / "flickr30k_images")
    data = d.Dataset.open(tmp_path)
    assert data.path("red0.jpg") == inner / "flickr30k_images" / "red0.jpg"
    assert d.load_pixels(data.path("red0.jpg"), 8).shape == (8, 8, 3)
    assert len(data.captions) == 12 and {len(each) for each in data.captions.values()} == {5}


def test_a_folder_without_captions_or_without_pictures_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError, match="no results.csv"):
        d.Dataset.open(tmp_path)
    folder = write_dataset(tmp_path / "data")
    shutil.rmtree(folder / "flickr30k_images")
    with pytest.raises(FileNotFoundError, match="no picture that .*results.csv names"):
        d.Dataset.open(folder)


def test_own_captions_may_be_one_a_picture(tmp_path):
    """The layout that `shoebox export-training` writes."""
    folder = write_dataset(tmp_path / "data")
    rows = (folder / "results.csv").read_text().splitlines()
    own = [row for row in rows if "| 0|" in row or row.startswith("image_name")]
    (folder / "results.csv").write_text("\n".join(own) + "\n")
    data = d.Dataset.open(folder)
    assert [len(data.training_captions(name)) for name in data.train] == [1] * 9
    assert len(data.val) == 3


def test_missing_and_unreadable_pictures_are_reported_and_left_out(tmp_path, caplog):
    folder = write_dataset(tmp_path / "data")
    (folder / "flickr30k_images" / "red0.jpg").unlink()
    (folder / "flickr30k_images" / "green1.jpg").write_bytes(b"no picture")
    data = d.Dataset.open(folder)
    cache = d.cached_pixels(tmp_path / "cache", data, data.train, 32)
    assert set(data.train) - set(cache.names) == {"red0.jpg", "green1.jpg"}
    assert "1 pictures of" in caplog.text and "such as red0.jpg" in caplog.text
    assert "left out: red0.jpg" in caplog.text and "left out: green1.jpg" in caplog.text
    assert (
        cache.array[cache.row["blue0.jpg"], 0] == d.load_pixels(data.path("blue0.jpg"), 32)
    ).all()


def test_a_changed_picture_makes_another_cache(tmp_path, caplog):
    data = d.Dataset.open(write_dataset(tmp_path / "data"))
    before = d.cached_pixels(tmp_path / "cache", data, data.train, 32).array[0].copy()
    Image.new("RGB", (50, 50), "yellow").save(data.path(data.train[0]))
    after = d.cached_pixels(tmp_path / "cache", data, data.train, 32).array[0]
    assert not (before == after).all()


def test_features_are_made_once_and_hold_every_view(dataset, tmp_path):
    batches = []

    def extract(pixels):
        batches.append(len(pixels))
        return pixels[:, :, 0].float()  # the leftmost column

    pixels = d.cached_pixels(tmp_path, dataset, dataset.train, 8)
    views = [lambda p, _: p, lambda p, _: d.flip(p)]
    for _ in range(2):
        cache = d.cached_features(tmp_path, pixels, views, extract, ["test"], batch=4)
    assert batches == [4, 4, 4, 4, 1, 1]
    first = pixels.array[0, 0].astype(np.float32)
    assert (cache.batch([dataset.train[0]], [0]).numpy()[0] == first[:, 0]).all()
    assert (cache.batch([dataset.train[0]], [1]).numpy()[0] == first[:, -1]).all()


def test_pictures_are_upright_rgb_over_white(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # shown turned by 90 degrees clockwise
    half = Image.new("RGB", (40, 20), "black")
    half.paste("white", (0, 0, 20, 20))  # left half becomes the upper half
    half.save(tmp_path / "turned.jpg", exif=exif, quality=100)
    turned = d.load_pixels(tmp_path / "turned.jpg", 8)
    assert turned[0].min() > 240 and turned[-1].max() < 15

    Image.new("RGBA", (5, 5), (255, 0, 0, 0)).save(tmp_path / "clear.png")
    assert (d.load_pixels(tmp_path / "clear.png", 8) == 255).all()

    Image.new("L", (5, 9), 77).save(tmp_path / "grey.png")
    assert d.load_pixels(tmp_path / "grey.png", 8).tolist() == [[[77] * 3] * 8] * 8


def test_augmented_views_depend_on_the_generator_alone(dataset):
    pixels = d.load_pixels(dataset.path("red0.jpg"), 32)
    views = [d.augment(pixels, np.random.default_rng(seed)) for seed in (1, 1, 2)]
    assert (views[0] == views[1]).all()
    assert not (views[0] == views[2]).all()
    assert views[0].shape == pixels.shape


@pytest.fixture(autouse=True)
def _log_everything(caplog):
    caplog.set_level(logging.INFO)
