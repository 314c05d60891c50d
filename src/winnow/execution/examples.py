"""The examples of a course, split and lying on the device; loaded once a process."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache, partial

import numpy as np
import torch
from torch import Tensor

from winnow import data
from winnow.course import Course, Examples, Network, Noise
from winnow.data import Resident, Streamed
from winnow.seeds import generator
from winnow.training import Batches, Stream, Streaming

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Splits:
    """The three parts of a data set."""

    train: Resident | Streamed
    validation: Resident | Streamed
    test: Resident | Streamed

    @property
    def evaluated(self) -> dict[str, Resident | Streamed]:
        """Those that are evaluated, by the name their metrics begin with."""
        return {"validation": self.validation, "test": self.test}

    def batches(self, noises: Sequence[Noise], course: Course) -> Stream:
        """The training examples in the order of the lanes' noises, as the course takes them."""
        augment = course.examples.augment
        if isinstance(self.train, Streamed):
            return Streaming(self.train, noises, course.batch, augment)
        return Batches(self.train, noises, course.batch, augment)


@lru_cache(maxsize=2)
def splits(examples: Examples, device: torch.device) -> Splits:
    """Load and split a data set. The split depends on the seed alone: replicates share it."""
    if examples.place is not None and data.is_images(examples.place):
        return _streamed(examples, device)
    arrays = data.load(examples.name)
    parts = data.split(arrays, examples.validation, generator(examples.seed, 0, "split"))

    def resident(images: Tensor, labels: Tensor) -> Resident:
        mean, std = examples.mean, examples.std
        return Resident(images, labels, mean=mean, std=std, scale=arrays.scale, device=device)

    def taken(index: Tensor) -> Resident:
        chosen = index.numpy()
        return resident(_tensor(arrays.train_images[chosen]), _tensor(arrays.train_labels[chosen]))

    return Splits(
        train=taken(parts.train),
        validation=taken(parts.validation),
        test=resident(_tensor(arrays.test_images), _tensor(arrays.test_labels)),
    )


def _streamed(examples: Examples, device: torch.device) -> Splits:
    """The same for images on disk, which are read as they are needed."""
    assert examples.place is not None and examples.size is not None
    train, test = data.image_pictures(examples.place, examples.corrupt)
    if skipped := data.image_facts(examples.place, examples.size, examples.corrupt).skipped:
        are = f"{skipped} image{'s' * (skipped > 1)} of {examples.place} {'are' if skipped > 1 else 'is'} corrupt"
        _log.warning("%s and replaced by the next one", are)
    parts = data.halves(len(train), examples.validation, generator(examples.seed, 0, "split"))
    streamed = partial(Streamed, size=examples.size, mean=examples.mean, std=examples.std, device=device)
    return Splits(
        train=streamed(train, parts.train),
        validation=streamed(train, parts.validation),
        test=streamed(test, torch.arange(len(test))),
    )


def trial_inputs(network: Network) -> Tensor:
    """Two examples of the shape that a network takes, all zero, to try it on."""
    return torch.zeros(2, *network.shape)


def _tensor(array: np.ndarray[tuple[int, ...], np.dtype[np.uint8] | np.dtype[np.int64]]) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(array))
