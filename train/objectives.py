"""What stages minimise that learn from what people wrote.

Shapes: B pictures, P grid positions, C captions, T tokens, W picture words.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from data import BOS, PAD, UNK, Cache
from model import KeysValues
from network import Network
from settings import CrossEntropy, LanguageModel

LENGTH_GROUPS = 4  # of a step's captions: little padding, still large products

Figures = dict[str, float]  # what to log, by name


@dataclass(frozen=True)
class Part:
    """Some of a step's examples; a step may be shared by processes, or be done piece by piece.

    All that is random depends on the generator and on torch's, which begin the
    same in a resumed run. The generator begins the same for all parts of a step:
    who draws for the whole step and takes his own has what one process would have.
    """

    step: Sequence[int]  # numbers of all its examples
    own: slice  # which of them
    random: np.random.Generator

    @property
    def examples(self) -> Sequence[int]:
        """The numbers of this part's examples."""
        return self.step[self.own]

    def choose(self, count: int) -> np.ndarray:
        """For each example of this part one of so many."""
        return self.random.integers(count, size=len(self.step))[self.own]


class Objective(Protocol):
    """A loss over a set of numbered examples."""

    def __len__(self) -> int:
        """The number of examples."""

    def loss(self, network: Network, part: Part) -> tuple[Tensor, Figures]:
        """A part's share of the step's loss, and of figures to log.

        The shares of all parts add up to what the step has as one part.
        """


@dataclass(frozen=True)
class Pictures:
    """Pictures of a split: views in a cache, captions as tokens, shares of picture words."""

    names: list[str]
    cache: Cache
    captions: dict[str, list[list[int]]]
    words: dict[str, Tensor]  # float32 [W] each

    def features(self, network: Network, part: Part, bf16: bool) -> Tensor:
        """A random view of each picture of the part: [B, P, channels].

        The tail has no products in bf16 on a CPU: they are slow in the depthwise
        convolutions' gradient.
        """
        views = part.choose(self.cache.array.shape[1])
        grids = self.cache.batch([self.names[i] for i in part.examples], views)
        grids = grids.to(network.captioner.place.device)
        with torch.autocast(grids.device.type, torch.bfloat16, enabled=bf16 and grids.is_cuda):
            return network.tail(grids)

    def tokens(self, examples: Sequence[int]) -> int:
        """Of all captions of these pictures, <eos> included."""
        return sum(len(ids) for i in examples for ids in self.captions[self.names[i]])


class CrossEntropyLoss:
    """Captions word by word; beside it, picture words."""

    def __init__(self, pictures: Pictures, settings: CrossEntropy, bf16: bool) -> None:
        """bf16 is for the captioner's products."""
        self.pictures, self.settings, self.bf16 = pictures, settings, bf16

    def __len__(self) -> int:
        """Pictures."""
        return len(self.pictures.names)

    def loss(self, network: Network, part: Part) -> tuple[Tensor, Figures]:
        """Mean of all tokens in nats, and the weighted loss of picture words."""
        settings = self.settings
        features = self.pictures.features(network, part, self.bf16)
        names = [self.pictures.names[i] for i in part.examples]
        with torch.autocast(features.device.type, torch.bfloat16, enabled=self.bf16):
            memory = network.captioner.encode(features)
            captions = [self.pictures.captions[name] for name in names]
            loss = teacher_forced(
                network, memory, captions, settings.label_smoothing, settings.word_dropout
            )
            loss = loss / self.pictures.tokens(part.step)
            figures = {"cross-entropy": loss.item()}
            if settings.words_weight:
                targets = torch.stack([self.pictures.words[name] for name in names])
                words = word_loss(network.words(features), targets) / len(part.step)
                figures["picture words"] = words.item()
                loss = loss + settings.words_weight * words
        return loss, figures


class LanguageModelLoss:
    """The next word of captions without pictures.

    The decoder looks at a picture of which all values are zero: so what its
    cross-attention adds is nothing, and the rest of it learns what it would
    without. The cross-attention stays as it was, for the stage that has pictures.
    """

    def __init__(
        self, captions: Sequence[Sequence[int]], settings: LanguageModel, bf16: bool
    ) -> None:
        """bf16 is for the decoder's products."""
        self.captions, self.settings, self.bf16 = captions, settings, bf16

    def __len__(self) -> int:
        """Captions."""
        return len(self.captions)

    def loss(self, network: Network, part: Part) -> tuple[Tensor, Figures]:
        """Mean of all tokens in nats."""
        settings, captioner = self.settings, network.captioner
        captions = [self.captions[i] for i in part.examples]
        with torch.autocast(captioner.place.device.type, torch.bfloat16, enabled=self.bf16):
            loss = teacher_forced(
                network,
                no_picture(network),
                [captions],
                settings.label_smoothing,
                settings.word_dropout,
            )
        loss = loss / sum(len(self.captions[i]) for i in part.step)
        return loss, {"cross-entropy": loss.item()}


def no_picture(network: Network) -> list[KeysValues]:
    """The memory of one picture of which nothing is seen."""
    c = network.captioner.config
    zeros = network.captioner.place.new_zeros(1, c.heads, 1, c.width // c.heads)
    return [(zeros, zeros)] * c.decoder_layers


def teacher_forced(
    network: Network,
    memory: list[KeysValues],
    captions: Sequence[Sequence[Sequence[int]]],
    label_smoothing: float,
    word_dropout: float = 0.0,
) -> Tensor:
    """Cross-entropy, summed over all tokens, in nats.

    captions[i] are the token lists of picture i; all share its encoder pass.
    """
    total = torch.zeros(())
    for inputs, targets, picture in grouped_by_length(captions):
        if network.training:
            inputs = hide_words(inputs, word_dropout)
        states = network.captioner.decode(memory, inputs, picture)
        real = targets != PAD
        logits = network.captioner.logits(states[real]).float()
        total = total + F.cross_entropy(
            logits, targets[real], label_smoothing=label_smoothing, reduction="sum"
        )
    return total


def word_loss(logits: Tensor, targets: Tensor) -> Tensor:
    """Binary cross-entropy of picture words against shares [B, W], summed, in nats."""
    return F.binary_cross_entropy_with_logits(logits.float(), targets, reduction="sum")


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
        targets = [[*ids, *[PAD] * (length - len(ids))] for ids, _ in part]
        inputs = [[BOS, *ids[:-1], *[PAD] * (length - len(ids))] for ids, _ in part]
        groups.append(
            (torch.tensor(inputs), torch.tensor(targets), torch.tensor([i for _, i in part]))
        )
    return groups


def hide_words(inputs: Tensor, share: float) -> Tensor:
    """Puts <unk> in place of some words: less learning by heart, more looking at the picture."""
    hidden = (torch.rand(inputs.shape) < share) & (inputs != BOS) & (inputs != PAD)
    return torch.where(hidden, UNK, inputs)


def by_length(row: tuple[Sequence[int], int]) -> int:
    """Sorts captions."""
    return len(row[0])
