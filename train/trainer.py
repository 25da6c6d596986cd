"""One stage of training: a network, an optimiser and a place in the data.

All of it is in a checkpoint, so a stage that was stopped goes on where it was.
"""

import copy
import logging
import math
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch

from network import Network, same_backbone
from objectives import Figures, Objective, Part
from processes import Processes
from settings import Stage
from tracking import Track
from validation import Validation

log = logging.getLogger(__name__)

CHECKPOINT_SECONDS = 120  # at most this much work is lost by a kill
LOG_STEPS = 50


def learning_rate(step: int, steps: int, stage: Stage) -> float:
    """Linear warm-up, then a half cosine down to a hundredth."""
    if step < stage.warmup_steps:
        return stage.learning_rate * (step + 1) / stage.warmup_steps
    done = (step - stage.warmup_steps) / max(1, steps - stage.warmup_steps)
    return stage.learning_rate * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * done)))


class Trainer:
    """Trains the weights that require a gradient."""

    def __init__(
        self,
        run: Path,
        network: Network,
        stage: Stage,
        objective: Objective,
        describe: Callable[[Network, float], dict],
        processes: Processes,
        pieces: int = 1,
    ) -> None:
        """Goes on from the checkpoint in run, if there is one.

        describe makes of a network and the stage's seconds what a checkpoint
        says about them. A process does its share of a step in so many pieces:
        less memory, the same gradient.
        """
        self.run, self.network, self.stage, self.describe = run, network, stage, describe
        self.objective, self.processes, self.pieces = objective, processes, pieces
        self.average = copy.deepcopy(network) if stage.average else network
        self.steps_per_epoch = math.ceil(len(objective) / stage.batch)
        self.steps = stage.epochs * self.steps_per_epoch
        self.step, self.best, self.seconds = 0, -math.inf, 0.0
        self.trained = [p for p in network.parameters() if p.requires_grad]
        matrices = [p for p in self.trained if p.dim() >= 2]
        others = [p for p in self.trained if p.dim() < 2]
        groups = [
            {"params": matrices, "weight_decay": stage.weight_decay},
            {"params": others, "weight_decay": 0.0},
        ]
        self.optimiser = torch.optim.AdamW(groups, betas=(0.9, 0.98))
        self._resume()

    def _resume(self) -> None:
        saved = {name: self._load(name) for name in ("best.pt", "last.pt")}
        if best := saved["best.pt"]:
            self.best = best["best"]  # it may be newer than last.pt
        if last := saved["last.pt"]:
            self.average.load_state_dict(last["network"])
            if self.stage.average:
                self.network.load_state_dict(last["trained"])
            self.optimiser.load_state_dict(last["optimiser"])
            self.step, self.seconds = last["step"], last["stage_seconds"]
            log.info("resumed at step %d of %d", self.step, self.steps)

    def _load(self, name: str) -> dict | None:
        path = self.run / name
        if not path.exists():
            return None
        saved = torch.load(path, weights_only=True, map_location=self.processes.device)
        if saved["stage"] != self.stage.unparse():
            raise ValueError(
                f"{path} is of a run with other settings: {saved['stage']}; "
                "give those, or another --run"
            )
        if not same_backbone(saved, self.describe(self.network, 0.0)):
            raise ValueError(f"{path} has other ImageNet weights: give the same --backbone-weights")
        return saved

    def save(self, name: str) -> None:
        """Writes a checkpoint whole or not at all; best.pt has no optimiser."""
        state = self.describe(self.average, self.seconds) | {
            "stage": self.stage.unparse(),
            "step": self.step,
            "best": self.best,
            "stage_seconds": self.seconds,
            "finished": self.step == self.steps,
        }
        if name == "last.pt":
            state["optimiser"] = self.optimiser.state_dict()
            if self.stage.average:
                state["trained"] = self.network.state_dict()
        path = self.run / name
        torch.save(state, path.with_suffix(".tmp"))
        os.replace(path.with_suffix(".tmp"), path)

    def train_step(self) -> Figures:
        """One step; returns its loss, and what that is made of.

        All that is random depends on seed and step alone.
        """
        stage = self.stage
        epoch, place = divmod(self.step, self.steps_per_epoch)
        order = np.random.default_rng([stage.seed, epoch]).permutation(len(self.objective))
        chosen = order[place * stage.batch : (place + 1) * stage.batch].tolist()
        for group in self.optimiser.param_groups:
            group["lr"] = learning_rate(self.step, self.steps, stage)
        self.network.train()
        self.optimiser.zero_grad()
        figures = self._gradients(chosen, [stage.seed, epoch, place])
        if not math.isfinite(figures["loss"]):
            raise FloatingPointError(
                f"step {self.step} of {self.run} has no finite loss ({shown(figures)}): "
                "try a smaller learning rate"
            )
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), stage.clip)
        self.optimiser.step()
        self.step += 1
        self._follow()
        return figures

    def _gradients(self, chosen: Sequence[int], seed: Sequence[int]) -> Figures:
        """Those of a step, from all processes, and its figures."""
        found: list[Figures] = []
        for number, own in self.processes.parts(len(chosen), self.pieces):
            random = np.random.default_rng(seed)
            torch.manual_seed(int(random.integers(2**31)) + number)
            loss, figures = self.objective.loss(self.network, Part(chosen, own, random))
            loss.backward()
            found.append({"loss": loss.item(), **figures})
        self.processes.add_gradients(self.trained)
        found = self.processes.gather(found)
        return {name: sum(part[name] for part in found) for name in found[0]}

    @torch.no_grad()
    def _follow(self) -> None:
        """The average goes towards the trained weights, fast at first."""
        if not self.stage.average:
            return
        decay = min(self.stage.average, (1 + self.step) / (10 + self.step))
        trained = self.network.state_dict()
        for name, weight in self.average.state_dict().items():
            weight.lerp_(trained[name], 1 - decay)

    def train(self, validate: Validation, track: Track) -> list[float]:
        """Runs to the end; returns the losses of this session's steps.

        The best network by validate stays in best.pt.
        """
        started = saved = time.monotonic()
        first, before = self.step, self.seconds
        found: list[Figures] = []
        while self.step < self.steps:
            found.append(self.train_step())
            now = time.monotonic()
            self.seconds = before + now - started
            if not self.processes.first:
                continue
            if self.step % LOG_STEPS == 0:
                left = (now - started) / (self.step - first) * (self.steps - self.step)
                self._log(mean(found[-LOG_STEPS:]), left, track)
            if self.step % self.steps_per_epoch == 0:
                self._end_epoch(validate, mean(found[-self.steps_per_epoch :]), track)
                saved = time.monotonic()
            elif now - saved > CHECKPOINT_SECONDS:
                self.save("last.pt")
                saved = now
        self.processes.wait()
        return [figures["loss"] for figures in found]

    def _log(self, figures: Figures, left: float, track: Track) -> None:
        track("train", self.step, figures)
        log.info("step %d of %d: %s; %d min left", self.step, self.steps, shown(figures), left / 60)

    def _end_epoch(self, validate: Validation, figures: Figures, track: Track) -> None:
        score, found = validate(self.average)
        track("val", self.step, found)
        epoch = f"epoch {self.step // self.steps_per_epoch} of {self.stage.epochs}"
        log.info("%s: %s; on val %s", epoch, shown(figures), shown(found))
        self.keep(score)
        self.save("last.pt")

    def keep(self, score: float) -> None:
        """Writes best.pt if the score is better than all before."""
        if score > self.best:
            self.best = score
            self.save("best.pt")


def mean(found: Sequence[Figures]) -> Figures:
    """The mean of each figure."""
    return {name: float(np.mean([figures[name] for figures in found])) for name in found[0]}


def shown(figures: Figures) -> str:
    """For a line of the log."""
    return ", ".join(f"{name} {value:.4g}" for name, value in figures.items())
