"""The learning rate: a pure function of the iteration, so a ticket rewound to k continues it from k."""

from __future__ import annotations

import math

from winnow.course import Updates


def learning_rate(updates: Updates, iteration: int) -> float:
    """The rate of the update that takes iteration `iteration` to the next.

    Warmup is linear and never zero: with warmup w, iteration i trains at (i + 1) / w of the rate, and the first
    w - 1 iterations below all of it. Then the rate falls. By drops: one at d applies from iteration d on. Or smoothly:
    iteration w trains at the whole rate, and T, where training of length T ends, would be the first at `final`. So the
    last iteration, T - 1, trains one step before `final`: a rate that falls to zero leaves no iteration without one.
    A training that goes on beyond T keeps the rate of T - 1.

    >>> from winnow.recipes import read
    >>> from winnow.from_recipe import course
    >>> linear = {"optimizer.learning_rate": 0.03, "schedule.decay": "linear", "schedule.final": 0.005}
    >>> updates = course(read("digits").edited(linear | {"train.length": "100it"})).updates
    >>> [round(learning_rate(updates, iteration), 5) for iteration in (0, 50, 99)]
    [0.03, 0.0175, 0.00525]
    """
    rate = updates.learning_rate
    if iteration < updates.warmup:
        rate *= (iteration + 1) / updates.warmup
    elif updates.decay is not None:
        return _decayed(updates, iteration)
    return rate * updates.factor ** sum(iteration >= drop for drop in updates.drops)


def _decayed(updates: Updates, iteration: int) -> float:
    """The rate after warmup, on its way to `final`: what is left of the way weighs the rate, what is behind `final`."""
    assert updates.final is not None and updates.length is not None, "a decay has an end and a length"
    iteration = min(iteration, updates.length - 1)
    behind = (iteration - updates.warmup) / (updates.length - updates.warmup)
    if updates.decay == "exponential":
        return updates.learning_rate ** (1 - behind) * updates.final**behind
    left = (1 + math.cos(math.pi * behind)) / 2 if updates.decay == "cosine" else 1 - behind
    return left * updates.learning_rate + (1 - left) * updates.final
