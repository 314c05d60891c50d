"""The figures of studies: that legends lie beside the data, and that words are right."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from matplotlib.figure import Figure

from winnow.experiments import instability, stability
from winnow.findings import Findings, Measured
from winnow.recipes import read
from winnow.report.against_k import study_charts
from winnow.report.studies import draw
from winnow.timeline import Amount

Drawn = Callable[[Findings], Figure]

AT = [Amount.parse(k) for k in ("0it", "20it", "100it")]


@pytest.fixture
def figure_of(tmp_path: Path, saved: list[Figure]) -> Drawn:
    """Gives the figure as matplotlib holds it when it is saved."""

    def figure_of(findings: Findings) -> Figure:
        draw(findings, tmp_path)
        return saved[-1]

    return figure_of


def barriers(
    replicates: int,
    density: float | None = None,
    *,
    random: bool = False,
    at: Sequence[Amount] = AT,
    spread: float = 0.0,
) -> Findings:
    """Barriers of ten points, and `spread` more in each replicate than in the one before."""
    recipe = read("digits").edited({"replicates": replicates})
    study = instability(recipe, density=density, at=at, with_random=random)

    def line(replicate: int) -> tuple[dict[str, float | str], ...]:
        errors = ((0.0, 0.1), (0.5, 0.2 + spread * replicate), (1.0, 0.1))
        return tuple({"position": x, "train_error": 0.1, "test_error": error} for x, error in errors)

    return Findings(study, tuple(Measured(each, line(each.replicate)) for each in study.comparisons), ())


def distances(at: Sequence[Amount] = AT) -> Findings:
    study = stability(read("digits").edited({"replicates": 2}), density=0.5, at=at)
    rows = ({"layer": "", "l2": 3.0, "angle": 20.0},)
    return Findings(study, tuple(Measured(each, rows) for each in study.comparisons), ())


@pytest.mark.parametrize(
    "findings", [barriers(2), barriers(2, 0.5, random=True), distances()], ids=["dense", "subnetworks", "stability"]
)
def test_legends_lie_beside_the_data_and_in_the_picture(figure_of: Drawn, findings: Findings) -> None:
    figure = figure_of(findings)
    legends = [(axes, legend) for axes in figure.axes if (legend := axes.get_legend())]
    assert len(legends) >= 2 and not figure.legends
    for axes, legend in legends:
        box = legend.get_window_extent()
        assert not box.overlaps(axes.get_window_extent())
        assert figure.bbox.x0 <= box.x0 and box.x1 <= figure.bbox.x1 and box.y1 <= figure.bbox.y1


@pytest.mark.parametrize("replicates, said", [(1, ", 1 replicate"), (3, ", 3 replicates (bands: least to most)")])
def test_the_title_says_of_how_many_replicates(figure_of: Drawn, replicates: int, said: str) -> None:
    assert figure_of(barriers(replicates)).get_suptitle() == f"digits: instability of the dense network{said}"


def test_networks_are_told_apart_without_colour(figure_of: Drawn) -> None:
    lines = figure_of(barriers(2, 0.5, random=True)).axes[0].get_lines()
    looks = {(line.get_marker(), line.get_linestyle()) for line in lines}
    assert len(looks) == len(lines) == 5  # IMP and random, each on test and training; and where stability begins


def test_with_one_k_quantities_are_told_apart_by_their_markers(figure_of: Drawn) -> None:
    found = distances(AT[:1])
    lines = figure_of(found).axes[0].get_lines()
    assert len({line.get_marker() for line in lines}) == len(lines) == 4
    chart = study_charts(found)[0]
    assert len({series.marker for series in chart.series}) == len(chart.series) == 4


def test_many_k_look_different_on_the_page() -> None:
    at = [Amount.parse(f"{k}it") for k in range(0, 100, 10)]
    (line,) = [chart for chart in study_charts(barriers(2, at=at)) if chart.name == "line"]
    assert len({(series.colour, series.dash) for series in line.series}) == len(line.series) == 10


def test_points_of_one_replicate_are_called_no_means() -> None:
    assert "Points are of 1 replicate." in study_charts(barriers(1))[0].about
