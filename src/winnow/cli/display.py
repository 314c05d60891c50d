"""What is shown while a run goes on: a live line in a terminal, plain lines in a log, or nothing."""

from __future__ import annotations

import sys
import time
from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from typing import Literal, Protocol

from rich.console import Console, RenderableType
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.text import Text

from winnow.execution.reporting import Reporter, Silent
from winnow.steps import Compare, Interpolate, Step, Train

Mode = Literal["auto", "live", "plain", "quiet"]

_PLAIN_EVERY = 2.0
"""Seconds in a log, at the least, before a line that something is done."""

_UNDER_WAY_EVERY = 15.0
"""Seconds before a line on what is under way."""


class Labelled(Protocol):
    """What is run: an experiment or a study."""

    def labels(self) -> Mapping[Step, str]:
        """What each step is in it, in words."""
        ...


@contextmanager
def display(mode: Mode, experiment: Labelled) -> Generator[Reporter]:
    """The reporter of a mode; what it shows ends with the block."""
    if mode == "auto":
        mode = "live" if sys.stderr.isatty() else "plain"
    if mode == "quiet":
        yield Silent()
    elif mode == "plain":
        yield _Plain(experiment)
    else:
        live = _Live(experiment)
        with live.progress:
            yield live


class _Tally:
    """What is done and what is left, in iterations, and how long that will take."""

    def __init__(self, experiment: Labelled) -> None:
        self.labels = experiment.labels()
        self.total = self.done = 0
        self.trainings = self.finished_trainings = 0
        self.comparisons = self.finished_comparisons = 0
        self.began = time.monotonic()
        self.accuracy = ""
        self._under_way: dict[str, int] = {}
        self._lanes: list[str] = []

    def plan(self, steps: Sequence[Step]) -> None:
        """These are to be run. Trainings that differ in their end alone count once."""
        longest: dict[str, int] = {}
        for step in steps:
            if isinstance(step, Train):
                longest[step.trajectory] = max(step.length, longest.get(step.trajectory, 0))
        self.total, self.trainings = sum(longest.values()), len(longest)
        self.comparisons = sum(isinstance(step, Compare | Interpolate) for step in steps)

    def reach(self, steps: Sequence[Train], iteration: int, metrics: Mapping[str, float] | None) -> None:
        """Lanes have reached an iteration, at which they may have been measured."""
        lanes = [step.trajectory for step in steps]
        self.accuracy = _shown(metrics) or (self.accuracy if lanes == self._lanes else "")
        self._lanes = lanes
        for step in steps:
            reached = iteration - step.start
            if step.trajectory not in self._under_way:  # it may go on from where an earlier run left it
                self.total -= reached
                self._under_way[step.trajectory] = reached
            self.done += reached - self._under_way[step.trajectory]
            self._under_way[step.trajectory] = reached

    def finish(self, step: Step) -> None:
        """A step is done."""
        self.finished_trainings += isinstance(step, Train)
        self.finished_comparisons += isinstance(step, Compare | Interpolate)

    def measured(self) -> str:
        """How many of a study's comparisons are done."""
        return f"{self.finished_comparisons:,} of {self.comparisons:,} comparisons measured"

    def label(self, steps: Sequence[Step]) -> str:
        """What the steps are in the experiment."""
        first = self.labels.get(steps[0], steps[0].kind)
        more = len(steps) - 1
        return f"{first} and {more} more lane{'s' if more > 1 else ''}" if more else first

    def left(self) -> str:
        """How long what is left will take, at the pace so far."""
        if not self.done:
            return "?"
        seconds = (time.monotonic() - self.began) / self.done * max(0, self.total - self.done)
        hours, minutes = divmod(int(seconds) // 60, 60)
        return f"{hours}h{minutes:02}m" if hours else f"{minutes}m{int(seconds) % 60:02}s"


def _shown(metrics: Mapping[str, float] | None) -> str:
    accuracy = (metrics or {}).get("validation_accuracy")
    return "" if accuracy is None else f"validation {100 * accuracy:.2f} %"


def _listed(*parts: str) -> str:
    return ", ".join(part for part in parts if part)


class _TwoLines(Progress):
    """How far it is, and below that what is done: together they would not fit into a line."""

    doing = "planning"

    def get_renderables(self) -> Iterable[RenderableType]:
        """What is shown, from above; a name that is too long is cut at its end, after all that changes."""
        yield self.make_tasks_table(self.tasks)
        yield Text(self.doing, no_wrap=True, overflow="ellipsis")


class _Live:
    """Two lines that change, above them what should stay."""

    def __init__(self, experiment: Labelled) -> None:
        self.tally = _Tally(experiment)
        self.progress = _TwoLines(
            BarColumn(bar_width=24),
            TextColumn("{task.percentage:>3.0f} %"),
            TimeElapsedColumn(),
            TextColumn("left {task.fields[left]}"),
            TextColumn("{task.fields[accuracy]}"),
            console=Console(stderr=True),
            transient=True,
        )
        self.task = self.progress.add_task("", total=None, left="?", accuracy="")

    def planned(self, steps: Sequence[Step]) -> None:
        self.tally.plan(steps)
        self.progress.update(self.task, total=max(1, self.tally.total))

    def training(self, steps: Sequence[Train], iteration: int, metrics: Mapping[str, float] | None = None) -> None:
        self.tally.reach(steps, iteration, metrics)
        self.progress.doing = f"iteration {iteration:,} of {steps[0].stop:,}: {self.tally.label(steps)}"
        left, accuracy = self.tally.left(), self.tally.accuracy
        self.progress.update(self.task, completed=self.tally.done, left=left, accuracy=accuracy)

    def finished(self, step: Step, seconds: float) -> None:
        self.tally.finish(step)
        if isinstance(step, Compare | Interpolate):
            self.progress.doing = self.tally.measured()
            self.progress.update(self.task, left="?", accuracy="")

    def failed(self, step: Step, message: str) -> None:
        self._keep(f"{self.tally.label([step])} failed", message)

    def noted(self, message: str) -> None:
        self._keep("note", message)

    def _keep(self, what: str, message: str) -> None:
        # Text, since names and messages may hold brackets, which are markup elsewhere.
        self.progress.console.print(Text.assemble((what, "yellow"), f": {message}"))


class _Plain:
    """Lines for a log."""

    def __init__(self, experiment: Labelled) -> None:
        self.tally = _Tally(experiment)
        self._printed = 0.0

    def planned(self, steps: Sequence[Step]) -> None:
        self.tally.plan(steps)
        if steps:
            self._print(f"{self.tally.trainings} trainings to run, {self.tally.total:,} iterations")
        else:
            self._print("all results that there can be are stored; nothing to train")

    def training(self, steps: Sequence[Train], iteration: int, metrics: Mapping[str, float] | None = None) -> None:
        self.tally.reach(steps, iteration, metrics)
        if time.monotonic() - self._printed > _UNDER_WAY_EVERY:
            reached = f"iteration {iteration:,} of {steps[0].stop:,}"
            self._print(f"{self.tally.label(steps)}: {_listed(reached, self.tally.accuracy)}")

    def finished(self, step: Step, seconds: float) -> None:
        self.tally.finish(step)
        if isinstance(step, Train) and time.monotonic() - self._printed > _PLAIN_EVERY:
            progress = f"{self.tally.done:,} of {self.tally.total:,} iterations, {self.tally.left()} left"
            self._print(f"{self.tally.label([step])}: {_listed('done', self.tally.accuracy)} ({progress})")
        elif isinstance(step, Compare | Interpolate) and time.monotonic() - self._printed > _UNDER_WAY_EVERY:
            self._print(self.tally.measured())

    def failed(self, step: Step, message: str) -> None:
        self._print(f"{self.tally.label([step])} failed: {message}")

    def noted(self, message: str) -> None:
        self._print(f"note: {message}")

    def _print(self, line: str) -> None:
        self._printed = time.monotonic()
        sys.stderr.write(line + "\n")
        sys.stderr.flush()
