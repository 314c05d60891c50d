"""Which examples each lane sees at each iteration: a pure function of its noise and the iteration."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor

from winnow.course import Noise
from winnow.data import WHOLE, Draws, Shard, draw
from winnow.data.augment import Augmentation
from winnow.data.table import InMemory
from winnow.seeds import generator


class Stream(Protocol):
    """Where the training loop gets its batches from: any iteration can be asked for, and mostly the next one is."""

    def at(self, iteration: int) -> tuple[Tensor, Tensor]:
        """The inputs (lanes, batch, ...) and targets (lanes, batch, ...) of an iteration, on the device.

        Of a `Shard` of the batch, where the stream was made for one.
        """
        ...

    def close(self) -> None:
        """Nothing more will be asked for: stop what is prepared ahead."""
        ...


class Batches:
    """The training examples in the order of each lane's noise, a new order every epoch.

    Any iteration can be asked for, so a training that continues from k, or after an interruption, sees just
    what it would have seen. An epoch's last partial batch is dropped.
    """

    def __init__(
        self,
        examples: InMemory,
        noises: Sequence[Noise],
        batch: int,
        augment: tuple[Augmentation, ...] | None = None,
        shard: Shard = WHOLE,
    ) -> None:
        self.examples = examples
        self.noises = noises
        self.batch = batch
        self.augment = augment
        self.shard = shard
        self.per_epoch = len(examples) // batch
        self._epoch = -1
        self._order = torch.empty(0)
        self._draws = Draws(torch.empty(0), torch.empty(0))

    def at(self, iteration: int) -> tuple[Tensor, Tensor]:
        """The inputs (lanes, batch, ...) and targets (lanes, batch, ...) of an iteration.

        Images are (lanes, batch, channels, height, width) and their labels (lanes, batch).
        """
        epoch, position = divmod(iteration, self.per_epoch)
        if epoch != self._epoch:
            self._begin(epoch)
        start, stop = position * self.batch, (position + 1) * self.batch
        index = self.shard.of(self._order[:, start:stop])  # (lanes, batch)
        draws = self._draws.at(start, stop).of(self.shard).flat() if self.augment else None
        return self.examples.images_at(index, draws), self.examples.labels_at(index)

    def close(self) -> None:
        """See Stream: nothing is prepared ahead."""

    def _begin(self, epoch: int) -> None:
        """Draw an epoch's order, (lanes, examples), and augmentation. Lanes of the same noise share a draw."""
        self._epoch = epoch
        orders = {noise: self._permutation(noise, epoch) for noise in dict.fromkeys(self.noises)}
        self._order = torch.stack([orders[noise] for noise in self.noises]).to(self.examples.device)
        if self.augment:
            drawn = {noise: self._drawn(self.augment, noise, epoch) for noise in orders}
            flips, offsets = (
                torch.stack([getattr(drawn[noise], name) for noise in self.noises]).to(self.examples.device)
                for name in ("flips", "offsets")
            )
            self._draws = Draws(flips, offsets)

    def _permutation(self, noise: Noise, epoch: int) -> Tensor:
        stream = generator(noise.seed, noise.replicate, "order", noise.sample, epoch)
        return torch.randperm(len(self.examples), generator=stream, dtype=torch.int32)

    def _drawn(self, augment: tuple[Augmentation, ...], noise: Noise, epoch: int) -> Draws:
        stream = generator(noise.seed, noise.replicate, "augment", noise.sample, epoch)
        return draw(augment, len(self.examples), stream)
