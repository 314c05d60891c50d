"""A chart as SVG: small, sharp at any size, coloured by the page's style sheet, read out by data attributes."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from winnow.report.chart import Chart, Point, Reference, Series, shortened
from winnow.report.html import Markup, element, resource
from winnow.report.scale import Scale, scales

WIDTH, HEIGHT = 480.0, 350.0
LEFT, RIGHT, BOTTOM = 62.0, 16.0, 48.0

_LETTER = 9.0
"""A letter's width at the largest size that the style sheet sets text in, which is that of narrow screens; of a wide
font, as DejaVu Sans."""

_SWATCH, _GAP = 26.0, 20.0
"""Before and after a name in the legend; the gap also has room for a short name of wide letters."""

_LONGEST = int((WIDTH - 4 - _SWATCH) / _LETTER)
"""Letters of a name that a row of the legend has room for."""

_FIRST, _ROW = 12.0, 20.0
"""From the top of the legend to its first line, and from line to line."""

_FEW_ROWS = 2
"""A legend of more rows makes the picture higher, so that the axes keep their room."""

_SHAPES: dict[str, Callable[[float, float], str]] = {
    "circle": lambda x, y: f"M{x - 3.6:.1f} {y:.1f}a3.6 3.6 0 1 0 7.2 0a3.6 3.6 0 1 0-7.2 0z",
    "square": lambda x, y: f"M{x - 3.3:.1f} {y - 3.3:.1f}h6.6v6.6h-6.6z",
    "triangle": lambda x, y: f"M{x:.1f} {y - 4.3:.1f}l4.3 7.6h-8.6z",
    "diamond": lambda x, y: f"M{x:.1f} {y - 4.6:.1f}l4.6 4.6l-4.6 4.6l-4.6-4.6z",
    "down": lambda x, y: f"M{x:.1f} {y + 4.3:.1f}l4.3-7.6h-8.6z",
}


@dataclass(frozen=True)
class _Frame:
    """Where a chart's axes lie in the picture."""

    x: Scale
    y: Scale
    top: float
    height: float
    """Of the picture."""

    @property
    def bottom(self) -> float:
        """Where the horizontal axis lies."""
        return self.height - BOTTOM

    def place(self, x: float, y: float) -> tuple[float, float]:
        """Where a value is drawn."""
        return (
            LEFT + self.x.at(x) * (WIDTH - LEFT - RIGHT),
            self.bottom - self.y.at(y) * (self.bottom - self.top),
        )


def svg(chart: Chart, *, is_alone: bool = False) -> Markup:
    """A chart as an SVG element; alone, as a file that brings its title and its colours with it."""
    above = 26.0 if is_alone else 4.0
    legend, top = _legend(chart, above)
    height = HEIGHT + max(0.0, top - above - _FIRST - (_FEW_ROWS - 1) * _ROW)
    frame = _Frame(*scales(chart), top=top + 38.0, height=height)
    clip = f"clip-{chart.name}"
    x, y = LEFT - 6, frame.top - 6
    area = element("rect", x=x, y=y, width=WIDTH - RIGHT - x + 6, height=frame.bottom - y + 6)
    parts = [
        element("defs", element("clipPath", area, id=clip)),
        element("style", resource("chart.css")) if is_alone else None,
        element("rect", class_="sheet", width=WIDTH, height=height) if is_alone else None,
        element("text", chart.title, x=4, y=18, class_="heading") if is_alone else None,
        legend,
        _axes(chart, frame),
        _reference(chart.reference, frame) if chart.reference else None,
        _mark(chart, frame),
        element("g", *(_series(series, frame) for series in chart.series), clip_path=f"url(#{clip})"),
        _mark_label(chart, frame),
        element("circle", class_="ring", r=7, cx=-20, cy=-20),
    ]
    named = {"xmlns": "http://www.w3.org/2000/svg"} if is_alone else {"tabindex": 0}
    label = f"{chart.title}. {chart.y.label} against {chart.x.label}. Arrow keys go from point to point."
    return element(
        "svg",
        *parts,
        **named,
        class_="chart",
        viewBox=f"0 0 {WIDTH:g} {height:g}",
        role="img",
        aria_label=chart.title if is_alone else label,
    )


def _legend(chart: Chart, top: float) -> tuple[Markup, float]:
    """A swatch and a name for each series, in as many rows as that takes; and where the rows end."""
    entries: list[tuple[str, Series | None]] = [(series.name, series) for series in chart.series if series.points]
    if chart.reference is not None:
        entries.append((chart.reference.name, None))
    drawn: list[Markup] = []
    x, y = 4.0, top + _FIRST
    for full, series in entries:
        name = shortened(full, _LONGEST)
        width = _SWATCH + _LETTER * len(name)
        if x > 4 and x + width > WIDTH:
            x, y = 4.0, y + _ROW
        middle = y - 4
        line = element("path", d=f"M{x:.1f} {middle:.1f}h20", class_="line", stroke_dasharray=_dash(series))
        shape = None
        if series is not None and series.marker != "none":
            shape = element("path", d=_SHAPES[series.marker](x + 10, middle), class_="dot")
        colour = series.colour if series is not None else "reference"
        drawn.append(element("g", line, shape, element("text", name, x=x + _SWATCH, y=y), class_=f"c-{colour}"))
        x += width + _GAP
    return element("g", *drawn, class_="legend"), y


def _dash(series: Series | None) -> str | None:
    return "6 4" if series is None else series.dash or None


