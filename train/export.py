"""Writes the artifact that shoebox ships or takes with --model.

python export.py runs/lite/3-words/best.pt --data DIR --out ../captioner/model
python export.py runs/lite/3-words/best.pt --data DIR --check ../captioner/model
python export.py runs/lite/3-words/best.pt --data DIR --half --out DIR
python export.py --random configs/xl --out DIR

    model.onnx       the graph (graph.py)
    model-int8.onnx  the same in eight bits, for CPUs (quantize.py)
    vocabulary.txt   a word a line, line number = token id
    words.tsv        a picture word a line, in the order of the graph's output:
                     stem, share of captions that use it, and the words that
                     people write for it, the commonest first
    classes.txt      ImageNet's classes in the order of the graph's output:
                     WordNet synset, names
    model.json       what a program must know, and how the model was made
    MODEL_CARD.md    the same for people, with its weaknesses
    golden/          pictures and PyTorch's answers, for tests of other programs

The same checkpoint and data give the same bytes. --check compares model.onnx
with its checkpoint on pictures of val. --half writes a model.onnx that computes in
fp16, for GPUs, and none of the files for CPUs, people and tests. --random writes a
model that has learnt nothing, to measure size and speed: it writes captions of the
full length.
"""

import argparse
import hashlib
import json
import logging
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from timm.data import ImageNetInfo

import answers
import golden
import graph
import parity
import quantize
from answers import Answers, Pictures
from backbone import Backbone
from card import card
from data import BOS, EOS, PAD, SPECIALS, UNK, Dataset, Vocabulary, load_pixels, words
from evaluate import Evaluation, say_captions
from heads import SMALLEST, WordList, stems
from metrics import mean_by_tenth
from network import Checkpoint, build, describe
from settings import Recipe
from table import captions_title
from validation import CHOSEN_ON

log = logging.getLogger("export")

HERE = Path(__file__).parent
FORMAT_VERSION = 2
CHECKED = 500  # pictures of val
MEASURED_BEAMS = (1, 5)  # beside the model's own
RESIZE = (
    "upright (EXIF orientation applied), RGB, transparency over white, squashed straight "
    "to width x height with a triangle filter that widens when it shrinks "
    "(Pillow's resize with BILINEAR)"
)
RANDOM_VOCABULARY, RANDOM_PICTURE_WORDS = 3000, 1500  # about as many as Flickr30K's part gives


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


def written_forms(captions: Iterable[str]) -> dict[str, list[str]]:
    """The words that people write for each stem, by falling count."""
    counts = Counter(word.removesuffix("'s") for caption in captions for word in words(caption))
    forms = defaultdict(list)
    for word in sorted(counts, key=lambda word: (-counts[word], word)):
        for stem in stems(word):
            forms[stem].append(word)
    return forms


def train_forms(data: Dataset) -> dict[str, list[str]]:
    """written_forms of what is learnt from."""
    return written_forms(c for name in data.train for c in data.training_captions(name))


def words_table(picture_words: WordList, forms: Mapping[str, list[str]]) -> str:
    """words.tsv."""
    rows = zip(picture_words.stems, picture_words.priors, strict=True)
    return "".join(f"{stem}\t{prior:.8g}\t{','.join(forms[stem])}\n" for stem, prior in rows)


def class_names() -> str:
    """classes.txt, as timm has it."""
    info = ImageNetInfo()
    return "".join(
        f"{info.index_to_label_name(i)}\t{info.index_to_description(i)}\n"
        for i in range(info.num_classes())
    )


def describe_artifact(
    model: Checkpoint, name: str, precision: str, files: Mapping[str, bytes]
) -> dict:
    """What model.json says of any model."""
    c = model.config
    return {
        "format_version": FORMAT_VERSION,
        "name": name,
        "input": {"width": c.size, "height": c.size},
        "resize": RESIZE,
        "max_length": c.max_length,
        "special_ids": {"pad": PAD, "bos": BOS, "eos": EOS, "unk": UNK},
        "decoding": vars(model.decoding),
        "words": c.picture_words,
        "smallest_probability": SMALLEST,
        "classes": 1000,
        "precision": precision,
        "certainty": "minus the mean entropy of the choice of each token, <eos> included, in nats",
        "sha256": {name: hashlib.sha256(content).hexdigest() for name, content in files.items()},
    }


def measure(files: Mapping[str, bytes], model: Checkpoint, data: Dataset) -> dict:
    """What model.json says of how good the written graphs are on val."""
    pictures = Pictures.read(data, data.val, model.config.size)
    untouched = answers.classes_of(model.untouched(), pictures)
    single = _measure(files["model.onnx"], model, data, pictures, untouched, MEASURED_BEAMS)
    if "model-int8.onnx" not in files:
        return single
    eight = _measure(files["model-int8.onnx"], model, data, pictures, untouched, ())
    lost = _cider(single, model) - _cider(eight, model)
    return {
        **single,
        "unsure_below_int8": eight.pop("unsure_below"),
        "cpu_precision": "int8" if lost <= quantize.LARGEST_LOSS else "fp32",
        "int8": eight,
    }


