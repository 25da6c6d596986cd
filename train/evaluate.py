"""Prints how good a model is on val: captions, their score, picture words, classes.

python evaluate.py checkpoint runs/lite/3-words/best.pt --data DIR --beams 1 2 3 4 5
python evaluate.py graph ../captioner/model --data DIR --precision int8
python evaluate.py captions FILE.jsonl --data DIR
python evaluate.py tune runs/lite/3-words/best.pt --data DIR

A checkpoint runs in PyTorch, a graph (a folder that export.py wrote) in ONNX
Runtime. FILE.jsonl is what `shoebox caption --json` prints. The first 500
pictures of val.txt choose, checkpoints and decoding; the others report. `tune`
prints CIDEr of the first 500 for each decoding.
"""

import argparse
import functools
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

import answers
import retrieval
from answers import Answers, Artifact, Pictures
from data import Dataset
from heads import WordList
from metrics import Scorer, mean_by_tenth, rank_correlation, variety
from network import Checkpoint
from objectives import teacher_forced
from report import Report
from settings import Decoding
from table import Row, Table, captions_title
from validation import CHOSEN_ON


class Evaluation:
    """The pictures of val that a model has answers for, and their captions."""

    def __init__(self, data: Dataset, names: Sequence[str]) -> None:
        """Tokenizes the captions."""
        chosen = set(data.val[:CHOSEN_ON])
        self.names = list(names)
        self.captions = [data.captions[name] for name in names]
        first = [i for i, name in enumerate(names) if name in chosen]
        other = [i for i, name in enumerate(names) if name not in chosen]
        parts = {"first": first, "other": other, "all": list(range(len(names)))}
        # Rows of the pictures that choose, that report, and all.
        self.parts = {f"{part} {len(rows)}": rows for part, rows in parts.items() if rows}
        self.tables: list[Table] = []
        self.scorer = Scorer(dict(zip(self.names, self.captions, strict=True)))

    def say(self, table: Table) -> None:
        """Prints a table, and keeps it for the report."""
        self.tables.append(table)
        print(f"{table}\n", flush=True)

    def say_all(
        self,
        given: Answers,
        picture_words: WordList | None = None,
        untouched: np.ndarray | None = None,
    ) -> None:
        """Everything that follows from the answers, but for the captions' metrics.

        picture_words are those of given.words; untouched are the probabilities of
        the classes by the untouched backbone.
        """
        if given.certainty is not None:
            self.say(self.calibration_table(given))
        indexes: dict[str, retrieval.Index] = {
            "captions": retrieval.CaptionIndex(list(given.captions.values()))
        }
        if picture_words is not None:
            indexes["words"] = retrieval.WordIndex(picture_words, given.words)
        self.say(self.finding_table(indexes))
        self.say(self.short_table(indexes))
        if picture_words is not None:
            self.say(self.word_table(picture_words, given.words))
        if untouched is not None:
            self.say(self.class_table(given.classes, untouched))

    def caption_table(self, title: str, captions: dict[str, str]) -> Table:
        """The metrics of the field, and how much captions differ."""
        columns = []
        for rows in self.parts.values():
            part = {self.names[i]: captions[self.names[i]] for i in rows}
            columns.append(self.scorer.only(part).scores(part) | variety(part))
        rows = [(name, [column[name] for column in columns]) for name in columns[0]]
        note = "CIDEr weighs words by how rare they are among the pictures of its column"
        return Table(title, list(self.parts), rows, note)

    def loss_table(self, checkpoint: Checkpoint, features: Tensor) -> Table:
        """Teacher forcing on what people wrote."""
        losses = [nats(checkpoint, features, self.captions, rows) for rows in self.parts.values()]
        return Table("Likelihood", list(self.parts), [("loss, nats a token", losses)])

    def calibration_table(self, given: Answers) -> Table:
        """Whether the scores of captions say which of them are good."""
        each = self.scorer.cider_each(given.captions)
        cider = [each[name] for name in given.names]
        scores = {}
        if given.certainty is not None:
            scores["certainty"] = given.certainty[:, 0]
        if given.likelihood is not None:
            lengths = np.array([len(text.split()) + 1 for text in given.captions.values()])
            scores["likelihood"] = given.likelihood[:, 0]
            scores["a token"] = given.likelihood[:, 0] / lengths
        tenths = [mean_by_tenth(cider, score) for score in scores.values()]
        by_tenth = enumerate(zip(*tenths, strict=True), start=1)
        rows = [(f"CIDEr of tenth {number}", list(each)) for number, each in by_tenth]
        rank = [rank_correlation(score, cider) for score in scores.values()]
        note = "all pictures, lowest score first"
        rows.append(("rank correlation with CIDEr", rank))
        return Table("Score of a caption", list(scores), rows, note)

    def finding_table(self, indexes: Mapping[str, retrieval.Index]) -> Table:
        """Whether people's captions find their pictures among all."""
        queries = [text for each in self.captions for text in each]
        wanted = np.repeat(np.arange(len(self.captions)), [len(each) for each in self.captions])
        rows: list[Row] = []
        for name, index in indexes.items():
            ranks = retrieval.ranks(index, queries, wanted)
            parts = [ranks[np.isin(wanted, rows)] for rows in self.parts.values()]
            for k in (1, 10, 50):
                row = [retrieval.recall_at(part, k) for part in parts]
                rows.append((f"{name}: recall@{k}", row))
            rows.append((f"{name}: median rank", [float(np.median(part)) for part in parts]))
        title, note = "Finding a picture by a person's caption", self._among_all()
        return Table(title, list(self.parts), rows, note)

    def short_table(self, indexes: Mapping[str, retrieval.Index]) -> Table:
        """Whether one to three words find the pictures that people use them for."""
        queries = retrieval.short_queries(self.captions)
        by_length = [[query for query in queries if len(query.stems) == n] for n in (1, 2, 3)]
        rows: list[Row] = []
        for name, index in indexes.items():
            found = [retrieval.short_recall(index, each) for each in by_length]
            rows.append((f"{name}: precision@10", [precision for precision, _ in found]))
            rows.append((f"{name}: recall@50", [recall for _, recall in found]))
        columns = ["1 word", "2 words", "3 words"]
        return Table(f"{len(queries)} short queries", columns, rows, self._among_all())

    def _among_all(self) -> str:
        return f"among all {len(self.names)} pictures"

    def word_table(self, picture_words: WordList, probabilities: np.ndarray) -> Table:
        """How well each picture word orders the pictures."""
        found = []
        for rows in self.parts.values():
            captions = [self.captions[i] for i in rows]
            found.append(
                retrieval.mean_average_precision(picture_words, probabilities[rows], captions)
            )
        rows = [
            ("mean average precision", [precision for precision, _ in found]),
            ("words judged", [words for _, words in found]),
        ]
        note = (
            "words that 2 or more captions use, of at least 5 pictures of the column: "
            "a column of more pictures judges rarer words"
        )
        return Table("Picture words", list(self.parts), rows, note)

    def class_table(self, ours: np.ndarray, untouched: np.ndarray) -> Table:
        """Whether the classes are still those of the untouched backbone."""
        theirs = untouched.argmax(1)
        first = ours.argmax(1) == theirs
        five = (np.argsort(-ours, 1)[:, :5] == theirs[:, None]).any(1)
        rows = [
            (name, [float(agree[rows].mean()) for rows in self.parts.values()])
            for name, agree in (("first is the backbone's", first), ("first five hold it", five))
        ]
        return Table("ImageNet classes", list(self.parts), rows)


