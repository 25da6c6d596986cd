"""Beam search cut into parts that torch.onnx can export; graph.py joins them by a Loop.

The same search as decode.beam_search, arranged for speed. The K hypotheses of a
picture are to attention what the tokens of a sentence are: K queries over the
picture's one memory and over the tokens that all of its hypotheses have
written. `seen` masks those that are another's, so choosing a hypothesis moves a
few booleans and never the keys and values. The boost is added with the bias,
and only the K likeliest words of each hypothesis compete.

Shapes: B pictures, K beams, T tokens so far, H = T + HISTORY, P grid positions,
V vocabulary, W picture words.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from data import BOS, EOS, PAD
from decode import IMPOSSIBLE
from model import HISTORY, LOOKING_LAYERS, NEVER, Captioner, KeysValues, repeating
from network import Checkpoint

# What the loop carries from token to token, beside the decoder layers' past.
STATE = ("history", "likelihood", "entropy", "count", "running", "seen")


def flat(pairs: Sequence[KeysValues]) -> tuple[Tensor, ...]:
    """Keys and values of each layer, one after the other."""
    return tuple(tensor for pair in pairs for tensor in pair)


def pairs(tensors: Sequence[Tensor]) -> list[KeysValues]:
    """What flat made flat."""
    return list(zip(tensors[::2], tensors[1::2], strict=True))


class Begin(nn.Module):
    """All that happens once a picture, and what the loop begins with."""

    def __init__(self, model: Checkpoint) -> None:
        """Shares the model's weights."""
        super().__init__()
        self.backbone, self.network = model.backbone, model.network
        self.tail, self.boost = model.tail, model.boost

    def forward(self, pixels: Tensor, forced: Tensor, beams: Tensor) -> tuple[Tensor, ...]:
        """Pixels uint8 [B, h, w, 3], forced int64 [B, n], beams [K]: 0, 1, 2...

        Returns words [B, W], classes [B, 1000], boost [B, V], offset [B, 1, V]
        (boost and all else that is added to logits), wanted [B, max_length],
        the memory of each layer, STATE, the past of each layer.
        """
        captioner = self.network.captioner
        c, (pictures, count) = captioner.config, (pixels.shape[0], beams.shape[0])
        features = self.network.tail(self.backbone.body(pixels, self.tail))
        words = self.network.words(features).float().sigmoid()
        boost = self.boost(words)
        offset = (boost + (captioner.bias + captioner.never)).unsqueeze(1)
        free = forced.new_full((pictures, c.max_length), -1)
        first = torch.where(beams == 0, 0.0, IMPOSSIBLE / 2).expand(pictures, -1)
        zeros = torch.zeros_like(first)
        past = captioner.no_past(pictures)
        return (
            words,
            self.network.classify(features).float().softmax(-1),
            boost,
            offset,
            torch.cat([forced, free], 1)[:, : c.max_length],
            *flat(captioner.encode(features)),
            forced.new_full((pictures, count, HISTORY), BOS),
            first,
            zeros,
            zeros.clone(),
            torch.ones_like(first, dtype=torch.bool),
            torch.ones(pictures, count, 0, dtype=torch.bool),
            *(tensor.clone() for tensor in flat(past)),
        )


