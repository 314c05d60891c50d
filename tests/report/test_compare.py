"""The figure of a comparison: what is written in it, and that it stays in its place."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from matplotlib.figure import Figure

from winnow.comparison import Comparison
from winnow.experiments.experiment import TICKET
from winnow.report.compare import draw
from winnow.results import Results

from ..test_comparison import side
from ..test_results import DENSE, results_of

Drawn = Callable[[Comparison], Figure]


@pytest.fixture
def figure_of(tmp_path: Path, saved: list[Figure]) -> Drawn:
    """Gives the figure as matplotlib holds it when it is saved."""

    def figure_of(comparison: Comparison) -> Figure:
        draw(comparison, tmp_path)
        return saved[-1]

    return figure_of


def of(values: list[float], **more: list[float]) -> Results:
    return results_of({DENSE: values, (TICKET, 1): values} | {(name, 1): found for name, found in more.items()})


def title(figure: Figure) -> str:
    return figure.get_suptitle().replace("\n", " ")


@pytest.mark.parametrize(
    "one, other, bars",
    [
        ([0.9, 0.8], [0.8, 0.9], "means over replicates, bars: 95 % confidence intervals"),
        ([0.9], [0.8], "single replicates, which have no confidence interval"),
        ([0.9, 0.8], [0.8], "confidence intervals (none where there is one replicate)"),
    ],
)
def test_the_title_says_what_is_compared_and_what_bars_are(
    figure_of: Drawn, tmp_path: Path, one: list[float], other: list[float], bars: str
) -> None:
    sides = (side(tmp_path, of(one), "ours"), side(tmp_path, of(other), "theirs"))
    said = title(figure_of(Comparison(sides)))
    assert said.startswith("theirs compared with ours; ") and said.endswith(bars)


def test_long_names_are_shortened_in_their_middle_and_the_file_tells_the_sets(figure_of: Drawn, tmp_path: Path) -> None:
    long = "elsewhere/winnow-store:" + "a-name-without-an-end-" * 9 + "@reinit"
    found = of([0.9, 0.8], reinit=[0.7, 0.8])
    comparison = Comparison((side(tmp_path, found, "mine"), side(tmp_path, found, long, "reinit")))
    (legend,) = figure_of(comparison).legends
    name = legend.get_texts()[1].get_text()
    assert len(name) == 40 and name.startswith("elsewhere/") and "…" in name and name.endswith("@reinit")
    assert all(
        path.name.startswith("compare-mine-elsewhere") and len(path.name) < 80 for path in draw(comparison, tmp_path)
    )


def test_intervals_of_few_replicates_do_not_stretch_the_axis_beyond_accuracies(
    figure_of: Drawn, tmp_path: Path
) -> None:
    wide = of([0.1, 0.9])
    low, high = figure_of(Comparison((side(tmp_path, wide), side(tmp_path, wide, "b")))).axes[0].get_ylim()
    assert -5 < low <= 0 and 100 <= high < 105


def test_points_at_one_density_are_not_joined(figure_of: Drawn, tmp_path: Path) -> None:
    found = results_of({DENSE: [0.9], **{(name, level): [0.8] for name in (TICKET, "reinit") for level in (1, 2)}})
    whole = replace(found, trainings=tuple(replace(each, density=1.0) for each in found.trainings))
    sides = (side(tmp_path, found), side(tmp_path, whole, "whole", "reinit"))
    joined, alone = (bars[0] for bars in figure_of(Comparison(sides)).axes[0].containers)
    assert (joined.get_linestyle(), alone.get_linestyle()) == ("-", "None")
