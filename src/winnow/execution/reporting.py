"""What the executor tells while it works. The command line shows it; programs may leave it silent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from winnow.steps import Step, Train


class Reporter(Protocol):
    """Told of what happens, in order."""

    def planned(self, steps: Sequence[Step]) -> None:
        """These steps will run."""

    def training(self, steps: Sequence[Train], iteration: int, metrics: Mapping[str, float] | None = None) -> None:
        """Lanes have reached an iteration; `metrics` are the first lane's, where they were just taken."""

    def finished(self, step: Step, seconds: float) -> None:
        """A step's result is stored."""

    def failed(self, step: Step, message: str) -> None:
        """A step ended without a result, and what depends on it will not run."""

    def noted(self, message: str) -> None:
        """Something the user should know, which needs nothing done."""


class Silent:
    """Tells nobody."""

    def planned(self, steps: Sequence[Step]) -> None:
        """Nothing."""

    def training(self, steps: Sequence[Train], iteration: int, metrics: Mapping[str, float] | None = None) -> None:
        """Nothing."""

    def finished(self, step: Step, seconds: float) -> None:
        """Nothing."""

    def failed(self, step: Step, message: str) -> None:
        """Nothing."""

    def noted(self, message: str) -> None:
        """Nothing."""


class Several:
    """Tells several reporters, in order."""

    def __init__(self, *reporters: Reporter) -> None:
        self.reporters = reporters

    def planned(self, steps: Sequence[Step]) -> None:
        """Tell each."""
        for reporter in self.reporters:
            reporter.planned(steps)

    def training(self, steps: Sequence[Train], iteration: int, metrics: Mapping[str, float] | None = None) -> None:
        """Tell each."""
        for reporter in self.reporters:
            reporter.training(steps, iteration, metrics)

    def finished(self, step: Step, seconds: float) -> None:
        """Tell each."""
        for reporter in self.reporters:
            reporter.finished(step, seconds)

    def failed(self, step: Step, message: str) -> None:
        """Tell each."""
        for reporter in self.reporters:
            reporter.failed(step, message)

    def noted(self, message: str) -> None:
        """Tell each."""
        for reporter in self.reporters:
            reporter.noted(message)
