"""Trains picture words and ImageNet's classes on features that stay as they are.

Both heads see no more of a picture than the mean and the maximum of its grid.
So these are computed once for all views, and an epoch takes seconds.

Shapes: N pictures, B of them, W picture words.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from data import Cache
from heads import pool
from network import Network
from objectives import Figures, Part, word_loss
from settings import Heads

log = logging.getLogger(__name__)

BATCH = 64


@dataclass(frozen=True)
class Pooled:
    """What the heads are given and, for the classes, what they shall say."""

    names: list[str]
    features: Tensor  # float16 [N, views, 2 * channels], see heads.pool
    classes: Tensor  # float16 [N, views, 1000]: the untouched backbone's probabilities

    @classmethod
    @torch.no_grad()
    def compute(
        cls, cache: Cache, names: Sequence[str], views: int, network: Network, untouched: Network
    ) -> "Pooled":
        """Of the first views of these pictures; untouched is the network as ImageNet made it."""
        device = network.captioner.place.device
        features, classes = [], []
        for start in range(0, len(names), BATCH):
            part = names[start : start + BATCH]
            if start // BATCH % 20 == 0:
                log.info("heads: %d of %d pictures pooled", start, len(names))
            for view in range(views):
                grids = cache.batch(part, [view] * len(part)).to(device)
                features.append(pool(network.tail(grids)).half())
                classes.append(untouched.classify(untouched.tail(grids)).softmax(-1).half())
        return cls(list(names), _by_picture(features, views), _by_picture(classes, views))


def _by_picture(batches: Sequence[Tensor], views: int) -> Tensor:
    """Batches [B, n], all views of some pictures after each other -> [N, views, n]."""
    groups = range(0, len(batches), views)
    return torch.cat([torch.stack(batches[i : i + views], 1) for i in groups])


class HeadsLoss:
    """Picture words against what people use, classes against the untouched backbone."""

    def __init__(self, pooled: Pooled, words: Mapping[str, Tensor], settings: Heads) -> None:
        """words: the share of each picture's captions that use each word, float32 [W]."""
        self.pooled, self.settings = pooled, settings
        self.words = torch.stack([words[name] for name in pooled.names])

    def __len__(self) -> int:
        """Pictures."""
        return len(self.pooled.names)

    def loss(self, network: Network, part: Part) -> tuple[Tensor, Figures]:
        """Cross-entropy summed over words, and divergence of classes; mean of pictures, nats."""
        views = torch.from_numpy(part.choose(self.pooled.features.shape[1]))
        seen = (torch.tensor(part.examples), views.to(self.words.device))
        pooled, count = self.pooled.features[seen].float(), len(part.step)
        logits = network.words.of_pooled(pooled)
        words = word_loss(logits, self.words[seen[0]]) / count
        said = classify(network, pooled).log_softmax(-1)
        classes = F.kl_div(said, self.pooled.classes[seen].float(), reduction="sum") / count
        figures = {"picture words": words.item(), "classes": classes.item()}
        return words + self.settings.classes_weight * classes, figures


def classify(network: Network, pooled: Tensor) -> Tensor:
    """What heads.pool gave [B, 2 * channels] -> logits of ImageNet's classes [B, 1000]."""
    return network.classes(pooled[:, : pooled.shape[1] // 2])
