"""The captioner: features of a grid -> encoder block -> decoder blocks -> words.

Shapes: B pictures, C captions (several may be of one picture), P grid
positions, T tokens, D model width, V vocabulary.
"""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from data import BOS, PAD, UNK

# A word is not written again within two words ("blue and blue"): of the train
# captions one in a hundred does it ("side by side"), of what small models write
# the loops do. Nor does a phrase of three or four words follow itself. So many
# tokens show both.
HISTORY = 7

# Where a word looked is the mean of so many of the decoder's last layers: the first looks
# everywhere (README.md).
LOOKING_LAYERS = 2

NEVER = -1e4  # a logit; finite, so that sums and differences stay numbers

KeysValues = tuple[Tensor, Tensor]  # each [B, heads, length, D / heads]


@dataclass(frozen=True)
class ModelConfig:
    """Sizes of a captioner and its backbone."""

    backbone: str  # timm's name
    size: int  # pixels, width and height
    vocabulary: int
    channels: int  # of the backbone's features
    positions: int  # of their grid: 7 x 7 at 224 pixels
    max_length: int  # tokens, <eos> included
    picture_words: int
    words_hidden: int  # width of the hidden layer of their head
    width: int
    heads: int
    encoder_layers: int
    decoder_layers: int
    dropout: float

    @property
    def side(self) -> int:
        """Positions of a row of the grid, and of a column: it is as square as the pictures."""
        return math.isqrt(self.positions)