def _cider(measured: Mapping, model: Checkpoint) -> float:
    """Of all val, by the model's own decoding."""
    title = captions_title(model.decoding.beams)
    rows = next(table["rows"] for table in measured["val"] if table["title"] == title)
    return rows["CIDEr"][-1]


def _measure(
    content: bytes,
    model: Checkpoint,
    data: Dataset,
    pictures: Pictures,
    untouched: np.ndarray,
    beams: Sequence[int],
) -> dict:
    """Metrics of a graph, and the threshold that follows from them."""
    session = graph.Session(content)
    evaluation = Evaluation(data, pictures.names)
    given = say_captions(
        evaluation,
        model.decoding.beams,
        beams,
        lambda beams: answers.of_graph(session, model.vocabulary, pictures, beams),
    )
    evaluation.say_all(given, model.picture_words, untouched)
    tables = [
        {
            "title": table.title,
            "columns": table.columns,
            "rows": {name: [_figure(x) for x in figures] for name, figures in table.rows},
            "note": table.note,
        }
        for table in evaluation.tables
    ]
    return {**_certainty(given, evaluation.scorer.cider_each(given.captions)), "val": tables}


def _figure(figure: float | int) -> float | int:
    return figure if isinstance(figure, int) else round(float(figure), 4)


def _certainty(given: Answers, cider: Mapping[str, float]) -> dict:
    """How the certainty of the best hypothesis tells good captions from bad."""
    scores = dict(zip(given.names, given.certainty[:, 0].tolist(), strict=True))
    threshold = unsure_below(scores, cider)
    tenths = mean_by_tenth([cider[name] for name in scores], list(scores.values()))
    return {
        "unsure_below": threshold,
        "unsure_share_of_val": sum(s < threshold for s in scores.values()) / len(scores),
        "cider_by_tenth_of_certainty": [round(tenth, 3) for tenth in tenths],
    }


def write_json(path: Path, content: object) -> None:
    """Readable, keys in our order."""
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def write_files(
    model: Checkpoint,
    forms: Mapping[str, list[str]],
    out: Path,
    precision: str,
    pixels: np.ndarray | None = None,
) -> dict[str, bytes]:
    """Writes what a program reads beside model.json; rounds the model's weights for fp16.

    pixels are pictures to find the scales of the int8 graph by; without, there is none.
    """
    if precision == "fp16":
        graph.round_weights(model.backbone, model.network)
    graphs = {"model.onnx": graph.build(model)}
    if pixels is not None:
        graphs["model-int8.onnx"] = quantize.quantize(graphs["model.onnx"], pixels)
    files = {
        **{name: each.SerializeToString(deterministic=True) for name, each in graphs.items()},
        "vocabulary.txt": model.vocabulary.text().encode(),
        "words.tsv": words_table(model.picture_words, forms).encode(),
        "classes.txt": class_names().encode(),
    }
    out.mkdir(parents=True, exist_ok=True)
    for file, content in files.items():
        (out / file).write_bytes(content)
    for file in graphs:
        log.info("%s: %.1f MB", out / file, len(files[file]) / 1e6)
    return files


def export(
    model: Checkpoint, data: Dataset, photos: Path, out: Path, name: str, precision: str
) -> dict:
    """Writes the artifact; returns model.json's content."""
    known = Pictures.read(data, data.train[: quantize.PICTURES], model.config.size)
    files = write_files(model, train_forms(data), out, precision, known.pixels)
    info = describe_artifact(model, name, precision, files) | measure(files, model, data)
    info["training"] = {
        "data": "Flickr30K, a part: results.csv in Kaggle's layout, split by picture",
        "train_pictures": len(data.train),
        "val_pictures": len(data.val),
        "minutes": round(model.seconds / 60),
        "model": vars(model.config),
        "stages": model.stages,
    }
    write_json(out / "model.json", info)
    entries = golden.write(model, photos, out / "golden")
    worst = golden.check(graph.Session(files["model.onnx"]), entries, out / "golden")
    log.info("golden: the graph is within %.6f of PyTorch", worst)
    samples = sample_captions(model, photos, info["unsure_below"])
    (out / "MODEL_CARD.md").write_text(card(info, samples, files, CHOSEN_ON))
    return info


def export_half(model: Checkpoint, data: Dataset, out: Path, name: str) -> None:
    """Writes a model that computes in fp16, but for sums of likelihoods."""
    model.backbone.half()
    model.network.half()
    files = write_files(model, train_forms(data), out, "fp16")
    info = describe_artifact(model, name, "fp16", files) | measure(files, model, data)
    write_json(out / "model.json", info)


