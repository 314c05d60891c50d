"""Batches of images that are decoded as they are needed: the next ones while the present one is trained on."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import cast

import torch
from torch import Tensor

from winnow.course import Noise
from winnow.data import WHOLE, Shard, Streamed
from winnow.data.augment import Augmentation
from winnow.data.crops import central, draw_crops, is_flipped, random_resized
from winnow.data.streamed import Pending
from winnow.seeds import generator

_AHEAD = 2
"""Batches that are decoded ahead of the one that is asked for."""


class Streaming:
    """The training images in the order of each lane's noise, a new order every epoch.

    Order, crops and flips are functions of the noise, the epoch and the position in it, so any iteration can be asked
    for, in mid-epoch too: a training that goes on sees what it would have seen. An epoch's last partial batch is
    dropped.
    """

    def __init__(
        self,
        examples: Streamed,
        noises: Sequence[Noise],
        batch: int,
        augment: tuple[Augmentation, ...] | None = None,
        shard: Shard = WHOLE,
    ) -> None:
        self.examples = examples
        self.batch = batch
        self.augment = augment or ()
        self.shard = shard
        self.per_epoch = len(examples) // batch
        self._distinct = list(dict.fromkeys(noises))  # lanes of the same noise share a batch
        self._lanes = torch.tensor([self._distinct.index(noise) for noise in noises])
        self._permutation = lru_cache(maxsize=2 * len(self._distinct))(self._drawn_order)
        self._pending: dict[int, tuple[Tensor, Pending]] = {}

    def at(self, iteration: int) -> tuple[Tensor, Tensor]:
        """The images (lanes, batch, 3, size, size) and labels (lanes, batch) of an iteration."""
        due = range(iteration, iteration + 1 + _AHEAD)
        for other in [known for known in self._pending if known not in due]:
            self._pending.pop(other)[1].cancel()
        for following in due:
            if following not in self._pending:
                self._pending[following] = self._begun(following)
        index, pending = self._pending.pop(iteration)  # (noises, batch)
        pixels = pending.pixels()
        images = self.examples.normalized(pixels.view(*index.shape, *pixels.shape[1:]))
        labels = self.examples.labels_at(index)
        if len(self._lanes) == 1:
            return images, labels
        lanes = self._lanes.to(images.device)
        return images[lanes], labels[lanes]

    def _begun(self, iteration: int) -> tuple[Tensor, Pending]:
        epoch, position = divmod(iteration, self.per_epoch)
        start, stop = position * self.batch, (position + 1) * self.batch
        indices: Tensor = torch.stack(
            [self.shard.of(self._permutation(noise, epoch)[start:stop]) for noise in self._distinct]
        )
        drawn: list[list[float]] = []
        for noise in self._distinct:
            stream = generator(noise.seed, noise.replicate, "augment", noise.sample, epoch, position)
            drawn += self.shard.of(draw_crops(self.batch, stream).mT).mT.tolist()  # (images, numbers)
        boxes = [random_resized(row) if "resized-crop" in self.augment else central for row in drawn]
        flips = [is_flipped(row) for row in drawn] if "flip" in self.augment else None
        positions = cast("list[int]", indices.flatten().tolist())
        return indices, self.examples.begin(positions, boxes, flips)

    def _drawn_order(self, noise: Noise, epoch: int) -> Tensor:
        stream = generator(noise.seed, noise.replicate, "order", noise.sample, epoch)
        return torch.randperm(len(self.examples), generator=stream)
