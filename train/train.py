"""Trains a captioner by cross-entropy; a run that was stopped goes on where it was.

python train.py configs/lite.toml --data DIR --run runs/lite

The backbone's features are computed once and cached. With [train] tail > 0
its last stages are trained too, on cached input of theirs.
"""

import argparse
import hashlib
import logging
import math
import os
import time
import tomllib
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from backbone import Backbone
from data import (
    BOS,
    PAD,
    UNK,
    Cache,
    Dataset,
    Vocabulary,
    augment,
    cached_features,
    cached_pixels,
    flip,
)
from metrics import Scorer
from model import Captioner, Captions, ModelConfig

log = logging.getLogger("train")
T = TypeVar("T")

HERE = Path(__file__).parent
COFFEE = HERE.parent / "testdata" / "photos" / "coffee.png"
CHECKPOINT_SECONDS = 120  # at most this much work is lost by a kill
LENGTH_GROUPS = 4  # of a step's captions: little padding, still large products


@dataclass(frozen=True)
class TrainConfig:
    """Settings of a stage."""

    epochs: int
    pictures: int  # a step, with all captions of each
    learning_rate: float
    warmup_steps: int
    weight_decay: float
    label_smoothing: float
    clip: float  # gradient norm
    word_dropout: float  # share of earlier words that are hidden (<unk>) in training
    bf16: bool  # products of the captioner; twice as fast on a CPU that has AVX512_BF16
    tail: int  # last stages of the backbone that are trained too, 0: none
    augmented_views: int  # of each picture, beside itself and its mirror image


@dataclass(frozen=True)
class Config:
    """A whole training run, as in a file of configs/ and in its checkpoints."""

    seed: int
    model: ModelConfig
    train: TrainConfig

    @classmethod
    def parse(cls, settings: dict, vocabulary: int) -> "Config":
        """Reads the tables of a TOML file; a setting that is unknown or missing fails."""
        model = {**settings.get("model", {}), "vocabulary": vocabulary}
        parts = {"model": _build(ModelConfig, model, "model")}
        parts["train"] = _build(TrainConfig, settings.get("train", {}), "train")
        return _build(cls, {**settings, **parts}, "the file")


def _build(cls: type[T], settings: dict, section: str) -> T:
    known = {f.name for f in fields(cls)}
    if wrong := known ^ set(settings):
        raise ValueError(f"{section}: unknown or missing settings: {', '.join(sorted(wrong))}")
    return cls(**settings)


class Network(nn.Module):
    """What is trained: the backbone's tail and the captioner behind it."""

    def __init__(self, tail: nn.Module, captioner: Captioner) -> None:
        """The tail maps cached grids to features [B, P, channels]."""
        super().__init__()
        self.tail, self.captioner = tail, captioner

    def loss(
        self, grids: Tensor, captions: Sequence[Sequence[Sequence[int]]], c: TrainConfig
    ) -> Tensor:
        """Mean cross-entropy of all tokens, in nats.

        captions[i] are the token lists of picture i; all share its encoder pass.
        """
        features = self.tail(grids)  # never in bf16: slow in the depthwise convolutions
        total, count = torch.zeros(()), 0
        with torch.autocast("cpu", torch.bfloat16, enabled=c.bf16):
            memory = self.captioner.encode(features)
            for inputs, targets, picture in grouped_by_length(captions):
                if self.training:
                    inputs = hide_words(inputs, c.word_dropout)
                states = self.captioner.decode(memory, inputs, picture)
                real = targets != PAD
                logits = self.captioner.logits(states[real]).float()
                total = total + F.cross_entropy(
                    logits, targets[real], label_smoothing=c.label_smoothing, reduction="sum"
                )
                count += len(logits)
        return total / count


def grouped_by_length(captions: Sequence[Sequence[Sequence[int]]]) -> list[tuple[Tensor, ...]]:
    """Groups of captions of like length, so that little of a batch is padding.

    Each group: tokens in [C, T] (<bos> first), tokens out [C, T] (<eos>, then
    <pad>), picture [C].
    """
    rows = sorted(((ids, i) for i, each in enumerate(captions) for ids in each), key=by_length)
    size = math.ceil(len(rows) / LENGTH_GROUPS)
    groups = []
    for start in range(0, len(rows), size):
        part = rows[start : start + size]
        length = len(part[-1][0])
        inputs, targets = torch.full((2, len(part), length), PAD)
        for row, (ids, _) in enumerate(part):
            inputs[row, : len(ids)] = torch.tensor([BOS, *ids[:-1]])
            targets[row, : len(ids)] = torch.tensor(ids)
        groups.append((inputs, targets, torch.tensor([i for _, i in part])))
    return groups


