"""Beam search: the likeliest captions of a captioner, several a picture.

A beam holds hypotheses, ended ones too; they compete by their log-likelihood
divided by their length to the power of the length penalty. graph.py does the
same in ONNX, and is tested against this.

Shapes: B pictures, K beams, T tokens, P grid positions, V vocabulary.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from data import BOS, EOS, PAD
from model import HISTORY, Captioner

IMPOSSIBLE = -1e9  # a log-likelihood; finite, so that sums stay numbers


@dataclass(frozen=True)
class Captions:
    """What beam search wrote about B pictures, the best hypothesis first."""

    tokens: Tensor  # int64 [B, K, T]: <eos>, then <pad>
    # float32 [B, K]: the sum of the tokens' log-probabilities, <eos> included,
    # in nats. The hypotheses are ordered by it and the length penalty.
    likelihood: Tensor
    # float32 [B, K]: minus the mean entropy of the choice of each token, <eos>
    # included, in nats. As good a sign of a bad caption as the likelihood, and a
    # better one of a picture unlike those of the training (README.md).
    certainty: Tensor
    # float32 [B, T, side, side]: where each token of the best hypothesis looked on the
    # picture, row by row from its upper left; of sum 1.
    cross_attention: Tensor
    # float32 [B, T, V]: what the first beam chose from at each step; with one
    # beam those are the caption's own.
    logits: Tensor
    # float32 [B]: how near another choice was, in nats: the least difference between
    # two neighbours of the best K + 1 hypotheses, over all steps. Where it is larger
    # than what rounding does to the logits, any right program writes these tokens.
    margin: Tensor


@torch.no_grad()
def beam_search(
    captioner: Captioner,
    features: Tensor,
    beams: int = 1,
    length_penalty: float = 1.0,
    boost: Tensor | None = None,
    forced: Tensor | None = None,
) -> Captions:
    """Captions of features [B, P, channels]; one beam is greedy decoding.

    boost [B, V] is added to the logits of words not yet written. forced [B, n]
    gives tokens to write instead of the choice, -1 where there is a choice; all
    beams write them.
    """
    c, pictures = captioner.config, features.shape[0]
    rows = pictures * beams
    first = torch.arange(0, rows, beams).repeat_interleave(beams)  # row of each picture's first
    memory = [
        (key.repeat_interleave(beams, 0), value.repeat_interleave(beams, 0))
        for key, value in captioner.encode(features)
    ]
    if boost is None:
        boost = features.new_zeros(pictures, c.vocabulary)
    boost = boost.repeat_interleave(beams, 0)
    past = captioner.no_past(rows)
    history = torch.full((rows, HISTORY), BOS)
    # All beams are equal at first, so only the first of a picture counts. The
    # others are less unlikely than an impossible word: they too write forced ones.
    likelihood = torch.where(torch.arange(rows) == first, 0.0, IMPOSSIBLE / 2)
    entropy, count = torch.zeros(rows), torch.zeros(rows)
    running = torch.ones(rows, dtype=torch.bool)
    looked = features.new_zeros(rows, 0, c.positions)
    ended = torch.where(torch.arange(c.vocabulary) == PAD, 0.0, IMPOSSIBLE)
    margin = torch.full((pictures,), torch.inf)
    steps = []
    for place in range(c.max_length):
        logits, past, look = captioner.step(history, captioner.place[place], memory, past, boost)
        steps.append(logits[::beams])
        choices = logits.log_softmax(-1)
        entropy = entropy - torch.where(running, (choices.exp() * choices).sum(-1), 0.0)
        count = count + running
        if forced is not None and place < forced.shape[1]:
            wanted = forced[:, place].repeat_interleave(beams).unsqueeze(1)
            others = torch.arange(c.vocabulary) != wanted
            choices = choices.masked_fill((wanted >= 0) & others, IMPOSSIBLE)
        choices = likelihood.unsqueeze(1) + torch.where(running.unsqueeze(1), choices, ended)
        worth = (choices / count.unsqueeze(1) ** length_penalty).view(pictures, -1)
        values, best = worth.topk(beams + 1, 1)
        margin = torch.minimum(margin, (values[:, :-1] - values[:, 1:]).amin(1))
        best = best[:, :beams]
        likelihood = choices.view(pictures, -1).gather(1, best).view(-1)
        best = best.reshape(-1)
        row, token = first + best // c.vocabulary, best % c.vocabulary
        entropy, count = entropy[row], count[row]
        looked = torch.cat([looked, look.unsqueeze(1)], 1)[row]
        history = torch.cat([history[row], token.unsqueeze(1)], 1)
        past = [(key[row], value[row]) for key, value in past]
        running = running[row] & (token != EOS)
        if not running.any():
            break
    shape = (pictures, beams)
    return Captions(
        history[:, HISTORY:].view(*shape, -1),
        likelihood.view(shape),
        (-entropy / count).view(shape),
        looked.view(*shape, -1, c.side, c.side)[:, 0],
        torch.stack(steps, 1),
        margin,
    )
