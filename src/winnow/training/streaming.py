"""Batches of images that are decoded as they are needed: the next ones while the present one is trained on."""

from __future__ import annotations

from collections.abc import Collection, Sequence
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
        self._rooms: list[Tensor] = []  # of batches given before: new memory for each would cost more than filling it

    def at(self, iteration: int) -> tuple[Tensor, Tensor]:
        """The images (lanes, batch, 3, size, size) and labels (lanes, batch) of an iteration.

        On a CPU the images of a single lane are written over by the second call that follows.
        """
        due = range(iteration, iteration + 1 + _AHEAD)
        self._keep(due)
        for following in due:
            if following not in self._pending:
                self._pending[following] = self._begun(following)
        index, pending = self._pending.pop(iteration)  # (noises, batch)
        pixels = pending.pixels()
        pixels = pixels.view(*index.shape, *pixels.shape[1:])
        images = self.examples.normalized(pixels, self._room(pixels))
        labels = self.examples.labels_at(index)
        if len(self._lanes) == 1:
            return images, labels
        lanes = self._lanes.to(images.device)
        return images[lanes], labels[lanes]

    def close(self) -> None:
        """See Stream."""
        self._keep(())

    def _keep(self, due: Collection[int]) -> None:
        """Decode no more for iterations but these."""
        for other in [known for known in self._pending if known not in due]:
            self._pending.pop(other)[1].cancel()

    def _room(self, pixels: Tensor) -> Tensor | None:
        """Where a batch's images go on a CPU: into those of the batch before the last."""
        if self.examples.device.type != "cpu":
            return None
        if len(self._rooms) == 2:
            self._rooms.append(self._rooms.pop(0))
        else:
            self._rooms.append(torch.empty_like(pixels, dtype=torch.float32))
        return self._rooms[-1]

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
