"""Settings, checkpoints, resuming, learning, and the stages of a run."""

import math
import os
import socket
import tomllib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.multiprocessing
from conftest import OBJECTIVES, tiny_network, tiny_objective, tiny_pictures

import trainer as trainer_module
from data import Cache, Vocabulary
from decode import beam_search
from heads import WordList
from model import ModelConfig
from network import Checkpoint, Network
from objectives import CrossEntropyLoss
from processes import Processes
from settings import CrossEntropy, Decoding, Heads, LanguageModel, Recipe, SelfCritical, Stage
from train import Training, begin_from, choose_trained
from trainer import Trainer, learning_rate
from validation import VariedCaptioning

CONFIGS = Path(__file__).parents[1] / "configs"
STAGES = sorted(p for p in CONFIGS.glob("*/*.toml") if p.name != "model.toml")


def tiny_stage(objective=CrossEntropy(0.0, 0.0, 0.1), **changes) -> Stage:  # noqa: B008
    values = {
        "seed": 5,
        "epochs": 2,
        "batch": 3,
        "learning_rate": 1e-2,
        "warmup_steps": 2,
        "weight_decay": 0.01,
        "clip": 1.0,
        "average": 0.9,
        "bf16": False,
        "tail": 0,
        "frozen": False,
        "augmented_views": 0,
        "objective": objective,
    }
    return Stage(**values | changes)


def make_trainer(run: Path, cache: Cache, name: str = "cross_entropy", **changes) -> Trainer:
    """A trainer of 8 examples, 3 steps an epoch, with dropout in network and captions."""
    run.mkdir(exist_ok=True)
    objective, kind = tiny_objective(name, cache)
    network, stage = tiny_network(dropout=0.1), tiny_stage(kind, **changes)
    choose_trained(network, stage)
    return Trainer(run, network, stage, objective, weights_only, Processes())


def weights_only(network: Network, seconds: float) -> dict:
    return {"network": network.state_dict()}


def scored(*scores: float):
    """A validation that finds these scores."""
    left = iter(scores)
    return lambda network: (next(left), {})


def ignore(part: str, step: int, figures: dict[str, float]) -> None:
    """A tracker."""


def saved(run: Path, name: str) -> dict:
    return torch.load(run / name, weights_only=True)


@pytest.mark.parametrize("path", sorted({p.parent for p in STAGES}), ids=lambda p: p.name)
def test_every_recipe_is_read(path):
    recipe = Recipe.read(path, vocabulary=100, picture_words=7)
    assert (recipe.model.vocabulary, recipe.model.picture_words) == (100, 7)
    assert recipe.stages and list(recipe.stages) == sorted(recipe.stages)
    for stage in recipe.stages.values():
        assert Stage.parse(stage.unparse()) == stage


@pytest.mark.parametrize(
    ("section", "name"),
    [(None, "sede"), (None, "clip"), ("cross_entropy", "lr"), ("cross_entropy", "word_dropout")],
)
def test_an_unknown_or_missing_setting_of_a_stage_fails(section, name):
    settings = tomllib.loads((CONFIGS / "lite" / "2-tune.toml").read_text())
    table = settings[section] if section else settings
    if name in table:
        del table[name]
    else:
        table[name] = 1
    with pytest.raises(ValueError, match=name):
        Stage.parse(settings)


@pytest.mark.parametrize("tables", [[], ["heads", "self_critical"]])
def test_a_stage_has_one_objective(tables):
    settings = tiny_stage().unparse()
    del settings["cross_entropy"]
    with pytest.raises(ValueError, match="one table"):
        Stage.parse(settings | {name: {} for name in tables})


@pytest.mark.parametrize(("before", "name"), [("backbone", "depth"), ("beams", "beam")])
def test_an_unknown_setting_of_a_model_fails(tmp_path, before, name):
    text = (CONFIGS / "lite" / "model.toml").read_text()
    (tmp_path / "model.toml").write_text(text.replace(f"\n{before} =", f"\n{name} = 3\n{before} ="))
    with pytest.raises(ValueError, match=f"settings: {name}$"):
        Recipe.read(tmp_path, vocabulary=100, picture_words=7)


def test_the_learning_rate_rises_and_falls():
    stage = tiny_stage(learning_rate=1.0, warmup_steps=4)
    rates = [learning_rate(step, 100, stage) for step in range(100)]
    assert rates[:4] == [0.25, 0.5, 0.75, 1.0]
    assert all(a >= b for a, b in zip(rates[3:], rates[4:], strict=False))
    assert rates[-1] == pytest.approx(0.01, abs=0.001)


