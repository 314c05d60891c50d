"""What is measured on the way: loss and accuracy on each split, at iterations of the evaluation grid."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol

import torch
from torch import Tensor

from winnow.training.engines import Engine
from winnow.training.state import State

METRICS = ("train_loss", "validation_loss", "validation_accuracy", "test_loss", "test_accuracy")
"""The columns of a training's metrics. Losses are means of the task's loss, for classes cross-entropy in nats; what is
called accuracy is the mean of the task's score, for classes the fraction that is right. `train_loss` is the mean over
the batches since the evaluation before, and absent at the start."""

_CHUNK = 2_500
"""Examples to evaluate at a time where a split does not say (`at_once`)."""


class Evaluable(Protocol):
    """Examples that a network can be evaluated on."""

    def __len__(self) -> int: ...

    def chunks(self, size: int) -> Iterator[tuple[Tensor, Tensor]]:
        """All inputs and targets in order, `size` at a time."""
        ...


@dataclass
class Curve:
    """The metrics of one training by iteration, in order."""

    rows: dict[int, dict[str, float]] = field(default_factory=dict[int, dict[str, float]])

    def add(self, iteration: int, values: Mapping[str, float]) -> None:
        """Record the metrics of an iteration."""
        self.rows[iteration] = dict(values)

    def on_grid(self, every: int, start: int) -> Curve:
        """The curve where a training from `start` is evaluated anyway, without ends that were looked at on the way."""
        return Curve({i: values for i, values in self.rows.items() if i == start or i % every == 0})

    def series(self, metric: str) -> dict[int, float]:
        """One metric by iteration, where it was taken."""
        return {iteration: row[metric] for iteration, row in self.rows.items() if metric in row}

    @property
    def early_stop(self) -> int:
        """The iteration of least validation loss, the first of equals: LTH (arXiv 1803.03635), §1.

        Found in retrospect, on the evaluation grid: training always runs its full length.
        """
        losses = self.series("validation_loss")
        return min(losses, key=lambda iteration: math.inf if math.isnan(losses[iteration]) else losses[iteration])

    @property
    def last(self) -> int:
        """The last iteration that was evaluated."""
        return max(self.rows)

    def to_csv(self) -> str:
        """The curve as CSV, one row for each iteration, exact to the bit."""
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(["iteration", *METRICS])
        for iteration, row in sorted(self.rows.items()):
            writer.writerow([iteration, *(repr(row[metric]) if metric in row else "" for metric in METRICS)])
        return out.getvalue()

    @classmethod
    def from_csv(cls, text: str) -> Curve:
        """Read what `to_csv` wrote."""
        curve = cls()
        for row in csv.DictReader(io.StringIO(text)):
            curve.add(int(row["iteration"]), {metric: float(row[metric]) for metric in METRICS if row[metric]})
        return curve


def evaluated(
    engine: Engine, state: State, splits: Mapping[str, Evaluable], *, together: Callable[[Tensor], Tensor] | None = None
) -> list[dict[str, float]]:
    """Each lane's mean loss and score on each split: one {"test_loss": ..., "test_accuracy": ...} a lane.

    Of several processes that evaluate a shard each, `together` adds up the sums.
    """
    lanes: list[dict[str, float]] = []
    for name, split in splits.items():
        loss, scores = _sums(engine, state, split)
        if together is not None:
            loss, scores = together(loss), together(scores)
        lanes = lanes or [{} for _ in range(len(loss))]
        for row, lane_loss, lane_score in zip(lanes, loss.cpu(), scores.cpu(), strict=True):
            row[f"{name}_loss"] = float(lane_loss) / len(split)
            row[f"{name}_accuracy"] = float(lane_score) / len(split)
    return lanes


def _sums(engine: Engine, state: State, split: Evaluable) -> tuple[Tensor, Tensor]:
    """Each lane's summed loss and summed score, in float64: (lanes,) both."""
    losses: list[Tensor] = []
    scores: list[Tensor] = []
    for images, labels in split.chunks(getattr(split, "at_once", _CHUNK)):
        loss, score = engine.evaluate(state, images, labels)
        losses.append(loss.double())
        scores.append(score.double())
    return torch.stack(losses).sum(0), torch.stack(scores).sum(0)