def _axes(chart: Chart, frame: _Frame) -> Markup:
    parts: list[Markup] = []
    bottom = frame.bottom
    for tick in frame.y.ticks:
        height = frame.place(frame.x.least, tick)[1]
        parts.append(element("path", d=f"M{LEFT:g} {height:.1f}H{WIDTH - RIGHT:g}", class_="grid"))
        parts.append(element("text", frame.y.written(tick), x=LEFT - 8, y=height + 4, class_="tick end"))
    free = -math.inf
    for tick in sorted(frame.x.ticks, key=frame.x.at):
        x = frame.place(tick, frame.y.least)[0]
        parts.append(element("path", d=f"M{x:.1f} {bottom:g}v5", class_="axis"))
        label = frame.x.written(tick)
        half = _LETTER * len(label) / 2
        if x - half > free:
            parts.append(element("text", label, x=x, y=bottom + 20, class_="tick middle"))
            free = x + half + 4
    parts.append(element("path", d=f"M{LEFT - 6:g} {bottom:g}H{WIDTH - RIGHT:g}", class_="axis"))
    parts.append(element("text", chart.y.label, x=4, y=frame.top - 14, class_="label"))
    parts.append(element("text", chart.x.label, x=WIDTH - RIGHT, y=frame.height - 6, class_="label end"))
    return element("g", *parts, aria_hidden="true")


def _reference(reference: Reference, frame: _Frame) -> Markup:
    parts: list[Markup] = []
    left, right = LEFT, WIDTH - RIGHT
    if reference.low is not None and reference.high is not None:
        ends = (
            frame.place(frame.x.least, min(max(end, frame.y.least), frame.y.most))[1]
            for end in (reference.high, reference.low)
        )
        high, low = ends
        parts.append(element("rect", x=left, y=high, width=right - left, height=max(low - high, 1.0), class_="band"))
    if frame.y.holds(reference.value):
        height = frame.place(frame.x.least, reference.value)[1]
        parts.append(element("path", d=f"M{left:g} {height:.1f}H{right:g}", class_="line", stroke_dasharray="6 4"))
    return element("g", *parts, class_="c-reference")


def _mark(chart: Chart, frame: _Frame) -> Markup | None:
    if chart.mark is None:
        return None
    x = frame.place(chart.mark.x, frame.y.least)[0]
    return element("path", d=f"M{x:.1f} {frame.top:g}V{frame.bottom:g}", class_="axis", stroke_dasharray="2 3")


def _mark_label(chart: Chart, frame: _Frame) -> Markup | None:
    """The mark's name beside it, at the foot or at the head of the chart: where fewer curves pass."""
    if chart.mark is None:
        return None
    x = frame.place(chart.mark.x, frame.y.least)[0]
    is_left = x > (LEFT + WIDTH) / 2
    width = _LETTER * len(chart.mark.label)
    begin, end = (x - width, x) if is_left else (x, x + width)
    passed = [y for series in chart.series for at, y in _along(series, frame) if begin <= at <= end]
    heights = (frame.bottom - 8, frame.top + 10)
    y = min(heights, key=lambda height: sum(abs(height - 4 - each) < 12 for each in passed))
    place = {"x": x - 6 if is_left else x + 6, "y": y}
    return element("text", chart.mark.label, **place, class_="note end" if is_left else "note")


def _along(series: Series, frame: _Frame) -> list[tuple[float, float]]:
    """Places on a series' line, close to each other."""
    placed = [frame.place(point.x, point.y) for point in series.points if math.isfinite(point.y)]
    return placed + [
        (x + part * (to_x - x) / 8, y + part * (to_y - y) / 8)
        for (x, y), (to_x, to_y) in pairwise(placed)
        for part in range(1, 8)
    ]


def _series(series: Series, frame: _Frame) -> Markup:
    drawable = [point for point in series.points if math.isfinite(point.x) and math.isfinite(point.y)]
    placed = [(frame.place(point.x, point.y), point) for point in drawable]
    parts: list[Markup] = []
    if series.is_band:
        parts += _shade(drawable, frame)
    else:
        parts += [
            element("path", d=_bar(point, frame), class_="bar")
            for point in drawable
            if point.low is not None and point.high is not None and point.high > point.low
        ]
    if len(placed) > 1:
        path = "M" + "L".join(f"{x:.1f} {y:.1f}" for (x, y), _ in placed)
        parts.append(element("path", d=path, class_="line", stroke_dasharray=series.dash or None))
    if series.marker != "none":
        dots = "".join(_SHAPES[series.marker](x, y) for (x, y), _ in placed)
        parts.append(element("path", d=dots, class_="dot"))
    told = [[round(x, 1), round(y, 1), point.note] for (x, y), point in placed if frame.y.holds(point.y)]
    points = json.dumps(told, ensure_ascii=False, separators=(",", ":"))
    return element("g", *parts, class_=f"series c-{series.colour}", data_name=series.name, data_points=points)


def _bar(point: Point, frame: _Frame) -> str:
    assert point.low is not None and point.high is not None
    (x, low), (_, high) = frame.place(point.x, point.low), frame.place(point.x, point.high)
    return f"M{x:.1f} {low:.1f}V{high:.1f}M{x - 3:.1f} {low:.1f}h6M{x - 3:.1f} {high:.1f}h6"


def _shade(points: Sequence[Point], frame: _Frame) -> list[Markup]:
    edged = [point for point in points if point.low is not None and point.high is not None]
    if len(edged) < 2:
        return []
    upper = [frame.place(point.x, point.high or 0.0) for point in edged]
    lower = [frame.place(point.x, point.low or 0.0) for point in reversed(edged)]
    return [element("path", d="M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in (*upper, *lower)) + "z", class_="band")]
