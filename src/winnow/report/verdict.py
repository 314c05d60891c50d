"""What a run says, in a sentence and a few numbers."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from winnow.experiments.experiment import TICKET
from winnow.findings import Findings
from winnow.from_recipe import timeline
from winnow.intervals import interval
from winnow.report.against_density import display_name, grouped
from winnow.report.against_k import STABLE
from winnow.report.table import difference, has_interval, limits, mean_and_std
from winnow.results import Level, Results, Spread


@dataclass(frozen=True)
class Fact:
    """A number, what it is, and what to compare it with."""

    value: str
    what: str
    beside: str


@dataclass(frozen=True)
class Verdict:
    """What a run says."""

    headline: str
    facts: tuple[Fact, ...]
    density: float | None
    """Of the smallest matching ticket."""

    reasons: tuple[str, ...]
    """What counts as matching, and where tickets restart from and why."""


def verdict(results: Results, studies: Sequence[Findings] = (), *, failed: int = 0) -> Verdict:
    """The smallest matching ticket beside the dense network and the controls; and why this rewind point.

    `failed` is how many of the run's trainings have no result and can have none.
    """
    smallest, dense = results.smallest_matching, results.dense
    reasons = (_matching(results), _rewinding(results, studies))
    if dense is None and failed and failed == len(results.experiment.rows):
        return Verdict("Nothing came of this run: every training failed, or needs one that did.", (), None, reasons)
    if dense is None:
        return Verdict("The dense network has no results yet, so nothing can be compared with it.", (), None, reasons)
    if smallest is None:
        return _without_match(results, dense, reasons)
    kind = "A winning ticket" if timeline(results.experiment.recipe).rewind == 0 else "A matching ticket"
    beside = _reinitialized(results, smallest)
    if beside:
        kind = "A matching subnetwork"
    headline = (
        f"{kind} with {100 * smallest.density:.3g} % of the weights trains, alone, to the {results.score} of the whole "
        f"network{beside}."
    )
    gap = 100 * (smallest.accuracy.mean - dense.mean)
    facts = [
        Fact(
            f"{100 * smallest.density:.3g} %",
            "of the weights remain",
            f"{1 / smallest.density:,.1f} times fewer, level {smallest.level}",
        ),
        Fact(
            f"{mean_and_std(smallest.accuracy, 2, 100)} %",
            f"{results.score} of the ticket",
            f"dense {mean_and_std(dense, 2, 100)} %: {difference(gap)} points",
        ),
        *_sooner(results, smallest),
        *_controls(results, smallest),
    ]
    return Verdict(headline, tuple(facts), smallest.density, reasons)


def _without_match(results: Results, dense: Spread, reasons: tuple[str, ...]) -> Verdict:
    """No ticket matches, or none does yet: the best of them beside the dense network."""
    recipe = results.experiment.recipe
    of_dense = Fact(
        f"{mean_and_std(dense, 2, 100)} %", "the dense network", f"{results.score}, n = {len(dense.values)}"
    )
    tickets = [level for level in results.levels if level.control == TICKET and level.level > 0 and level.cut is None]
    if not tickets:
        return Verdict("No level of tickets has results yet.", (of_dense,), None, reasons)
    best = max(tickets, key=lambda level: level.accuracy.mean)
    of_best = Fact(
        f"{mean_and_std(best.accuracy, 2, 100)} %",
        f"the best ticket, level {best.level}",
        f"{difference(100 * (best.accuracy.mean - dense.mean))} points to dense",
    )
    rows = [row for row in results.experiment.rows if row.control == TICKET and row.level and not row.is_cut(recipe)]
    has_every_level = len(tickets) == len({row.level for row in rows})
    if has_every_level and all(len(level.accuracy.values) == recipe.replicates for level in tickets):
        headline = f"No ticket trains to the {results.score} of the dense network."
    else:
        headline = "No level with all its replicates matches the dense network yet."
    return Verdict(headline, (of_best, of_dense), None, reasons)


def _sooner(results: Results, smallest: Level) -> list[Fact]:
    dense = [float(each.curve.early_stop) for each in results.trainings if each.row.level == 0]
    before = statistics.fmean(dense)
    if before == 0:
        return []
    change = round(100 * (smallest.early_stop.mean / before - 1))
    word = "sooner" if change < 0 else "later"
    return [
        Fact(
            f"{abs(change)} % {word}" if change else "as soon",
            "early stop of the ticket",
            f"iteration {mean_and_std(smallest.early_stop, 0)}, dense {mean_and_std(Spread(tuple(dense)), 0)}",
        )
    ]


def _controls(results: Results, smallest: Level) -> list[Fact]:
    """The difference between the ticket and each control and rival at the ticket's density, by replicate."""
    facts: list[Fact] = []
    for control, levels in grouped(results).items():
        pairs = _differences(results, control, smallest.level)
        if control != TICKET and pairs:
            theirs = Spread(tuple(each.accuracy(results.experiment.recipe.matching) for each in levels[smallest.level]))
            within = f", 95 % {limits(pairs, 2, signed=True)}" if has_interval(pairs) else ""
            facts.append(
                Fact(
                    f"{difference(statistics.fmean(pairs))} points",
                    f"against {_AGAINST.get(control, control)}",
                    f"{display_name(control)} {mean_and_std(theirs, 2, 100)} %{within}",
                )
            )
    return facts


