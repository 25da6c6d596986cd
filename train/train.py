"""Trains a model, stage after stage; a run that was stopped goes on where it was.

python train.py configs/lite --data DIR --run runs/lite
torchrun --nproc-per-node 2 -- train.py ...

configs/lite holds model.toml and a file for each stage (settings.py). Each
stage has a folder in the run with its checkpoints, and begins with the best of
the stage before, or of the one that it names. What the frozen part of the
backbone makes of the pictures is computed once and cached. A GPU is used if
there is one.
"""

import argparse
import hashlib
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from backbone import Backbone
from data import Cache, Dataset, Vocabulary, augment, cached_features, cached_pixels, flip
from heads import WordList
from heads_loss import HeadsLoss, Pooled
from network import Network, build, describe, same_backbone
from objectives import CrossEntropyLoss, LanguageModelLoss, Objective, Pictures
from processes import Processes
from self_critical import SelfCriticalLoss
from settings import CrossEntropy, Heads, LanguageModel, Recipe, SelfCritical, Stage
from text import texts
from tracking import TRACKERS, tracking
from trainer import Trainer, shown
from validation import CHOSEN_ON, Captioning, Finding, Reading, Validation, VariedCaptioning, chosen

log = logging.getLogger("train")

HERE = Path(__file__).parent
COFFEE = HERE.parent / "testdata" / "photos" / "coffee.png"


@dataclass(frozen=True)
class Training:
    """What all stages of a run share."""

    data: Dataset
    vocabulary: Vocabulary
    picture_words: WordList
    recipe: Recipe
    run: Path
    cache: Path
    texts: Path  # folder of what a language_model stage names
    backbone_weights: Path | None
    processes: Processes
    pieces: int  # of a process' share of a step
    track: str

    def stage(self, name: str, start: Path | None) -> None:
        """Runs one stage, from the checkpoint of another."""
        stage, folder = self.recipe.stages[name], self.run / name
        if finished(folder, stage):
            log.info("stage %s is finished", name)
            return
        backbone, network = self.untouched(stage)
        earlier, seconds = [], 0.0
        if start:
            earlier, seconds = begin_from(
                start, network, stage, self.vocabulary, backbone.carried()
            )
        choose_trained(network, stage)
        objective, validate = self.objective(stage, backbone, network)

        def described(network: Network, spent: float) -> dict:
            return describe(
                network,
                stage.tail,
                self.recipe.decoding,
                [*earlier, {"name": name, **stage.unparse()}],
                self.vocabulary,
                self.picture_words,
                seconds + spent,
                backbone.carried(),
            )

        folder.mkdir(parents=True, exist_ok=True)
        trainer = Trainer(folder, network, stage, objective, described, self.processes, self.pieces)
        if isinstance(validate, VariedCaptioning):
            log.info("stage %s begins with %s", name, shown(validate.start))
            if self.processes.first:
                trainer.keep(validate.score)
        parameters = sum(p.numel() for p in trainer.trained) / 1e6
        log.info("stage %s: %.2f M trained parameters", name, parameters)
        with tracking(self.track, folder, trainer.step) as track:
            trainer.train(validate, track)
        log.info("stage %s: best %.4f, %d minutes", name, trainer.best, trainer.seconds / 60)

    def untouched(self, stage: Stage) -> tuple[Backbone, Network]:
        """The backbone as ImageNet made it, and a network over it with a new captioner."""
        model, device = self.recipe.model, self.processes.device
        with torch.device("cpu"):
            backbone = Backbone(model.backbone, file=self.backbone_weights).eval()
            backbone.check(COFFEE, model.size)
            torch.manual_seed(stage.seed)
            network = build(backbone, stage.tail, model, self.picture_words)
        return backbone.to(device), network.to(device)

    def objective(
        self, stage: Stage, backbone: Backbone, network: Network
    ) -> tuple[Objective, Validation]:
        """What a stage minimises, and what its checkpoints are chosen by."""
        kind = stage.objective
        if isinstance(kind, LanguageModel):
            return self.reading(kind, stage.bf16)
        with self.processes.first_alone():
            cache = self.grids(stage, backbone)
        pictures = self.pictures(cache)
        if isinstance(kind, Heads):
            return self.heads(stage, pictures, network)
        captioning = Captioning(self.data, cache, self.vocabulary, self.recipe.decoding)
        if isinstance(kind, SelfCritical):
            varied = VariedCaptioning(captioning, network)
            return SelfCriticalLoss(pictures, kind, stage.bf16), varied
        return CrossEntropyLoss(pictures, kind, stage.bf16), captioning

    def reading(self, kind: LanguageModel, bf16: bool) -> tuple[Objective, Validation]:
        """The decoder as a language model."""
        further = self.texts / kind.captions if kind.captions else None
        captions = [self.encode(caption) for caption in texts(self.data, further)]
        val = [self.encode(c) for n in self.data.val[:CHOSEN_ON] for c in self.data.captions[n]]
        return LanguageModelLoss(captions, kind, bf16), Reading(val)

    def heads(
        self, stage: Stage, pictures: Pictures, network: Network
    ) -> tuple[Objective, Validation]:
        """The heads on features that stay."""
        _, untouched = self.untouched(stage)
        cache, kind = pictures.cache, stage.objective
        train = Pooled.compute(cache, pictures.names, kind.views, network, untouched)
        val = Pooled.compute(cache, chosen(self.data, cache), 1, network, untouched)
        loss = HeadsLoss(train, pictures.words, kind)
        return loss, Finding(self.data, val, self.picture_words)

    def grids(self, stage: Stage, backbone: Backbone) -> Cache:
        """What the backbone's tail takes, for the pictures of both splits."""
        names = [*self.data.train, *self.data.val]
        pixels = cached_pixels(self.cache, self.data, names, self.recipe.model.size)
        views = [lambda p, _: p, lambda p, _: flip(p), *[augment] * stage.augmented_views]
        frozen = backbone.stages[: len(backbone.stages) - stage.tail].state_dict().values()
        weights = hashlib.sha256(b"".join(weight.cpu().numpy().tobytes() for weight in frozen))
        identity = ["v2", weights.hexdigest(), stage.tail, stage.augmented_views]

        def extract(pixels: torch.Tensor) -> torch.Tensor:
            return backbone.body(pixels.to(self.processes.device), stage.tail).cpu()

        with torch.no_grad():
            return cached_features(self.cache, pixels, views, extract, identity)

    def pictures(self, cache: Cache) -> Pictures:
        """The train pictures that could be read and have captions."""
        known = {n: self.data.training_captions(n) for n in self.data.train if n in cache.row}
        known = {name: captions for name, captions in known.items() if captions}
        tokens = {name: [self.encode(c) for c in known[name]] for name in known}
        return Pictures(list(known), cache, tokens, self.picture_words.targets(known))

    def encode(self, caption: str) -> list[int]:
        """The tokens of a caption, as long as the model writes at most."""
        return self.vocabulary.encode(caption, self.recipe.model.max_length)


