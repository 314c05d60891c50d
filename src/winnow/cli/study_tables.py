"""Studies as tables for a terminal."""

from __future__ import annotations

import math

from rich.console import Group
from rich.table import Table

from winnow.execution.onset import Onset, shown
from winnow.experiments.search import Judgement
from winnow.findings import Finding, Findings
from winnow.from_recipe import timeline
from winnow.report.table import has_interval
from winnow.results import Spread, in_percent


def stability_table(findings: Findings) -> Group:
    """For each rewind point and kind of mask: L2 distances and angles over replicates, and accuracy."""
    study = findings.study
    title = (
        f"{study.recipe.name}: stability of subnetworks with {in_percent(study.density)} % of the weights "
        f"(level {study.level}),\n{_replicates(study.recipe.replicates)}. Distance and angle (degrees) of the "
        f"remaining weights at the\nend of training: mean ± std of the replicates; n comparisons."
    )
    table = _table()
    for column in ("k", "mask", "stability to", "L2", "angle", "n", f"{findings.score} %"):
        table.add_column(column, justify="left" if column in ("mask", "stability to") else "right", no_wrap=True)
    for k in findings.ks:
        label = f"{k:,}"
        for network in ("ticket", "random"):
            accuracy = _spread(findings.accuracy(network, k), 2, 100)
            for quantity in ("pruning", "data-order"):
                distance, angle = (findings.finding(quantity, network, k, metric) for metric in ("l2", "angle"))
                if distance and angle:
                    mask = "IMP" if network == "ticket" else network
                    cells = (_spread(distance.spread, 1), _spread(angle.spread, 1), str(distance.pairs))
                    table.add_row(label, mask, quantity.replace("-", " "), *cells, accuracy)
                    label = accuracy = ""
        table.add_row(label, "dense", "", "", "", "", _spread(findings.accuracy("dense", k), 2, 100))
    return Group(title, table)


def instability_table(findings: Findings) -> Group:
    """One line for each rewind point, network and iteration: barriers, the interval if there is one, and accuracy."""
    study = findings.study
    what = f"subnetworks with {in_percent(study.density)} % of the weights" if study.level else "the dense network"
    title = (
        f"{study.recipe.name}: instability of {what}, {_replicates(study.recipe.replicates)}.\nError barrier between "
        f"children of the same W_k, in points: mean ± std of the\nreplicates; n pairs. Below 2 is stable (LMC)."
    )
    table = _table()
    stops = sorted({found.stop for found in findings.findings})
    has_intervals = any(_interval(found) for found in findings.findings if found.metric == "test_barrier")
    left_out = {"at"} if len(stops) == 1 else set[str]()
    left_out |= set[str]() if has_intervals else {"95 % interval"}
    for column in ("k", "network", "at", "test", "95 % interval", "training", "n", f"{findings.score} %"):
        if column not in left_out:
            table.add_column(column, justify="left" if column == "network" else "right", no_wrap=True)
    for found in findings.findings:
        if found.metric != "test_barrier":
            continue
        train = findings.finding("instability", found.network, found.k, "train_barrier", stop=found.stop)
        table.add_row(
            f"{found.k:,}",
            "IMP" if found.network == "ticket" else found.network,
            *([f"{found.stop:,}"] if len(stops) > 1 else []),
            _spread(found.spread, 2, 100),
            *([_interval(found) or "none"] if has_intervals else []),
            _spread(train.spread if train else None, 2, 100),
            str(found.pairs),
            _spread(findings.accuracy(found.network, found.k), 2, 100) if found.stop == stops[-1] else "",
        )
    return Group(title, table)


def onset_report(onset: Onset) -> Group:
    """What was looked at, what was found, and what it cost."""
    recipe = onset.recipe
    of = "the dense network" if recipe.onset.density is None else f"subnetworks near {100 * recipe.onset.density:g} %"
    unit = "points of test error" if recipe.onset.by == "instability" else "degrees"
    scale = 100 if recipe.onset.by == "instability" else 1
    title = (
        f"{recipe.name}: onset of stability by {recipe.onset.by}, of {of};\n"
        f"stable below {scale * recipe.onset.limit:g} {unit}. In the order of the search:"
    )
    table = _table()
    for column in ("k", "mean", "95 % interval", "n", "stable?"):
        table.add_column(column, justify="right", no_wrap=True)
    for each in onset.judgements:
        low, high = each.interval
        limits = f"{scale * low:.2f} to {scale * high:.2f}" if has_interval(each.values) else "none"
        table.add_row(f"{each.k:,}", f"{scale * each.mean:.2f}", limits, str(len(each.values)), _stable(each))
    return Group(title, table, _conclusion(onset))


def _conclusion(onset: Onset) -> str:
    amounts = timeline(onset.recipe.edited({"rewind": "0it"}))
    if onset.k is None:
        found = f"No k up to {onset.grid[-1]:,} is stable: {shown(onset.recipe, onset.judgements[-1])} there."
    else:
        below = max((k for k in onset.grid if k < onset.k), default=None)
        between = "" if below is None else f"; at the k tried below it, {below:,}, training is not stable yet"
        found = (
            f"Onset: k = {onset.k:,} iterations ({onset.k / amounts.per_epoch:.3g} epochs, "
            f"{100 * onset.k / amounts.length:.3g} % of training){between}."
        )
        if len(onset.judgements) < len(onset.grid):
            found += "\nStability is taken to last once it has set in: the k that were not tried may tell otherwise."
    unclear = [each.k for each in onset.judgements if not each.is_clear]
    if unclear:
        listed = ", ".join(f"{k:,}" for k in sorted(unclear))
        found += (
            f"\nNot clear of the threshold with these replicates: k = {listed}. The mean decided; "
            f"--onset.most-replicates trains more."
        )
    for each in onset.judgements:
        if each.missing:
            found += (
                f"\nAt k = {each.k:,}, {each.missing} of {each.asked} comparisons are missing, since a training "
                f"failed: the others decided."
            )
    return (
        f"{found}\n{len(onset.judgements)} of {len(onset.grid)} k were tried; {onset.spent.trainings:,} trainings to "
        f"the end ({onset.spent.iterations:,} iterations in all) were run, where the whole grid would have taken "
        f"{onset.grid_cost.trainings:,} ({onset.grid_cost.iterations:,})."
    )


def _stable(judgement: Judgement) -> str:
    return ("yes" if judgement.is_stable else "no") + ("" if judgement.is_clear else ", not clearly")


def _table() -> Table:
    return Table(box=None, pad_edge=False)


def _replicates(count: int) -> str:
    return f"{count} replicate{'s' if count > 1 else ''}"


def _interval(found: Finding) -> str:
    """The interval of a mean, in points; empty where one value, or all the same, give none."""
    if not has_interval(found.spread.values):
        return ""
    low, high = found.interval
    return f"{100 * low:.2f} to {100 * high:.2f}"


def _spread(spread: Spread | None, digits: int, scale: float = 1.0) -> str:
    if spread is None:
        return ""
    mean = f"{scale * spread.mean:.{digits}f}"
    return mean if math.isnan(spread.std) else f"{mean} ± {scale * spread.std:.{digits}f}"
