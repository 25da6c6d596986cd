"""Which checkpoint of a stage is the best, by the first pictures of val.

A validation is called with a network and gives its score, the more the better,
and figures to log.
"""

import logging
import math
from collections.abc import Callable, Sequence

import numpy as np
import torch

from data import Cache, Dataset, Vocabulary
from decode import beam_search
from heads import WordList
from heads_loss import Pooled, classify
from metrics import Scorer, variety
from network import Network
from objectives import Figures, no_picture, teacher_forced
from retrieval import WordIndex, ranks, recall_at
from settings import Decoding

log = logging.getLogger(__name__)

Validation = Callable[[Network], tuple[float, Figures]]

CHOSEN_ON = 500  # pictures of val; the others only report
BATCH = 50
# Self-critical training can win CIDEr by calling many pictures alike: below this
# share of different captions its checkpoints do not count.
FEWEST_DIFFERENT = 0.85


def chosen(data: Dataset, cache: Cache) -> list[str]:
    """Those of the first CHOSEN_ON pictures of val that could be read."""
    return [name for name in data.val[:CHOSEN_ON] if name in cache.row]


class Captioning:
    """CIDEr of captions by beam search, without help of the picture words."""

    def __init__(
        self, data: Dataset, cache: Cache, vocabulary: Vocabulary, decoding: Decoding
    ) -> None:
        """Splits the references into words, once."""
        self.names = chosen(data, cache)
        self.cache, self.vocabulary, self.decoding = cache, vocabulary, decoding
        self.scorer = Scorer({name: data.captions[name] for name in self.names})

    @torch.no_grad()
    def __call__(self, network: Network) -> tuple[float, Figures]:
        """CIDEr; share of different captions, and of those that repeat a phrase at once."""
        network.eval()
        written: dict[str, str] = {}
        for start in range(0, len(self.names), BATCH):
            part = self.names[start : start + BATCH]
            grids = self.cache.batch(part, [0] * len(part))
            features = network.tail(grids.to(network.captioner.place.device))
            captions = beam_search(
                network.captioner, features, self.decoding.beams, self.decoding.length_penalty
            )
            for name, ids in zip(part, captions.tokens[:, 0].tolist(), strict=True):
                written[name] = self.vocabulary.decode(ids)
        found, cider = variety(written), self.scorer.cider(written)
        return cider, {
            "CIDEr": cider,
            "different": found["different captions"] / len(written),
            "looping": found["captions that repeat a phrase at once"] / len(written),
        }


class VariedCaptioning:
    """CIDEr, unless it was bought with captions that are alike or loop.

    The network that a stage begins with is its first candidate. Another counts if
    at least FEWEST_DIFFERENT of its captions are different, and no more of them
    loop than at the beginning.
    """

    def __init__(self, captioning: Captioning, start: Network) -> None:
        """Takes the network that the stage begins with."""
        self.captioning = captioning
        self.score, self.start = captioning(start)

    def __call__(self, network: Network) -> tuple[float, Figures]:
        """CIDEr, or minus infinity."""
        cider, figures = self.captioning(network)
        if figures["different"] < FEWEST_DIFFERENT or figures["looping"] > self.start["looping"]:
            log.info("these captions are too much alike or loop: not a candidate")
            return -math.inf, figures
        return cider, figures


class Finding:
    """Recall@10 when people's captions look for their pictures by picture words."""

    def __init__(self, data: Dataset, pooled: Pooled, picture_words: WordList) -> None:
        """pooled: the pictures to be found, as they are."""
        self.pooled, self.picture_words = pooled, picture_words
        self.queries = [caption for name in pooled.names for caption in data.captions[name]]
        self.wanted = [i for i, name in enumerate(pooled.names) for _ in data.captions[name]]

    @torch.no_grad()
    def __call__(self, network: Network) -> tuple[float, Figures]:
        """Recall@10; other figures of the same ranks, and how often ImageNet's classes agree."""
        network.eval()
        features = self.pooled.features[:, 0].float()
        index = WordIndex(
            self.picture_words, network.words.of_pooled(features).sigmoid().cpu().numpy()
        )
        found = ranks(index, self.queries, self.wanted)
        figures = {f"recall@{k}": recall_at(found, k) for k in (1, 10, 50)}
        figures["median rank"] = float(np.median(found))
        untouched = self.pooled.classes[:, 0].float().argmax(1, keepdim=True)
        ours = classify(network, features).topk(5).indices
        figures["top-1 agreement"] = (ours[:, :1] == untouched).float().mean().item()
        figures["top-5 agreement"] = (ours == untouched).any(1).float().mean().item()
        return figures["recall@10"], figures


class Reading:
    """How likely val's captions are without their pictures."""

    def __init__(self, captions: Sequence[Sequence[int]]) -> None:
        """Takes their tokens."""
        self.captions = captions

    @torch.no_grad()
    def __call__(self, network: Network) -> tuple[float, Figures]:
        """Minus the nats a token."""
        network.eval()
        total = 0.0
        for start in range(0, len(self.captions), 10 * BATCH):
            part = self.captions[start : start + 10 * BATCH]
            total += teacher_forced(network, no_picture(network), [part], 0.0).item()
        nats = total / sum(map(len, self.captions))
        return -nats, {"nats": nats}
