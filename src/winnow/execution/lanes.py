"""Lanes: which trainings are one training looked at twice, and which can run together."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from winnow.course import Course
from winnow.steps import Train


@dataclass(frozen=True)
class Lane:
    """One training to run, and the Train steps whose results it passes: they differ in `stop` alone."""

    steps: tuple[Train, ...]
    """In order of `stop`; none is empty."""

    @property
    def last(self) -> Train:
        """The step at which the training ends."""
        return self.steps[-1]

    @property
    def trajectory(self) -> str:
        """What the training is called while it is under way."""
        return self.last.trajectory

    @property
    def shape(self) -> tuple[Course, int, int, tuple[int, ...], bool]:
        """What lanes of a batch must agree in: course, span, the optimizer's age, ends, and whether masks change."""
        stops, last = tuple(step.stop for step in self.steps), self.last
        return last.course, last.start, last.age, stops, last.dynamic is not None


def lanes(steps: Iterable[Train]) -> list[Lane]:
    """The trainings that give all the steps' results, in the order in which the steps come."""
    by_trajectory: dict[str, list[Train]] = {}
    for step in steps:
        by_trajectory.setdefault(step.trajectory, []).append(step)
    return [Lane(tuple(sorted(group, key=lambda step: step.stop))) for group in by_trajectory.values()]


def batches(ready: Sequence[Lane], width: int) -> list[list[Lane]]:
    """The lanes in batches that can train together, at most `width` in each, in the order in which they come."""
    by_shape: dict[object, list[Lane]] = {}
    for lane in ready:
        by_shape.setdefault(lane.shape, []).append(lane)
    return [group[at : at + width] for group in by_shape.values() for at in range(0, len(group), width)]
