"""The table of a run's levels, compared with the dense network."""

from __future__ import annotations

from winnow.experiments.experiment import TICKET
from winnow.report.against_density import display_name, grouped, mean_density
from winnow.report.table import Table, limits, mean_and_std, summary, summary_fields
from winnow.results import Results, Spread, in_percent


def levels_table(results: Results) -> Table:
    """One row for each level of the tickets and of each control, compared with the dense network by replicates.

    A ticket and the dense network of its replicate share initialization and noise, so their difference is taken pair
    by pair, and the interval is that of the mean difference.
    """
    recipe = results.experiment.recipe
    groups = grouped(results)
    dense = {training.row.replicate: training for training in groups.get(TICKET, {}).get(0, [])}
    matched = {(level.control, level.level): level for level in results.levels}
    smallest = results.smallest_matching
    rows: list[tuple[str, ...]] = []
    values: list[tuple[object, ...]] = []
    strong: set[int] = set()
    for control, levels in groups.items():
        for level, trainings in levels.items():
            accuracy = [training.accuracy(recipe.matching) for training in trainings]
            stops = [float(training.curve.early_stop) for training in trainings]
            losses = [training.curve.rows[training.curve.early_stop]["validation_loss"] for training in trainings]
            density = mean_density(trainings)
            pairs = [
                training.accuracy(recipe.matching) - dense[training.row.replicate].accuracy(recipe.matching)
                for training in trainings
                if level and training.row.replicate in dense
            ]
            verdict = matched[control, level].is_matching
            is_whole = len(trainings) == recipe.replicates
            if smallest is not None and (control, level) == (TICKET, smallest.level):
                strong.add(len(rows))
            rows.append(
                (
                    "dense" if level == 0 else display_name(control),
                    str(level),
                    in_percent(density),
                    mean_and_std(Spread(tuple(accuracy)), 2, 100),
                    limits(accuracy, 2, 100),
                    limits(pairs, 2, 100, signed=True) if pairs else "",
                    mean_and_std(Spread(tuple(stops)), 0),
                    str(len(trainings)),
                    "" if verdict is None else "incomplete" if not is_whole else "yes" if verdict else "no",
                )
            )
            values.append(
                (
                    control,
                    level,
                    density,
                    *summary(accuracy),
                    *summary(stops),
                    *summary(losses),
                    *summary(pairs),
                    verdict,
                )
            )
    at = "at the end" if recipe.matching.at == "end" else "at early stopping"
    what = f"{recipe.matching.on.capitalize()} {results.score} {at}"
    return Table(
        name="levels",
        title=f"{what} and early-stop iteration by level: mean ± standard "
        f"deviation of n replicates, 95 % intervals of the mean (Student’s t); “to dense” is paired by replicate, "
        f"in points.",
        columns=(
            "network",
            "level",
            "density %",
            f"{results.score} %",
            "95 % interval",
            "to dense, 95 %",
            "early stop",
            "n",
            "matching",
        ),
        rows=tuple(rows),
        fields=(
            "control",
            "level",
            "density",
            *summary_fields("accuracy"),
            *summary_fields("early_stop"),
            *summary_fields("least_validation_loss"),
            *summary_fields("accuracy_to_dense"),
            "is_matching",
        ),
        values=tuple(values),
        strong=frozenset(strong),
    )
