"""A batch in several parts, one after the other: where a network's features of a whole one do not fit into memory."""
# pyright: reportPrivateUsage=false, reportPrivateImportUsage=false

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from winnow.training.engines import Engine
from winnow.training.state import State


class Accumulated:
    """An engine whose gradients are those of another, averaged over the parts of a batch.

    Up to rounding they are the whole batch's. Batch norm is the exception: it normalizes each part by its own mean and
    variance, and its running statistics move once for each part.
    """

    def __init__(self, engine: Engine, parts: int) -> None:
        self.engine = engine
        self.parts = parts

    def enter(self, state: State, masks: Mapping[str, Tensor]) -> tuple[State, Mapping[str, Tensor]]:
        """See Engine."""
        return self.engine.enter(state, masks)

    def leave(self, state: State) -> State:
        """See Engine."""
        return self.engine.leave(state)

    def gradients(self, state: State, images: Tensor, labels: Tensor) -> tuple[Tensor, list[Tensor]]:
        """See Engine."""
        shares = zip(images.tensor_split(self.parts, 1), labels.tensor_split(self.parts, 1), strict=True)
        loss = torch.zeros(len(images), device=images.device)
        gradients: list[Tensor] = []
        for part, targets in shares:
            weight = part.shape[1] / images.shape[1]
            part_loss, part_gradients = self.engine.gradients(state, part, targets)
            loss = loss + weight * part_loss
            if gradients:
                torch._foreach_add_(gradients, part_gradients, alpha=weight)
            else:  # new tensors: the engine may use its own again
                gradients = list(torch._foreach_mul(part_gradients, weight))
        return loss, gradients

    def evaluate(self, state: State, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """See Engine."""
        return self.engine.evaluate(state, images, labels)
