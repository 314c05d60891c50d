"""Optimizer buffers are kept from shrinking to numbers that processors are slow with."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

EVERY = 64
"""Iterations between two sweeps: in so many a running mean that keeps nine tenths shrinks to a thousandth."""

_TINY = 1e-34
"""What counts as nothing: a thousandth of it is just a normal number still, of which the least is 1.2e-38."""


def sweep_(buffers: Iterable[Tensor]) -> None:
    """Set what is closer to zero than 1e-34 to zero, in place.

    The running mean of a gradient that has become zero, as that of a dead unit or of a pixel that is seldom set, loses
    a tenth an iteration and is subnormal after 800. There it stays: rounding keeps it from ever reaching zero. A
    processor computes with such numbers up to forty times more slowly, and one of them holds up a whole vector: in
    LeNet on MNIST 3 % of them made an iteration take nearly twice its time (benchmarks/subnormal.py). What is left out
    here would move no weight by as much as 1e-26.

    >>> buffer = torch.tensor([0.5, -1e-33, -1e-35, float("nan")])
    >>> sweep_([buffer])
    >>> buffer
    tensor([ 5.0000e-01, -1.0000e-33,  0.0000e+00,         nan])
    """
    for buffer in buffers:
        torch.hardshrink(buffer, lambd=_TINY, out=buffer)