def sample_captions(
    model: Checkpoint, photos: Path, threshold: float
) -> list[tuple[str, str, bool]]:
    """File name, caption and whether it is unsure, for every sample photo."""
    found = []
    for path in sorted(photos.iterdir()):
        if path.suffix in (".jpg", ".png"):
            features = model.features(load_pixels(path, model.config.size)[None])
            captions = model.write(features, model.decoding.beams).captions
            text = model.vocabulary.decode(captions.tokens[0, 0].tolist())
            found.append((path.name, text, float(captions.certainty[0, 0]) < threshold))
    return found


def random_model(recipe: Path) -> Checkpoint:
    """A model of a recipe's sizes that has learnt nothing, with a made-up vocabulary."""
    vocabulary = [*SPECIALS, *(f"w{i}" for i in range(RANDOM_VOCABULARY - len(SPECIALS)))]
    priors = [1 / (i + 2) for i in range(RANDOM_PICTURE_WORDS)]
    picture_words = WordList(vocabulary[len(SPECIALS) :][:RANDOM_PICTURE_WORDS], priors)
    made = Recipe.read(recipe, RANDOM_VOCABULARY, RANDOM_PICTURE_WORDS)
    torch.manual_seed(1)
    backbone = Backbone(made.model.backbone, pretrained=False).eval()
    network = build(backbone, 0, made.model, picture_words)
    parts = (Vocabulary(vocabulary), picture_words)
    saved = describe(network, 0, made.decoding, [], *parts, seconds=0.0)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "random.pt"
        torch.save(saved, path)
        return Checkpoint(path, backbone)


def export_random(recipe: Path, out: Path, precision: str) -> None:
    """Writes an artifact without anything that takes data to know."""
    model = random_model(recipe)
    forms = {stem: [stem] for stem in model.picture_words.stems}
    files = write_files(model, forms, out, precision)
    info = describe_artifact(model, f"random {recipe.name}", precision, files)
    write_json(out / "model.json", {**info, "unsure_below": 0.0})  # so it is never sure


def check(model: Checkpoint, artifact: Path, data: Dataset) -> bool:
    """Prints how far an artifact is from its checkpoint, on the first pictures of val."""
    info = json.loads((artifact / "model.json").read_text())
    if info["precision"] == "fp16":
        graph.round_weights(model.backbone, model.network)
    pictures = Pictures.read(data, data.val[:CHECKED], model.config.size)
    session = graph.Session((artifact / "model.onnx").read_bytes())
    good = True
    for found in parity.compare(session, model, pictures.pixels):
        print(found, flush=True)
        good = good and found.good
    return good


def parse() -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("checkpoint", type=Path, nargs="?", help="a file that train.py wrote")
    parser.add_argument("--data", type=Path, help="folder in Kaggle's layout")
    parser.add_argument("--splits", type=Path, help="folder of the lists of the split, if not DATA")
    parser.add_argument("--out", type=Path, help="folder of the artifact")
    parser.add_argument("--check", type=Path, metavar="ARTIFACT", help="folder to compare with")
    parser.add_argument("--random", type=Path, metavar="RECIPE", help="a folder of configs/")
    parser.add_argument("--photos", type=Path, default=HERE.parent / "testdata" / "photos")
    parser.add_argument("--name", default="lite", help="the model's name for people")
    parser.add_argument("--precision", choices=["fp16", "fp32"], default="fp16", help="of weights")
    parser.add_argument("--half", action="store_true", help="compute in fp16, for GPUs")
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    if bool(args.random) == bool(args.checkpoint) or bool(args.out) == bool(args.check):
        parser.error("give a checkpoint or --random, and --out or --check")
    if args.checkpoint and not args.data or args.random and args.check:
        parser.error("a checkpoint needs --data; --random can only be written")
    if args.half and (args.random or args.check):
        parser.error("--half takes a checkpoint, and --out")
    return args


def main() -> None:
    """Runs the command."""
    args = parse()
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    log.setLevel(logging.INFO)  # only ours: the exporter's passes fill screens
    torch.set_num_threads(args.threads)
    if args.random:
        export_random(args.random, args.out, args.precision)
    elif args.check:
        good = check(Checkpoint(args.checkpoint), args.check, Dataset.open(args.data, args.splits))
        raise SystemExit(0 if good else f"{args.check} is not what {args.checkpoint} gives")
    elif args.half:
        data = Dataset.open(args.data, args.splits)
        export_half(Checkpoint(args.checkpoint), data, args.out, args.name)
    else:
        model, data = Checkpoint(args.checkpoint), Dataset.open(args.data, args.splits)
        info = export(model, data, args.photos, args.out, args.name, args.precision)
        print("unsure_below", info["unsure_below"])


if __name__ == "__main__":
    main()
