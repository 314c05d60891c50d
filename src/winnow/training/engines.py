"""Engines: how the gradients of a batch of lanes are computed. Each gives the same numbers, up to rounding."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import cached_property
from typing import Any, Literal, Protocol

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap
from torch.utils._pytree import tree_map_only

from winnow.training.heap import keep_freed_memory
from winnow.training.laned import LanedLinear
from winnow.training.randomness import LaneRandomness
from winnow.training.state import State
from winnow.training.tasks import Classification, Task

CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)

Precision = Literal["bfloat16"] | None
"""In what layers compute; None is float32."""


class Engine(Protocol):
    """Gradients and evaluation of all lanes of a state."""

    def enter(self, state: State, masks: Mapping[str, Tensor]) -> tuple[State, Mapping[str, Tensor]]:
        """A state in the form in which this engine trains it, and the masks that gradients then need."""
        ...

    def leave(self, state: State) -> State:
        """A state back in its own form."""
        ...

    def gradients(self, state: State, images: Tensor, labels: Tensor) -> tuple[Tensor, list[Tensor]]:
        """The lanes' mean losses, (lanes,), and the gradient of every parameter, each (lanes, *shape).

        `images` are inputs of any kind, (lanes, batch, ...), and `labels` their targets, (lanes, batch, ...). Running
        statistics change in place.
        """
        ...

    def evaluate(self, state: State, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """The summed loss and the summed score of each lane, (lanes,) both, in evaluation mode.

        `images` are inputs of any kind and `labels` their targets, (examples, ...) both: every lane sees the same.
        """
        ...


class Whole:
    """An engine that calls the network itself, and trains states in the form they have."""

    def __init__(
        self,
        network: nn.Module,
        precision: Precision = None,
        task: Task | None = None,
        randomness: LaneRandomness | None = None,
    ) -> None:
        self.network = network
        self.precision: Precision = precision
        self.task: Task = task or Classification()
        self.randomness = randomness

    def enter(self, state: State, masks: Mapping[str, Tensor]) -> tuple[State, Mapping[str, Tensor]]:
        """See Engine."""
        if state.device.type == "cpu":
            keep_freed_memory()
        return state, masks

    def leave(self, state: State) -> State:
        """See Engine."""
        return state


class Plain(Whole):
    """One lane after the other, eagerly: the reference that other engines are checked against."""

    @cached_property
    def has_convolutions(self) -> bool:
        """Whether images are better laid out channels-last."""
        return any(isinstance(module, CONVOLUTIONS) for module in self.network.modules())

    def gradients(self, state: State, images: Tensor, labels: Tensor) -> tuple[Tensor, list[Tensor]]:
        """See Engine."""
        self.network.train()
        by_lane = [self._lane(state, lane, images[lane], labels[lane]) for lane in range(state.lanes)]
        return side_by_side(by_lane)

    def _lane(self, state: State, lane: int, images: Tensor, labels: Tensor) -> tuple[Tensor, tuple[Tensor, ...]]:
        """One lane's mean loss, and the gradient of each of its parameters."""
        parameters = {name: p[lane].detach().requires_grad_() for name, p in state.parameters.items()}
        with self.randomness.at(state.iteration, lane) if self.randomness else nullcontext():
            outputs = self._forward(parameters, state, lane, images)  # (batch, ...)
        loss = self.task.each(outputs, labels).mean()
        # A parameter that the outputs do not depend on has a gradient of zero.
        return loss.detach(), torch.autograd.grad(loss, list(parameters.values()), materialize_grads=True)

    @torch.no_grad()
    def evaluate(self, state: State, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """See Engine."""
        self.network.eval()
        losses: list[Tensor] = []
        scores: list[Tensor] = []
        for lane in range(state.lanes):
            outputs = self._forward({name: p[lane] for name, p in state.parameters.items()}, state, lane, images)
            losses.append(self.task.losses(outputs, labels).sum())
            scores.append(self.task.scores(outputs, labels).sum())
        return torch.stack(losses), torch.stack(scores)

    def _forward(self, parameters: dict[str, Tensor], state: State, lane: int, images: Tensor) -> Any:
        buffers = {name: buffer[lane] for name, buffer in state.buffers.items()}
        if self.has_convolutions and images.ndim == 4:
            images = images.contiguous(memory_format=torch.channels_last)
        with computing_in(self.precision, images.device):
            return at_least_float32(self._call(parameters | buffers, images))

    def _call(self, values: dict[str, Tensor], images: Tensor) -> Any:
        return functional_call(self.network, values, (images,))


class Stacked(Whole):
    """All lanes in one batched computation: each layer is one product over (lanes, ...)."""

    @cached_property
    def _own_images(self) -> Callable[..., Any]:
        return vmap(self._forward, in_dims=(0, 0), randomness="different" if self.randomness else "error")

    @cached_property
    def _shared_images(self) -> Callable[..., Any]:
        return vmap(self._forward, in_dims=(0, None))

    def gradients(self, state: State, images: Tensor, labels: Tensor) -> tuple[Tensor, list[Tensor]]:
        """See Engine."""
        self.network.train()
        parameters = {name: p.detach().requires_grad_() for name, p in state.parameters.items()}
        streams = self.randomness.at(state.iteration) if self.randomness else nullcontext()
        with streams, LanedLinear(), computing_in(self.precision, images.device):
            outputs = at_least_float32(self._own_images(parameters | state.buffers, images))  # (lanes, batch, ...)
        losses = self.task.each(_together(outputs), labels.flatten(0, 1)).view(labels.shape[:2]).mean(1)  # (lanes,)
        # Lanes share nothing, so the gradient of the sum is each lane's own.
        gradients = torch.autograd.grad(losses.sum(), list(parameters.values()), materialize_grads=True)
        return losses.detach(), list(gradients)

    @torch.no_grad()
    def evaluate(self, state: State, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """See Engine."""
        self.network.eval()
        with computing_in(self.precision, images.device):
            outputs = at_least_float32(self._shared_images(state.parameters | state.buffers, images))
            # (lanes, examples, ...)
        outputs, targets = _together(outputs), labels.expand(state.lanes, *labels.shape).flatten(0, 1)
        losses, scores = (measure(outputs, targets) for measure in (self.task.losses, self.task.scores))
        return losses.view(state.lanes, -1).sum(1), scores.view(state.lanes, -1).sum(1)

    def _forward(self, values: dict[str, Tensor], images: Tensor) -> Any:
        return functional_call(self.network, values, (images,))


def _together(outputs: Any) -> Any:
    """Outputs of several lanes, (lanes, batch, ...), as those of one batch, (lanes * batch, ...)."""
    return tree_map_only(Tensor, lambda output: output.flatten(0, 1), outputs)


def side_by_side(by_lane: Sequence[tuple[Tensor, tuple[Tensor, ...]]]) -> tuple[Tensor, list[Tensor]]:
    """Lanes' losses and gradients, with the lanes in front; a single lane's are not copied."""
    if len(by_lane) == 1:
        loss, gradients = by_lane[0]
        return loss.unsqueeze(0), [gradient.unsqueeze(0) for gradient in gradients]
    losses, gradients = zip(*by_lane, strict=True)
    return torch.stack(losses), [torch.stack(each) for each in zip(*gradients, strict=True)]


def at_least_float32(outputs: Any) -> Any:
    """A network's outputs, a tensor or several, with bfloat16 made float32: losses are taken in that."""
    return tree_map_only(Tensor, lambda each: each.float() if each.dtype == torch.bfloat16 else each, outputs)


def computing_in(precision: Precision, device: torch.device) -> AbstractContextManager[object]:
    """Within, layers compute in that precision; parameters and what is computed from logits stay float32."""
    if precision is None:
        return nullcontext()
    return torch.autocast(device.type, dtype=torch.bfloat16)