def hide_words(inputs: Tensor, share: float) -> Tensor:
    """Puts <unk> in place of some words: less learning by heart, more looking at the picture."""
    hidden = (torch.rand(inputs.shape) < share) & (inputs != BOS) & (inputs != PAD)
    return torch.where(hidden, UNK, inputs)


def by_length(row: tuple[Sequence[int], int]) -> int:
    """Sorts captions."""
    return len(row[0])


def learning_rate(step: int, steps: int, c: TrainConfig) -> float:
    """Linear warm-up, then a half cosine down to a hundredth."""
    if step < c.warmup_steps:
        return c.learning_rate * (step + 1) / c.warmup_steps
    done = (step - c.warmup_steps) / max(1, steps - c.warmup_steps)
    return c.learning_rate * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * done)))


class Trainer:
    """A run: network, optimiser and place in the data; all of it is in a checkpoint."""

    def __init__(
        self,
        run: Path,
        network: Network,
        config: Config,
        vocabulary: Vocabulary,
        captions: dict[str, list[list[int]]],
        cache: Cache,
        earlier_seconds: float = 0.0,
    ) -> None:
        """Goes on from the checkpoint in run, if there is one.

        earlier_seconds is what the stages before this one took.
        """
        self.run, self.network, self.config, self.cache = run, network, config, cache
        self.vocabulary, self.captions, self.names = vocabulary, captions, list(captions)
        self.steps_per_epoch = math.ceil(len(self.names) / config.train.pictures)
        self.steps = config.train.epochs * self.steps_per_epoch
        self.step, self.best, self.seconds = 0, -1.0, earlier_seconds
        matrices = [p for p in network.parameters() if p.dim() >= 2]
        rest = [p for p in network.parameters() if p.dim() < 2]
        groups = [
            {"params": matrices, "weight_decay": config.train.weight_decay},
            {"params": rest, "weight_decay": 0.0},
        ]
        self.optimiser = torch.optim.AdamW(groups, betas=(0.9, 0.98))
        if (run / "last.pt").exists():
            self._resume()

    def _resume(self) -> None:
        saved = torch.load(self.run / "last.pt", weights_only=True)
        if saved["config"] != asdict(self.config):
            raise ValueError(f"{self.run} holds a run with other settings: {saved['config']}")
        self.network.load_state_dict(saved["network"])
        self.optimiser.load_state_dict(saved["optimiser"])
        self.step, self.best, self.seconds = saved["step"], saved["best"], saved["seconds"]
        log.info("resumed at step %d of %d", self.step, self.steps)

    def save(self, name: str) -> None:
        """Writes a checkpoint whole or not at all."""
        state = {
            "config": asdict(self.config),
            "vocabulary": self.vocabulary.words,
            "network": self.network.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "step": self.step,
            "best": self.best,
            "seconds": self.seconds,
        }
        path = self.run / name
        torch.save(state, path.with_suffix(".tmp"))
        os.replace(path.with_suffix(".tmp"), path)

    def train_step(self) -> float:
        """One step; returns its loss in nats a token.

        All that is random depends on seed and step alone, so that a resumed
        run is the same run.
        """
        c = self.config.train
        epoch, place = divmod(self.step, self.steps_per_epoch)
        order = np.random.default_rng([self.config.seed, epoch]).permutation(len(self.names))
        chosen = order[place * c.pictures : (place + 1) * c.pictures]
        names = [self.names[i] for i in chosen]
        random = np.random.default_rng([self.config.seed, epoch, place])
        torch.manual_seed(int(random.integers(2**31)))
        views = random.integers(self.cache.array.shape[1], size=len(names))
        for group in self.optimiser.param_groups:
            group["lr"] = learning_rate(self.step, self.steps, c)
        self.network.train()
        grids = self.cache.batch(names, views)
        loss = self.network.loss(grids, [self.captions[n] for n in names], c)
        self.optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), c.clip)
        self.optimiser.step()
        self.step += 1
        return loss.item()

    def train(self, validate: Callable[[], float]) -> list[float]:
        """Runs to the end; returns the losses of this session's steps.

        validate gives the CIDEr on val; the best network stays in best.pt.
        """
        started = saved = time.monotonic()
        first, before = self.step, self.seconds
        losses: list[float] = []
        while self.step < self.steps:
            losses.append(self.train_step())
            now = time.monotonic()
            self.seconds = before + now - started
            if self.step % 50 == 0:
                left = (now - started) / (self.step - first) * (self.steps - self.step)
                log.info(
                    "step %d of %d, loss %.3f, %d min left",
                    self.step, self.steps, np.mean(losses[-50:]), left / 60,
                )  # fmt: skip
            if self.step % self.steps_per_epoch == 0:
                self._end_epoch(validate())
                saved = time.monotonic()
            elif now - saved > CHECKPOINT_SECONDS:
                self.save("last.pt")
                saved = now
        return losses

    def _end_epoch(self, score: float) -> None:
        epoch = self.step // self.steps_per_epoch
        log.info("epoch %d of %d: CIDEr %.4f", epoch, self.config.train.epochs, score)
        if score > self.best:
            self.best = score
            self.save("best.pt")
        self.save("last.pt")


