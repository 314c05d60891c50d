"""The examples of a course, split and lying on the device; loaded once a process."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from winnow import data
from winnow.course import Course, Examples, Noise
from winnow.data import WHOLE, OwnArrays, Resident, Shard, Streamed, Table
from winnow.data.table import InMemory
from winnow.errors import DataError
from winnow.seeds import generator
from winnow.training import Batches, Stream, Streaming, Task
from winnow.training.objective import task

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Splits:
    """The three parts of a data set."""

    train: InMemory | Streamed
    validation: InMemory | Streamed
    test: InMemory | Streamed

    @property
    def evaluated(self) -> dict[str, InMemory | Streamed]:
        """Those that are evaluated, by the name their metrics begin with."""
        return {"validation": self.validation, "test": self.test}

    def task(self, course: Course) -> Task:
        """What outputs are held against, with what it must know of the training targets."""
        return task(course, self.train.targets)

    def batches(self, noises: Sequence[Noise], course: Course, shard: Shard = WHOLE) -> Stream:
        """A shard of every batch of training examples, in the order of the lanes' noises, as the course takes them."""
        augment = course.examples.augment
        if isinstance(self.train, Streamed):
            return Streaming(self.train, noises, course.batch, augment, shard)
        return Batches(self.train, noises, course.batch, augment, shard)


@lru_cache(maxsize=2)
def splits(examples: Examples, device: torch.device) -> Splits:
    """Load and split a data set. The split depends on the seed alone: replicates share it."""
    if examples.place is not None and data.is_images(examples.place):
        return _streamed(examples, device)
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


def _streamed(examples: Examples, device: torch.device) -> Splits:
    """The same for images on disk, which are read as they are needed."""
    assert examples.place is not None and examples.size is not None
    train, test = data.image_pictures(examples.place, examples.corrupt)
    if skipped := data.image_facts(examples.place, examples.size, examples.corrupt).skipped:
        are = f"{skipped} image{'s' * (skipped > 1)} of {examples.place} {'are' if skipped > 1 else 'is'} corrupt"
        _log.warning("%s and replaced by the next one", are)
    parts = data.held_out(len(train), examples.validation, generator(examples.seed, 0, "split"))
    streamed = partial(Streamed, size=examples.size, mean=examples.mean, std=examples.std, device=device)
    return Splits(
        train=streamed(train, parts.train),
        validation=streamed(train, parts.validation),
        test=streamed(test, torch.arange(len(test))),
    )


def known_of(examples: Examples) -> data.Described:
    """What is known of a course's data."""
    return data.described(examples.place or examples.name, examples.size, examples.corrupt)


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
    known = known_of(course.examples)
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
        tokens = torch.randint(known.tokens or classes, (count, *shape), generator=stream)
        tokens.view(-1)[0] = (known.tokens or classes) - 1  # the highest, which the network must know too
        return Table(tokens, targets, device=device)
    return Table(torch.randn((count, *shape), generator=stream), targets, device=device)


def task_of(course: Course) -> Task:
    """The task of a course, for examples that mean nothing."""
    return task(course, synthetic(course, 16, torch.device("cpu")).targets)


def trial_batch(course: Course) -> tuple[Tensor, Tensor]:
    """Two examples of that kind on the CPU, inputs and targets."""
    return next(synthetic(course, 2, torch.device("cpu")).chunks(2))


def real_batch(course: Course, device: torch.device) -> tuple[Tensor, Tensor] | None:
    """Two training examples on the CPU, inputs and targets, of the user's own data in memory; None of others.

    Made-up ones are as good for most networks, and cost nothing to read; not for those that look a number up, nor for
    targets of which only the user's own task knows what they may be.
    """
    known = known_of(course.examples)
    if not known.is_own or data.is_images(course.examples.place or ""):
        return None
    train = splits(course.examples, device).train
    index = torch.arange(2) % len(train)
    inputs, targets = train.images_at(index).cpu(), train.labels_at(index).cpu()
    if known.tokens is not None:
        inputs.view(-1)[0] = known.tokens - 1  # the highest, which the network must know too
    return inputs, targets


def _tensor(array: NDArray[Any]) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(array))
