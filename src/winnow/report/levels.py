"""The table of a run's levels, compared with the dense network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from winnow.experiments.experiment import TICKET
from winnow.recipe import Recipe
from winnow.report.against_density import display_name, grouped, mean_density
from winnow.report.table import Table, limits, mean_and_std, summary, summary_fields
from winnow.results import Results, Spread, Training, in_percent


@dataclass(frozen=True, kw_only=True)
class _Line:
    """A level of the tickets or of a control."""

    control: str
    level: int
    trainings: Sequence[Training]
    recipe: Recipe
    to_dense: Sequence[float]
    """The accuracy less that of the dense network of the same replicate, where both are there."""

    is_matching: bool | None

    @property
    def accuracies(self) -> list[float]:
        """As the recipe compares them."""
        return [training.accuracy(self.recipe.matching) for training in self.trainings]

    @property
    def early_stops(self) -> list[float]:
        """The iterations of least validation loss."""
        return [float(training.curve.early_stop) for training in self.trainings]

    @property
    def verdict(self) -> str:
        """Whether the level matches, in a word."""
        if self.is_matching is None:
            return ""
        if len(self.trainings) < self.recipe.replicates:
            return "incomplete"
        return "yes" if self.is_matching else "no"

    def shown(self) -> tuple[str, ...]:
        """For people."""
        return (
            "dense" if self.level == 0 else display_name(self.control),
            str(self.level),
            in_percent(mean_density(self.trainings)),
            mean_and_std(Spread(tuple(self.accuracies)), 2, 100),
            limits(self.accuracies, 2, 100),
            limits(self.to_dense, 2, 100, signed=True) if self.to_dense else "",
            mean_and_std(Spread(tuple(self.early_stops)), 0),
            str(len(self.trainings)),
            self.verdict,
        )

    def exact(self) -> tuple[object, ...]:
        """For a CSV file."""
        losses = [training.curve.rows[training.curve.early_stop]["validation_loss"] for training in self.trainings]
        measured = (self.accuracies, self.early_stops, losses, self.to_dense)
        summaries = (value for values in measured for value in summary(values))
        return (self.control, self.level, mean_density(self.trainings), *summaries, self.is_matching)


def levels_table(results: Results) -> Table:
    """One row for each level of the tickets and of each control, compared with the dense network by replicates.

    A ticket and the dense network of its replicate share initialization and noise, so their difference is taken pair
    by pair, and the interval is that of the mean difference.
    """
    matching = results.experiment.recipe.matching
    lines = _lines(results)
    smallest = results.smallest_matching
    strong = (TICKET, smallest.level) if smallest else None
    at = "at the end" if matching.at == "end" else "at early stopping"
    return Table(
        name="levels",
        title=f"{matching.on.capitalize()} {results.score} {at} and early-stop iteration by level: mean ± standard "
        f"deviation of n replicates, 95 % intervals of the mean (Student’s t); “to dense” is paired by replicate, "
        f"in points.",
        columns=(
            *("network", "level", "density %", f"{results.score} %", "95 % interval", "to dense, 95 %"),
            *("early stop", "n", "matching"),
        ),
        rows=tuple(line.shown() for line in lines),
        fields=(
            *("control", "level", "density"),
            *summary_fields("accuracy"),
            *summary_fields("early_stop"),
            *summary_fields("least_validation_loss"),
            *summary_fields("accuracy_to_dense"),
            "is_matching",
        ),
        values=tuple(line.exact() for line in lines),
        strong=frozenset(number for number, line in enumerate(lines) if (line.control, line.level) == strong),
    )


def _lines(results: Results) -> list[_Line]:
    """The levels that were trained to the end; the tickets' first, whose level 0 is the dense network."""
    recipe, groups = results.experiment.recipe, grouped(results)
    dense = {
        training.row.replicate: training.accuracy(recipe.matching) for training in groups.get(TICKET, {}).get(0, [])
    }
    matched = {(level.control, level.level): level.is_matching for level in results.levels}
    return [
        _Line(
            control=control,
            level=level,
            trainings=trainings,
            recipe=recipe,
            to_dense=[
                training.accuracy(recipe.matching) - dense[training.row.replicate]
                for training in trainings
                if level and training.row.replicate in dense
            ],
            is_matching=matched[control, level],
        )
        for control, levels in groups.items()
        for level, trainings in levels.items()
    ]
