"""Numbers or tokens of any shape, kept where they are trained on."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from winnow.data.augment import Draws
from winnow.data.resident import Resident, at_once
from winnow.data.shard import WHOLE, Shard


class Table:
    """One split of a data set on a device, as it is: the counterpart of `Resident` for what is no image.

    `inputs` float32 or int64 (examples, ...), `targets` of any type (examples, ...). On a CPU both are shared with the
    caller, not copied.

    >>> table = Table(torch.arange(6.0).view(3, 2), torch.tensor([0.5, 1.5, 2.5]), device="cpu")
    >>> table.images_at(torch.tensor([[2, 0]])).tolist(), table.labels_at(torch.tensor([[2, 0]])).tolist()
    ([[[4.0, 5.0], [0.0, 1.0]]], [[2.5, 0.5]])
    """

    def __init__(self, inputs: Tensor, targets: Tensor, *, device: torch.device | str) -> None:
        self.device = torch.device(device)
        self.shape: tuple[int, ...] = tuple(inputs.shape[1:])
        self._inputs, self._targets = inputs.to(self.device), targets.to(self.device)

    def __len__(self) -> int:
        return len(self._targets)

    @property
    def targets(self) -> Tensor:
        """All targets, (examples, ...)."""
        return self._targets

    @property
    def at_once(self) -> int:
        """How many examples to evaluate at a time, so that neither their numbers nor their outputs take much room."""
        return at_once(self.shape, self._targets)

    def images_at(self, index: Tensor, draws: Draws | None = None) -> Tensor:
        """Inputs (*index.shape, ...); nothing is drawn to vary them. Raises `IndexError` outside the data."""
        flat = self._inputs.index_select(0, index.reshape(-1).to(self.device))
        return flat.view((*index.shape, *self.shape))

    def labels_at(self, index: Tensor) -> Tensor:
        """Targets (*index.shape, ...) of the examples at `index`."""
        flat = self._targets.index_select(0, index.reshape(-1).to(self.device))
        return flat.view((*index.shape, *self._targets.shape[1:]))

    def chunks(self, size: int, shard: Shard = WHOLE) -> Iterator[tuple[Tensor, Tensor]]:
        """A shard of all inputs and targets in order, `size` at a time, for evaluation."""
        index = shard.of(torch.arange(len(self), device=self.device))
        for part in torch.split(index, size):
            yield self.images_at(part), self.labels_at(part)


InMemory = Resident | Table
"""A split that lies on the device whole."""
