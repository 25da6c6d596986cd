"""Settings of models and training stages, as in the files of configs/.

A folder of configs/ is a recipe: model.toml, and a file for each stage in the
order of their names; without such files its stages are those of configs/lite.
An unknown or missing setting fails.
"""

import tomllib
from dataclasses import MISSING, asdict, dataclass, fields
from pathlib import Path
from typing import TypeVar

from model import ModelConfig

T = TypeVar("T")


@dataclass(frozen=True)
class Decoding:
    """How captions are written; part of the artifact."""

    beams: int
    length_penalty: float  # a hypothesis counts by log-likelihood / length ** length_penalty
    # How much a picture word's log-odds are added to the logits of its words:
    # the word head sees what the decoder is too shy to name.
    boost: float


@dataclass(frozen=True)
class CrossEntropy:
    """Teacher forcing: the likelihood of each caption a person wrote."""

    label_smoothing: float
    word_dropout: float  # share of earlier words that are hidden (<unk>) in training
    words_weight: float  # of the picture words' loss (summed over words), beside the captions'


@dataclass(frozen=True)
class LanguageModel:
    """The decoder alone learns from captions without pictures; a step has `batch` captions."""

    captions: str  # file of further captions (text.py) in the folder of --data; "": none
    label_smoothing: float
    word_dropout: float


@dataclass(frozen=True)
class SelfCritical:
    """CIDEr-D of captions drawn from the model, against their own mean (Rennie et al. 2017)."""

    samples: int  # captions drawn a picture
    cross_entropy: float  # weight of the cross-entropy mixed in: keeps captions readable
    label_smoothing: float


@dataclass(frozen=True)
class Heads:
    """Picture words and ImageNet's classes on features that stay as they are."""

    classes_weight: float  # of the distance to the untouched backbone's classes
    views: int  # of each picture that they learn from; more take longer


OBJECTIVES = {
    "cross_entropy": CrossEntropy,
    "language_model": LanguageModel,
    "self_critical": SelfCritical,
    "heads": Heads,
}
Objective = CrossEntropy | LanguageModel | SelfCritical | Heads


@dataclass(frozen=True)
class Stage:
    """One stage of training."""

    seed: int
    epochs: int
    batch: int  # pictures a step, with all captions of each; captions in language_model
    learning_rate: float
    warmup_steps: int
    weight_decay: float
    clip: float  # gradient norm
    average: float  # decay a step of the averaged weights, which are what is kept; 0: no average
    bf16: bool  # products of the captioner; twice as fast on a CPU that has AVX512_BF16
    tail: int  # last stages of the backbone that are no longer ImageNet's, 0: none
    frozen: bool  # the tail stays as the stage before left it
    augmented_views: int  # of each picture, beside itself and its mirror image
    objective: Objective
    start: str = ""  # what it begins with: "STAGE/best" or "STAGE/last"; "": the best before

    @classmethod
    def parse(cls, settings: dict) -> "Stage":
        """Reads a stage's file: settings, and one table named for its objective."""
        settings = dict(settings)
        named = [name for name in settings if name in OBJECTIVES]
        if len(named) != 1:
            raise ValueError(f"a stage has one table of {', '.join(OBJECTIVES)}, not {named}")
        objective = _build(OBJECTIVES[named[0]], settings.pop(named[0]), named[0])
        return _build(cls, {**settings, "objective": objective}, "the stage")

    def unparse(self) -> dict:
        """What parse reads."""
        settings = asdict(self)
        name = next(n for n, kind in OBJECTIVES.items() if isinstance(self.objective, kind))
        settings[name] = settings.pop("objective")
        return settings


@dataclass(frozen=True)
class Recipe:
    """A model and the stages that make it."""

    model: ModelConfig
    decoding: Decoding
    stages: dict[str, Stage]  # by name, in order

    @classmethod
    def read(cls, folder: Path, vocabulary: int, picture_words: int) -> "Recipe":
        """Reads a folder of configs/; the data says how many words there are."""
        model, decoding = parse_model(
            tomllib.loads((folder / "model.toml").read_text()), vocabulary, picture_words
        )
        stages = _read_stages(folder) or _read_stages(folder.parent / "lite")
        if not stages:
            raise ValueError(f"{folder} has no stages, and there is no lite beside it")
        return cls(model, decoding, stages)


def _read_stages(folder: Path) -> dict[str, Stage]:
    files = sorted(path for path in folder.glob("*.toml") if path.name != "model.toml")
    return {path.stem: Stage.parse(tomllib.loads(path.read_text())) for path in files}


def parse_model(
    settings: dict, vocabulary: int, picture_words: int
) -> tuple[ModelConfig, Decoding]:
    """Reads model.toml."""
    settings = dict(settings)
    decoding = _build(Decoding, settings.pop("decoding", {}), "decoding")
    counts = {"vocabulary": vocabulary, "picture_words": picture_words}
    return _build(ModelConfig, {**settings, **counts}, "the model"), decoding


def _build(cls: type[T], settings: dict, section: str) -> T:
    known = {f.name for f in fields(cls)}
    needed = {f.name for f in fields(cls) if f.default is MISSING}
    if wrong := (needed - set(settings)) | (set(settings) - known):
        raise ValueError(f"{section}: unknown or missing settings: {', '.join(sorted(wrong))}")
    return cls(**settings)
