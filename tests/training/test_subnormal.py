"""The loop keeps the optimizer's buffers free of subnormal numbers, and changes nothing else by that."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from winnow.course import Updates
from winnow.training import State, loop, optimizer, slot_names, train_
from winnow.training.subnormal import sweep_

SMALLEST_NORMAL = torch.finfo(torch.float32).tiny

ADAM = Updates(
    optimizer="adam",
    learning_rate=0.01,
    momentum=0.0,
    beta1=0.9,
    beta2=0.999,
    epsilon=1e-8,
    weight_decay=0.0,
    warmup=0,
    drops=(),
    factor=0.1,
)
SGD = replace(ADAM, optimizer="sgd", momentum=0.9)


class Dying:
    """An engine whose gradients are zero from the second iteration on, as those of a unit that has died."""

    def gradients(self, state: State, images: Tensor, labels: Tensor) -> tuple[Tensor, list[Tensor]]:
        stream = torch.Generator().manual_seed(0)
        drawn = [torch.randn(p.shape, generator=stream) for p in state.parameters.values()]
        return torch.zeros(state.lanes), drawn if state.iteration == 0 else [torch.zeros_like(each) for each in drawn]

    def enter(self, state: State, masks: Mapping[str, Tensor]) -> tuple[State, Mapping[str, Tensor]]:
        return state, masks

    def leave(self, state: State) -> State:
        return state

    def evaluate(self, state: State, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        raise AssertionError("not evaluated")


class NoBatches:
    def at(self, iteration: int) -> tuple[Tensor, Tensor]:
        return torch.empty(0), torch.empty(0)

    def close(self) -> None: ...


def trained(updates: Updates, stop: int) -> State:
    state = State.of_values({"weight": torch.linspace(-1, 1, 100)}, ["weight"]).with_slots(slot_names(updates))
    state = State.stacked([state], torch.device("cpu"))
    train_(
        state,
        stop,
        batches=NoBatches(),
        engine=Dying(),
        optimizer=optimizer(updates),
        rate=lambda _: updates.learning_rate,
        masks={},
    )
    return state


def subnormals(state: State) -> int:
    buffers = [each.abs() for by_name in state.slots.values() for each in by_name.values()]
    return sum(int(((each > 0) & (each < SMALLEST_NORMAL)).sum()) for each in buffers)


@pytest.mark.parametrize("updates", [ADAM, SGD])
def test_a_buffer_without_gradient_goes_to_zero_and_the_weights_are_the_same_to_the_bit(updates, monkeypatch):
    slot = "mean" if updates is ADAM else "momentum"
    swept = [trained(updates, stop) for stop in (800, 830, 850, 900, 1200)]
    monkeypatch.setattr(loop, "EVERY", 10**9)
    left = [trained(updates, stop) for stop in (800, 830, 850, 900, 1200)]

    assert [subnormals(state) for state in swept] == [0] * 5
    assert not swept[-1].slots[slot]["weight"].any()
    assert subnormals(left[-1]) == 100  # what it is there for: without it they never become zero
    for one, other in zip(swept, left, strict=True):
        assert torch.equal(one.parameters["weight"], other.parameters["weight"])


def test_a_sweep_leaves_all_else_alone():
    buffer = torch.tensor([[1.0, -2e-34, float("inf")], [-9e-35, 0.0, float("nan")]])
    sweep_([buffer.mT])
    torch.testing.assert_close(
        buffer, torch.tensor([[1.0, -2e-34, float("inf")], [0.0, 0.0, float("nan")]]), rtol=0, atol=0, equal_nan=True
    )
