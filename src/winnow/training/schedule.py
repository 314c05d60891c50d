"""The learning rate: a pure function of the iteration, so a ticket rewound to k continues it from k."""

from __future__ import annotations

from winnow.course import Updates


def learning_rate(updates: Updates, iteration: int) -> float:
    """The rate of the update that takes iteration `iteration` to the next.

    Warmup is linear and never zero: with warmup w, iteration i trains at (i + 1) / w of the rate, and the first
    w - 1 iterations below all of it. A drop at d applies from iteration d on.
    """
    rate = updates.learning_rate
    if iteration < updates.warmup:
        rate *= (iteration + 1) / updates.warmup
    return rate * updates.factor ** sum(iteration >= drop for drop in updates.drops)
