"""The state of a training: what must be saved at iteration k so that it can go on as if nothing had happened."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from winnow.pruning.mask import Mask

Tensors = dict[str, Tensor]


@dataclass
class State:
    """Parameters, buffers and optimizer buffers of one or more lanes at one iteration.

    Every tensor has the lanes in front, `(lanes, *shape)`; `lane` takes one out. Training changes the tensors
    in place. Names are those of the network's state dict.
    """

    iteration: int
    """Iterations of the schedule and the data order that are behind; the next is number `iteration`."""

    age: int
    """Updates since the optimizer's buffers were zero, for Adam's bias correction."""

    parameters: Tensors
    buffers: Tensors
    """Running statistics of batch normalization."""

    slots: dict[str, Tensors] = field(default_factory=dict[str, Tensors])
    """The optimizer's buffers: by slot ("momentum"), then by parameter."""

    window: Tensor = field(default_factory=lambda: torch.empty(1, 0))
    """Losses of the batches since the last evaluation, (lanes, batches): of no effect on training, but saved with
    it, so that an interrupted training measures the same."""

    masks: Tensors = field(default_factory=dict[str, Tensor])
    """Which weights there are, as 0 and 1, where that changes while training: a weight at zero may be one. Empty
    where masks stay, which then are the training's, not the state's."""

    @property
    def lanes(self) -> int:
        """How many trainings these are."""
        return len(next(iter(self.parameters.values())))

    @property
    def device(self) -> torch.device:
        """Where the tensors lie."""
        return next(iter(self.parameters.values())).device

    def lane(self, number: int) -> State:
        """A copy of one lane, on the CPU."""

        def taken(tensors: Tensors) -> Tensors:
            return {name: tensor[number : number + 1].detach().cpu().clone() for name, tensor in tensors.items()}

        slots = {slot: taken(tensors) for slot, tensors in self.slots.items()}
        window = self.window[number : number + 1].cpu().clone()
        parameters, buffers, masks = (taken(tensors) for tensors in (self.parameters, self.buffers, self.masks))
        return State(self.iteration, self.age, parameters, buffers, slots, window, masks)

    @classmethod
    def stacked(cls, states: Sequence[State], device: torch.device) -> State:
        """The lanes of several states side by side; they must be at the same iteration, with the same names."""
        return cls.filled(states, len(states), device)

    @classmethod
    def filled(cls, states: Iterable[State], lanes: int, device: torch.device) -> State:
        """As `stacked`, one lane after the other: where `states` makes each as it comes, none is held twice."""
        made: State | None = None
        windows: list[Tensor] = []
        for number, state in enumerate(states):
            made = made or state._room(lanes, device)
            if (state.iteration, state.age) != (made.iteration, made.age):
                raise ValueError("lanes of one batch must be at the same iteration")
            for theirs, ours in zip(state._groups(), made._groups(), strict=True):
                for name, tensor in ours.items():
                    tensor[number].copy_(theirs[name][0])
            windows.append(state.window)
        assert made is not None and len(windows) == lanes
        return dataclasses.replace(made, window=torch.cat(windows).to(device))

    def _room(self, lanes: int, device: torch.device) -> State:
        """A state with room for so many lanes like this one."""

        def room(tensors: Tensors) -> Tensors:
            return {name: each.new_empty((lanes, *each.shape[1:]), device=device) for name, each in tensors.items()}

        slots = {slot: room(tensors) for slot, tensors in self.slots.items()}
        parameters, buffers, masks = (room(tensors) for tensors in (self.parameters, self.buffers, self.masks))
        return State(self.iteration, self.age, parameters, buffers, slots, self.window, masks)

    def _groups(self) -> list[Tensors]:
        return [self.parameters, self.buffers, *self.slots.values(), self.masks]

    def with_slots(self, slots: Sequence[str], *, fresh: bool = False) -> State:
        """This state with the optimizer's buffers it needs: those saved, or zeros if there are none or if `fresh`."""
        if not fresh and set(self.slots) == set(slots):
            return self
        zeros = {slot: {name: torch.zeros_like(p) for name, p in self.parameters.items()} for slot in slots}
        return dataclasses.replace(self, age=0, slots=zeros)

    def apply_(self, mask: Mask) -> None:
        """Set pruned weights, and the optimizer's buffers for them, to exactly zero in every lane."""
        for name, kept in mask.items():
            pruned = ~kept.to(self.device)
            for tensors in (self.parameters, *self.slots.values()):
                tensors[name].masked_fill_(pruned, 0)

    def restarted(self) -> State:
        """This state as the start of another training: what was measured before is not that training's."""
        return dataclasses.replace(self, window=self.window[:, :0])

    @classmethod
    def of_values(cls, values: Mapping[str, Tensor], parameters: Sequence[str]) -> State:
        """The state before training: one lane of fresh values, told into parameters and buffers by name."""
        return cls(
            iteration=0,
            age=0,
            parameters={name: values[name].unsqueeze(0) for name in parameters},
            buffers={name: value.unsqueeze(0) for name, value in values.items() if name not in set(parameters)},
        )

    def values(self) -> Tensors:
        """A single lane's parameters and buffers without the lane axis: a state dict for the network."""
        if self.lanes != 1:
            raise ValueError(f"a state dict is of one lane; this state has {self.lanes}")
        return {name: tensor[0] for name, tensor in (self.parameters | self.buffers).items()}
