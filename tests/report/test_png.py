"""The PNG of a chart, as matplotlib holds it when it is written."""

from __future__ import annotations

import pytest
from matplotlib.figure import Figure

from winnow.report.chart import Axis, Chart, Mark, Point, Series
from winnow.report.png import png


def chart(*series: Series, mark: float | None = None, x: Axis | None = None) -> Chart:
    return Chart(
        name="chart",
        title="Accuracy",
        about="",
        x=x or Axis(label="density (%)", scale="log", falls=True),
        y=Axis(label="accuracy (%)"),
        series=series,
        mark=None if mark is None else Mark(mark, "smallest matching"),
    )


def series(name: str, xs: tuple[float, ...] = (100.0, 50.0, 20.0, 5.0)) -> Series:
    return Series(name=name, colour="blue", marker="circle", points=tuple(Point(x=x, y=90 + x / 50) for x in xs))


@pytest.mark.parametrize("mark", [100.0, 50.0, 5.0])
def test_a_marks_label_stays_between_the_ends_of_the_axis(saved: list[Figure], mark: float) -> None:
    png(chart(series("ticket"), mark=mark))
    (axes,) = saved[0].axes
    box, inside = axes.texts[0].get_window_extent(), axes.get_window_extent()
    assert inside.x0 <= box.x0 and box.x1 <= inside.x1


def test_what_has_no_points_is_not_in_the_legend(saved: list[Figure]) -> None:
    png(chart(series("ticket"), series("nothing", ())))
    assert [text.get_text() for text in saved[0].legends[0].get_texts()] == ["ticket"]


def test_markers_at_the_ends_of_an_axis_of_k_are_whole(saved: list[Figure]) -> None:
    png(chart(series("IMP", (0.0, 20.0, 60.0)), x=Axis(label="k", scale="from-zero")))
    low, high = saved[0].axes[0].get_xlim()
    assert low < 0 and high > 60


@pytest.mark.parametrize("letters", [8, 40, 200])
def test_the_legend_lies_in_the_picture_however_long_names_are(saved: list[Figure], letters: int) -> None:
    png(chart(*(series(f"{letters * 'a'} {number}") for number in range(4))))
    box = saved[0].legends[0].get_window_extent()
    assert box.x0 >= 0 and box.x1 <= saved[0].bbox.width