class Dropout(nn.Module):
    """Dropout that draws a byte an element: torch's own is a fifth of a step on a CPU."""

    def __init__(self, p: float) -> None:
        """p, the share that becomes zero, is rounded to 256ths."""
        super().__init__()
        self.dropped = round(256 * p)

    def forward(self, x: Tensor) -> Tensor:
        """Keeps the shape, and the mean in training."""
        if not self.training or self.dropped == 0:
            return x
        drawn = torch.empty(x.numel() // 8 + 1, dtype=torch.int64).random_(-(2**63), None)
        drawn = drawn.view(torch.uint8)[: x.numel()].view(x.shape)
        return x * (drawn >= self.dropped).to(x.dtype).mul_(256 / (256 - self.dropped))


class Attention(nn.Module):
    """Multi-head attention; keys and values may come from a cache.

    Plain matrix products: at these sizes they are faster on a CPU than the
    fused kernel.
    """

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        """Splits width over the heads."""
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(width, width)
        self.key_value = nn.Linear(width, 2 * width)
        self.out = nn.Linear(width, width)
        self.dropout = Dropout(dropout)

    def split(self, x: Tensor) -> Tensor:
        """[B, T, D] -> [B, heads, T, D / heads]."""
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)

    def keys_values(self, x: Tensor) -> KeysValues:
        """[B, T, D] -> keys and values."""
        key, value = self.key_value(x).chunk(2, dim=-1)
        return self.split(key), self.split(value)

    def forward(
        self, x: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """[B, T, D] over keys and values; mask [T, S] is added to the scores.

        Returns [B, T, D] and the weights [B, heads, T, S].
        """
        query = self.split(self.query(x)) / math.sqrt(key.shape[-1])
        scores = query @ key.transpose(-2, -1)
        if mask is not None:
            scores = scores + mask
        weights = scores.softmax(-1)
        return self.out((self.dropout(weights) @ value).transpose(1, 2).flatten(2)), weights


class FeedForward(nn.Sequential):
    """Two linear layers, four times as wide between them."""

    def __init__(self, width: int, dropout: float) -> None:
        """Keeps [..., D]."""
        super().__init__(
            nn.Linear(width, 4 * width), nn.GELU(), Dropout(dropout), nn.Linear(4 * width, width)
        )


class EncoderLayer(nn.Module):
    """A transformer encoder block, normalised first (pre-norm)."""

    def __init__(self, c: ModelConfig) -> None:
        """Self-attention and feed-forward."""
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(c.width), nn.LayerNorm(c.width)
        self.attention = Attention(c.width, c.heads, c.dropout)
        self.feed_forward = FeedForward(c.width, c.dropout)
        self.dropout = Dropout(c.dropout)

    def forward(self, x: Tensor) -> Tensor:
        """[B, P, D] -> [B, P, D]."""
        y = self.norm1(x)
        x = x + self.dropout(self.attention(y, *self.attention.keys_values(y))[0])
        return x + self.dropout(self.feed_forward(self.norm2(x)))


class DecoderLayer(nn.Module):
    """A transformer decoder block, pre-norm: self-attention, cross-attention, feed-forward."""

    def __init__(self, c: ModelConfig) -> None:
        """Both attentions have the same heads."""
        super().__init__()
        self.norm1, self.norm2, self.norm3 = (nn.LayerNorm(c.width) for _ in range(3))
        self.self_attention = Attention(c.width, c.heads, c.dropout)
        self.cross_attention = Attention(c.width, c.heads, c.dropout)
        self.feed_forward = FeedForward(c.width, c.dropout)
        self.dropout = Dropout(c.dropout)

    def forward(
        self, x: Tensor, memory: KeysValues, past: KeysValues | None, mask: Tensor | None
    ) -> tuple[Tensor, KeysValues, Tensor]:
        """[C, T, D] -> [C, T, D], the keys and values of all tokens so far, where it looked.

        memory holds the cross-attention's keys and values, past the
        self-attention's of earlier tokens. Where it looked: [C, heads, T, P].
        """
        y = self.norm1(x)
        key, value = self.self_attention.keys_values(y)
        if past is not None:
            key, value = torch.cat([past[0], key], 2), torch.cat([past[1], value], 2)
        x = x + self.dropout(self.self_attention(y, key, value, mask)[0])
        seen, weights = self.cross_attention(self.norm2(x), *memory)
        x = x + self.dropout(seen)
        return x + self.dropout(self.feed_forward(self.norm3(x))), (key, value), weights


class Captioner(nn.Module):
    """Everything behind the backbone: features -> logits of the next word."""

    def __init__(self, c: ModelConfig) -> None:
        """The output shares the embedding's weights."""
        super().__init__()
        self.config = c
        self.project = nn.Sequential(nn.LayerNorm(c.channels), nn.Linear(c.channels, c.width))
        self.grid = nn.Parameter(torch.zeros(c.positions, c.width))
        self.encoder = nn.ModuleList(EncoderLayer(c) for _ in range(c.encoder_layers))
        self.encoded = nn.LayerNorm(c.width)
        self.embedding = nn.Embedding(c.vocabulary, c.width, padding_idx=PAD)
        self.place = nn.Parameter(torch.zeros(c.max_length, c.width))
        self.decoder = nn.ModuleList(DecoderLayer(c) for _ in range(c.decoder_layers))
        self.decoded = nn.LayerNorm(c.width)
        self.bias = nn.Parameter(torch.zeros(c.vocabulary))
        self.dropout = Dropout(c.dropout)
        self.apply(self._initialise)
        nn.init.normal_(self.embedding.weight, std=c.width**-0.5)
        nn.init.normal_(self.grid, std=0.02)
        nn.init.normal_(self.place, std=0.02)
        # A caption holds no <pad>, <bos> or <unk>.
        never = torch.zeros(c.vocabulary)
        never[[PAD, BOS, UNK]] = NEVER
        self.register_buffer("never", never, persistent=False)

    @staticmethod
    def _initialise(module: nn.Module) -> None:
        if isinstance(module, nn.Linear):
            nn.init.xavier_uniform_(module.weight)
            nn.init.zeros_(module.bias)

    def encode(self, features: Tensor) -> list[KeysValues]:
        """[B, P, channels] -> cross-attention keys and values for each decoder layer."""
        x = self.dropout(self.project(features) + self.grid)
        for layer in self.encoder:
            x = layer(x)
        x = self.encoded(x)
        return [layer.cross_attention.keys_values(x) for layer in self.decoder]

    def embed(self, tokens: Tensor, place: Tensor) -> Tensor:
        """Tokens [C, T] at places [T, D] -> [C, T, D]."""
        return self.embedding(tokens) * math.sqrt(self.config.width) + place

    def decode(self, memory: list[KeysValues], tokens: Tensor, picture: Tensor) -> Tensor:
        """Teacher forcing: tokens [C, T], <bos> first -> states after each, [C, T, D].

        picture [C] says which of the B pictures of memory each caption is of.
        """
        length = tokens.shape[1]
        x = self.dropout(self.embed(tokens, self.place[:length]))
        mask = torch.full((length, length), float("-inf"), device=x.device).triu(1)
        for layer, (key, value) in zip(self.decoder, memory, strict=True):
            x = layer(x, (key[picture], value[picture]), None, mask)[0]
        return x

    def logits(self, x: Tensor) -> Tensor:
        """States [..., D] -> logits of the word that follows each, [..., V]."""
        return F.linear(self.decoded(x), self.embedding.weight, self.bias)

    def step(
        self,
        history: Tensor,
        place: Tensor,
        memory: list[KeysValues],
        past: list[KeysValues],
        boost: Tensor,
    ) -> tuple[Tensor, list[KeysValues], Tensor]:
        """The last token of history [C, T >= HISTORY] at its place [D], after past.

        boost [C, V] is added to the logits of words that history does not hold.
        Returns logits [C, V], the longer past, and where it looked [C, P]: the mean
        of the weights of all heads of the last LOOKING_LAYERS. What is never written has a logit
        of about -10,000: <pad>, <bos>, <unk> and what `repeating` names.
        """
        x = self.embed(history[:, -1:], place)
        present, looked = [], []
        for layer, keys_values, before in zip(self.decoder, memory, past, strict=True):
            x, now, weights = layer(x, keys_values, before, None)
            present.append(now)
            looked.append(weights.mean(1).squeeze(1))
        logits = self.logits(x).squeeze(1) + self.never + boost.scatter(1, history, 0.0)
        logits = logits.scatter(1, repeating(history), NEVER)
        return logits, present, torch.stack(looked[-LOOKING_LAYERS:]).mean(0)

    def no_past(self, captions: int) -> list[KeysValues]:
        """The keys and values before the first token: none."""
        c = self.config
        empty = self.place.new_zeros(captions, c.heads, 0, c.width // c.heads)
        return [(empty, empty)] * c.decoder_layers


def repeating(history: Tensor) -> Tensor:
    """The tokens that would repeat at once what history [..., T >= HISTORY] ends with; [..., 4].

    <pad> stands where there is none.
    """
    a, b, c, d, e, f, g = history[..., -HISTORY:].unbind(-1)
    three = torch.where((c == f) & (d == g), e, PAD)
    four = torch.where((a == e) & (b == f) & (c == g), d, PAD)
    return torch.stack([f, g, three, four], -1)
