"""Masks that change while a network trains: gradual magnitude pruning, and dynamic sparse training (SET, RigL)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal, get_args

Method = Literal["gmp", "set", "rigl"]
"""Gradual magnitude pruning (Zhu & Gupta 2017, arXiv 1710.01878); Sparse Evolutionary Training (Mocanu et al. 2018,
arXiv 1707.04780); RigL (Evci et al. 2020, arXiv 1911.11134)."""

METHODS: tuple[Method, ...] = get_args(Method)

REVISION = 2
"""Raised whenever the same schedule of SET or RigL comes to mean another training. 2: a weight that an update removes
and adds stays as it was; before, it was set to zero, as was a part of every layer that is whole."""


@dataclass(frozen=True, kw_only=True)
class Dynamic:
    """How a training's mask changes: a function of the iteration, of the weights and, for RigL, of their gradients.

    An update at iteration t comes when t iterations are behind, between that iteration's gradients and its step.
    """

    method: Method

    kept: tuple[tuple[str, int], ...]
    """How many weights of each prunable layer, by its parameter's name, remain at the end of training."""

    every: int
    """Iterations between updates."""

    end: int
    """When the mask is final: the last update of gradual pruning; the others make none from there on."""

    start: int | None = None
    """The iteration after which gradual pruning begins, whose first update is `every` later. None for the others,
    which are sparse throughout."""

    drop: float | None = None
    """Which fraction of the weights an update replaces by others: at all of SET's; at RigL's first, from where it
    falls as a cosine to none at `end`. None for gradual pruning, which replaces none."""

    revision: int | None = None
    """See REVISION. None for gradual pruning, which it does not concern."""

    def is_due(self, iteration: int) -> bool:
        """Whether the mask is updated at an iteration.

        >>> schedule = Dynamic(method="gmp", kept=(("w", 1),), start=10, every=20, end=60)
        >>> [iteration for iteration in range(100) if schedule.is_due(iteration)]
        [30, 50, 60]
        """
        behind = iteration - (self.start or 0)
        if self.method == "gmp" and iteration == self.end:
            return True
        return behind > 0 and iteration < self.end and behind % self.every == 0

    def count(self, size: int, kept: int, iteration: int) -> int:
        """How many of a layer's `size` weights remain after the update at an iteration, if in the end `kept` do.

        In gradual pruning the sparsity at t is s (1 - (1 - p)^3), where s is the final one and p the part of the way
        from `start` to `end`; to the nearest weight, in rational arithmetic. The other methods keep as many throughout.
        Source: Zhu & Gupta 2017 (arXiv 1710.01878), eq. 1, from an initial sparsity of 0.

        >>> schedule = Dynamic(method="gmp", kept=(("w", 100),), start=0, every=10, end=100)
        >>> [schedule.count(1000, 100, iteration) for iteration in (10, 50, 100)]
        [756, 213, 100]
        """
        if self.method != "gmp":
            return kept
        start = self.start or 0
        left = Fraction(self.end - min(iteration, self.end), self.end - start)
        return int(kept + (size - kept) * left**3 + Fraction(1, 2))

    def replaced(self, kept: int, iteration: int) -> int:
        """How many of a layer's `kept` weights the update at an iteration replaces by others.

        SET replaces the same fraction at each; RigL's falls as a cosine, drop / 2 (1 + cos(pi t / end)). Sources:
        Mocanu et al. 2018 (arXiv 1707.04780), Algorithm 1; Evci et al. 2020 (arXiv 1911.11134), §3 (2).

        >>> rigl = Dynamic(method="rigl", kept=(("w", 1000),), every=10, end=100, drop=0.3)
        >>> [rigl.replaced(1000, iteration) for iteration in (10, 50, 90)]
        [293, 150, 7]
        """
        if self.drop is None:
            return 0
        falling = (1 + math.cos(math.pi * iteration / self.end)) / 2 if self.method == "rigl" else 1.0
        return int(self.drop * falling * kept + 0.5)
