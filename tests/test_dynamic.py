"""The schedules of masks that change, against the papers' formulas in floating point."""

from __future__ import annotations

import math

import pytest

from winnow.dynamic import Dynamic, Method


def gradual(start: int = 100, end: int = 500, every: int = 50) -> Dynamic:
    return Dynamic(method="gmp", kept=(("w", 10),), start=start, end=end, every=every)


@pytest.mark.parametrize("size, kept", [(100_000, 5_000), (300, 7), (1_000_003, 35_801)])
def test_gradual_pruning_follows_the_cubic_schedule_to_the_nearest_weight(size: int, kept: int) -> None:
    schedule, final = gradual(), 1 - kept / size
    for iteration in range(150, 501, 50):
        sparsity = final + (0 - final) * (1 - (iteration - 100) / 400) ** 3  # Zhu & Gupta, eq. 1
        assert abs(schedule.count(size, kept, iteration) - size * (1 - sparsity)) <= 0.5 + 1e-6
        assert schedule.replaced(kept, iteration) == 0
    assert schedule.count(size, kept, 500) == kept


@pytest.mark.parametrize(
    "schedule, due",
    [
        (gradual(start=0, end=30, every=10), [10, 20, 30]),
        (gradual(start=5, end=30, every=10), [15, 25, 30]),  # the end is due though it is not on the grid
        (Dynamic(method="set", kept=(("w", 1),), every=10, end=30, drop=0.3), [10, 20]),
        (Dynamic(method="rigl", kept=(("w", 1),), every=7, end=30, drop=0.3), [7, 14, 21, 28]),
    ],
)
def test_masks_are_updated_between_start_and_end(schedule: Dynamic, due: list[int]) -> None:
    assert [iteration for iteration in range(100) if schedule.is_due(iteration)] == due


@pytest.mark.parametrize("method", ["set", "rigl"])
def test_the_replaced_fraction_is_constant_in_set_and_falls_as_a_cosine_in_rigl(method: Method) -> None:
    schedule = Dynamic(method=method, kept=(("w", 10_000),), every=10, end=200, drop=0.3)
    for iteration in range(0, 200, 10):
        fraction = 0.3 if method == "set" else 0.3 / 2 * (1 + math.cos(iteration * math.pi / 200))
        assert abs(schedule.replaced(10_000, iteration) - 10_000 * fraction) <= 0.5 + 1e-6
        assert schedule.count(123_456, 10_000, iteration) == 10_000