@torch.no_grad()
def nats(
    checkpoint: Checkpoint,
    features: Tensor,
    captions: Sequence[Sequence[str]],
    rows: Sequence[int],
) -> float:
    """Mean negative log-likelihood of a token of people's captions of these pictures."""
    network, total, count = checkpoint.network, 0.0, 0
    for part in answers.batches(len(rows)):
        memory = network.captioner.encode(features[rows[part]])
        tokens = [
            [checkpoint.vocabulary.encode(text, checkpoint.config.max_length) for text in each]
            for each in (captions[i] for i in rows[part])
        ]
        size = sum(len(ids) for each in tokens for ids in each)
        total += teacher_forced(network, memory, tokens, 0.0).item()
        count += size
    return total / count


def say_captions(
    evaluation: Evaluation, own: int, beams: Sequence[int], write: Callable[[int], Answers]
) -> Answers:
    """A table for each number of beams; returns the answers of the model's own."""
    given = write(own)
    for width in sorted({own, *beams}):
        written = given if width == own else write(width)
        evaluation.say(evaluation.caption_table(captions_title(width), written.captions))
    return given


def evaluate_checkpoint(
    checkpoint: Checkpoint, data: Dataset, beams: Sequence[int]
) -> tuple[Evaluation, Answers]:
    """Captions by each number of beams; all else by the checkpoint's own."""
    pictures = Pictures.read(data, data.val, checkpoint.config.size)
    features = answers.features(checkpoint, pictures)
    evaluation = Evaluation(data, pictures.names)
    given = say_captions(
        evaluation,
        checkpoint.decoding.beams,
        beams,
        lambda width: answers.of_checkpoint(checkpoint, pictures.names, features, width),
    )
    evaluation.say(evaluation.loss_table(checkpoint, features))
    untouched = answers.classes_of(checkpoint.untouched(), pictures)
    evaluation.say_all(given, checkpoint.picture_words, untouched)
    return evaluation, given


