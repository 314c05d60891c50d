from __future__ import annotations

import math
import statistics

import pytest

from winnow.intervals import interval, unpaired


@pytest.mark.parametrize("n, t", [(2, 12.7062), (3, 4.3027), (5, 2.7764), (10, 2.2622), (31, 2.0423), (61, 2.0003)])
def test_the_half_width_is_students_t_times_the_standard_error(n: int, t: float) -> None:
    values = [float(i % 3) for i in range(n)]
    low, high = interval(values)
    half = t * statistics.stdev(values) / math.sqrt(n)
    assert (high - low) / 2 == pytest.approx(half, rel=2e-3)
    assert (high + low) / 2 == pytest.approx(statistics.fmean(values))


@pytest.mark.parametrize("freedom, t", [(31, 2.039513), (40, 2.021075), (120, 1.979930)])
def test_beyond_the_table_t_is_right_to_four_digits(freedom: int, t: float) -> None:
    values = [float(i % 3) for i in range(freedom + 1)]
    low, high = interval(values)
    assert (high - low) / 2 == pytest.approx(t * statistics.stdev(values) / math.sqrt(freedom + 1), rel=1e-4)


def test_equal_spreads_have_all_their_degrees_of_freedom_whatever_rounding_makes_of_them() -> None:
    first = [0.91, 0.98, 0.81]  # with which the formula of Satterthwaite gives 3.9999999999999996
    second = [value + 0.1 for value in first]
    low, high = unpaired(first, second)
    assert (high - low) / 2 == pytest.approx(2.776 * math.sqrt(2 * statistics.variance(first) / 3), rel=1e-3)
