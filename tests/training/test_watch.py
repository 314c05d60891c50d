from __future__ import annotations

import math

import pytest
import torch

from winnow.training import State
from winnow.training import watch as module
from winnow.training.watch import Watch, first_not_finite


@pytest.mark.parametrize(
    "window, found",
    [
        ([[1.0, 2.0]], [None]),
        ([[1.0, math.nan, math.inf], [math.inf, 1.0, 1.0], [1.0, 1.0, -math.inf]], [1, 0, 2]),
        ([[], []], [None, None]),
    ],
)
def test_the_first_loss_that_is_not_finite_is_found_in_every_lane(
    window: list[list[float]], found: list[int | None]
) -> None:
    assert first_not_finite(torch.tensor(window)) == found


class Clock:
    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 100.0
        monkeypatch.setattr(module.time, "monotonic", lambda: self.now)


def at(iteration: int) -> State:
    return State(iteration, iteration, {"fc.weight": torch.ones(2, 1)}, {})


def test_progress_is_saved_by_the_clock_with_the_losses_since_the_last_evaluation(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = Clock(monkeypatch)
    saved: list[tuple[int, list[list[float]]]] = []
    watch = Watch(
        window=torch.tensor([[0.5], [0.25]]),
        save=lambda state: saved.append((state.iteration, state.window.tolist())),
        tell=lambda iteration: None,
        is_interrupted=lambda: False,
    )
    for iteration in range(1, 8):
        clock.now += 9
        watch(at(iteration), torch.tensor([float(iteration), -float(iteration)]))
        if iteration == 4:
            watch.reset()
    assert saved == [
        (3, [[0.5, 1.0, 2.0, 3.0], [0.25, -1.0, -2.0, -3.0]]),
        (6, [[5.0, 6.0], [-5.0, -6.0]]),
    ]
    assert module.SAVE_EVERY + module.TELL_EVERY < 60  # a killed run loses less than a minute


def test_an_interruption_saves_and_then_stops(monkeypatch: pytest.MonkeyPatch) -> None:
    Clock(monkeypatch)
    saved: list[int] = []
    is_interrupted = False
    watch = Watch(
        window=torch.empty(2, 0),
        save=lambda state: saved.append(state.iteration),
        tell=lambda iteration: None,
        is_interrupted=lambda: is_interrupted,
    )
    watch(at(1), torch.ones(2))
    assert saved == []
    is_interrupted = True
    with pytest.raises(KeyboardInterrupt):
        watch(at(2), torch.ones(2))
    assert saved == [2]


def test_it_tells_how_far_training_is_a_few_times_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch)
    told: list[int] = []
    watch = Watch(window=torch.empty(2, 0), save=lambda state: None, tell=told.append, is_interrupted=lambda: False)
    for iteration in range(1, 101):
        clock.now += 0.02
        watch(at(iteration), torch.ones(2))
    assert 4 <= len(told) <= 9
