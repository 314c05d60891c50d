"""Confidence intervals of a mean over few replicates."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

_T = (
    *(12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228),
    *(2.201, 2.179, 2.160, 2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086),
    *(2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042),
)
"""Student's t for 95 %, two-sided, at 1 to 30 degrees of freedom."""


def interval(values: Sequence[float]) -> tuple[float, float]:
    """The 95 % confidence interval of the mean, by Student's t. A single value tells nothing: it gives all numbers.

    >>> low, high = interval([1.0, 2.0, 3.0])
    >>> round(low, 2), round(high, 2)
    (-0.48, 4.48)
    >>> interval([0.5])
    (-inf, inf)
    """
    if len(values) < 2:
        return -math.inf, math.inf
    freedom = len(values) - 1
    half = _quantile(freedom) * statistics.stdev(values) / math.sqrt(len(values))
    mean = statistics.fmean(values)
    return mean - half, mean + half


def paired(first: Sequence[float], second: Sequence[float]) -> tuple[float, float]:
    """The 95 % confidence interval of the mean difference, second less first, of values that belong together in pairs.

    >>> low, high = paired([1.0, 5.0, 9.0], [2.0, 6.0, 10.5])
    >>> round(low, 2), round(high, 2)
    (0.45, 1.88)
    """
    return interval([b - a for a, b in zip(first, second, strict=True)])


def unpaired(first: Sequence[float], second: Sequence[float]) -> tuple[float, float]:
    """The same of values that do not: Welch's interval, whose degrees of freedom are rounded down.

    Source: Welch 1947 (Biometrika 34), with the degrees of freedom of Satterthwaite 1946.

    >>> low, high = unpaired([1.0, 2.0, 3.0], [3.0, 4.0, 5.0])
    >>> round(low, 2), round(high, 2)
    (-0.27, 4.27)
    """
    if min(len(first), len(second)) < 2:
        return -math.inf, math.inf
    parts = [statistics.variance(values) / len(values) for values in (first, second)]
    difference = statistics.fmean(second) - statistics.fmean(first)
    if sum(parts) == 0:
        return difference, difference
    spread = sum(part**2 / (len(values) - 1) for part, values in zip(parts, (first, second), strict=True))
    freedom = max(1, math.floor(sum(parts) ** 2 / spread + 1e-9))  # rounding must not cost a whole degree
    half = _quantile(freedom) * math.sqrt(sum(parts))
    return difference - half, difference + half


def _quantile(freedom: int) -> float:
    """Student's t; beyond the table by its expansion around the normal quantile (Abramowitz & Stegun, 26.7.5)."""
    if freedom <= len(_T):
        return _T[freedom - 1]
    z = 1.959964
    return z + (z**3 + z) / (4 * freedom) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * freedom**2)
