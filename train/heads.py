"""What a picture shows beside its caption: picture words and ImageNet's classes.

A picture word is the Porter stem of a word that people write in captions. For
each, a head gives the probability that a person would use it for a picture:
search ranks by log p(word | picture) - log p(word), so every word counts, also
those with small probabilities.

Shapes: B pictures, P grid positions, W picture words.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import torch
from nltk.stem.porter import PorterStemmer
from torch import Tensor, nn

from data import words
from model import Dropout

# Words that say nothing about what a picture shows.
STOP_WORDS = frozenset(
    "a about all an and another are as at be been being by each for from had has have he her hers "
    "him his i in into is it its me my of off on one or other our over she so some someone "
    "something than that the their them then there these they this those to was we were what when "
    "where which while who whose with you your".split()
)
MIN_CAPTIONS = 8  # a stem is known if so many train captions use it
MAX_WORDS = 2000
SMALLEST = 1e-4  # added to probabilities before their logarithm is taken

_stem = PorterStemmer(mode=PorterStemmer.ORIGINAL_ALGORITHM).stem


def stems(caption: str) -> list[str]:
    """The stems of a caption's words, without stop words and possessive endings."""
    found = (word.removesuffix("'s") for word in words(caption))
    return [_stem(word) for word in found if word not in STOP_WORDS]


@dataclass(frozen=True)
class WordList:
    """The picture words, by falling count, with the share of captions that use each."""

    stems: list[str]
    priors: list[float]

    @classmethod
    def build(cls, captions: Sequence[str]) -> "WordList":
        """Counts a stem once a caption."""
        counts = Counter(stem for caption in captions for stem in set(stems(caption)))
        kept = [stem for stem, count in counts.items() if count >= MIN_CAPTIONS]
        kept = sorted(kept, key=lambda stem: (-counts[stem], stem))[:MAX_WORDS]
        return cls(kept, [counts[stem] / len(captions) for stem in kept])

    def targets(self, captions: Mapping[str, Iterable[str]]) -> dict[str, Tensor]:
        """For each picture the share of its captions that use each word, float32 [W]."""
        column = {stem: i for i, stem in enumerate(self.stems)}
        found = {}
        for name, each in captions.items():
            used = [{column[s] for s in stems(caption) if s in column} for caption in each]
            shares = torch.zeros(len(self.stems))
            for columns in used:
                shares[list(columns)] += 1 / len(used)
            found[name] = shares
        return found

    def columns(self, vocabulary: Sequence[str]) -> Tensor:
        """For each word of a vocabulary its picture word, -1 if it has none; int64 [V]."""
        column = {stem: i for i, stem in enumerate(self.stems)}
        rows = (stems(word) for word in vocabulary)
        return torch.tensor([column.get(row[0], -1) if row else -1 for row in rows])

    def log_odds(self, probabilities: Tensor) -> Tensor:
        """[B, W] -> log p(word | picture) - log p(word), in nats."""
        priors = torch.tensor(self.priors, device=probabilities.device)
        return torch.log(probabilities + SMALLEST) - torch.log(priors + SMALLEST)


def pool(features: Tensor) -> Tensor:
    """Mean and maximum over the grid: [B, P, channels] -> [B, 2 * channels]."""
    return torch.cat([features.mean(1), features.amax(1)], -1)


class WordHead(nn.Module):
    """A multi-label classifier over mean and maximum of the grid."""

    def __init__(self, channels: int, hidden: int, priors: Sequence[float]) -> None:
        """Begins with the priors, whatever the picture."""
        super().__init__()
        self.norm = nn.LayerNorm(2 * channels)
        self.hidden = nn.Linear(2 * channels, hidden)
        self.out = nn.Linear(hidden, len(priors))
        self.drop_in, self.drop_hidden = Dropout(0.4), Dropout(0.5)
        nn.init.xavier_uniform_(self.hidden.weight)
        nn.init.normal_(self.out.weight, std=0.01)
        with torch.no_grad():
            # In a small set every caption may use a word, whose logit would be infinite.
            self.out.bias.copy_(torch.tensor(priors).logit(eps=SMALLEST))

    def forward(self, features: Tensor) -> Tensor:
        """[B, P, channels] -> logits [B, W]."""
        return self.of_pooled(pool(features))

    def of_pooled(self, pooled: Tensor) -> Tensor:
        """What pool gave [B, 2 * channels] -> logits [B, W]."""
        hidden = nn.functional.gelu(self.hidden(self.drop_in(self.norm(pooled))))
        return self.out(self.drop_hidden(hidden))
