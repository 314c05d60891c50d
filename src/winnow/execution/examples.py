"""The examples of a course, split and lying on the device; loaded once a process."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from winnow import data
from winnow.course import Examples, Network
from winnow.data import Resident
from winnow.seeds import generator


@dataclass(frozen=True)
class Splits:
    """The three parts of a data set."""

    train: Resident
    validation: Resident
    test: Resident

    @property
    def evaluated(self) -> dict[str, Resident]:
        """Those that are evaluated, by the name their metrics begin with."""
        return {"validation": self.validation, "test": self.test}


@lru_cache(maxsize=2)
def splits(examples: Examples, device: torch.device) -> Splits:
    """Load and split a data set. The split depends on the seed alone: replicates share it."""
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


def trial_inputs(network: Network) -> Tensor:
    """Two examples of the shape that a network takes, all zero, to try it on."""
    return torch.zeros(2, *network.shape)


def _tensor(array: np.ndarray[tuple[int, ...], np.dtype[np.uint8] | np.dtype[np.int64]]) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(array))
