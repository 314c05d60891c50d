"""A chart as SVG, as PNG, and as the table of its values."""

from __future__ import annotations

import csv
import io
import json
import re
import xml.etree.ElementTree as ET
from dataclasses import replace
from importlib import resources
from itertools import pairwise

import pytest

from winnow.report.chart import STEPS, Axis, Chart, Mark, Point, Reference, Series, look
from winnow.report.png import png
from winnow.report.svg import svg
from winnow.report.values import values_table

POINTS = (Point(x=100, y=98.0, low=97.9, high=98.1, note="dense <&>"), Point(x=50, y=98.2), Point(x=10, y=float("nan")))
CHART = Chart(
    name="accuracy",
    title="Accuracy & more",
    about="",
    x=Axis(label="density (%)", scale="log", falls=True),
    y=Axis(label="accuracy (%)"),
    series=(Series(name="ticket", colour="blue", marker="circle", points=POINTS),),
    reference=Reference("dense", 98.0, 97.9, 98.1),
    mark=Mark(50, "smallest matching"),
)
SPACE = "{http://www.w3.org/2000/svg}"


def test_a_file_of_its_own_is_xml_with_its_title_and_colours() -> None:
    root = ET.fromstring(svg(CHART, is_alone=True))
    texts = [element.text for element in root.iter(f"{SPACE}text")]
    assert {"Accuracy & more", "ticket", "dense", "density (%)", "accuracy (%)", "smallest matching"} <= set(texts)
    assert ".chart" in (root.findtext(f"{SPACE}style") or "")


def test_points_lie_in_the_picture_with_what_is_told_of_them_and_those_without_a_value_are_left_out() -> None:
    root = ET.fromstring(svg(CHART, is_alone=True))
    (group,) = [each for each in root.iter(f"{SPACE}g") if each.get("class") == "series c-blue"]
    points = json.loads(group.attrib["data-points"])
    assert [note for _, _, note in points] == ["dense <&>", ""]
    (x1, y1, _), (x2, y2, _) = points
    assert 0 < x1 < x2 < 480 and 0 < y2 < y1 < 350  # density falls to the right; more accuracy is higher


def test_a_png_is_drawn_of_the_same_chart() -> None:
    picture = png(CHART)
    assert picture.startswith(b"\x89PNG\r\n") and len(picture) > 5_000


@pytest.mark.parametrize("axis", [Axis(label="k", scale="from-zero"), Axis(label="x")])
def test_one_point_can_be_drawn(axis: Axis) -> None:
    chart = Chart(
        name="one", title="One", about="", x=axis, y=Axis(label="y"),
        series=(Series(name="only", colour="step0", points=(Point(x=0, y=0.0),)),),
    )  # fmt: skip
    assert "only" in svg(chart)
    assert png(chart)


def test_the_table_has_every_value_exact_in_csv() -> None:
    table = values_table(CHART)
    rows = list(csv.reader(io.StringIO(table.to_csv())))
    assert rows == [
        ["series", "density (%)", "accuracy (%)", "least", "most"],
        ["ticket", "100", "98.0", "97.9", "98.1"],
        ["ticket", "50", "98.2", "", ""],
        ["ticket", "10", "", "", ""],
        ["dense", "", "98.0", "97.9", "98.1"],
    ]
    assert '<p class="title">Accuracy &amp; more: the values drawn.</p>' in table.to_html()


def test_things_side_by_side_never_look_the_same() -> None:
    looks = [look(number) for number in range(15)]
    assert len({(colour, dash) for colour, _, dash in looks}) == 15
    assert len({(colour, marker) for colour, marker, _ in looks}) == 15
    assert len({(marker, dash) for _, marker, dash in looks}) == 15  # without colour


