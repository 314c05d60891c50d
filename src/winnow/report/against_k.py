"""What a study measured: charts against the rewind point k, and tables."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from winnow.experiments.study import Quantity, Subnetwork
from winnow.findings import METRICS, Finding, Findings
from winnow.report.chart import STEPS, Axis, Chart, Dash, Marker, Point, Reference, Series
from winnow.report.table import Table, has_interval, limits, mean_and_std, summary, summary_fields
from winnow.results import Spread

K = Axis(label="rewind point k (iterations)", scale="from-zero")

NAMES: dict[Subnetwork, str] = {"dense": "dense", "ticket": "IMP", "random": "random mask"}
COLOURS: dict[Subnetwork, str] = {"dense": "reference", "ticket": "blue", "random": "orange"}
MARKERS: dict[Subnetwork, tuple[Marker, Marker]] = {
    "dense": ("down", "diamond"),
    "ticket": ("circle", "diamond"),
    "random": ("square", "triangle"),
}
"""Of solid and of broken lines: where there is one k, there are no lines to tell."""

_UNITS = {"l2": (1.0, 1, ""), "angle": (1.0, 1, "°"), "test_barrier": (100.0, 2, " points")}
_UNITS["train_barrier"] = _UNITS["test_barrier"]

STABLE = 2.0
"""Points of test error: below this barrier LMC (arXiv 1912.05671), §3, calls a network stable."""


def study_charts(findings: Findings) -> list[Chart]:
    """The charts of a study of stability or of instability; those with nothing to show are left out."""
    drawn = _stability(findings) if findings.study.name == "stability" else _instability(findings)
    return [chart for chart in [*drawn, _accuracy(findings)] if not chart.is_empty]


def _of(findings: Findings) -> str:
    study = findings.study
    what = f"subnetworks with {100 * study.density:.3g} % of the weights" if study.level else "the dense network"
    count = study.recipe.replicates
    points = f"means, shades reach from the least to the most of {count} replicates" if count > 1 else "of 1 replicate"
    return f"Of {what}. Points are {points}"


def _stability(findings: Findings) -> list[Chart]:
    titles = {"l2": ("Stability: distance", "L2 distance"), "angle": ("Stability: angle", "angle (degrees)")}
    charts: list[Chart] = []
    quantities: tuple[tuple[Quantity, Dash], ...] = (("pruning", ""), ("data-order", "6 4"))
    networks: tuple[Subnetwork, ...] = ("ticket", "random")
    for metric, (title, label) in titles.items():
        series = [
            _series(findings, quantity, network, metric, f"{NAMES[network]}, {quantity.replace('-', ' ')}", dash)
            for quantity, dash in quantities
            for network in networks
        ]
        charts.append(
            Chart(
                name=f"stability-{metric}",
                title=title,
                about=f"{_of(findings)}. How far pruning (solid) or another data order (dashed) moves where training "
                f"from k ends: the remaining weights at the end of training. Lower is more stable.",
                x=K,
                y=Axis(label=label, has_zero=True),
                series=tuple(series),
            )
        )
    return charts


def _instability(findings: Findings) -> list[Chart]:
    splits: tuple[tuple[str, str, Dash], ...] = (("test_barrier", "test", ""), ("train_barrier", "training", "2 3"))
    networks: tuple[Subnetwork, ...] = ("dense", "ticket", "random")
    series = [
        _series(findings, "instability", network, metric, f"{NAMES[network]}, {split}", dash)
        for network in networks
        for metric, split, dash in splits
    ]
    barrier = Chart(
        name="barrier",
        title="Error barrier between networks trained from the same k",
        about=f"{_of(findings)}. The greatest error on the line between two trainings under different noise, less the "
        f"mean of its ends; below 2 points counts as stable (arXiv 1912.05671, §3).",
        x=K,
        y=Axis(label="barrier (points of error)", has_zero=True),
        series=tuple(series),
        reference=Reference(f"stable below {STABLE:g}", STABLE),
    )
    return [barrier, _line(findings)]


def _series(
    findings: Findings,
    quantity: Quantity,
    network: Subnetwork,
    metric: str,
    name: str,
    dash: Dash,
) -> Series:
    scale, digits, unit = _UNITS[metric]
    points: list[Point] = []
    for k in findings.ks:
        found = findings.finding(quantity, network, k, metric)
        if found is not None:
            told = f"{name}, k = {k:,}\n{mean_and_std(found.spread, digits, scale)}{unit} ({found.pairs} comparisons)"
            points.append(_point(k, found.spread, scale, f"{told}{_interval(found.spread, digits, scale)}"))
    colour, marker = COLOURS[network], MARKERS[network][dash != ""]
    return Series(name=name, colour=colour, marker=marker, dash=dash, points=tuple(points), is_band=True)


def _point(k: int, spread: Spread, scale: float, note: str) -> Point:
    return Point(x=k, y=scale * spread.mean, low=scale * spread.least, high=scale * spread.most, note=note)


def _interval(spread: Spread, digits: int, scale: float) -> str:
    return f"\n95 % interval {limits(spread.values, digits, scale)}" if has_interval(spread.values) else ""


def _accuracy(findings: Findings) -> Chart:
    series: list[Series] = []
    networks: tuple[Subnetwork, ...] = ("dense", "ticket", "random")
    for network in networks:
        points: list[Point] = []
        for k in findings.ks:
            spread = findings.accuracy(network, k)
            if spread is not None:
                told = f"{NAMES[network]}, k = {k:,}\n{mean_and_std(spread, 2, 100)} %{_interval(spread, 2, 100)}"
                points.append(_point(k, spread, 100, told))
        colour, marker = COLOURS[network], MARKERS[network][0]
        series.append(Series(name=NAMES[network], colour=colour, marker=marker, points=tuple(points), is_band=True))
    return Chart(
        name=f"{findings.study.name}-accuracy",
        title=f"Test {findings.score} at the end, from each k",
        about=f"{_of(findings)}.",
        x=K,
        y=Axis(label=f"{findings.score} (%)"),
        series=tuple(series),
    )


def _line(findings: Findings) -> Chart:
    """Test error along the line between the two networks, for each k: the mean over all pairs."""
    series: list[Series] = []
    end = max((comparison.stop for comparison in findings.study.comparisons), default=0)
    for number, k in enumerate(findings.ks):
        lines = [
            each.rows
            for each in findings.measured
            if each.comparison.k == k and each.comparison.stop == end and each.comparison.network != "random"
        ]
        points: list[Point] = []
        for place in range(len(lines[0]) if lines else 0):
            position = float(lines[0][place]["position"])
            error = 100 * statistics.fmean(float(rows[place]["test_error"]) for rows in lines)
            points.append(Point(x=position, y=error, note=f"k = {k:,}\nat {position:.2f} of the way: {error:.2f} %"))
        colour = STEPS[round(number * (len(STEPS) - 1) / max(1, len(findings.ks) - 1))]
        dash = "6 4" if len(findings.ks) > len(STEPS) and number % 2 else ""  # two may share a colour
        series.append(Series(name=f"k = {k:,}", colour=colour, dash=dash, points=tuple(points)))
    return Chart(
        name="line",
        title="Test error on the line between the two networks",
        about="Mean over all pairs. A hill between the ends means that the two ended in places that are not connected.",
        x=Axis(label="position, from one network to the other", least=0.0, most=1.0),
        y=Axis(label="test error (%)", has_zero=True),
        series=tuple(series),
    )


def study_table(findings: Findings) -> Table:
    """Everything the study found, one row for each rewind point, network, quantity and iteration."""
    rows: list[tuple[str, ...]] = []
    values: list[tuple[object, ...]] = []
    grouped: dict[tuple[int, Subnetwork, Quantity, int], dict[str, Finding]] = {}
    for found in findings.findings:
        grouped.setdefault((found.k, found.network, found.quantity, found.stop), {})[found.metric] = found
    metrics: Sequence[str] = METRICS["instability" if findings.study.name == "instability" else "pruning"]
    for (k, network, quantity, stop), by_metric in sorted(grouped.items(), key=lambda item: _order(item[0])):
        accuracy = findings.accuracy(network, k)
        cells: list[str] = []
        for metric in metrics:
            scale, digits, _ = _UNITS[metric]
            spread = by_metric[metric].spread
            cells += [mean_and_std(spread, digits, scale), limits(spread.values, digits, scale)]
            values.append((k, network, quantity, stop, metric, *summary(spread.values), by_metric[metric].pairs))
        count = next(iter(by_metric.values()))
        said = mean_and_std(accuracy, 2, 100) if accuracy else "–"
        what = quantity.replace("-", " ")
        rows.append(
            (NAMES[network], what, f"{k:,}", f"{stop:,}", *cells, str(len(count.spread.values)), str(count.pairs), said)
        )
    names = {"l2": "L2", "angle": "angle °", "test_barrier": "test, points", "train_barrier": "training, points"}
    shown = [column for metric in metrics for column in (names[metric], "95 %")]
    return Table(
        name=findings.study.name,
        title="Mean ± standard deviation and 95 % interval of the mean (Student’s t) over n replicates, each the "
        f"mean of its comparisons; {findings.score} at the end of training.",
        columns=(
            "network",
            "stability to" if findings.study.name == "stability" else "measure",
            "k",
            "at",
            *shown,
            "n",
            "pairs",
            f"{findings.score} %",
        ),
        rows=tuple(rows),
        fields=("k", "network", "quantity", "iteration", "metric", *summary_fields("value"), "pairs"),
        values=tuple(values),
        words=2,
    )


def _order(key: tuple[int, Subnetwork, Quantity, int]) -> tuple[int, int, int, int]:
    k, network, quantity, stop = key
    return k, list(NAMES).index(network), list(METRICS).index(quantity), stop
