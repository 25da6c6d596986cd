"""The processes that train one model together, and the device of this one.

`torchrun --nproc-per-node 2 -- train.py ...` starts two, with a GPU each where
there are some. Each does its parts of a step; gradients are added up. The losses
are made for that (objectives.Part): they are divided by what the whole step has,
so the sum is what one process would find. torch's DistributedDataParallel would
take the mean of means over unequal numbers of words.
"""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

import numpy as np
import torch
import torch.distributed as dist
from torch import nn

T = TypeVar("T")

# The first process validates and fills caches while the others wait.
LONGEST_WAIT = timedelta(days=1)


@dataclass(frozen=True)
class Processes:
    """This process among all."""

    rank: int = 0
    count: int = 1
    device: str = "cpu"

    @classmethod
    def join(cls) -> "Processes":
        """Meets those that torchrun started with this one; without it there is just this."""
        gpu = torch.cuda.is_available()
        if "WORLD_SIZE" not in os.environ:
            return cls(device="cuda" if gpu else "cpu")
        device = f"cuda:{os.environ['LOCAL_RANK']}" if gpu else "cpu"
        if gpu:
            torch.cuda.set_device(device)
        dist.init_process_group("nccl" if gpu else "gloo", timeout=LONGEST_WAIT)
        return cls(dist.get_rank(), dist.get_world_size(), device)

    @property
    def first(self) -> bool:
        """Whether this one validates, logs and writes files."""
        return self.rank == 0

    def parts(self, examples: int, pieces: int) -> Iterator[tuple[int, slice]]:
        """This process' parts of a step, each with its number among all.

        The step is cut into so many pieces for each process; empty ones are left out.
        """
        cuts = np.ceil(np.linspace(0, examples, self.count * pieces + 1)).astype(int)
        for number in range(self.rank * pieces, (self.rank + 1) * pieces):
            if cuts[number] < cuts[number + 1]:
                yield number, slice(int(cuts[number]), int(cuts[number + 1]))

    def add_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Gives all processes the sum of their gradients; None stays where none has one."""
        if self.count == 1:
            return
        parameters = list(parameters)
        known = torch.tensor([float(p.grad is not None) for p in parameters], device=self.device)
        gradients = [torch.zeros_like(p) if p.grad is None else p.grad for p in parameters]
        flat = torch.cat([known, *[gradient.flatten() for gradient in gradients]])
        dist.all_reduce(flat)
        known, *sums = flat.split([len(parameters), *[p.numel() for p in parameters]])
        for parameter, count, total in zip(parameters, known.tolist(), sums, strict=True):
            parameter.grad = total.view_as(parameter).clone() if count else None

    def gather(self, found: list[T]) -> list[T]:
        """All processes' lists, one after the other."""
        if self.count == 1:
            return found
        lists: list[list[T]] = [[]] * self.count
        dist.all_gather_object(lists, found)
        return [each for part in lists for each in part]

    def wait(self) -> None:
        """Until all are here."""
        if self.count > 1:
            dist.barrier()

    @contextmanager
    def first_alone(self) -> Iterator[None]:
        """What the first does before the others do the same: they find its files."""
        if not self.first:
            self.wait()
        yield
        if self.first:
            self.wait()