def choose_trained(network: Network, stage: Stage) -> None:
    """Says which weights require a gradient."""
    captioner = network.captioner
    match stage.objective:
        case Heads():
            network.requires_grad_(False)
            network.words.requires_grad_(True)
            network.classes.requires_grad_(True)
        case LanguageModel():
            network.requires_grad_(False)
            for weights in (captioner.embedding, captioner.decoder, captioner.decoded):
                weights.requires_grad_(True)
            captioner.place.requires_grad_(True)
            captioner.bias.requires_grad_(True)
            for layer in captioner.decoder:
                layer.cross_attention.requires_grad_(False)
                layer.norm2.requires_grad_(False)
        case CrossEntropy() | SelfCritical():
            network.tail.requires_grad_(stage.tail > 0 and not stage.frozen)


def finished(folder: Path, stage: Stage) -> bool:
    """Whether a run of this stage, with these settings, came to its end."""
    if not (folder / "last.pt").exists():
        return False
    saved = torch.load(folder / "last.pt", weights_only=True, mmap=True)
    return saved["finished"] and saved["stage"] == stage.unparse()


def begin_from(
    start: Path, network: Network, stage: Stage, vocabulary: Vocabulary, carried: dict | None = None
) -> tuple[list[dict], float]:
    """Loads an earlier stage's weights; returns that checkpoint's stages and seconds.

    carried is what the backbone asks a checkpoint to carry.
    """
    saved = torch.load(start, weights_only=True, map_location="cpu")
    if saved["vocabulary"] != vocabulary.words:
        raise ValueError(f"{start} was trained with another vocabulary")
    if not same_backbone(saved, {"backbone": carried}):
        raise ValueError(f"{start} has other ImageNet weights: give the same --backbone-weights")
    more = stage.tail - saved["tail"]
    if more < 0:
        raise ValueError(f"{start} has a longer trained tail, which would be lost")
    untouched = {f"tail.{name}": weight for name, weight in network.tail.state_dict().items()}
    network.load_state_dict(untouched | deeper(saved["network"], more))
    return saved["stages"], saved["seconds"]


def deeper(weights: Mapping[str, Tensor], more: int) -> dict[str, Tensor]:
    """A network's weights by their names in one whose tail begins so many stages earlier."""
    renamed = {}
    for name, weight in weights.items():
        part, _, rest = name.partition(".")
        if part == "tail":
            stage, _, rest = rest.partition(".")
            name = f"tail.{int(stage) + more}.{rest}"
        renamed[name] = weight
    return renamed


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("recipe", type=Path, help="a folder of configs/")
    parser.add_argument("--data", type=Path, required=True, help="folder in Kaggle's layout")
    parser.add_argument("--splits", type=Path, help="folder of the lists of the split, if not DATA")
    parser.add_argument("--run", type=Path, required=True, help="folder of the checkpoints")
    parser.add_argument("--cache", type=Path, default=HERE / "cache")
    parser.add_argument("--backbone-weights", type=Path, help="file, if timm may not fetch them")
    parser.add_argument("--threads", type=int, default=1, help="a process")
    parser.add_argument(
        "--accumulate", type=int, default=1, metavar="N",
        help="do a step in N pieces: less memory, the same gradient",
    )  # fmt: skip
    parser.add_argument("--track", choices=TRACKERS, default=TRACKERS[0])
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    processes = Processes.join()
    if processes.device != "cpu":  # the context costs a little at every call
        torch.set_default_device(processes.device)
    logging.basicConfig(
        level=logging.INFO if processes.first else logging.WARNING,
        format="%(asctime)s %(message)s",
        datefmt="%H:%M:%S",
    )
    data = Dataset.open(args.data, args.splits)
    vocabulary = data.vocabulary()
    picture_words = WordList.build([c for n in data.train for c in data.clean_captions(n)])
    recipe = Recipe.read(args.recipe, len(vocabulary), len(picture_words.stems))
    training = Training(
        data,
        vocabulary,
        picture_words,
        recipe,
        args.run,
        args.cache,
        args.data,
        args.backbone_weights,
        processes,
        args.accumulate,
        args.track,
    )
    before = None
    for name, stage in recipe.stages.items():
        training.stage(name, args.run / f"{stage.start}.pt" if stage.start else before)
        before = args.run / name / "best.pt"


if __name__ == "__main__":
    main()
