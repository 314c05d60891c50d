from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from winnow.course import Updates
from winnow.from_recipe import course, timeline
from winnow.recipes import read
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


LINEAR = replace(CONSTANT, decay="linear", final=0.0, length=1_000)
EPOCH = 1_281_167 // 1_024  # iterations of ImageNet in batches of 1,024: 1,251
INCEPTION_V3 = replace(CONSTANT, learning_rate=0.03, decay="linear", final=0.005, length=171 * EPOCH)
SQUEEZENET = replace(CONSTANT, learning_rate=0.66, decay="exponential", final=6.6e-5, length=150 * EPOCH)
COSINE = replace(CONSTANT, decay="cosine", final=0.0, length=1_000, warmup=200)


@pytest.mark.parametrize(
    "updates, rates",
    [
        (LINEAR, {0: 0.1, 1: 0.0999, 500: 0.05, 999: 0.0001, 1_000: 0.0001, 5_000: 0.0001}),
        (replace(LINEAR, warmup=200), {0: 0.0005, 199: 0.1, 200: 0.1, 600: 0.05, 999: 0.1 / 800}),
        # Frankle et al. 2020 (arXiv 1912.05671): 0.03 to 0.005 over 171 epochs, and 0.66 to 6.6e-5 over 150
        (
            INCEPTION_V3,
            {0: 0.03, 1: 0.03 - 0.025 / 213_921, 57 * EPOCH: 0.03 - 0.025 / 3, 213_920: 0.005 + 0.025 / 213_921},
        ),
        (
            SQUEEZENET,
            {0: 0.66, 1: 0.66 * 10 ** (-4 / 187_650), 75 * EPOCH: 0.0066, 187_649: 6.6e-5 * 10 ** (4 / 187_650)},
        ),
        (replace(SQUEEZENET, length=4), {0: 0.66, 1: 0.066, 2: 0.0066, 3: 0.00066}),
        (COSINE, {0: 0.0005, 199: 0.1, 200: 0.1, 400: 0.05 * (1 + 0.5**0.5), 600: 0.05, 800: 0.05 * (1 - 0.5**0.5)}),
        (replace(COSINE, final=0.02), {200: 0.1, 600: 0.06, 1_000: 0.02 + 0.04 * (1 + math.cos(math.pi * 799 / 800))}),
        (replace(LINEAR, length=1), {0: 0.1}),
    ],
)  # fmt: skip
def test_a_smooth_schedule_has_the_value_of_its_formula(updates: Updates, rates: dict[int, float]) -> None:
    assert {iteration: learning_rate(updates, iteration) for iteration in rates} == pytest.approx(rates, rel=1e-12)


SMOOTH = {
    "decay": st.sampled_from(["linear", "exponential", "cosine"]),
    "rate": st.floats(1e-6, 10),
    "ratio": st.floats(1e-6, 0.99),
    "warmup": st.integers(0, 40),
    "rest": st.integers(1, 200),
}


def smooth(decay: Any, rate: float, ratio: float, warmup: int, rest: int) -> Updates:
    length = warmup + rest
    return replace(CONSTANT, decay=decay, learning_rate=rate, final=ratio * rate, warmup=warmup, length=length)


@given(**SMOOTH)
def test_the_rate_falls_from_the_whole_rate_after_warmup_to_one_step_before_final_and_stays_there(**drawn: Any) -> None:
    updates = smooth(**drawn)
    assert updates.final is not None and updates.length is not None
    rates = [learning_rate(updates, iteration) for iteration in range(updates.length + 1)]
    falling = rates[updates.warmup :]
    assert rates[updates.warmup] == updates.learning_rate  # exactly
    assert rates[updates.length] == rates[updates.length - 1]  # a training that goes on keeps the last rate
    assert all(later <= earlier * (1 + 1e-12) for earlier, later in pairwise(falling))
    assert all(rate > updates.final for rate in falling)  # the last iteration is one step before it
    if updates.warmup:
        assert rates[updates.warmup - 1] == updates.learning_rate
        assert all(later > earlier for earlier, later in pairwise(rates[: updates.warmup]))


@given(**SMOOTH)
def test_no_step_of_a_smooth_schedule_is_longer_than_its_steepest(**drawn: Any) -> None:
    """It has no jumps: a linear one falls evenly, the others at most by their derivative's greatest value."""
    updates = smooth(**drawn)
    assert updates.final is not None and updates.length is not None
    span, way = updates.length - updates.warmup, updates.learning_rate - updates.final
    steepest = {
        "linear": way,
        "cosine": way * math.pi / 2,
        "exponential": updates.learning_rate * math.log(updates.learning_rate / updates.final),
    }[updates.decay or ""]
    rates = [learning_rate(updates, iteration) for iteration in range(updates.warmup, updates.length + 1)]
    assert all(earlier - later <= steepest / span * (1 + 1e-9) + 1e-15 for earlier, later in pairwise(rates))


def test_a_rate_that_falls_to_zero_leaves_no_iteration_without_one() -> None:
    for decay in ("linear", "cosine"):
        updates = replace(CONSTANT, decay=decay, final=0.0, length=50, warmup=10)
        assert min(learning_rate(updates, iteration) for iteration in range(50)) > 0


def test_a_recipes_epochs_of_warmup_and_training_become_the_schedules_iterations() -> None:
    recipe = read("digits").edited(
        {
            "train.length": "171ep",
            "optimizer.learning_rate": 0.03,
            "schedule.decay": "linear",
            "schedule.final": 0.005,
            "schedule.warmup": "1ep",
        }
    )
    updates = course(recipe).updates
    length = timeline(recipe).length
    assert (updates.length, updates.warmup) == (length, 16)
    assert [learning_rate(updates, iteration) for iteration in (0, 15, 16)] == [0.03 / 16, 0.03, 0.03]
    assert learning_rate(updates, length - 1) == pytest.approx(0.005 + 0.025 / (length - 16))