def write_captions(network: Network, cache: Cache, names: Sequence[str], vocabulary: Vocabulary):
    """A greedy caption for each picture, from the cache's first view."""
    network.eval()
    written: dict[str, str] = {}
    for start in range(0, len(names), 50):
        part = names[start : start + 50]
        with torch.no_grad():
            features = network.tail(cache.batch(part, [0] * len(part)))
        for name, ids in zip(part, network.captioner.greedy(features).tokens, strict=True):
            written[name] = vocabulary.decode(ids.tolist())
    return written


def cache_grids(folder: Path, data: Dataset, config: Config, backbone: Backbone) -> Cache:
    """What the trained stages take, for the pictures of both splits."""
    pixels = cached_pixels(folder, data, [*data.train, *data.val], config.model.size)
    views = [lambda p, _: p, lambda p, _: flip(p), *[augment] * config.train.augmented_views]
    weights = hashlib.sha256(b"".join(w.numpy().tobytes() for w in backbone.state_dict().values()))
    identity = ["v1", weights.hexdigest(), config.train.tail, config.train.augmented_views]
    with torch.no_grad():
        return cached_features(
            folder, pixels, views, lambda p: backbone.body(p, config.train.tail), identity
        )


@dataclass(frozen=True)
class Trained:
    """A checkpoint, ready to caption."""

    config: Config
    vocabulary: Vocabulary
    backbone: Backbone
    captioner: Captioner
    seconds: float  # of training, all stages

    @classmethod
    def load(cls, checkpoint: Path) -> "Trained":
        """Reads a checkpoint; the backbone's frozen stages come from where training had them."""
        saved = torch.load(checkpoint, weights_only=True)
        vocabulary = Vocabulary(saved["vocabulary"])
        config = Config.parse(saved["config"], len(vocabulary))
        backbone = Backbone(config.model.backbone).eval()
        network = Network(backbone.tail(config.train.tail), Captioner(config.model)).eval()
        network.load_state_dict(saved["network"])
        return cls(config, vocabulary, backbone, network.captioner, saved["seconds"])

    @torch.no_grad()
    def caption(self, pixels: np.ndarray, forced: Tensor | None = None) -> Captions:
        """Greedy captions of uint8 [B, size, size, 3]."""
        return self.captioner.greedy(self.backbone(torch.from_numpy(pixels)), forced)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("config", type=Path, help="a file of configs/")
    parser.add_argument("--data", type=Path, required=True, help="folder in Kaggle's layout")
    parser.add_argument("--run", type=Path, required=True, help="folder of the checkpoints")
    parser.add_argument("--start", type=Path, help="checkpoint of an earlier stage")
    parser.add_argument("--cache", type=Path, default=HERE / "cache")
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    torch.set_num_threads(args.threads)

    data = Dataset.open(args.data)
    vocabulary = data.vocabulary()
    config = Config.parse(tomllib.loads(args.config.read_text()), len(vocabulary))
    backbone = Backbone(config.model.backbone).eval()
    backbone.check(COFFEE, config.model.size)
    cache = cache_grids(args.cache, data, config, backbone)
    torch.manual_seed(config.seed)
    network = Network(backbone.tail(config.train.tail), Captioner(config.model))
    earlier = 0.0
    if args.start:
        start = Trained.load(args.start)
        if start.vocabulary.words != vocabulary.words:
            raise ValueError(f"{args.start} was trained with another vocabulary")
        if start.config.train.tail:
            raise ValueError(f"{args.start} has a trained tail, which would be lost")
        network.captioner.load_state_dict(start.captioner.state_dict())
        earlier = start.seconds
    args.run.mkdir(parents=True, exist_ok=True)
    captions = {
        name: [vocabulary.encode(c, config.model.max_length) for c in data.training_captions(name)]
        for name in data.train
        if name in cache.row
    }
    captions = {name: each for name, each in captions.items() if each}
    scorer = Scorer({name: data.captions[name] for name in data.val if name in cache.row})
    trainer = Trainer(args.run, network, config, vocabulary, captions, cache, earlier)
    parameters = sum(p.numel() for p in network.parameters()) / 1e6
    log.info(
        "%d pictures, %d words, %.2f M trained parameters",
        len(captions), len(vocabulary), parameters,
    )  # fmt: skip
    names = list(scorer.references)
    trainer.train(lambda: scorer.cider(write_captions(network, cache, names, vocabulary)))
    log.info("done: best CIDEr %.4f, %d minutes", trainer.best, trainer.seconds / 60)


if __name__ == "__main__":
    main()
