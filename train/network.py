"""What is trained, and a checkpoint of it: backbone's tail, captioner and heads."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from backbone import Backbone
from data import Vocabulary
from decode import Captions, beam_search
from heads import WordHead, WordList
from model import Captioner, ModelConfig
from settings import Decoding


class Network(nn.Module):
    """The parts that training changes; what is before the tail stays as ImageNet made it."""

    def __init__(
        self, tail: nn.Module, classifier: nn.Module, config: ModelConfig, priors: Sequence[float]
    ) -> None:
        """The tail maps cached grids to features [B, P, channels].

        What gives the classes begins as the classifier.
        """
        super().__init__()
        self.tail = tail
        self.captioner = Captioner(config)
        self.words = WordHead(config.channels, config.words_hidden, priors)
        self.classes = classifier

    def classify(self, features: Tensor) -> Tensor:
        """[B, P, channels] -> logits of ImageNet's classes [B, 1000]."""
        return self.classes(features.mean(1))


@dataclass(frozen=True)
class Written:
    """What a picture model says about B pictures."""

    captions: Captions
    words: Tensor  # float32 [B, W]: probability of each picture word
    classes: Tensor  # float32 [B, 1000]: probability of each ImageNet class


class Checkpoint:
    """A trained model, ready to caption."""

    def __init__(self, path: Path, backbone: Backbone | None = None) -> None:
        """Reads a file that train.py wrote.

        The backbone's frozen stages, if none is given, are those that its name
        stands for; weights that came from a file are in the checkpoint.
        """
        saved = torch.load(path, weights_only=True)
        self.config = ModelConfig(**saved["model"])
        self.decoding = Decoding(**saved["decoding"])
        self.stages: list[dict] = saved["stages"]  # settings of each, the last one included
        self.seconds: float = saved["seconds"]  # of training, all stages
        self.vocabulary = Vocabulary(saved["vocabulary"])
        self.picture_words = WordList(**saved["picture_words"])
        self._carried = saved.get("backbone")
        self.backbone = backbone or self.untouched()
        self.tail: int = saved["tail"]
        self.network = build(self.backbone, self.tail, self.config, self.picture_words).eval()
        self.network.load_state_dict(saved["network"])
        self.columns = self.picture_words.columns(self.vocabulary.words)

    def untouched(self) -> Backbone:
        """The backbone as ImageNet made it."""
        return Backbone.restore(self.config.backbone, self._carried)

    def boost(self, words: Tensor) -> Tensor:
        """Probabilities of picture words [B, W] -> what is added to the logits [B, V]."""
        odds = self.decoding.boost * self.picture_words.log_odds(words)
        return torch.where(self.columns >= 0, odds[:, self.columns.clamp(min=0)], 0.0)

    @torch.no_grad()
    def write(self, features: Tensor, beams: int, forced: Tensor | None = None) -> Written:
        """Everything about features [B, P, channels]; forced as in beam_search."""
        words = self.network.words(features).sigmoid()
        captions = beam_search(
            self.network.captioner,
            features,
            beams,
            self.decoding.length_penalty,
            self.boost(words),
            forced,
        )
        return Written(captions, words, self.network.classify(features).softmax(-1))

    @torch.no_grad()
    def features(self, pixels: np.ndarray) -> Tensor:
        """uint8 [B, size, size, 3] -> features [B, P, channels]."""
        return self.network.tail(self.backbone.body(torch.from_numpy(pixels), self.tail))


def build(backbone: Backbone, tail: int, config: ModelConfig, words: WordList) -> Network:
    """A network over the backbone's last stages, which it shares."""
    return Network(backbone.tail(tail), backbone.classifier[-1], config, words.priors)


def same_backbone(saved: Mapping, other: Mapping) -> bool:
    """Whether two checkpoints carry the same weights of a backbone, or none."""
    ours, theirs = saved.get("backbone") or {}, other.get("backbone") or {}
    return ours.keys() == theirs.keys() and all(
        torch.equal(ours[name].cpu(), theirs[name].cpu()) for name in ours
    )


def describe(
    network: Network,
    tail: int,
    decoding: Decoding,
    stages: list[dict],
    vocabulary: Vocabulary,
    picture_words: WordList,
    seconds: float,
    carried: dict | None = None,
) -> dict:
    """What Checkpoint reads; carried is what the backbone asks a checkpoint to carry."""
    return {
        "model": asdict(network.captioner.config),
        "decoding": asdict(decoding),
        "stages": stages,
        "seconds": seconds,
        "vocabulary": vocabulary.words,
        "picture_words": asdict(picture_words),
        "tail": tail,
        "network": network.state_dict(),
        **({"backbone": carried} if carried else {}),
    }