def evaluate_graph(
    artifact: Artifact, data: Dataset, beams: Sequence[int]
) -> tuple[Evaluation, Answers]:
    """The same as far as a graph can tell."""
    pictures = Pictures.read(data, data.val, artifact.size)
    evaluation = Evaluation(data, pictures.names)
    given = say_captions(
        evaluation,
        artifact.beams,
        beams,
        lambda width: answers.of_graph(artifact.session, artifact.vocabulary, pictures, width),
    )
    evaluation.say_all(given, artifact.picture_words)
    return evaluation, given


def evaluate_file(path: Path, data: Dataset) -> tuple[Evaluation, Answers]:
    """All that captions alone show."""
    given = answers.of_file(path, data.val)
    evaluation = Evaluation(data, given.names)
    evaluation.say(evaluation.caption_table("Captions", given.captions))
    evaluation.say_all(given)
    return evaluation, given


def tune(
    checkpoint: Checkpoint,
    data: Dataset,
    beams: int,
    penalties: Sequence[float],
    boosts: Sequence[float],
) -> None:
    """Prints CIDEr and different captions of the pictures that choose: a row a length penalty."""
    pictures = Pictures.read(data, data.val[:CHOSEN_ON], checkpoint.config.size)
    features = answers.features(checkpoint, pictures)
    scorer = Scorer({name: data.captions[name] for name in pictures.names})
    own = checkpoint.decoding
    title = f"CIDEr, different captions; beam {beams}; boost:"
    print(f"{title:44}" + "".join(f"{boost:>12g}" for boost in boosts))
    for penalty in penalties:
        print(f"  length penalty {penalty:<27g}", end="", flush=True)
        for boost in boosts:
            checkpoint.decoding = Decoding(beams, penalty, boost)
            captions = answers.of_checkpoint(checkpoint, pictures.names, features, beams).captions
            different = variety(captions)["different captions"]
            print(f"{scorer.cider(captions):>7.4f} {different:>4}", end="", flush=True)
        print()
    checkpoint.decoding = own


def parse() -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument("path", type=Path)
    shared.add_argument("--data", type=Path, required=True, help="folder in Kaggle's layout")
    shared.add_argument("--splits", type=Path, help="folder of the lists of the split, if not DATA")
    shared.add_argument("--threads", type=int, default=1)
    kinds = parser.add_subparsers(dest="kind", required=True)
    add = functools.partial(kinds.add_parser, parents=[shared])
    checkpoint = add("checkpoint", help="a file that train.py wrote")
    checkpoint.add_argument("--length-penalty", type=float, help="instead of its own")
    checkpoint.add_argument("--boost", type=float, help="instead of its own")
    graph = add("graph", help="a folder that export.py wrote")
    graph.add_argument("--precision", choices=answers.GRAPHS, default="fp32")
    for each in (checkpoint, graph):
        each.add_argument("--beams", type=int, nargs="+", default=[], help="beside its own")
    captions = add("captions", help="a file that `shoebox caption --json` printed")
    for each in (checkpoint, graph, captions):
        each.add_argument("--report", type=Path, help="HTML file to write, with pictures")
    grid = add("tune", help="CIDEr of a checkpoint for each decoding")
    grid.add_argument("--beams", type=int, default=3)
    grid.add_argument("--length-penalty", type=float, nargs="+", default=[0.6, 0.8, 1.0, 1.2])
    grid.add_argument("--boost", type=float, nargs="+", default=[0.0, 0.15, 0.3, 0.45])
    return parser.parse_args()


def main() -> None:
    """Runs the command."""
    args = parse()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    torch.set_num_threads(args.threads)
    data = Dataset.open(args.data, args.splits)
    if args.kind == "tune":
        tune(Checkpoint(args.path), data, args.beams, args.length_penalty, args.boost)
        return
    picture_words = None
    if args.kind == "checkpoint":
        checkpoint = Checkpoint(args.path)
        changes = {"length_penalty": args.length_penalty, "boost": args.boost}
        changes = {name: value for name, value in changes.items() if value is not None}
        checkpoint.decoding = replace(checkpoint.decoding, **changes)
        evaluation, given = evaluate_checkpoint(checkpoint, data, args.beams)
        picture_words = checkpoint.picture_words
    elif args.kind == "graph":
        artifact = Artifact.read(args.path, args.precision)
        evaluation, given = evaluate_graph(artifact, data, args.beams)
        picture_words = artifact.picture_words
    else:
        evaluation, given = evaluate_file(args.path, data)
    if args.report:
        report = Report(data, given, evaluation.scorer.cider_each(given.captions), picture_words)
        report.write(args.report, f"{args.path} on val", evaluation.tables)


if __name__ == "__main__":
    main()