class Step(nn.Module):
    """One token of each hypothesis: the loop's body."""

    def __init__(self, captioner: Captioner, length_penalty: float) -> None:
        """Shares the captioner's weights."""
        super().__init__()
        self.captioner, self.length_penalty = captioner, length_penalty

    def forward(
        self,
        place: Tensor,
        wanted: Tensor,
        boost: Tensor,
        offset: Tensor,
        memory: list[Tensor],
        history: Tensor,
        likelihood: Tensor,
        entropy: Tensor,
        count: Tensor,
        running: Tensor,
        seen: Tensor,
        past: list[Tensor],
    ) -> tuple[Tensor, ...]:
        """Place is the number of the token; what else comes is Begin's.

        history int64 [B, K, H]; likelihood, entropy, count, running [B, K]; seen
        bool [B, K, T * K]: whether a hypothesis holds the token that beam k had at
        t; past [B, heads, T * K, D / heads]. Returns whether to go on, STATE, the
        past, where each hypothesis looked [B, K, P], and the logits of the first
        [B, V].
        """
        pictures, beams = likelihood.shape
        own = (torch.arange(beams).unsqueeze(1) == torch.arange(beams)).expand(pictures, -1, -1)
        seen = torch.cat([seen, own], 2)
        place = place.view(1)
        x, past, looked = self.decode(history[:, :, -1], place, memory, seen, past)
        logits = self.logits(x, history, boost, offset)
        likelihoods = logits.log_softmax(-1)
        surprise = (likelihoods.exp().unsqueeze(2) @ likelihoods.unsqueeze(3)).flatten(1)
        entropy = entropy - torch.where(running, surprise, 0.0)
        count = count + running
        gains, tokens = candidates(likelihoods, wanted.index_select(1, place), running)
        total = likelihood.unsqueeze(2) + gains
        worth = total / count.unsqueeze(2) ** self.length_penalty
        best = worth.flatten(1).topk(beams, 1).indices
        picture, parent = torch.arange(pictures).unsqueeze(1), best // beams
        token = tokens.flatten(1).gather(1, best)
        running = running[picture, parent] & (token != EOS)
        return (
            running.any(),
            torch.cat([history[picture, parent], token.unsqueeze(2)], 2),
            total.flatten(1).gather(1, best),
            entropy[picture, parent],
            count[picture, parent],
            running,
            seen[picture, parent],
            *past,
            looked,
            logits[:, 0],
        )

    def decode(
        self, token: Tensor, place: Tensor, memory: list[Tensor], seen: Tensor, past: list[Tensor]
    ) -> tuple[Tensor, tuple[Tensor, ...], Tensor]:
        """Tokens [B, K] -> states [B, K, D], the longer past, where they looked [B, K, P]."""
        captioner = self.captioner
        x = captioner.embed(token, captioner.place.index_select(0, place))
        mask = torch.where(seen, 0.0, float("-inf")).unsqueeze(1).to(x.dtype)
        present, looked = [], []
        layers = zip(captioner.decoder, pairs(memory), pairs(past), strict=True)
        for layer, keys_values, before in layers:
            x, now, weights = layer(x, keys_values, before, mask)
            present.append(now)
            looked.append(weights.mean(1))
        return x, flat(present), torch.stack(looked[-LOOKING_LAYERS:]).float().mean(0)

    def logits(self, x: Tensor, history: Tensor, boost: Tensor, offset: Tensor) -> Tensor:
        """States [B, K, D] -> logits [B, K, V], as Captioner.step has them."""
        logits = self.captioner.decoded(x) @ self.captioner.embedding.weight.T + offset
        boosted = boost.gather(1, history.flatten(1)).view_as(history)
        logits = logits.scatter(2, history, logits.gather(2, history) - boosted)
        return logits.scatter(2, repeating(history), NEVER)


def candidates(likelihoods: Tensor, wanted: Tensor, running: Tensor) -> tuple[Tensor, Tensor]:
    """The K tokens of each hypothesis that may be among its picture's best: [B, K, K] each.

    A running one has its likeliest, or the wanted [B, 1] if that is not
    negative; one that has ended goes on with <pad>, which costs nothing.
    Returns log-likelihoods and tokens.
    """
    gains, tokens = likelihoods.topk(running.shape[1], -1)
    only = torch.where(torch.arange(running.shape[1]) == 0, 0.0, IMPOSSIBLE)
    wanted = wanted.unsqueeze(2).expand(-1, running.shape[1], -1)
    given = likelihoods.gather(2, wanted.clamp(min=0))
    gains = torch.where(wanted >= 0, given + only, gains)
    tokens = torch.where(wanted >= 0, wanted, tokens)
    running = running.unsqueeze(2)
    return torch.where(running, gains, only), torch.where(running, tokens, PAD)


class End(nn.Module):
    """From what the loop leaves behind to the graph's outputs."""

    def forward(
        self,
        history: Tensor,
        entropy: Tensor,
        count: Tensor,
        seen: Tensor,
        looked: Tensor,
        steps: Tensor,
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Seen is [B, K, T, K]; a Loop stacks looked [T, B, K, P] and steps' logits [T, B, V].

        Returns tokens, certainty, cross_attention, logits as decode.Captions has them.
        """
        side = math.isqrt(looked.shape[-1])
        best = seen[:, 0].float().unsqueeze(2) @ looked.transpose(0, 1)  # [B, T, 1, P]
        best = best.squeeze(2).unflatten(2, (side, side))
        return history[:, :, HISTORY:], -entropy / count, best, steps.transpose(0, 1)
