"""A chart as data: what is drawn, before anyone draws it. One description makes the page's SVG, and the PNG."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Marker = Literal["circle", "square", "triangle", "diamond", "down", "none"]

Dash = Literal["", "6 4", "2 3"]
"""How a line is broken, in SVG's terms."""

COLOURS = ("blue", "orange", "green", "purple", "ochre", "teal")
"""The colours of things side by side, in order. The page's style sheet and `png.py` say what they look like."""

MARKERS: tuple[Marker, ...] = ("circle", "square", "triangle", "diamond", "down")
"""What tells them apart without colour."""

DASHES: tuple[Dash, ...] = ("", "2 3", "6 4")
"""What tells apart things side by side that share a marker: so all differ without colour."""

STEPS = tuple(f"step{n}" for n in range(8))
"""Colours of things that have an order, such as levels, from the first to the last: ever lighter, so that the order is
seen in grey as well."""


def look(number: int) -> tuple[str, Marker, Dash]:
    """The colour, marker and dash of things side by side, by their number; they look different, in grey too.

    >>> look(0), look(6)
    (('blue', 'circle', ''), ('blue', 'square', '2 3'))
    """
    dash = DASHES[number // len(MARKERS) % len(DASHES)]
    return COLOURS[number % len(COLOURS)], MARKERS[number % len(MARKERS)], dash


def shortened(name: str, most: int) -> str:
    """A name in so many letters: its end tells more than its middle.

    >>> shortened("elsewhere/winnow-store:lenet-mnist@reinit", 24)
    'elsewhere/w…mnist@reinit'
    """
    rest = most - 1
    return name if len(name) <= most else f"{name[: rest // 2]}…{name[len(name) - rest + rest // 2 :]}"


@dataclass(frozen=True, kw_only=True)
class Point:
    """A value, and what is told of it."""

    x: float
    y: float
    low: float | None = None
    high: float | None = None
    """The ends of the bar through the point; none where there is no bar."""

    note: str = ""
    """What a reader is told who points at it; lines are kept."""

    listed: float | None = None
    """What the table of values gives for x, where the point is drawn beside others and not at its own place."""


@dataclass(frozen=True, kw_only=True)
class Series:
    """Points that belong together, joined by a line."""

    name: str
    colour: str
    points: tuple[Point, ...]
    marker: Marker = "none"
    dash: Dash = ""
    is_band: bool = False
    """Whether lows and highs are shaded together, in place of a bar at each point."""


@dataclass(frozen=True, kw_only=True)
class Axis:
    """One direction of a chart."""

    label: str
    scale: Literal["linear", "log", "from-zero"] = "linear"
    """`from-zero` is logarithmic with a place for 0, one step before the least value: for k."""

    falls: bool = False
    """Whether values fall from left to right, as density does in the papers."""

    least: float | None = None
    most: float | None = None
    """Where the axis ends; left out, where the points do. What lies beyond is cut off."""

    has_zero: bool = False
    """Whether the axis begins at 0."""


@dataclass(frozen=True)
class Reference:
    """A value that a whole chart is read against: a horizontal line, with a band if it has lows and highs."""

    name: str
    value: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Mark:
    """A place on the horizontal axis worth seeing."""

    x: float
    label: str


@dataclass(frozen=True, kw_only=True)
class Chart:
    """A figure with one pair of axes."""

    name: str
    """What its files are called, and its anchor."""

    title: str
    about: str
    """What is seen and how to read it: what points and bars are, of how many replicates."""

    x: Axis
    y: Axis
    series: tuple[Series, ...]
    reference: Reference | None = None
    mark: Mark | None = None

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to see."""
        return not any(series.points for series in self.series)
