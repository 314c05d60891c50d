"""The examples of a course, split and lying on the device; loaded once a process."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from winnow import data
from winnow.course import Course, Examples
from winnow.data import OwnArrays, Resident, Table
from winnow.data.table import InMemory
from winnow.errors import DataError
from winnow.seeds import generator
from winnow.training.objective import named_task
from winnow.training.tasks import Task


@dataclass(frozen=True)
class Splits:
    """The three parts of a data set."""

    train: InMemory
    validation: InMemory
    test: InMemory

    @property
    def evaluated(self) -> dict[str, InMemory]:
        """Those that are evaluated, by the name their metrics begin with."""
        return {"validation": self.validation, "test": self.test}

    def task(self, course: Course) -> Task:
        """What outputs are held against, with what it must know of the training targets."""
        return named_task(course.task, self.train.targets)


@lru_cache(maxsize=2)
def splits(examples: Examples, device: torch.device) -> Splits:
    """Load and split a data set. The split depends on the seed alone: replicates share it."""
    arrays = data.opened(examples.place or examples.name)
    if isinstance(arrays, OwnArrays):
        _check_unchanged(examples)
        train, test = (arrays.train_inputs, arrays.train_targets), (arrays.test_inputs, arrays.test_targets)
        scale = 255
    else:
        train, test = (arrays.train_images, arrays.train_labels), (arrays.test_images, arrays.test_labels)
        scale = arrays.scale
    parts = data.held_out(len(train[1]), examples.validation, generator(examples.seed, 0, "split"))

    def held(inputs: NDArray[Any], targets: NDArray[Any]) -> InMemory:
        if inputs.dtype != np.uint8:
            return Table(_tensor(inputs), _tensor(targets), device=device)
        mean, std = examples.mean, examples.std
        return Resident(_tensor(inputs), _tensor(targets), mean=mean, std=std, scale=scale, device=device)

    def taken(index: Tensor) -> InMemory:
        chosen = index.numpy()
        return held(*(part[chosen] for part in train))

    return Splits(train=taken(parts.train), validation=taken(parts.validation), test=held(*test))


def _check_unchanged(examples: Examples) -> None:
    """Raise DataError where the user's data are no longer those that the steps are about."""
    now = data.described(examples.place or examples.name).checksum
    if now != examples.checksum:
        raise DataError(
            f"'{examples.place}' has changed since this run began: its content has sha256 {now[:12]}…, "
            f"not {examples.checksum[:12]}…. Run the command again."
        )


def synthetic(course: Course, count: int, device: torch.device) -> InMemory:
    """Examples of the kind and shape of a course's, with values that mean nothing, to try a network on."""
    known = data.described(course.examples.place or course.examples.name)
    stream, shape, classes = torch.Generator().manual_seed(0), course.network.shape, course.network.classes
    if known.targets == "classes":
        targets = torch.randint(classes, (count,), generator=stream)
    elif known.targets == "tokens":
        targets = torch.randint(classes, (count, *shape), generator=stream)
    else:
        targets = torch.randn((count, classes), generator=stream)
    if known.inputs == "images":
        images = torch.randint(256, (count, *shape), generator=stream, dtype=torch.uint8)
        mean, std = course.examples.mean, course.examples.std
        return Resident(images, targets, mean=mean, std=std, scale=255, device=device)
    if known.inputs == "tokens":
        return Table(torch.randint(classes, (count, *shape), generator=stream), targets, device=device)
    return Table(torch.randn((count, *shape), generator=stream), targets, device=device)


def task_of(course: Course) -> Task:
    """The task of a course, for examples that mean nothing."""
    return named_task(course.task, synthetic(course, 16, torch.device("cpu")).targets)


def trial_batch(course: Course) -> tuple[Tensor, Tensor]:
    """Two examples of that kind on the CPU, inputs and targets."""
    return next(synthetic(course, 2, torch.device("cpu")).chunks(2))


def _tensor(array: NDArray[Any]) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(array))
