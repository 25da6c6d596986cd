"""Writes the artifact that shoebox ships or takes with --model.

python export.py runs/lite/best.pt --data DIR --out ../captioner/model

    model.onnx       the graph (graph.py)
    vocabulary.txt   a word a line, line number = token id
    model.json       what a program must know, and how the model was made
    MODEL_CARD.md    the same for people, with its weaknesses
    golden/          pictures and PyTorch's answers, for tests of other programs

The same checkpoint and data give the same bytes.
"""

import argparse
import hashlib
import json
import logging
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from PIL import Image

import graph
from card import card
from data import BOS, EOS, PAD, UNK, Dataset, load_pixels
from evaluate import of_graph
from metrics import Scorer, variety
from train import Trained

log = logging.getLogger("export")

HERE = Path(__file__).parent
FORMAT_VERSION = 1
GOLDEN = ("astronaut", "chelsea", "china", "coffee", "rocket", "text")
RESIZE = (
    "upright (EXIF orientation applied), RGB, transparency over white, squashed straight "
    "to width x height with a triangle filter that widens when it shrinks "
    "(Pillow's resize with BILINEAR)"
)


def unsure_below(scores: Mapping[str, float], cider: Mapping[str, float]) -> float:
    """The score under which a caption is marked unsure.

    The rule: as many of the lowest scores of val, in steps of 5 %, as have a
    mean CIDEr under half of the mean of all.
    """
    ordered = sorted(scores, key=lambda name: scores[name])
    worth = np.array([cider[name] for name in ordered])
    threshold = scores[ordered[0]]  # nothing is below it
    for share in range(5, 55, 5):
        count = len(ordered) * share // 100
        if count and worth[:count].mean() < worth.mean() / 2:
            threshold = scores[ordered[count - 1]]
    return round(threshold, 3)


def calibration(scores: Mapping[str, float], cider: Mapping[str, float]) -> list[float]:
    """Mean CIDEr of each tenth of the pictures, lowest scores first."""
    ordered = sorted(scores, key=lambda name: scores[name])
    tenths = np.array_split(ordered, min(10, len(ordered)))
    return [round(float(np.mean([cider[n] for n in part])), 3) for part in tenths]


def golden(trained: Trained, photos: Path, out: Path) -> list[dict]:
    """PyTorch's answers about some sample photos, and the pixels it saw."""
    out.mkdir(parents=True, exist_ok=True)
    size = trained.config.model.size
    entries = []
    for stem in GOLDEN:
        source = next(p for p in sorted(photos.iterdir()) if p.stem == stem)
        pixels = load_pixels(source, size)
        Image.fromarray(pixels).save(out / f"{stem}.png", optimize=True)
        free = trained.caption(pixels[None])
        tokens = free.tokens[0]
        # The tokens are PyTorch's own, so forced and free logits are the same.
        logits = free.logits[0]
        first, second = logits.topk(2).values.unbind(-1)
        likeliest = logits.topk(16).indices
        fixed = torch.linspace(EOS, logits.shape[-1] - 1, 16).long()
        indices = torch.cat([likeliest, fixed.expand(len(logits), -1)], 1)
        entries.append(
            {
                "source": source.name,
                "png": f"{stem}.png",
                "caption": trained.vocabulary.decode(tokens.tolist()),
                "score": _number(free.score[0]),
                "tokens": tokens.tolist(),
                "margins": _numbers(first - second),
                "steps": [
                    {"indices": i.tolist(), "logits": _numbers(step[i])}
                    for step, i in zip(logits, indices, strict=True)
                ],
            }
        )
    return entries


def _number(value: torch.Tensor | float) -> float:
    return round(float(value), 5)


def _numbers(values: torch.Tensor) -> list[float]:
    return [_number(v) for v in values]


def check_golden(session: graph.Session, entries: list[dict], folder: Path) -> float:
    """The largest difference of the graph's logits from PyTorch's; other tokens fail."""
    worst = 0.0
    for entry in entries:
        pixels = np.asarray(Image.open(folder / entry["png"]))[None]
        forced = np.array([entry["tokens"]], np.int64)
        _, score, logits = session.run(pixels, forced)
        for step, found in zip(entry["steps"], logits[0], strict=True):
            worst = max(worst, float(np.abs(found[step["indices"]] - step["logits"]).max()))
        worst = max(worst, abs(float(score[0]) - entry["score"]))
        chosen = session.run(pixels)[0][0].tolist()
        if chosen != entry["tokens"] and min(entry["margins"]) > 1e-3:
            raise ValueError(f"{entry['png']}: the graph writes {chosen}, not {entry['tokens']}")
    if worst > 1e-3:
        raise ValueError(f"the graph's logits are {worst:.5f} away from PyTorch's")
    return worst


