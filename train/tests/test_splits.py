"""Which pictures and captions are trained on."""

import hashlib
import json
import logging

import pytest
from conftest import SHARED, write_dataset

import data as d
import splits


def test_no_picture_is_in_two_splits(dataset):
    assert len(dataset.train) == 9
    assert len(dataset.val) == 3
    assert not set(dataset.train) & set(dataset.val)


@pytest.mark.parametrize("pair", [("train", "val"), ("train", "test"), ("val", "test")])
def test_a_picture_in_two_lists_is_an_error(tmp_path, pair):
    folder = write_dataset(tmp_path / "data")
    for split, names in {"train": "red0.jpg", "val": "red1.jpg", "test": "red2.jpg"}.items():
        (folder / f"{split}.txt").write_text(names)
    with (folder / f"{pair[0]}.txt").open("a") as file:
        file.write("\nblue0.jpg\n")
    with (folder / f"{pair[1]}.txt").open("a") as file:
        file.write("\nblue0.jpg\n")
    with pytest.raises(ValueError, match=f"in {pair[0]} and {pair[1]}, such as blue0.jpg"):
        d.Dataset.open(folder)


def test_a_caption_of_val_or_test_is_not_trained_on(tmp_path, caplog):
    folder = write_dataset(tmp_path / "data")
    (folder / "test.txt").write_text("red1.jpg\n")
    (folder / "train.txt").write_text("red0.jpg\nblue0.jpg\n")
    with (folder / "results.csv").open("a") as file:
        file.write("red0.jpg| 5| A sentence of val .\nred0.jpg| 6| a sentence , of test\n")
        file.write("red3.jpg| 5| a sentence of VAL\nred1.jpg| 5| A sentence of test .\n")
    data = d.Dataset.open(folder)
    held_out = {tuple(d.words(c)) for n in (*data.val, *data.test) for c in data.captions[n]}
    taught = [tuple(d.words(c)) for n in data.train for c in data.training_captions(n)]
    assert len(taught) == 10
    assert not held_out & set(taught)
    assert "2 captions of train are also of val or test" in caplog.text


def test_lists_may_leave_the_ending_out_and_unknown_names_are_reported(tmp_path, caplog):
    folder = write_dataset(tmp_path / "data")
    (folder / "train.txt").write_text("red0\nred1.jpg\nunknown\n")
    data = d.Dataset.open(folder)
    assert data.train == ["red0.jpg", "red1.jpg"]
    assert data.test == []
    assert "train: 1 pictures have no captions" in caplog.text


def test_karpathys_split_is_read_where_there_are_no_lists(tmp_path):
    folder = write_dataset(tmp_path / "data")
    for split in ("train", "val"):
        (folder / f"{split}.txt").unlink()
    of = {"red0.jpg": "train", "red1.jpg": "val", "blue0.jpg": "test", "blue1.jpg": "train"}
    images = [{"filename": name, "split": split} for name, split in of.items()]
    (folder / "dataset_flickr30k.json").write_text(json.dumps({"images": images}))
    data = d.Dataset.open(folder)
    assert (data.train, data.val, data.test) == (
        ["red0.jpg", "blue1.jpg"], ["red1.jpg"], ["blue0.jpg"],
    )  # fmt: skip


def test_without_lists_a_split_is_drawn_and_written_down(tmp_path):
    folder = write_dataset(tmp_path / "data", per_scene=8)
    for split in ("train", "val"):
        (folder / f"{split}.txt").unlink()
    drawn = d.Dataset.open(folder, tmp_path / "lists")
    assert len(drawn.val) == 2 and len(drawn.train) == 22
    assert not (folder / "train.txt").exists()
    (folder / "results.csv").write_text(
        "\n".join(sorted((folder / "results.csv").read_text().splitlines()))
    )
    again = d.Dataset.open(folder, tmp_path / "lists")
    assert (again.train, again.val) == (drawn.train, drawn.val)
    beside = d.Dataset.open(folder)
    assert (beside.train, beside.val) == (drawn.train, drawn.val)
    assert (folder / "val.txt").read_text().split() == drawn.val


def test_where_no_split_can_be_written_the_message_says_what_to_do(tmp_path):
    in_the_way = tmp_path / "file"
    in_the_way.write_text("")
    with pytest.raises(OSError, match="name a folder for it with --splits"):
        splits.read(in_the_way / "lists", [f"{i}.jpg" for i in range(20)])


@pytest.mark.parametrize("split", ["train", "val"])
def test_a_split_without_pictures_is_an_error(tmp_path, split):
    folder = write_dataset(tmp_path / "data")
    (folder / f"{split}.txt").write_text("")
    with pytest.raises(ValueError, match=f"no picture with captions is in {split}"):
        d.Dataset.open(folder)


@pytest.mark.skipif(not SHARED.exists(), reason="needs ../shared/data")
def test_in_the_subset_no_picture_crosses_under_another_name_and_no_caption():
    data = d.Dataset.open(SHARED / "flickr30k-subset")
    assert (len(data.train), len(data.val)) == (6086, 1000)
    seen = {
        split: {hashlib.sha256(data.path(name).read_bytes()).digest() for name in names}
        for split, names in (("train", data.train), ("val", data.val))
    }
    assert not seen["train"] & seen["val"]
    held_out = {tuple(d.words(c)) for name in data.val for c in data.captions[name]}
    taught = {tuple(d.words(c)) for name in data.train for c in data.training_captions(name)}
    assert not held_out & taught
    assert len(taught) > 30_000


@pytest.fixture(autouse=True)
def _log_everything(caplog):
    caplog.set_level(logging.INFO)
