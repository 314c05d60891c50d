from __future__ import annotations

import math

import pytest

from winnow.report.chart import Axis
from winnow.report.scale import scale_of


@pytest.mark.parametrize(
    "axis, values, ticks",
    [
        (Axis(label="accuracy"), [97.9, 98.4], ["97.9", "98.0", "98.1", "98.2", "98.3", "98.4"]),
        (Axis(label="iteration", has_zero=True), [0, 50_000], ["0", "10,000", "20,000", "30,000", "40,000", "50,000"]),
        (Axis(label="density", scale="log", falls=True), [100, 3.6], ["5", "10", "20", "50", "100"]),
        (Axis(label="density", scale="log", falls=True), [100, 26.7], ["30", "50", "70", "100"]),
        (Axis(label="small"), [0.0, 5e-5], ["0", "1e-05", "2e-05", "3e-05", "4e-05", "5e-05"]),
        (Axis(label="loss", scale="log"), [1e-5, 2.0], ["1e-05", "0.0001", "0.001", "0.01", "0.1", "1"]),
        (Axis(label="k", scale="from-zero"), [0, 100, 500], ["0", "100", "500"]),
        (Axis(label="k", scale="from-zero"), [0], ["0"]),
        (Axis(label="constant"), [5.0, 5.0], ["4.8", "4.9", "5.0", "5.1", "5.2"]),
        (Axis(label="zero"), [0.0], ["−1.0", "−0.5", "0.0", "0.5", "1.0"]),
        (Axis(label="nothing"), [], ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]),
        (Axis(label="not finite"), [math.nan, 1.0, 2.0, math.inf], ["1.0", "1.2", "1.4", "1.6", "1.8", "2.0"]),
    ],
)
def test_a_few_round_values_are_written_beside_an_axis(axis: Axis, values: list[float], ticks: list[str]) -> None:
    scale = scale_of(axis, values)
    assert [scale.written(tick) for tick in scale.ticks] == ticks
    assert all(-1e-9 <= scale.at(tick) <= 1 + 1e-9 for tick in scale.ticks)


def test_values_lie_where_the_axis_says() -> None:
    falling = scale_of(Axis(label="density", scale="log", falls=True, least=1, most=100), [])
    assert [falling.at(value) for value in (100, 10, 1)] == pytest.approx([0, 0.5, 1])
    ks = scale_of(Axis(label="k", scale="from-zero"), [0, 100, 200, 400])
    assert [ks.at(value) for value in (0, 100, 200, 400)] == pytest.approx([0, 1 / 3, 2 / 3, 1])