@pytest.mark.parametrize("name", OBJECTIVES)
@pytest.mark.parametrize("stop", [1, 3, 5])
def test_a_resumed_run_has_the_losses_of_one_that_was_not_stopped(tmp_path, cache, name, stop):
    whole = make_trainer(tmp_path / "whole", cache, name).train(scored(0.5, 0.4), ignore)
    assert len(set(whole)) == 6
    stopped = make_trainer(tmp_path / "stopped", cache, name)
    before = [stopped.train_step()["loss"] for _ in range(stop)]
    stopped.save("last.pt")
    after = make_trainer(tmp_path / "stopped", cache, name).train(scored(0, 0), ignore)
    assert before + after == whole
    weights = [saved(tmp_path / run, "last.pt")["network"] for run in ("whole", "stopped")]
    assert all(torch.equal(weights[0][key], weights[1][key]) for key in weights[0])


def test_a_run_killed_between_checkpoints_goes_on_from_the_last(tmp_path, cache):
    whole = make_trainer(tmp_path / "whole", cache).train(scored(0.5, 0.6), ignore)
    killed = make_trainer(tmp_path / "killed", cache)
    train_step = killed.train_step

    def until_killed():
        if killed.step == 5:
            raise KeyboardInterrupt
        return train_step()

    killed.train_step = until_killed
    with pytest.raises(KeyboardInterrupt):
        killed.train(scored(0.5), ignore)
    resumed = make_trainer(tmp_path / "killed", cache)
    assert (resumed.step, resumed.best) == (3, 0.5)
    assert resumed.train(scored(0.6), ignore) == whole[3:]
    assert saved(tmp_path / "killed", "best.pt")["best"] == 0.6


def test_work_is_saved_within_an_epoch(tmp_path, cache, monkeypatch):
    monkeypatch.setattr(trainer_module, "CHECKPOINT_SECONDS", -1)
    trainer = make_trainer(tmp_path / "run", cache, epochs=1)
    steps = []
    save = trainer.save
    trainer.save = lambda name: (steps.append((name, trainer.step)), save(name))
    trainer.train(scored(0.5), ignore)
    assert steps == [("last.pt", 1), ("last.pt", 2), ("best.pt", 3), ("last.pt", 3)]


def test_a_run_does_not_go_on_with_other_settings(tmp_path, cache):
    make_trainer(tmp_path / "run", cache).save("last.pt")
    with pytest.raises(ValueError, match="other settings"):
        make_trainer(tmp_path / "run", cache, learning_rate=1.0)


def test_a_worse_network_never_replaces_the_best(tmp_path, cache):
    run = tmp_path / "run"
    make_trainer(run, cache, epochs=3).train(scored(0.5, 0.6, 0.4), ignore)
    assert (saved(run, "best.pt")["best"], saved(run, "best.pt")["step"]) == (0.6, 6)
    assert (saved(run, "last.pt")["best"], saved(run, "last.pt")["step"]) == (0.6, 9)
    assert not list(run.glob("*.tmp"))


def test_a_best_that_is_newer_than_the_last_checkpoint_counts(tmp_path, cache):
    first = make_trainer(tmp_path / "run", cache)
    first.save("last.pt")
    first.keep(0.7)
    resumed = make_trainer(tmp_path / "run", cache)
    resumed.train(scored(0.6, 0.65), ignore)
    assert saved(tmp_path / "run", "best.pt")["best"] == 0.7


def test_a_loss_that_is_no_number_ends_the_run_and_changes_no_weight(tmp_path, cache):
    trainer = make_trainer(tmp_path / "run", cache)
    with torch.no_grad():
        trainer.network.captioner.bias.fill_(math.nan)
    before = trainer.network.captioner.place.clone()
    with pytest.raises(FloatingPointError, match="step 0 of .*cross-entropy nan"):
        trainer.train_step()
    assert torch.equal(trainer.network.captioner.place, before)


