"""The masks of lanes while they change: which weights go, which come, and what becomes of their values."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from winnow.course import Noise
from winnow.dynamic import Dynamic
from winnow.pruning.selection import keep_largest
from winnow.seeds import generator
from winnow.training.state import State, Tensors


class Rewiring:
    """What changes the masks of a batch of lanes in place, as each lane's schedule says.

    A weight that is removed and one that is added both stand at zero, and so do their optimizer's buffers: from an
    update on, a lane trains as if the added weights had been there, at zero, and the removed ones never. One that is
    removed and added by the same update stays as it was, as in RigL's authors' code: so a layer that is whole is left
    alone. Every choice is of an exact number of weights, ties going by position; SET's random choices come from the
    lane's own noise.
    """

    def __init__(self, schedules: Sequence[Dynamic], noises: Sequence[Noise]) -> None:
        self.schedules, self.noises = schedules, noises

    def update_(self, state: State, gradients: Sequence[Tensor], iteration: int) -> None:
        """Update the masks of the lanes that are due. `gradients`, each (lanes, *shape), are of all weights."""
        for lane, schedule in enumerate(self.schedules):
            if schedule.is_due(iteration):
                by_name = dict(zip(state.parameters, gradients, strict=True))
                for position, (name, kept) in enumerate(schedule.kept):
                    self._update_layer_(state, lane, position, name, kept, by_name[name][lane].flatten(), iteration)

    def _update_layer_(
        self, state: State, lane: int, position: int, name: str, kept: int, gradient: Tensor, iteration: int
    ) -> None:
        schedule = self.schedules[lane]
        weights, mask = state.parameters[name][lane].view(-1), state.masks[name][lane].view(-1)
        alive = mask != 0
        replaced = schedule.replaced(kept, iteration)
        remaining = schedule.count(len(alive), kept, iteration) - replaced
        stays = keep_largest(weights.abs(), alive, int(alive.sum()) - remaining)
        after = stays
        if replaced:  # what was just removed may come back: there may be too few others
            absent = ~stays
            if schedule.method == "rigl":
                scores = gradient.abs()
            else:
                stream = self._stream(lane, iteration, position)
                order = torch.randperm(len(alive), generator=stream)
                scores = order.double().to(alive.device)  # distinct, and exact in any number of weights
            after = stays | keep_largest(scores, absent, int(absent.sum()) - replaced)
        for tensors in (state.parameters, *state.slots.values()):
            tensors[name][lane].view(-1).masked_fill_(~after, 0)
        mask.copy_(after)

    def _stream(self, lane: int, iteration: int, position: int) -> torch.Generator:
        noise = self.noises[lane]
        return generator(noise.seed, noise.replicate, "mask", noise.sample, iteration, position)


def begun(state: State, schedule: Dynamic, noise: Noise) -> State:
    """A state of one lane as a training with changing masks starts from it: with its first mask, and zero outside.

    Gradual pruning starts dense. The others start from a random mask with as many weights in each layer as they keep.
    """
    masks: Tensors = {}
    for position, (name, kept) in enumerate(schedule.kept):
        parameter = state.parameters[name][0]
        masks[name] = torch.ones_like(parameter).unsqueeze(0)
        if schedule.method != "gmp":
            stream = generator(noise.seed, noise.replicate, "mask", noise.sample, 0, position)
            flat = torch.zeros(parameter.numel(), dtype=parameter.dtype)
            flat[torch.randperm(parameter.numel(), generator=stream)[:kept]] = 1
            masks[name] = flat.view_as(parameter).unsqueeze(0)
            for tensors in (state.parameters, *state.slots.values()):
                tensors[name].mul_(masks[name])
    state.masks = masks
    return state