_AGAINST = {
    "reinit": "the same mask, reinitialized",
    "random": "a random mask of the same layer densities",
    "shuffle": "the mask permuted within units",
    "random-global": "a uniform random mask",
    "erdos-renyi": "an Erdős-Rényi random mask",
    "signs": "the same mask, signs alone",
    "signs-shuffled": "the same mask, signs shuffled",
    "swap": "another replicate’s mask",
    "dense-longer": "the dense network trained longer",
    "gmp": "gradual pruning",
    "set": "SET",
    "rigl": "RigL",
}
"""What each control and rival is; one of the user's own goes by its name."""


def _differences(results: Results, control: str, level: int) -> list[float]:
    """The tickets' accuracy less a control's at a level, in points, by replicate."""
    matching = results.experiment.recipe.matching
    ours, theirs = (
        {each.row.replicate: each.accuracy(matching) for each in grouped(results).get(name, {}).get(level, [])}
        for name in (TICKET, control)
    )
    return [100 * (ours[replicate] - theirs[replicate]) for replicate in theirs if replicate in ours]


def _reinitialized(results: Results, smallest: Level) -> str:
    """What to add of the same mask reinitialized, where it does as well; empty where it does not, or was not run.

    Where replicates give no interval, it does as well if it is within the tolerance of a match.
    """
    pairs = _differences(results, "reinit", smallest.level)
    if not pairs:
        return ""
    mean = statistics.fmean(pairs)
    if mean <= 0:
        return "; so does the same mask reinitialized"
    low = interval(pairs)[0] if has_interval(pairs) else mean - 100 * results.tolerance
    if low > 0:
        return ""
    told = "one replicate tells" if len(pairs) == 1 else f"{len(pairs)} replicates tell"
    return f"; the same mask reinitialized does as well, as far as {told}"


def _matching(results: Results) -> str:
    matching = results.experiment.recipe.matching
    where = "at the end of training" if matching.at == "end" else "at early stopping"
    return (
        f"A ticket matches if its mean {matching.on} {results.score} {where} is no further below that of the dense "
        f"network than {results.tolerance_in_words}."
    )


def _rewinding(results: Results, studies: Sequence[Findings]) -> str:
    """Where tickets restart from, and what is known of it."""
    recipe = results.experiment.recipe
    amounts = timeline(recipe)
    k = amounts.rewind
    part = f"{100 * k / amounts.length:.3g} % of training"
    where = (
        "Tickets restart from initialization (k = 0)" if k == 0 else f"Tickets restart from iteration {k:,} ({part})"
    )
    ours = {row.trained.key for row in results.experiment.rows}
    for findings in studies:
        found = findings.finding("instability", "dense", k, "test_barrier") or findings.finding(
            "instability", "ticket", k, "test_barrier"
        )
        if found is not None and any(
            child.trained.key in ours
            for child in findings.study.children
            if (child.network, child.k) == (found.network, k)
        ):
            barrier = 100 * found.spread.mean
            word = "stable" if barrier < STABLE else "not stable"
            of = "the dense network" if found.network == "dense" else "IMP’s subnetwork"
            return (
                f"{where}, where {of} is {word} to noise: its error barrier is {barrier:.2f} points (stable below "
                f"{STABLE:g})."
            )
    return f"{where}, as the recipe says; nothing stored tells how stable training is from there (winnow onset does)."
