from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import matplotlib as mpl
import pytest
from matplotlib.figure import Figure

from winnow.experiments import controls
from winnow.experiments.experiment import TICKET
from winnow.report.figure import draw
from winnow.results import Results, Training

from ..test_results import DENSE, results_of


@pytest.fixture
def results() -> Results:
    return results_of(
        {
            DENSE: [0.90, 0.91, 0.92],
            (TICKET, 1): [0.91, 0.92, 0.93],
            (TICKET, 2): [0.90, 0.92, 0.91],
            (TICKET, 3): [0.70, 0.75, 0.80],
            ("reinit", 1): [0.85, 0.86, 0.87],
            ("reinit", 2): [0.80, 0.81, 0.82],
        }
    )


Drawn = Callable[[Results], Figure]


@pytest.fixture
def figure_of(tmp_path: Path, saved: list[Figure]) -> Drawn:
    """Gives the figure as matplotlib holds it when it is saved."""

    def figure_of(results: Results) -> Figure:
        draw(results, tmp_path)
        return saved[-1]

    return figure_of


@pytest.fixture
def drawn(results: Results, figure_of: Drawn) -> Figure:
    return figure_of(results)


def test_the_same_results_give_the_same_svg_whatever_matplotlib_is_set_to(results: Results, tmp_path: Path) -> None:
    first, _ = draw(results, tmp_path / "first")
    with mpl.rc_context({"axes.facecolor": "pink", "lines.linewidth": 7, "font.size": 20}):
        second, _ = draw(results, tmp_path / "second")
    assert first.read_bytes() == second.read_bytes()
    assert first.name == second.name == "digits-imp-0123abcd.svg"


def test_both_kinds_of_file_are_made(results: Results, tmp_path: Path) -> None:
    svg, png = draw(results, tmp_path / "figures")
    text = svg.read_text()
    assert text.startswith("<?xml") and "test accuracy at the end of training (%)" in text and ">reinit<" in text
    assert png.read_bytes().startswith(b"\x89PNG\r\n")
    assert png.suffix == ".png"


def curves(figure: Figure, panel: int) -> dict[str, Any]:
    return {container.get_label(): container for container in figure.axes[panel].containers}


def test_accuracies_drawn_are_the_means_with_the_least_and_the_most(drawn: Figure, results: Results) -> None:
    found = curves(drawn, 0)
    assert set(found) == {"tickets", "reinit"}
    for label, control in (("tickets", TICKET), ("reinit", "reinit")):
        levels = [level for level in results.levels if level.control == control]
        line, _, (bars,) = found[label]
        assert list(line.get_xdata()) == pytest.approx([100 * level.density for level in levels])
        assert list(line.get_ydata()) == pytest.approx([100 * level.accuracy.mean for level in levels])
        ends = [tuple(segment[:, 1]) for segment in bars.get_segments()]
        assert ends == [pytest.approx((100 * level.accuracy.least, 100 * level.accuracy.most)) for level in levels]


def test_early_stops_are_drawn_beside_them(drawn: Figure) -> None:
    line, _, _ = curves(drawn, 1)["tickets"]
    assert list(line.get_ydata()) == [20.0] * 4
    assert "iteration" in drawn.axes[1].get_ylabel()


def test_the_dense_network_is_a_dashed_line_at_its_mean(drawn: Figure) -> None:
    dashed = [line for line in drawn.axes[0].get_lines() if line.get_linestyle() == "--"]
    assert [line.get_ydata()[0] for line in dashed] == pytest.approx([91.0])


def test_density_falls_to_the_right_and_the_smallest_matching_is_named(drawn: Figure) -> None:
    left, right = drawn.axes[0].get_xlim()
    assert left > 100 > right
    assert [text.get_text() for text in drawn.axes[0].texts] == ["smallest matching ticket: 64 %"]


def test_a_run_of_the_dense_network_alone_can_be_drawn(tmp_path: Path) -> None:
    assert all(path.stat().st_size > 1_000 for path in draw(results_of({DENSE: [0.9]}), tmp_path))


def test_a_figure_is_drawn_again_only_when_the_results_are_others(results: Results, tmp_path: Path) -> None:
    svg, png = draw(results, tmp_path)
    times = svg.stat().st_mtime_ns, png.stat().st_mtime_ns
    draw(results, tmp_path)
    assert (svg.stat().st_mtime_ns, png.stat().st_mtime_ns) == times
    png.unlink()
    draw(results, tmp_path)
    assert png.exists()
    before = svg.read_bytes()
    draw(results_of({DENSE: [0.90, 0.91, 0.92], (TICKET, 1): [0.5, 0.6, 0.7]}), tmp_path)
    assert svg.read_bytes() != before


def test_nine_curves_are_told_apart_and_the_dense_network_trained_longer_stands_beside_its_level(
    figure_of: Drawn,
) -> None:
    names = [TICKET, *controls()]
    accuracies = {(name, level): [0.9, 0.8] for name in names for level in (1, 2)} | {DENSE: [0.91, 0.92]}
    found = results_of(accuracies, control=["all"])
    found = replace(found, trainings=tuple(_whole_if_longer(training) for training in found.trainings))
    drawn = figure_of(found)
    longer = "dense-longer (not pruned)"
    assert set(curves(drawn, 0)) == {"tickets", longer, *(name for name in controls() if name != "dense-longer")}
    lines = [container[0] for container in curves(drawn, 0).values()]
    assert len({line.get_color() for line in lines}) == len({line.get_marker() for line in lines}) == len(names)
    assert list(curves(drawn, 0)[longer][0].get_xdata()) == pytest.approx([80.0, 64.0])
    assert len(drawn.legends[0].get_texts()) == len(names) + 1


def _whole_if_longer(training: Training) -> Training:
    return replace(training, density=1.0) if training.row.control == "dense-longer" else training


def test_levels_that_were_not_trained_to_the_end_are_not_drawn(figure_of: Drawn) -> None:
    accuracies = {(TICKET, level): [0.9, 0.8] for level in (1, 2, 3)} | {DENSE: [0.91, 0.92]}
    found = results_of(accuracies, prune={"at": "200it", "train_levels": [1, 3]})
    assert [level.cut for level in found.levels] == [None, None, 200, None]
    assert list(curves(figure_of(found), 0)["tickets"][0].get_xdata()) == pytest.approx([100, 80, 51.2])


@pytest.mark.parametrize("last, side", [(0, "left"), (3, "right")])
def test_the_label_of_the_smallest_matching_ticket_lies_in_the_picture(figure_of: Drawn, last: int, side: str) -> None:
    accuracies = {(TICKET, level): [0.9 if level <= last + 1 else 0.5] for level in (1, 2, 3)} | {DENSE: [0.9]}
    drawn = figure_of(results_of(accuracies))
    drawn.draw_without_rendering()
    (label,) = drawn.axes[0].texts
    assert label.get_horizontalalignment() == side
    box, axes = label.get_window_extent(), drawn.axes[0].get_window_extent()
    assert axes.x0 <= box.x0 and box.x1 <= axes.x1


def test_a_long_name_is_broken_and_not_cut(figure_of: Drawn, results: Results) -> None:
    recipe = results.experiment.recipe.edited({"name": "digits-" + 15 * "again-and-"})
    named = replace(results, experiment=replace(results.experiment, recipe=recipe))
    drawn = figure_of(named)
    drawn.draw_without_rendering()
    (title,) = drawn.texts
    assert "\n" in title.get_text() and title.get_window_extent().width < drawn.bbox.width
