"""Engines: how the gradients of a batch of lanes are computed. Each gives the same numbers, up to rounding."""

from __future__ import annotations

from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call

from winnow.training.state import State


class Engine(Protocol):
    """Gradients and evaluation of all lanes of a state."""

    def gradients(self, state: State, images: Tensor, labels: Tensor) -> tuple[Tensor, list[Tensor]]:
        """The lanes' mean losses, (lanes,), and the gradient of every parameter, each (lanes, *shape).

        `images` are (lanes, batch, ...) and `labels` (lanes, batch). Running statistics change in place.
        """
        ...

    def evaluate(self, state: State, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """The summed loss and the number of correct predictions of each lane, (lanes,) both, in evaluation mode.

        `images` are (examples, ...) and `labels` (examples,): every lane sees the same.
        """
        ...


class Plain:
    """One lane after the other, eagerly: the reference that other engines are checked against."""

    def __init__(self, network: nn.Module) -> None:
        self.network = network

    def gradients(self, state: State, images: Tensor, labels: Tensor) -> tuple[Tensor, list[Tensor]]:
        """See Engine."""
        self.network.train()
        losses: list[Tensor] = []
        by_lane: list[tuple[Tensor, ...]] = []
        for lane in range(state.lanes):
            parameters = {name: p[lane].detach().requires_grad_() for name, p in state.parameters.items()}
            logits = self._forward(parameters, state, lane, images[lane])  # (batch, classes)
            loss = F.cross_entropy(logits, labels[lane])
            by_lane.append(torch.autograd.grad(loss, list(parameters.values())))
            losses.append(loss.detach())
        if state.lanes == 1:
            return losses[0].unsqueeze(0), [gradient.unsqueeze(0) for gradient in by_lane[0]]
        return torch.stack(losses), [torch.stack(gradients) for gradients in zip(*by_lane, strict=True)]

    @torch.no_grad()
    def evaluate(self, state: State, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """See Engine."""
        self.network.eval()
        losses: list[Tensor] = []
        correct: list[Tensor] = []
        for lane in range(state.lanes):
            logits = self._forward({name: p[lane] for name, p in state.parameters.items()}, state, lane, images)
            losses.append(F.cross_entropy(logits, labels, reduction="sum"))
            correct.append((logits.argmax(1) == labels).sum())
        return torch.stack(losses), torch.stack(correct)

    def _forward(self, parameters: dict[str, Tensor], state: State, lane: int, images: Tensor) -> Tensor:
        buffers = {name: buffer[lane] for name, buffer in state.buffers.items()}
        return functional_call(self.network, parameters | buffers, (images,))
