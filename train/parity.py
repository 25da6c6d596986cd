"""Whether a graph gives what PyTorch gives: logits within a thousandth, the same tokens.

Tokens have to be equal where PyTorch's own choice was not nearer than NEAR
(decode.Captions.margin); rounding may turn the others.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from graph import Session
from model import NEVER
from network import Checkpoint, Written

TOLERANCE = 1e-3  # of what are logits, sums of them, or probabilities
NEAR = 1e-4  # nats a token; rounding does a hundredth of it
BEAMS, BATCHES = (1, 3, 5), (1, 7, 32)


@dataclass
class Parity:
    """Differences of a graph from PyTorch, over some pictures."""

    beams: int
    batch: int
    pictures: int = 0
    near: int = 0  # pictures with a margin below NEAR
    turned: int = 0  # of those: with other tokens
    wrong: int = 0  # with other tokens and no such excuse
    logits: float = 0.0  # largest differences where tokens are equal
    likelihood: float = 0.0
    certainty: float = 0.0
    cross_attention: float = 0.0
    words: float = 0.0
    classes: float = 0.0

    @property
    def good(self) -> bool:
        """Whether the graph may be used."""
        worst = (self.logits, self.likelihood, self.certainty, self.cross_attention)
        return not self.wrong and max(*worst, self.words, self.classes) <= TOLERANCE

    def __str__(self) -> str:
        """A line of figures."""
        return (
            f"beams {self.beams}, batch {self.batch:2}: {self.pictures} pictures, "
            f"{self.wrong} with other tokens and {self.turned} of {self.near} near ones; "
            f"largest differences: logits {self.logits:.1e}, likelihood {self.likelihood:.1e}, "
            f"certainty {self.certainty:.1e}, attention {self.cross_attention:.1e}, "
            f"words {self.words:.1e}, classes {self.classes:.1e}"
        )

    def add(self, graph: dict[str, np.ndarray], torch_: Written) -> None:
        """Compares the answers about a batch, given alone to both."""
        captions = torch_.captions
        ours = {name: tensor.numpy() for name, tensor in vars(captions).items()}
        ours |= {"words": torch_.words.numpy(), "classes": torch_.classes.numpy()}
        for name in ("words", "classes"):
            self._see(name, graph[name], ours[name])
        length = min(graph["tokens"].shape[2], ours["tokens"].shape[2])
        same = np.array([_same(g, o) for g, o in zip(graph["tokens"], ours["tokens"], strict=True)])
        near = ours["margin"] <= NEAR
        self.pictures += len(same)
        self.near += int(near.sum())
        self.turned += int((near & ~same).sum())
        self.wrong += int((~near & ~same).sum())
        for name in ("likelihood", "certainty"):
            self._see(name, graph[name][same], ours[name][same])
        self._see("cross_attention", graph["cross_attention"][same, :length],
                  ours["cross_attention"][same, :length])  # fmt: skip
        # The first beam may be another on the way, so only near choices excuse.
        alike = same & ~near
        chosen, wanted = graph["logits"][alike, :length], ours["logits"][alike, :length]
        # fp32 around 10,000 is no finer than the tolerance.
        self._see("logits", *(np.where(wanted > NEVER / 2, x, 0) for x in (chosen, wanted)))

    def _see(self, name: str, theirs: np.ndarray, ours: np.ndarray) -> None:
        if ours.size:
            setattr(self, name, max(getattr(self, name), float(np.abs(theirs - ours).max())))


def _same(theirs: np.ndarray, ours: np.ndarray) -> bool:
    """Whether token rows [K, T] are equal; a batch may have more <pad> at the end."""
    length = min(theirs.shape[1], ours.shape[1])
    rest = theirs[:, length:].any() or ours[:, length:].any()
    return bool((theirs[:, :length] == ours[:, :length]).all()) and not rest


@torch.no_grad()
def compare(
    session: Session,
    model: Checkpoint,
    pixels: np.ndarray,
    beams: Sequence[int] = BEAMS,
    batches: Sequence[int] = BATCHES,
) -> list[Parity]:
    """Compares on pictures uint8 [N, size, size, 3], for each number of beams and batch size.

    PyTorch sees all pictures in batches of the largest size, so a graph in
    which one picture changes another is found as well.
    """
    largest = max(batches)
    parts = [slice(start, start + largest) for start in range(0, len(pixels), largest)]
    features = [model.features(pixels[part]) for part in parts]
    found = []
    for width in beams:
        written = [model.write(each, width) for each in features]
        for batch in batches:
            parity = Parity(width, batch)
            for part, each in zip(parts, written, strict=True):
                for start in range(0, len(pixels[part]), batch):
                    rows = slice(start, start + batch)
                    parity.add(session.run(pixels[part][rows], width), _rows(each, rows))
            found.append(parity)
    return found


def _rows(written: Written, rows: slice) -> Written:
    """Some of the pictures."""
    captions = type(written.captions)(**{n: t[rows] for n, t in vars(written.captions).items()})
    return Written(captions, written.words[rows], written.classes[rows])
