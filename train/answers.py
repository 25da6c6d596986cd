"""What a model says about the pictures of a data set: captions, picture words, classes.

The model is a checkpoint (PyTorch), an exported graph (ONNX Runtime), or a file
of what the program printed.

Shapes: N pictures, K hypotheses, T tokens, P grid positions, W picture words.
"""

import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from backbone import Backbone
from data import Dataset, Vocabulary, load_pixels
from graph import Session
from heads import WordList
from network import Checkpoint

log = logging.getLogger(__name__)

BATCH = 50
GRAPHS = {"fp32": "model.onnx", "int8": "model-int8.onnx"}  # files, by what they compute in
# What is taken of a model's outputs, named as in graph.py.
SAID = ("tokens", "likelihood", "certainty", "cross_attention", "words", "classes")


@dataclass(frozen=True)
class Pictures:
    """Pictures that could be read, as the model sees them."""

    names: list[str]
    pixels: np.ndarray  # uint8 [N, size, size, 3]

    @classmethod
    def read(cls, data: Dataset, names: Sequence[str], size: int) -> "Pictures":
        """What cannot be read is reported and left out."""
        good, pixels = [], []
        for name in names:
            try:
                pixels.append(load_pixels(data.path(name), size))
            except (OSError, ValueError, Image.DecompressionBombError) as error:
                log.warning("left out: %s: %s", name, error)
                continue
            good.append(name)
        if not good:
            raise ValueError(f"{data.folder} has no readable picture of {len(names)}")
        return cls(good, np.stack(pixels))


@dataclass(frozen=True)
class Answers:
    """What a model says; row i is about names[i]. None where a source does not say it."""

    names: list[str]
    hypotheses: list[list[str]]  # of each picture, the best first
    likelihood: np.ndarray | None  # float32 [N, K]; decode.Captions says of what
    certainty: np.ndarray | None  # float32 [N, K]
    attention: list[np.ndarray] | None  # of each best hypothesis [T, side, side]; <eos> too
    words: np.ndarray | None  # float32 [N, W]: probability of each picture word
    classes: np.ndarray | None  # float32 [N, 1000]: probability of each ImageNet class

    @property
    def captions(self) -> dict[str, str]:
        """The best hypothesis of each picture."""
        return {name: each[0] for name, each in zip(self.names, self.hypotheses, strict=True)}


def batches(length: int) -> Iterator[slice]:
    """Parts of BATCH rows."""
    return (slice(start, start + BATCH) for start in range(0, length, BATCH))


def features(checkpoint: Checkpoint, pictures: Pictures) -> Tensor:
    """Features [N, P, channels] of all pictures: what decoding several times begins with."""
    parts = batches(len(pictures.names))
    return torch.cat([checkpoint.features(pictures.pixels[part]) for part in parts])


def of_checkpoint(
    checkpoint: Checkpoint, names: Sequence[str], features: Tensor, beams: int
) -> Answers:
    """PyTorch's answers about pictures of known features."""
    parts = []
    for part in batches(len(names)):
        written = checkpoint.write(features[part], beams)
        said = {**vars(written.captions), "words": written.words, "classes": written.classes}
        parts.append({name: said[name].numpy() for name in SAID})
    return _join(list(names), checkpoint.vocabulary, parts)


@dataclass(frozen=True)
class Artifact:
    """A folder that export.py wrote."""

    size: int  # pixels, width and height
    beams: int  # of its own decoding
    session: Session
    vocabulary: Vocabulary
    picture_words: WordList

    @classmethod
    def read(cls, folder: Path, precision: str) -> "Artifact":
        """Reads what it takes to caption; precision is one of GRAPHS."""
        info = json.loads((folder / "model.json").read_text(encoding="utf-8"))
        rows = (folder / "words.tsv").read_text(encoding="utf-8").splitlines()
        stems, priors, _ = zip(*(row.split("\t") for row in rows), strict=True)
        return cls(
            info["input"]["width"],
            info["decoding"]["beams"],
            Session((folder / GRAPHS[precision]).read_bytes()),
            Vocabulary.read(folder / "vocabulary.txt"),
            WordList(list(stems), [float(prior) for prior in priors]),
        )


def of_graph(
    session: Session, vocabulary: Vocabulary, pictures: Pictures, beams: int | None = None
) -> Answers:
    """ONNX Runtime's answers; by the graph's own number of beams if none is given."""
    parts = [
        session.run(pictures.pixels[part], beams, outputs=SAID)
        for part in batches(len(pictures.names))
    ]
    return _join(pictures.names, vocabulary, parts)


def _join(
    names: list[str], vocabulary: Vocabulary, parts: Sequence[Mapping[str, np.ndarray]]
) -> Answers:
    """The outputs of all batches; captions become text."""
    hypotheses, attention = [], []
    for part in parts:
        for tokens, looked in zip(part["tokens"], part["cross_attention"], strict=True):
            hypotheses.append([vocabulary.decode(ids) for ids in tokens.tolist()])
            attention.append(looked[: len(hypotheses[-1][0].split()) + 1])
    numbers = ("likelihood", "certainty", "words", "classes")
    joined = {name: np.concatenate([part[name] for part in parts]) for name in numbers}
    return Answers(names, hypotheses, attention=attention, **joined)


def of_file(path: Path, names: Sequence[str]) -> Answers:
    """What `shoebox caption --json` printed about the pictures of these names."""
    entries = {}
    with path.open(encoding="utf-8") as file:
        for line in file:
            entry = json.loads(line)
            entries[Path(entry["path"]).name] = entry
    known = [name for name in names if name in entries]
    if not known:
        raise ValueError(f"{path} has no caption of any picture of the data set")
    if missing := len(names) - len(known):
        log.warning("%s: no caption of %d pictures of %d, left out", path, missing, len(names))
    scores = [entries[name].get("score") for name in known]
    certainty = None if None in scores else np.array(scores, np.float32)[:, None]
    hypotheses = [[entries[name]["caption"]] for name in known]
    return Answers(known, hypotheses, None, certainty, None, None, None)


def classes_of(backbone: Backbone, pictures: Pictures) -> np.ndarray:
    """Probabilities of ImageNet's classes [N, 1000] by a backbone alone."""
    with torch.no_grad():
        parts = [
            backbone.classify(torch.from_numpy(pictures.pixels[part])).softmax(-1)
            for part in batches(len(pictures.names))
        ]
    return torch.cat(parts).numpy()
