"""Which pictures are trained on, which choose checkpoints, which only report.

A split is by picture: all captions of a picture are on one side.
"""

import json
import logging
from collections.abc import Collection
from pathlib import Path

import numpy as np

log = logging.getLogger(__name__)

SPLITS = ("train", "val", "test")
SEED = 30
MOST_VAL = 1000  # pictures; their captions say CIDEr to about .02


def read(folder: Path, known: Collection[str]) -> dict[str, list[str]]:
    """The pictures of train, val and test by the lists in folder, of those that are known.

    The lists are train.txt, val.txt and perhaps test.txt, a picture a line, with
    or without ".jpg"; or dataset_flickr30k.json, Karpathy's split. If there is
    neither, a split is drawn and written down as the former. A picture in two
    splits is an error, and so is a train or val without pictures.
    """
    karpathy = folder / "dataset_flickr30k.json"
    if (folder / "train.txt").exists():
        listed = {split: _lines(folder / f"{split}.txt") for split in SPLITS}
    elif karpathy.exists():
        images = json.loads(karpathy.read_text(encoding="utf-8"))["images"]
        listed = {s: [i["filename"] for i in images if i["split"] == s] for s in SPLITS}
    else:
        listed = _draw(known)
        _write(folder, listed)
    pictures = {split: _known(names, known, split) for split, names in listed.items()}
    _check(pictures, folder)
    return pictures


def _lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").split() if path.exists() else []


def _known(names: list[str], known: Collection[str], split: str) -> list[str]:
    found = [name if name in known else f"{name}.jpg" for name in names]
    found = [name for name in found if name in known]
    if missing := len(names) - len(found):
        log.warning("%s: %d pictures have no captions, left out", split, missing)
    return found


def _check(pictures: dict[str, list[str]], folder: Path) -> None:
    for first, second in (("train", "val"), ("train", "test"), ("val", "test")):
        if both := set(pictures[first]) & set(pictures[second]):
            raise ValueError(
                f"{len(both)} pictures are in {first} and {second}, such as {min(both)}"
            )
    for split in ("train", "val"):
        if not pictures[split]:
            raise ValueError(f"by the lists in {folder} no picture with captions is in {split}")


def _draw(known: Collection[str]) -> dict[str, list[str]]:
    """A tenth of the pictures for val, at most MOST_VAL, by SEED."""
    order = np.random.default_rng(SEED).permutation(sorted(known)).tolist()
    count = min(MOST_VAL, len(order) // 10)
    return {"train": order[count:], "val": order[:count], "test": []}


def _write(folder: Path, listed: dict[str, list[str]]) -> None:
    """Writes train.txt last: it says that the lists are whole."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for split in ("val", "train"):
            text = "".join(f"{name}\n" for name in listed[split])
            (folder / f"{split}.txt").write_text(text, encoding="utf-8")
    except OSError as error:
        raise OSError(
            f"{folder} has no split and none can be written there ({error.strerror}): "
            "name a folder for it with --splits"
        ) from error
    log.info(
        "split drawn and written to %s: %d pictures train, %d val",
        folder, len(listed["train"]), len(listed["val"]),
    )  # fmt: skip
