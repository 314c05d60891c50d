"""Which examples each lane sees at each iteration: a pure function of its noise and the iteration."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from winnow.course import Noise
from winnow.data import Resident
from winnow.seeds import generator


class Batches:
    """The training examples in the order of each lane's noise, a new order every epoch.

    Any iteration can be asked for, so a training that continues from k, or after an interruption, sees just
    what it would have seen. An epoch's last partial batch is dropped.
    """

    def __init__(self, examples: Resident, noises: Sequence[Noise], batch: int) -> None:
        self.examples = examples
        self.noises = noises
        self.batch = batch
        self.per_epoch = len(examples) // batch
        self._epoch = -1
        self._order = torch.empty(0)

    def at(self, iteration: int) -> tuple[Tensor, Tensor]:
        """The images (lanes, batch, channels, height, width) and labels (lanes, batch) of an iteration."""
        epoch, position = divmod(iteration, self.per_epoch)
        if epoch != self._epoch:
            self._epoch, self._order = epoch, self._orders(epoch)
        index = self._order[:, position * self.batch : (position + 1) * self.batch]  # (lanes, batch)
        return self.examples.images_at(index), self.examples.labels_at(index)

    def _orders(self, epoch: int) -> Tensor:
        """Each lane's permutation of the examples in one epoch: (lanes, examples)."""
        drawn: dict[Noise, Tensor] = {}
        for noise in self.noises:
            if noise not in drawn:
                stream = generator(noise.seed, noise.replicate, "order", noise.sample, epoch)
                drawn[noise] = torch.randperm(len(self.examples), generator=stream)
        return torch.stack([drawn[noise] for noise in self.noises]).to(self.examples.device)
