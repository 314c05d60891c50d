"""What a result costs: the trainings behind it."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from winnow.steps import Step, Train
from winnow.store import Store


@dataclass(frozen=True)
class Cost:
    """The trainings that some results were made by, each counted once."""

    trainings: int
    iterations: int
    """Of all of them together; one counts as one at any density."""

    seconds: float = math.nan
    """As measured where they ran, each training's share of its batch of lanes; nan where some are not stored."""


def cost(steps: Iterable[Step], store: Store | None = None) -> Cost:
    """What it takes to make the results of some steps from nothing.

    Trainings that differ in their end alone are one. Without a store, seconds are not known.

    >>> from winnow.experiments import imp
    >>> from winnow.recipes import read
    >>> cost([row.trained for row in imp(read("digits").edited({"levels": 2, "replicates": 1})).rows])
    Cost(trainings=5, iterations=1500, seconds=nan)
    """
    longest: dict[str, Train] = {}
    seen: set[Step] = set()
    waiting = list(steps)
    while waiting:
        step = waiting.pop()
        if step in seen:
            continue
        seen.add(step)
        waiting += step.inputs.values()
        if isinstance(step, Train) and step.stop > getattr(longest.get(step.trajectory), "stop", 0):
            longest[step.trajectory] = step
    iterations = sum(step.length for step in longest.values())
    return Cost(len(longest), iterations, _seconds(longest.values(), store) if store else math.nan)


def _seconds(trainings: Iterable[Train], store: Store) -> float:
    manifests = [store.whole(step) for step in trainings]
    return sum(manifest.seconds if manifest else math.nan for manifest in manifests)
