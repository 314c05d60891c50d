"""The training loop. There is one, and this is all of it."""
# pyright: reportPrivateUsage=false, reportPrivateImportUsage=false

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import torch
from torch import Tensor

from winnow.training.batches import Stream
from winnow.training.clipping import clipped
from winnow.training.engines import Engine
from winnow.training.optimizers import Optimizer
from winnow.training.rewiring import Rewiring
from winnow.training.state import State
from winnow.training.subnormal import EVERY, sweep_


class Observer(Protocol):
    """What looks on after every iteration. It may save and measure; it must not change the state."""

    def __call__(self, state: State, losses: Tensor) -> None:
        """`losses` are the mean losses of the iteration's batches, (lanes,), before the update."""
        ...


def train_(
    state: State,
    stop: int,
    *,
    batches: Stream,
    engine: Engine,
    optimizer: Optimizer,
    rate: Callable[[int], float],
    masks: Mapping[str, Tensor],
    clip: float | None = None,
    rewiring: Rewiring | None = None,
    observers: Sequence[Observer] = (),
) -> None:
    """Train every lane of a state, in place, from its iteration to `stop`.

    `masks` are (lanes, *shape) of 0 and 1 for the pruned parameters; the state must already be zero where they
    are. `rate` gives the learning rate of an iteration, `clip` the greatest norm of a lane's gradient,
    `rewiring` what changes the masks, which then are the state's own.
    """
    parameters = list(state.parameters.values())
    slots = {slot: list(tensors.values()) for slot, tensors in state.slots.items()}
    pruned = [position for position, name in enumerate(state.parameters) if name in masks]
    kept = [masks[name] for name in state.parameters if name in masks]
    is_on_cpu = state.device.type == "cpu"

    for iteration in range(state.iteration, stop):
        images, labels = batches.at(iteration)  # inputs and targets, (lanes, batch, ...) both
        losses, gradients = engine.gradients(state, images, labels)  # (lanes,), each (lanes, *shape)
        if rewiring is not None:
            rewiring.update_(state, gradients, iteration)
        if pruned:  # with no gradient, a pruned weight and its buffers stay exactly zero
            torch._foreach_mul_([gradients[position] for position in pruned], kept)
        if clip is not None:
            gradients = clipped(gradients, clip)
        optimizer.update_(parameters, gradients, slots, rate(iteration), state.age)
        state.iteration, state.age = iteration + 1, state.age + 1
        if state.age % EVERY == 0 and is_on_cpu:
            sweep_(buffer for tensors in slots.values() for buffer in tensors)
        for observer in observers:
            observer(state, losses)