def test_a_long_legend_makes_the_picture_higher_and_leaves_the_axes_their_room() -> None:
    def axes(count: int) -> tuple[float, float]:
        series = tuple(replace(CHART.series[0], name=f"a series with a long name, {n}") for n in range(count))
        root = ET.fromstring(svg(replace(CHART, series=series), is_alone=True))
        grid = [float(each.attrib["d"].split()[1].split("H")[0])
                for each in root.iter(f"{SPACE}path") if each.get("class") == "grid"]  # fmt: skip
        return max(grid) - min(grid), float(root.attrib["viewBox"].split()[3])

    assert axes(14)[0] >= axes(2)[0] - 1
    assert axes(2)[1] == 350 < axes(14)[1]


@pytest.mark.parametrize("passes, is_at_foot", [(98.2, True), (97.52, False)])
def test_a_marks_label_is_written_last_and_where_no_curve_passes(passes: float, is_at_foot: bool) -> None:
    flat = tuple(Point(x=x, y=passes) for x in (100.0, 60.0, 30.0, 10.0))
    ends = (Point(x=100, y=97.5), Point(x=99, y=98.5))
    series = (replace(CHART.series[0], points=flat), replace(CHART.series[0], name="other", points=ends))
    root = ET.fromstring(svg(replace(CHART, series=series, mark=Mark(20, "smallest matching")), is_alone=True))
    written = [each for each in root if each.tag in (f"{SPACE}g", f"{SPACE}text")]
    assert written[-1].text == "smallest matching"
    assert (float(written[-1].attrib["y"]) > 200) is is_at_foot


@pytest.mark.parametrize("sheet", ["chart.css", "page.css"])  # by day and by night
def test_colours_of_things_in_order_are_ordered_in_grey_too(sheet: str) -> None:
    text = resources.files("winnow.report").joinpath(sheet).read_text("utf-8")
    found = [re.search(rf"--{step}:#(\w\w)(\w\w)(\w\w)", text) for step in STEPS]
    greys = [lightness(*(int(part, 16) / 255 for part in match.groups())) for match in found if match]
    assert len(greys) == len(STEPS)
    assert all(after - before > 3 for before, after in pairwise(greys)), greys


def lightness(*channels: float) -> float:
    """CIE L*, from 0 to 100, of a colour in sRGB."""
    linear = [each / 12.92 if each <= 0.04045 else ((each + 0.055) / 1.055) ** 2.4 for each in channels]
    return 116 * sum(part * each for part, each in zip((0.2126, 0.7152, 0.0722), linear, strict=True)) ** (1 / 3) - 16


def test_a_point_drawn_beside_others_is_listed_at_its_own_place() -> None:
    series = replace(CHART.series[0], points=(Point(x=50, y=98.0, listed=100.0),))
    table = values_table(replace(CHART, series=(series,), reference=None))
    assert table.rows[0][:2] == ("ticket", "100")


def test_a_name_too_long_for_the_legend_is_shortened_in_its_middle() -> None:
    long = "a-name-" + 20 * "without-an-end-" + "at-last"
    root = ET.fromstring(svg(replace(CHART, series=(replace(CHART.series[0], name=long),)), is_alone=True))
    (name,) = [each.text or "" for each in root.iter(f"{SPACE}text") if (each.text or "").startswith("a-name")]
    assert "…" in name and name.endswith("at-last") and 30 + 9 * len(name) <= 480


def test_labels_of_an_axis_do_not_lie_on_each_other() -> None:
    points = tuple(Point(x=k, y=1.0) for k in (0, 1_000, 1_010, 1_020, 4_000))
    chart = replace(
        CHART, x=Axis(label="k", scale="from-zero"), series=(replace(CHART.series[0], points=points),), mark=None
    )
    texts = ET.fromstring(svg(chart, is_alone=True)).iter(f"{SPACE}text")
    labels = [(float(each.attrib["x"]), each.text or "") for each in texts if each.get("class") == "tick middle"]
    assert [text for _, text in labels] == ["0", "1,000", "4,000"]