def test_what_is_kept_is_the_average_of_the_trained_weights(tmp_path, cache):
    trainer = make_trainer(tmp_path / "run", cache, average=0.3)
    expected = trainer.network.captioner.place.detach().clone()
    for step in range(1, 7):
        trainer.train_step()
        decay = min(0.3, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * trainer.network.captioner.place.detach()
    trainer.save("best.pt")
    kept = saved(tmp_path / "run", "best.pt")["network"]["captioner.place"]
    assert torch.allclose(kept, expected, atol=1e-6)
    assert not torch.allclose(kept, trainer.network.captioner.place, atol=1e-4)


def test_only_what_an_objective_trains_changes(tmp_path, cache):
    for name, trained in {
        "heads": {"words", "classes"},
        "language_model": {"embedding", "place", "decoder", "decoded", "bias"},
    }.items():
        trainer = make_trainer(tmp_path / name, cache, name, average=0.0)
        before = {key: weight.clone() for key, weight in trainer.network.state_dict().items()}
        for _ in range(6):
            trainer.train_step()
        changed = {
            key.removeprefix("captioner.")
            for key, weight in trainer.network.state_dict().items()
            if not torch.equal(weight, before[key])
        }
        assert {key.split(".")[0] for key in changed} == trained
        assert not any("cross_attention" in key or "norm2" in key for key in changed)


def test_a_tiny_set_is_learnt_by_heart(tmp_path, cache):
    pictures = tiny_pictures(cache, captions=1)
    for number, each in enumerate(pictures.captions.values()):
        each[0][:3] = [4 + number, 20 + number, 30 + number]
    objective = CrossEntropyLoss(pictures, CrossEntropy(0.0, 0.0, 0.0), bf16=False)
    stage = tiny_stage(epochs=100, batch=8, average=0.0, objective=objective.settings)
    network = tiny_network()
    losses = Trainer(tmp_path, network, stage, objective, weights_only, Processes()).train(
        lambda network: (0.0, {}), ignore
    )
    assert losses[0] > 3
    assert losses[-1] < 0.1
    features = network.tail(cache.batch(cache.names, [0] * 8))
    written = beam_search(network.eval().captioner, features).tokens[:, 0].tolist()
    for name, ids in zip(cache.names, written, strict=True):
        assert ids[: len(pictures.captions[name][0])] == pictures.captions[name][0]


def train_all_objectives(
    rank: int, count: int, port: int, folder: Path, cache: Path, pieces: int
) -> None:
    """What each of several processes does; it writes losses and weights of each objective."""
    torch.set_num_threads(1)
    processes = Processes()
    if count > 1:  # what torchrun says to each, and no GPU
        said = {"RANK": rank, "WORLD_SIZE": count, "MASTER_ADDR": "localhost", "MASTER_PORT": port}
        os.environ.update({name: str(value) for name, value in said.items()})
        os.environ["CUDA_VISIBLE_DEVICES"] = ""
        processes = Processes.join()
        assert processes == Processes(rank, count)
    found = {}
    for name in OBJECTIVES:
        objective, kind = tiny_objective(name, Cache(cache))
        network = tiny_network()
        network.words.drop_in.dropped = network.words.drop_hidden.dropped = 0
        stage = tiny_stage(kind, batch=5, learning_rate=0.3, average=0.0)
        choose_trained(network, stage)
        run = folder / name if rank == 0 else folder / "not to be written to"
        if rank == 0:
            run.mkdir()
        trainer = Trainer(run, network, stage, objective, weights_only, processes, pieces)
        # AdamW makes whole steps of the rounding in gradients that are zero, such
        # as that of the keys' bias.
        trainer.optimiser = torch.optim.SGD(trainer.trained)
        losses = trainer.train(scored(0.1, 0.2), ignore)
        found[name] = {"losses": losses, "network": network.state_dict()}
    torch.save(found, folder / f"{rank}.pt")
    if count > 1:
        torch.distributed.destroy_process_group()


def test_two_processes_and_steps_in_pieces_train_as_one(tmp_path, cache):
    found = []
    for count, pieces in ((1, 1), (2, 1), (1, 3)):
        folder = tmp_path / f"{count} by {pieces}"
        folder.mkdir()
        with socket.socket() as free:
            free.bind(("localhost", 0))
            port = free.getsockname()[1]
        given = (count, port, folder, tmp_path / "features.npy", pieces)
        if count == 1:
            train_all_objectives(0, *given)
        else:
            torch.multiprocessing.spawn(train_all_objectives, given, nprocs=count)
        found += [torch.load(folder / f"{rank}.pt", weights_only=True) for rank in range(count)]
    one = found[0]
    for name in OBJECTIVES:
        assert len(set(one[name]["losses"])) == 4
        for other in found[1:]:
            assert other[name]["losses"] == pytest.approx(one[name]["losses"], rel=1e-5)
            for key, weight in one[name]["network"].items():
                assert torch.allclose(other[name]["network"][key], weight, atol=1e-5), key


def test_every_example_of_a_step_is_in_one_part():
    for examples in (1, 2, 5, 32):
        for count, pieces in ((1, 1), (2, 1), (2, 3), (3, 2)):
            parts = [p for r in range(count) for p in Processes(r, count).parts(examples, pieces)]
            done = [i for _, own in parts for i in range(examples)[own]]
            assert done == list(range(examples))
            assert len({number for number, _ in parts}) == len(parts)


def test_captions_that_are_alike_or_loop_are_no_candidates():
    found = iter(
        [
            (0.50, {"different": 0.95, "looping": 0.002}),
            (0.60, {"different": 0.84, "looping": 0.0}),
            (0.55, {"different": 0.90, "looping": 0.002}),
            (0.70, {"different": 0.90, "looping": 0.004}),
        ]
    )
    validate = VariedCaptioning(lambda network: next(found), None)
    assert validate.score == 0.50
    assert [validate(None)[0] for _ in range(3)] == [-math.inf, 0.55, -math.inf]


@pytest.fixture
def training(dataset, tmp_path) -> Training:
    """A recipe of all kinds of stages for the tiny data set."""
    vocabulary = dataset.vocabulary()
    words = WordList(["red", "dog", "bird", "blue"], [0.3, 0.3, 0.3, 0.3])
    model = ModelConfig(
        backbone="tf_efficientnet_lite2",
        size=224,
        vocabulary=len(vocabulary),
        channels=1280,
        positions=49,
        max_length=12,
        picture_words=4,
        words_hidden=8,
        width=32,
        heads=4,
        encoder_layers=1,
        decoder_layers=1,
        dropout=0.1,
    )
    stage = tiny_stage(CrossEntropy(0.1, 0.1, 0.1), epochs=1, tail=1, average=0.0)
    stages = {
        "0-text": replace(stage, objective=LanguageModel("", 0.1, 0.1), tail=0, batch=20),
        "1-words": stage,
        "2-critical": replace(stage, objective=SelfCritical(2, 0.5, 0.1), frozen=True),
        "3-heads": replace(stage, objective=Heads(1.0, 2)),
    }
    return Training(
        data=dataset,
        vocabulary=vocabulary,
        picture_words=words,
        recipe=Recipe(model, Decoding(beams=2, length_penalty=1.0, boost=0.0), stages),
        run=tmp_path / "run",
        cache=tmp_path / "cache",
        texts=tmp_path,
        backbone_weights=None,
        processes=Processes(),
        pieces=1,
        track="tensorboard",
    )


def test_stages_follow_each_other_and_finished_ones_are_skipped(training):
    start, bests = None, []
    for name in training.recipe.stages:
        training.stage(name, start)
        start = training.run / name / "best.pt"
        assert list(start.parent.glob("events.out.*"))
        bests.append((start, start.stat().st_mtime_ns))
    checkpoint = Checkpoint(start)
    assert [stage["name"] for stage in checkpoint.stages] == list(training.recipe.stages)
    written = checkpoint.write(checkpoint.features(np.zeros((2, 224, 224, 3), np.uint8)), 2)
    assert written.captions.tokens.shape[:2] == (2, 2)
    for name in training.recipe.stages:
        training.stage(name, None)
    assert [(best, best.stat().st_mtime_ns) for best, _ in bests] == bests


def test_a_stage_begins_with_the_best_of_the_one_before(training):
    training.stage("1-words", None)
    start = training.run / "1-words" / "best.pt"
    stage = training.recipe.stages["2-critical"]
    network = training.untouched(stage)[1]
    stages, seconds = begin_from(start, network, stage, training.vocabulary)
    assert [s["name"] for s in stages] == ["1-words"] and seconds > 0
    before = saved(start.parent, "best.pt")["network"]
    assert all(torch.equal(weight, before[key]) for key, weight in network.state_dict().items())
    with pytest.raises(ValueError, match="longer trained tail"):
        begin_from(start, network, replace(stage, tail=0), training.vocabulary)
    with pytest.raises(ValueError, match="give the same --backbone-weights"):
        begin_from(start, network, stage, training.vocabulary, {"stages": torch.zeros(1)})
    with pytest.raises(ValueError, match="another vocabulary"):
        begin_from(start, network, stage, Vocabulary(training.vocabulary.words[:-1]))


def test_a_deeper_tail_begins_with_what_the_shorter_one_learnt(training):
    training.stage("1-words", None)
    start = training.run / "1-words" / "best.pt"
    stage = training.recipe.stages["2-critical"]
    backbone, network = training.untouched(stage)
    begin_from(start, network, stage, training.vocabulary)
    deep = replace(stage, tail=stage.tail + 2)
    backbone, deeper = training.untouched(deep)
    before = {name: weight.clone() for name, weight in deeper.tail[:2].state_dict().items()}
    begin_from(start, deeper, deep, training.vocabulary)
    pixels = torch.zeros(1, 224, 224, 3, dtype=torch.uint8)
    with torch.no_grad():
        shorter = network.tail(backbone.body(pixels, stage.tail))
        assert torch.equal(deeper.tail(backbone.body(pixels, deep.tail)), shorter)
    assert all(torch.equal(w, before[name]) for name, w in deeper.tail[:2].state_dict().items())


def test_the_start_of_a_self_critical_stage_is_its_first_candidate(training, monkeypatch):
    training.stage("1-words", None)
    start = training.run / "1-words" / "best.pt"
    monkeypatch.setattr("validation.FEWEST_DIFFERENT", 1.1)
    training.stage("2-critical", start)
    best = saved(training.run / "2-critical", "best.pt")
    assert best["step"] == 0
    before = saved(start.parent, "best.pt")["network"]
    assert all(torch.equal(weight, before[key]) for key, weight in best["network"].items())
