"""Results: one tidy table of everything measured, and what it says of each level."""

from __future__ import annotations

import csv
import io
import json
import math
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

from winnow.errors import CorruptResult, MissingExtra, MissingResult
from winnow.experiments import Experiment, Row
from winnow.experiments.experiment import TICKET
from winnow.recipe import Matching
from winnow.store import Store
from winnow.store.files import write_file
from winnow.training.metrics import Curve
from winnow.training.objective import loss_in_words, score_in_words

_ROUNDING = 1e-9
"""Less than one example counts in any mean accuracy, and more than what adding and dividing floats loses."""


class Record(NamedTuple):
    """One line of the tidy table."""

    experiment: str
    """The kind of experiment and the recipe's settings, as `imp-1a2b3c4d`: recipes of one name may differ."""

    recipe: str
    control: str
    replicate: int
    level: int
    density: float
    iteration: int | None
    """When it was measured; None for what has no time, as the density of a layer."""

    metric: str
    value: float


@dataclass(frozen=True)
class Training:
    """One training's results."""

    row: Row
    density: float
    layer_densities: Mapping[str, float]
    curve: Curve

    def accuracy(self, matching: Matching) -> float:
        """The accuracy that is compared, a fraction of 1."""
        at = self.curve.last if matching.at == "end" else self.curve.early_stop
        return self.curve.rows[at][f"{matching.on}_accuracy"]


@dataclass(frozen=True)
class Spread:
    """A quantity over the replicates."""

    values: tuple[float, ...]

    @property
    def mean(self) -> float:
        """The arithmetic mean."""
        return statistics.fmean(self.values)

    @property
    def std(self) -> float:
        """The sample standard deviation (n - 1); nan for a single value."""
        return statistics.stdev(self.values) if len(self.values) > 1 else math.nan

    @property
    def least(self) -> float:
        """The smallest value."""
        return min(self.values)

    @property
    def most(self) -> float:
        """The largest value."""
        return max(self.values)


@dataclass(frozen=True)
class Level:
    """What the replicates of one control say of one level."""

    control: str
    level: int
    density: float
    """Mean over the replicates; they agree unless layers compete."""

    accuracy: Spread
    """As the recipe compares it: at the end or at early stopping, on test or validation examples."""

    early_stop: Spread
    """Iteration of least validation loss."""

    is_matching: bool | None
    """Whether every replicate has a result and their mean is the dense network's accuracy, within the tolerance. None
    for the dense network itself, and for a level that is cut."""

    cut: int | None = None
    """The iteration at which training ended, where it was only to rank the weights for the next level (`prune.at`).
    Its accuracy is of then. None for a level trained to the end."""


@dataclass(frozen=True)
class Results:
    """What an experiment measured, as far as it is stored."""

    experiment: Experiment
    identity: str
    trainings: tuple[Training, ...]
    damaged: tuple[str, ...] = ()
    """Which trainings are left out since a result of theirs is damaged, a sentence each."""

    def __repr__(self) -> str:
        """In a line: all that was measured would be pages."""
        recipe = self.experiment.recipe
        return (
            f"<Results of {recipe.name} ({self.identity}): {len(self.trainings)} of {len(self.experiment.rows)} "
            f"trainings, {recipe.replicates} replicate{'s' * (recipe.replicates > 1)}, levels 0 to {recipe.levels}>"
        )

    @property
    def score(self) -> str:
        """What the recipe's task calls its score, which tables and columns name accuracy: accuracy, R², ..."""
        return score_in_words(self.experiment.recipe.train.task)

    @property
    def loss(self) -> str:
        """What the loss of the recipe's task is called, with its unit."""
        return loss_in_words(self.experiment.recipe.train.task)

    @property
    def levels(self) -> list[Level]:
        """One entry for each control and level that has results: the dense network, tickets, then controls."""
        matching = self.experiment.recipe.matching
        grouped: dict[tuple[str, int], list[Training]] = {}
        for training in self.trainings:
            grouped.setdefault((training.row.control, training.row.level), []).append(training)
        order = list(dict.fromkeys([TICKET, *(row.control for row in self.experiment.rows)]))
        floor = self.floor
        levels: list[Level] = []
        for (control, level), group in sorted(grouped.items(), key=lambda item: (order.index(item[0][0]), item[0][1])):
            accuracy = Spread(tuple(training.accuracy(matching) for training in group))
            is_whole = len(group) == self.experiment.recipe.replicates
            is_cut = group[0].row.is_cut(self.experiment.recipe)
            levels.append(
                Level(
                    control=control,
                    level=level,
                    density=statistics.fmean(training.density for training in group),
                    accuracy=accuracy,
                    early_stop=Spread(tuple(float(training.curve.early_stop) for training in group)),
                    is_matching=None if level == 0 or floor is None or is_cut else is_whole and accuracy.mean >= floor,
                    cut=group[0].row.trained.stop if is_cut else None,
                )
            )
        return levels

    @property
    def dense(self) -> Spread | None:
        """The dense network's accuracy, if it is stored."""
        matching = self.experiment.recipe.matching
        values = tuple(training.accuracy(matching) for training in self.trainings if training.row.level == 0)
        return Spread(values) if values else None

    @property
    def tolerance(self) -> float:
        """How far below the dense mean still matches, as a fraction of 1.

        One standard deviation needs two replicates; with one, the 0.2 points of LMC (arXiv 1912.05671) serve.
        """
        stated = self.experiment.recipe.matching.tolerance
        if stated != "std":
            return stated / 100
        return self.dense.std if self.dense and len(self.dense.values) > 1 else 0.002

    @property
    def tolerance_in_words(self) -> str:
        """The tolerance, for tables."""
        stated = self.experiment.recipe.matching.tolerance
        points = f"{100 * self.tolerance:.2f} points"
        if stated != "std":
            return points
        if self.dense is None and self.experiment.recipe.replicates > 1:
            return "one standard deviation of the dense replicates"
        if self.dense and len(self.dense.values) > 1:
            return f"{points}, one standard deviation of {len(self.dense.values)} dense replicates"
        return f"{points}, since one replicate has no standard deviation"

    @property
    def floor(self) -> float | None:
        """The least mean accuracy that matches. Rounding does not decide where that is met to the example."""
        return None if self.dense is None else self.dense.mean - self.tolerance - _ROUNDING

    @property
    def smallest_matching(self) -> Level | None:
        """The sparsest level whose tickets match the dense network."""
        matching = [level for level in self.levels if level.control == TICKET and level.is_matching]
        return min(matching, key=lambda level: level.density, default=None)

    def records(self) -> Iterator[Record]:
        """The tidy table, line by line."""
        for training in self.trainings:
            row = training.row
            place = (
                self.identity,
                self.experiment.recipe.name,
                row.control,
                row.replicate,
                row.level,
                training.density,
            )
            for layer, density in training.layer_densities.items():
                yield Record(*place, None, f"density/{layer}", density)
            early_stop = training.curve.early_stop
            yield Record(*place, early_stop, "early_stop_iteration", float(early_stop))
            for iteration, metrics in training.curve.rows.items():
                for metric, value in metrics.items():
                    yield Record(*place, iteration, metric, value)


