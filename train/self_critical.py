"""Self-critical training (Rennie et al. 2017): the captioner learns from its own captions.

It draws some captions of each picture, CIDEr-D says how good each is, and those
better than the picture's others become likelier. Cross-entropy of the captions
that people wrote is mixed in, without which captions become alike and loop.

Shapes: B pictures, S captions drawn of each, C = B * S, T tokens, N words of all.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from cider import CiderD
from data import BOS, EOS, PAD
from model import HISTORY, NEVER, Captioner, KeysValues, repeating
from network import Network
from objectives import Figures, Part, Pictures, grouped_by_length, teacher_forced
from settings import SelfCritical


class SelfCriticalLoss:
    """The policy gradient of CIDEr-D, and cross-entropy."""

    def __init__(self, pictures: Pictures, settings: SelfCritical, bf16: bool) -> None:
        """bf16 is for the captioner's products."""
        self.pictures, self.settings, self.bf16 = pictures, settings, bf16
        self.cider = CiderD(pictures.captions)

    def __len__(self) -> int:
        """Pictures."""
        return len(self.pictures.names)

    def loss(self, network: Network, part: Part) -> tuple[Tensor, Figures]:
        """The loss of Rennie et al. for a token, and the weighted cross-entropy.

        Captions are drawn, and their likelihood is taken, without dropout: so the
        gradient is that of the distribution they were drawn from. Cross-entropy has
        its dropout. Likelihoods are divided by the mean length of people's captions,
        which brings them to the size of the cross-entropy, and not by their own,
        which would make short captions count for more.
        """
        features = self.pictures.features(network, part, self.bf16)
        names = [self.pictures.names[i] for i in part.examples]
        people = [self.pictures.captions[name] for name in names]
        captioner, smoothing = network.captioner, self.settings.label_smoothing
        with torch.autocast(features.device.type, torch.bfloat16, enabled=self.bf16):
            captioner.eval()
            memory = captioner.encode(features)
            drawn = draw(captioner, memory, self.chances(part, captioner.config.max_length))
            likelihoods = likelihood(captioner, memory, drawn)
            captioner.train()
            imitated = teacher_forced(network, captioner.encode(features), people, smoothing)
        tokens = self.pictures.tokens(part.step)
        imitated = imitated / tokens
        rewards = self.rewards(names, drawn).to(likelihoods.device)
        captions = sum(len(self.pictures.captions[self.pictures.names[i]]) for i in part.step)
        count = len(part.step) * self.settings.samples
        policy = -(advantages(rewards).flatten() * likelihoods).sum() / (count * tokens / captions)
        figures = {"reward": rewards.sum().item() / count, "cross-entropy": imitated.item()}
        return policy + self.settings.cross_entropy * imitated, figures

    def chances(self, part: Part, length: int) -> Tensor:
        """What draw takes, [B, S, length]."""
        drawn = part.random.random((len(part.step), self.settings.samples, length))
        return torch.from_numpy(drawn[part.own])

    def rewards(self, names: Sequence[str], drawn: Sequence[Sequence[int]]) -> Tensor:
        """CIDEr-D of C captions drawn of B pictures: [B, S]."""
        samples = self.settings.samples
        scores = [self.cider.score(names[i // samples], ids) for i, ids in enumerate(drawn)]
        return torch.tensor(scores).view(-1, samples)


def advantages(rewards: Tensor) -> Tensor:
    """What each reward [B, S] is above the mean of the picture's others."""
    samples = rewards.shape[1]
    others = (rewards.sum(1, keepdim=True) - rewards) / (samples - 1)
    return rewards - others


@torch.no_grad()
def draw(captioner: Captioner, memory: list[KeysValues], chances: Tensor) -> list[list[int]]:
    """Captions drawn word by word, those of a picture together: C token lists.

    chances [B, S, T] of 0 to 1 choose the words. A caption ends with <eos> or has
    the captioner's maximum length.
    """
    pictures, samples, _ = chances.shape
    chances = chances.flatten(0, 1).to(memory[0][0].device)
    picture = torch.arange(pictures).repeat_interleave(samples)
    memory = [(key[picture], value[picture]) for key, value in memory]
    rows = torch.arange(len(picture))  # captions that have not ended
    past = captioner.no_past(len(rows))
    history = torch.full((len(rows), HISTORY), BOS)
    drawn: list[list[int]] = [[] for _ in rows]
    for number, place in enumerate(captioner.place):
        boost = place.new_zeros(len(rows), captioner.config.vocabulary)
        logits, past, _ = captioner.step(history, place, memory, past, boost)
        shares = logits.double().softmax(-1).cumsum(-1)
        wanted = chances[rows, number, None] * shares[:, -1:]
        tokens = torch.searchsorted(shares, wanted, right=True)
        for row, token in zip(rows.tolist(), tokens.flatten().tolist(), strict=True):
            drawn[row].append(token)
        running = tokens.flatten() != EOS
        if not running.any():
            break
        rows, history = rows[running], torch.cat([history, tokens], 1)[running]
        memory, past = ([(k[running], v[running]) for k, v in each] for each in (memory, past))
    return drawn


def likelihood(
    captioner: Captioner, memory: list[KeysValues], drawn: Sequence[Sequence[int]]
) -> Tensor:
    """Log-likelihood of each caption, as `draw` draws it: [C] nats, with gradient.

    The words that draw never writes have no share of the probability here either.
    """
    samples = len(drawn) // memory[0][0].shape[0]
    found = torch.zeros(len(drawn))
    for inputs, targets, caption in grouped_by_length([[ids] for ids in drawn]):
        states = captioner.decode(memory, inputs, caption // samples)
        real = targets != PAD
        logits = captioner.logits(states[real]) + captioner.never
        history = F.pad(inputs, (HISTORY - 1, 0), value=BOS).unfold(1, HISTORY, 1)[real]
        logits = logits.float().scatter(1, repeating(history), NEVER)
        words = -F.cross_entropy(logits, targets[real], reduction="none")
        of = caption.unsqueeze(1).expand_as(targets)[real]
        found = found.index_add(0, of, words)
    return found
