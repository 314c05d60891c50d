from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest

from winnow.course import Updates
from winnow.training import learning_rate

CONSTANT = Updates(
    optimizer="sgd",
    learning_rate=0.1,
    momentum=0.9,
    beta1=0.9,
    beta2=0.999,
    epsilon=1e-8,
    weight_decay=1e-4,
    warmup=0,
    drops=(),
    factor=0.1,
)
RESNET_18 = replace(CONSTANT, drops=(20_000, 25_000))  # "standard"
RESNET_18_WARMUP = replace(RESNET_18, learning_rate=0.03, warmup=20_000)
VGG_19 = replace(CONSTANT, drops=(80 * 703, 120 * 703), warmup=10_000)


@pytest.mark.parametrize(
    "updates, rates",
    [
        (CONSTANT, {0: 0.1, 1: 0.1, 10**9: 0.1}),
        (RESNET_18, {0: 0.1, 19_999: 0.1, 20_000: 0.01, 24_999: 0.01, 25_000: 0.001, 29_999: 0.001}),
        (
            RESNET_18_WARMUP,
            {0: 0.03 / 20_000, 1: 0.06 / 20_000, 9_999: 0.015, 19_999: 0.03, 20_000: 0.003, 25_000: 0.0003},
        ),
        (
            VGG_19,
            {0: 1e-5, 4_999: 0.05, 9_998: 0.09999, 9_999: 0.1, 10_000: 0.1, 56_239: 0.1, 56_240: 0.01, 84_360: 1e-3},
        ),
        (replace(CONSTANT, warmup=1), {0: 0.1, 1: 0.1}),
        (replace(CONSTANT, warmup=4, drops=(2,)), {0: 0.025, 1: 0.05, 2: 0.0075, 3: 0.01, 4: 0.01}),  # a drop in warmup
        (replace(CONSTANT, drops=(0,)), {0: 0.01}),
        (replace(CONSTANT, drops=(1, 2, 3), factor=0.5), {0: 0.1, 1: 0.05, 2: 0.025, 3: 0.0125, 9: 0.0125}),
    ],
)
def test_the_learning_rate_is_that_of_the_schedule_at_every_iteration(
    updates: Updates, rates: dict[int, float]
) -> None:
    assert {iteration: learning_rate(updates, iteration) for iteration in rates} == pytest.approx(rates, rel=1e-12)


def test_no_iteration_of_warmup_trains_at_zero_and_each_trains_faster_than_the_one_before() -> None:
    rates = [learning_rate(VGG_19, iteration) for iteration in range(VGG_19.warmup + 1)]
    assert rates[0] > 0
    assert all(later > earlier for earlier, later in pairwise(rates[:10_000]))
    assert rates[10_000] == rates[9_999] == 0.1
