from __future__ import annotations

import math
import statistics

import pytest

from winnow.intervals import interval


@pytest.mark.parametrize("n, t", [(2, 12.7062), (3, 4.3027), (5, 2.7764), (10, 2.2622), (31, 2.0423), (61, 2.0003)])
def test_the_half_width_is_students_t_times_the_standard_error(n: int, t: float) -> None:
    values = [float(i % 3) for i in range(n)]
    low, high = interval(values)
    half = t * statistics.stdev(values) / math.sqrt(n)
    assert (high - low) / 2 == pytest.approx(half, rel=2e-3)
    assert (high + low) / 2 == pytest.approx(statistics.fmean(values))
