"""Which training examples are held out for validation."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from winnow.data.arrays import Arrays
from winnow.errors import RecipeError


@dataclass(frozen=True, eq=False)
class Split:
    """Positions among the training examples, each in exactly one of the two, in ascending order."""

    train: Tensor
    """int64 (examples - validation,)"""

    validation: Tensor
    """int64 (validation,)"""


def split(arrays: Arrays, validation: int, generator: Generator) -> Split:
    """Hold out exactly `validation` of the training examples, drawn at random.

    Raises `RecipeError` when that leaves none to train on.

    >>> from winnow.data import load
    >>> halves = split(load("digits"), 200, Generator().manual_seed(0))
    >>> len(halves.train), len(halves.validation)
    (1000, 200)

    Source: held-out validation sets of 5,000, Frankle & Carbin 2019 (arXiv 1803.03635), §2 and §3.
    """
    return halves(len(arrays.train_labels), validation, generator)


def halves(examples: int, validation: int, generator: Generator) -> Split:
    """Hold out exactly `validation` of so many training examples: see `split`."""
    if not 0 <= validation < examples:
        raise RecipeError(
            f"field data.validation: {validation} of {examples} training examples cannot be held out.\n"
            f"Write a number from 0 to {examples - 1}."
        )
    order = torch.randperm(examples, generator=generator, device=generator.device).cpu()
    return Split(train=order[validation:].sort().values, validation=order[:validation].sort().values)
