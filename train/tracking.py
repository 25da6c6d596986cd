"""Where the figures of a training go: TensorBoard's files, or Weights & Biases."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from torch.utils.tensorboard import SummaryWriter

Track = Callable[[str, int, dict[str, float]], None]  # part ("train", "val"), step, figures

TRACKERS = ("tensorboard", "wandb")


@contextmanager
def tracking(kind: str, folder: Path, step: int) -> Iterator[Track]:
    """One of TRACKERS for the stage of a run's folder, which begins or goes on at a step."""
    yield from _wandb(folder) if kind == "wandb" else _tensorboard(folder, step)


def _tensorboard(folder: Path, step: int) -> Iterator[Track]:
    with SummaryWriter(folder, purge_step=step) as writer:

        def track(part: str, step: int, figures: dict[str, float]) -> None:
            for name, value in figures.items():
                writer.add_scalar(f"{part}/{name}", value, step)
            writer.flush()

        yield track


def _wandb(folder: Path) -> Iterator[Track]:
    import wandb  # only who asks for it needs the package, and an account

    name = f"{folder.parent.name}-{folder.name}"
    with wandb.init(project="shoebox", name=name, id=name, dir=folder, resume="allow") as run:

        def track(part: str, step: int, figures: dict[str, float]) -> None:
            run.log({f"{part}/{name}": value for name, value in figures.items()}, step=step)

        yield track
