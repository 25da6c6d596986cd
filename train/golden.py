"""PyTorch's answers about some photos, for tests of other programs that run the graph."""

import json
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from data import EOS, load_pixels
from graph import Session
from network import Checkpoint
from parity import NEAR, TOLERANCE

PHOTOS = ("astronaut", "chelsea", "china", "coffee", "rocket", "text")
BEAMS = (1, 3)
SAMPLES = 16  # logits a step that are the largest, and as many that are not
LIKELIEST = 10  # words and classes


def write(model: Checkpoint, photos: Path, out: Path) -> list[dict]:
    """Writes golden.json and the pixels that PyTorch saw; returns the entries."""
    out.mkdir(parents=True, exist_ok=True)
    entries = []
    for stem in PHOTOS:
        source = next(path for path in sorted(photos.iterdir()) if path.stem == stem)
        pixels = load_pixels(source, model.config.size)
        Image.fromarray(pixels).save(out / f"{stem}.png", optimize=True)
        entries.append({"source": source.name, "png": f"{stem}.png", **_answers(model, pixels)})
    lines = ",\n".join(json.dumps(entry) for entry in entries)
    (out / "golden.json").write_text(f"[\n{lines}\n]\n", encoding="utf-8")
    return entries


def _answers(model: Checkpoint, pixels: np.ndarray) -> dict:
    features = model.features(pixels[None])
    written = {beams: model.write(features, beams) for beams in BEAMS}
    greedy, decode = written[1], model.vocabulary.decode
    # The tokens are PyTorch's own, so forced and free logits are the same.
    logits = greedy.captions.logits[0]
    fixed = torch.linspace(EOS, logits.shape[-1] - 1, SAMPLES).long()
    indices = torch.cat([logits.topk(SAMPLES).indices, fixed.expand(len(logits), -1)], 1)
    return {
        "searches": [
            {
                "beams": beams,
                "margin": float(f"{each.captions.margin[0]:.3g}"),
                "tokens": each.captions.tokens[0].tolist(),
                "captions": [decode(ids.tolist()) for ids in each.captions.tokens[0]],
                "likelihood": _numbers(each.captions.likelihood[0]),
                "certainty": _numbers(each.captions.certainty[0]),
            }
            for beams, each in written.items()
        ],
        "steps": [
            {"indices": i.tolist(), "logits": _numbers(step[i])}
            for step, i in zip(logits, indices, strict=True)
        ],
        "words": _likeliest(greedy.words[0]),
        "classes": _likeliest(greedy.classes[0]),
    }  # fmt: skip


def _likeliest(probabilities: Tensor) -> dict[str, list]:
    top = probabilities.topk(min(LIKELIEST, len(probabilities)))
    return {"columns": top.indices.tolist(), "probabilities": _numbers(top.values)}


def _numbers(values: Tensor) -> list[float]:
    return [round(float(value), 5) for value in values]


def check(session: Session, entries: list[dict], folder: Path) -> float:
    """The largest difference of the graph from the entries; too large a one fails."""
    worst = 0.0
    for entry in entries:
        pixels = np.asarray(Image.open(folder / entry["png"]))[None]
        for search in entry["searches"]:
            found = session.run(pixels, search["beams"])
            if found["tokens"][0].tolist() == search["tokens"]:
                for name in ("likelihood", "certainty"):
                    worst = max(worst, float(np.abs(found[name][0] - search[name]).max()))
            elif search["margin"] > NEAR:
                raise ValueError(
                    f"{entry['png']}, {search['beams']} beams: the graph writes "
                    f"{found['tokens'][0].tolist()}, not {search['tokens']}"
                )
        forced = np.array(entry["searches"][0]["tokens"], np.int64)
        logits = session.run(pixels, 1, forced, ["logits"])["logits"][0]
        for step, row in zip(entry["steps"], logits, strict=True):
            worst = max(worst, float(np.abs(row[step["indices"]] - step["logits"]).max()))
        for name in ("words", "classes"):
            columns, wanted = entry[name]["columns"], entry[name]["probabilities"]
            worst = max(worst, float(np.abs(found[name][0][columns] - wanted).max()))
    if worst > TOLERANCE:
        raise ValueError(f"the graph is {worst:.5f} away from PyTorch")
    return worst
