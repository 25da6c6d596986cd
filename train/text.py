"""Captions without pictures, for the decoder as a language model."""

import gzip
import logging
from collections.abc import Iterator
from pathlib import Path

from data import Dataset, is_junk

log = logging.getLogger(__name__)


def texts(data: Dataset, further: Path | None) -> list[str]:
    """Different captions: those of the train pictures, and of a further file.

    Of the file none is taken of a picture of val or test, and none that stands
    there word by word.
    """
    found = dict.fromkeys(c for name in data.train for c in data.training_captions(name))
    own = len(found)
    if further:
        held_out = {*data.val, *data.test}
        for picture, caption in read(further):
            if not (picture in held_out or is_junk(caption) or data.is_held_out(caption)):
                found[caption] = None
        log.info("%d captions of train, %d more of %s", own, len(found) - own, further)
    return list(found)


def read(path: Path) -> Iterator[tuple[str, str]]:
    """Picture and caption of each line: picture, number, split, caption, between tabs.

    A file that ends in .gz is unpacked.
    """
    opened = gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else path.open()
    with opened as file:
        for number, line in enumerate(file, start=1):
            columns = line.rstrip("\r\n").split("\t")
            if len(columns) != 4:
                raise ValueError(f"{path}:{number} has {len(columns)} columns, not 4: {line!r}")
            yield columns[0], columns[3]