def describe(trained: Trained, name: str, files: Mapping[str, bytes]) -> dict:
    """What model.json says before the model was measured."""
    c = trained.config.model
    return {
        "format_version": FORMAT_VERSION,
        "name": name,
        "input": {"width": c.size, "height": c.size},
        "resize": RESIZE,
        "max_length": c.max_length,
        "special_ids": {"pad": PAD, "bos": BOS, "eos": EOS, "unk": UNK},
        "score": "minus the mean entropy of the choice of each token, <eos> included, in nats",
        "vocabulary_sha256": hashlib.sha256(files["vocabulary.txt"]).hexdigest(),
        "onnx_sha256": hashlib.sha256(files["model.onnx"]).hexdigest(),
    }


def measure(folder: Path, data: Dataset) -> dict:
    """Metrics of the written graph on val, and the threshold that follows from them."""
    captions, scores = of_graph(folder, data, data.val)
    scorer = Scorer({name: data.captions[name] for name in captions})
    metrics = {k: round(v, 4) for k, v in scorer.scores(captions).items()}
    each = scorer.cider_each(captions)
    threshold = unsure_below(scores, each)
    return {
        "unsure_below": threshold,
        "unsure_share_of_val": sum(s < threshold for s in scores.values()) / len(scores),
        "metrics": {"split": "val", "decoding": "greedy", **metrics, **variety(captions)},
        "cider_by_tenth_of_score": calibration(scores, each),
    }


def write_json(path: Path, content: object) -> None:
    """Readable, keys in our order."""
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def export(trained: Trained, data: Dataset, photos: Path, out: Path, name: str) -> dict:
    """Writes the artifact; returns model.json's content."""
    graph.round_weights(trained.backbone, trained.captioner)
    out.mkdir(parents=True, exist_ok=True)
    model = graph.build(trained.backbone, trained.captioner)
    files = {
        "model.onnx": model.SerializeToString(deterministic=True),
        "vocabulary.txt": trained.vocabulary.text().encode(),
    }
    for file, content in files.items():
        (out / file).write_bytes(content)
    info = describe(trained, name, files)
    write_json(out / "model.json", info)
    info |= measure(out, data)
    info["training"] = {
        "data": "Flickr30K, a part: results.csv in Kaggle's layout, split by picture",
        "train_pictures": len(data.train),
        "val_pictures": len(data.val),
        "minutes": round(trained.seconds / 60),
        "settings": {k: v for k, v in vars(trained.config.train).items()},
        "model": vars(trained.config.model),
    }
    write_json(out / "model.json", info)
    entries = golden(trained, photos, out / "golden")
    lines = ",\n".join(json.dumps(entry) for entry in entries)
    (out / "golden" / "golden.json").write_text(f"[\n{lines}\n]\n", encoding="utf-8")
    worst = check_golden(graph.Session(files["model.onnx"]), entries, out / "golden")
    log.info("%.1f MB; logits within %.6f of PyTorch's", len(files["model.onnx"]) / 1e6, worst)
    samples = sample_captions(trained, photos, info["unsure_below"])
    (out / "MODEL_CARD.md").write_text(card(info, samples, len(files["model.onnx"])))
    return info


def sample_captions(
    trained: Trained, photos: Path, threshold: float
) -> list[tuple[str, str, bool]]:
    """File name, caption and whether it is unsure, for every sample photo."""
    found = []
    for path in sorted(photos.iterdir()):
        if path.suffix in (".jpg", ".png"):
            written = trained.caption(load_pixels(path, trained.config.model.size)[None])
            text = trained.vocabulary.decode(written.tokens[0].tolist())
            found.append((path.name, text, float(written.score[0]) < threshold))
    return found


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("--data", type=Path, required=True, help="folder in Kaggle's layout")
    parser.add_argument("--out", type=Path, required=True, help="folder of the artifact")
    parser.add_argument("--photos", type=Path, default=HERE.parent / "testdata" / "photos")
    parser.add_argument("--name", default="lite", help="the model's name for people")
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    log.setLevel(logging.INFO)  # only ours: the exporter's passes fill screens
    torch.set_num_threads(args.threads)
    trained = Trained.load(args.checkpoint)
    info = export(trained, Dataset.open(args.data), args.photos, args.out, args.name)
    print(json.dumps({k: info[k] for k in ("unsure_below", "metrics")}, indent=2))


if __name__ == "__main__":
    main()
