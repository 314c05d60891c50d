"""Axes: where a value lies between the ends of an axis, and which values are written beside it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from winnow.report.chart import Axis, Chart

_ROOM = 0.05
"""Of a linear axis, left free beyond the outermost values."""


@dataclass(frozen=True)
class Scale:
    """An axis between its ends."""

    axis: Axis
    least: float
    most: float
    ticks: tuple[float, ...]
    step: float = 0.0
    """For `from-zero`: the least value above 0."""

    def at(self, value: float) -> float:
        """Where a value lies: 0 at the beginning of the axis, 1 at its end.

        >>> scale_of(Axis(label="density (%)", scale="log", falls=True, least=1.0, most=100.0), []).at(10.0)
        0.5
        """
        low, high, here = (self._raised(each) for each in (self.least, self.most, value))
        place = 0.5 if high == low else (here - low) / (high - low)
        return 1 - place if self.axis.falls else place

    def holds(self, value: float) -> bool:
        """Whether a value lies on the axis."""
        return self.least <= value <= self.most

    def written(self, tick: float) -> str:
        """A tick as it stands beside the axis; on a linear axis all have as many decimals.

        >>> scale = scale_of(Axis(label="accuracy (%)"), [97.9, 98.1])
        >>> [scale.written(tick) for tick in scale.ticks]
        ['97.90', '97.95', '98.00', '98.05', '98.10']
        """
        every = [written(each) for each in self.ticks]
        if self.axis.scale != "linear" or any("e" in each for each in every):
            return written(tick)
        decimals = max(len(each.partition(".")[2]) for each in every)
        return f"{tick:,.{decimals}f}".replace("-", "−")

    def _raised(self, value: float) -> float:
        if self.axis.scale == "linear":
            return value
        if self.axis.scale == "log":
            return math.log10(value)
        return math.log2(value / self.step) + 1 if value > 0 else 0.0


def scales(chart: Chart) -> tuple[Scale, Scale]:
    """The horizontal and the vertical scale of a chart, that hold everything it shows."""
    points = [point for series in chart.series for point in series.points]
    below = [edge for point in points for edge in (point.y, point.low, point.high) if edge is not None]
    if chart.reference is not None:
        below += [chart.reference.value, chart.reference.low or chart.reference.value]
        below += [chart.reference.high or chart.reference.value]
    return scale_of(chart.x, [point.x for point in points]), scale_of(chart.y, below)


def scale_of(axis: Axis, values: Iterable[float]) -> Scale:
    """The scale of an axis that holds these values, unless it states its own ends."""
    finite = [value for value in values if math.isfinite(value) and (axis.scale != "log" or value > 0)]
    finite += [end for end in (axis.least, axis.most) if end is not None]
    low, high = min(finite, default=0.0), max(finite, default=1.0)
    if axis.scale == "from-zero":
        positive = sorted({value for value in finite if value > 0})
        return Scale(axis, low, high, tuple(sorted(set(finite))), step=positive[0] if positive else 1.0)
    if axis.scale == "log":
        room = (high / low) ** 0.04 if high > low else 1.5
        low = axis.least if axis.least is not None else low / room
        high = axis.most if axis.most is not None else high * room
        return Scale(axis, low, high, _log_ticks(low, high))
    room = _ROOM * (high - low) or abs(high) * _ROOM or 1.0
    low = 0.0 if axis.has_zero else axis.least if axis.least is not None else low - room
    high = axis.most if axis.most is not None else high + room
    return Scale(axis, low, high, _ticks(low, high))


def written(value: float) -> str:
    """A tick in as few characters as it needs.

    >>> written(50_000), written(0.5), written(97.25), written(0.0)
    ('50,000', '0.5', '97.25', '0')
    """
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.6g}"


def _ticks(low: float, high: float) -> tuple[float, ...]:
    """Four to seven round values between the ends."""
    size = 10 ** math.floor(math.log10((high - low) / 4))
    step = next(size * factor for factor in (1, 2, 2.5, 5, 10) if (high - low) / (size * factor) <= 6)
    first = math.ceil(low / step - 1e-9)
    count = math.floor(high / step + 1e-9) - first + 1
    return tuple(round((first + n) * step, 12) for n in range(count))


def _log_ticks(low: float, high: float) -> tuple[float, ...]:
    """Every digit, or some of them in even steps, down to ones alone: as many as there is room for."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    choices: Sequence[tuple[int, ...]] = (tuple(range(1, 10)), (1, 2, 3, 5, 7), (1, 2, 5), (1, 3), (1,))
    for factors in choices:
        ticks = tuple(10.0**power * factor for power in powers for factor in factors)
        inside = tuple(tick for tick in ticks if low <= tick <= high)
        if len(inside) <= (7 if len(factors) > 3 else 8):
            return inside
    every = math.ceil(len(powers) / 8)
    return tuple(10.0**power for power in powers if power % every == 0 and low <= 10.0**power <= high)
