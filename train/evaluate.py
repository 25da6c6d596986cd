"""Prints how good captions are: the metrics of the field, and how much they differ.

python evaluate.py checkpoint runs/lite/best.pt --data DIR
python evaluate.py graph ../captioner/model --data DIR
python evaluate.py captions FILE.jsonl --data DIR

A checkpoint runs in PyTorch, a graph (a folder that export.py wrote) in ONNX
Runtime. FILE.jsonl is what `shoebox caption --json` prints: an object a line
with at least "path" and "caption".
"""

import argparse
import json
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch

from data import Dataset, Vocabulary, load_pixels
from graph import Session
from metrics import Scorer, variety
from train import Trained

log = logging.getLogger("evaluate")

BATCH = 32


def batches(
    data: Dataset, names: Sequence[str], size: int
) -> Iterator[tuple[list[str], np.ndarray]]:
    """Names and pixels, uint8 [batch, size, size, 3]; what cannot be read is reported."""
    part: list[str] = []
    pixels: list[np.ndarray] = []
    for name in names:
        try:
            pixels.append(load_pixels(data.path(name), size))
        except (OSError, ValueError) as error:
            log.warning("left out: %s: %s", name, error)
            continue
        part.append(name)
        if len(part) == BATCH:
            yield part, np.stack(pixels)
            part, pixels = [], []
    if part:
        yield part, np.stack(pixels)


def caption_all(
    data: Dataset,
    names: Sequence[str],
    size: int,
    vocabulary: Vocabulary,
    write: Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]],
) -> tuple[dict[str, str], dict[str, float]]:
    """Captions and scores by name; write maps pixels to tokens [B, T] and scores [B]."""
    captions: dict[str, str] = {}
    scores: dict[str, float] = {}
    for part, pixels in batches(data, names, size):
        tokens, score = write(pixels)
        for name, ids, s in zip(part, tokens.tolist(), score.tolist(), strict=True):
            captions[name], scores[name] = vocabulary.decode(ids), s
    return captions, scores


def of_checkpoint(path: Path, data: Dataset, names: Sequence[str]) -> dict[str, str]:
    """Captions by PyTorch."""
    trained = Trained.load(path)

    def write(pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        captions = trained.caption(pixels)
        return captions.tokens.numpy(), captions.score.numpy()

    return caption_all(data, names, trained.config.model.size, trained.vocabulary, write)[0]


def of_graph(
    folder: Path, data: Dataset, names: Sequence[str]
) -> tuple[dict[str, str], dict[str, float]]:
    """Captions and scores by the exported graph."""
    size = json.loads((folder / "model.json").read_text())["input"]["width"]
    session = Session((folder / "model.onnx").read_bytes())
    vocabulary = Vocabulary.read(folder / "vocabulary.txt")
    return caption_all(data, names, size, vocabulary, session.caption)


def read_jsonl(path: Path) -> dict[str, str]:
    """Captions by file name, from the output of `shoebox caption --json`."""
    captions = {}
    with path.open(encoding="utf-8") as file:
        for line in file:
            entry = json.loads(line)
            captions[Path(entry["path"]).name] = entry["caption"]
    return captions


def print_table(rows: Mapping[str, float]) -> None:
    """A line for each figure."""
    for name, value in rows.items():
        print(f"{name:36} {value:.4f}" if isinstance(value, float) else f"{name:36} {value}")


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("kind", choices=["checkpoint", "graph", "captions"])
    parser.add_argument("path", type=Path)
    parser.add_argument("--data", type=Path, required=True, help="folder in Kaggle's layout")
    parser.add_argument("--split", choices=["train", "val"], default="val")
    parser.add_argument("--write", type=Path, help="file for the captions, as JSON lines")
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    torch.set_num_threads(args.threads)

    data = Dataset.open(args.data)
    names = data.train if args.split == "train" else data.val
    if args.kind == "checkpoint":
        captions = of_checkpoint(args.path, data, names)
    elif args.kind == "graph":
        captions, _ = of_graph(args.path, data, names)
    else:
        written = read_jsonl(args.path)
        captions = {name: written[name] for name in names if name in written}
    if missing := len(names) - len(captions):
        log.warning("%d of %d pictures have no caption, left out", missing, len(names))
    if args.write:
        lines = (json.dumps({"path": name, "caption": text}) for name, text in captions.items())
        args.write.write_text("\n".join(lines) + "\n", encoding="utf-8")
    scorer = Scorer({name: data.captions[name] for name in captions})
    print_table(scorer.scores(captions) | variety(captions))


if __name__ == "__main__":
    main()