def collect(experiment: Experiment, store: Store, *, identity: str, leave_damaged: bool = False) -> Results:
    """Read what is stored of an experiment. Trainings that are missing or failed are left out.

    Raises CorruptResult where one is damaged; with `leave_damaged` it is left out and told in `damaged`.
    """
    trainings: list[Training] = []
    damaged: list[str] = []
    for row in experiment.rows:
        try:
            manifest = store.manifest(row.trained)
            if manifest is None or manifest.failure is not None:
                continue
            curve = store.curve(row.trained)
            mask = store.mask(row.mask) if row.mask else None
        except MissingResult:
            continue
        except CorruptResult as damage:
            if not leave_damaged:
                raise
            told = first_line(damage)
            if not any(told in each for each in damaged):  # a mask may be that of several trainings
                damaged.append(f"{experiment.labels()[row.trained]}: {told}")
            continue
        density = mask.density if mask else 1.0
        trainings.append(Training(row, density, mask.layer_densities() if mask else {}, curve))
    return Results(experiment, identity, tuple(trainings), tuple(damaged))


def in_percent(density: float) -> str:
    """A density for tables: to a hundredth of a per cent, and to two digits below a tenth, which would tell little.

    >>> in_percent(1.0), in_percent(0.2107), in_percent(0.00084), in_percent(0.0000312), in_percent(0.0)
    ('100.00', '21.07', '0.084', '0.0031', '0.00')
    """
    return f"{100 * density:#.2g}" if 0 < density < 0.001 else f"{100 * density:.2f}"


def first_line(damage: CorruptResult) -> str:
    """What is damaged, without where it was moved to."""
    return str(damage).partition("\n")[0]


def to_csv(records: Sequence[NamedTuple], fields: Sequence[str] = Record._fields) -> str:
    """A tidy table as CSV; what is missing, as the iteration of what has no time, is an empty cell."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(fields)
    writer.writerows(records)
    return out.getvalue()


def to_json(records: Sequence[Record]) -> str:
    """The tidy table as a JSON array of objects, one a line."""
    lines = [json.dumps(record._asdict()) for record in records]
    return "[\n" + ",\n".join(lines) + "\n]\n"


def write_parquet(records: Sequence[Record], path: Path) -> None:
    """The tidy table as a Parquet file; raises MissingExtra without pyarrow."""
    try:
        pa: Any = import_module("pyarrow")  # which has no types
        parquet: Any = import_module("pyarrow.parquet")
    except ImportError:
        raise MissingExtra("pyarrow", "parquet", "writing Parquet") from None
    columns = {name: [getattr(record, name) for record in records] for name in Record._fields}
    integers = {"replicate", "level", "iteration"}
    floats = {"density", "value"}
    types = {
        name: pa.int64() if name in integers else pa.float64() if name in floats else pa.string() for name in columns
    }
    table = pa.table({name: pa.array(values, type=types[name]) for name, values in columns.items()})
    buffer = pa.BufferOutputStream()
    parquet.write_table(table, buffer)
    write_file(path, buffer.getvalue().to_pybytes(), option="--out FILE")
