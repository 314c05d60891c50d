"""Augmentation of a whole batch at once, from numbers drawn beforehand: every image has draws of its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from winnow.data.shard import Shard

Augmentation = Literal["flip", "crop", "resized-crop"]
"""`flip`: mirrored with probability 1/2. `crop`: padded by 4 black pixels, then cut at random to its own size.
`resized-crop`, for images on disk: a part of random size and shape, resized (winnow.data.crops)."""

PADDING = 4


@dataclass(frozen=True)
class Draws:
    """How each image of an epoch is changed, by its position in the epoch."""

    flips: Tensor
    """bool (images,): whether it is mirrored."""

    offsets: Tensor
    """int64 (images, 2): the row and column of the padded image at which the cut begins, 0 to 8; 4 moves nothing."""

    def at(self, start: int, stop: int) -> Draws:
        """The draws of some positions."""
        return Draws(self.flips[..., start:stop], self.offsets[..., start:stop, :])

    def of(self, shard: Shard) -> Draws:
        """One process's part of the draws of a batch."""
        return Draws(shard.of(self.flips), shard.of(self.offsets.mT).mT)

    def flat(self) -> Draws:
        """Draws of several lanes, (lanes, images), as those of one batch, (lanes * images,)."""
        return Draws(self.flips.flatten(), self.offsets.flatten(0, -2))


def draw(augment: tuple[Augmentation, ...], images: int, generator: Generator) -> Draws:
    """Draw for every image, from one generator: the flips first, then the cuts, whichever are used.

    >>> draws = draw(("flip",), 3, Generator().manual_seed(0))
    >>> draws.offsets.tolist()
    [[4, 4], [4, 4], [4, 4]]
    """
    flips = torch.rand(images, generator=generator) < 0.5
    offsets = torch.randint(0, 2 * PADDING + 1, (images, 2), generator=generator)
    return Draws(
        flips if "flip" in augment else torch.zeros_like(flips),
        offsets if "crop" in augment else torch.full_like(offsets, PADDING),
    )


def augmented(images: Tensor, draws: Draws) -> Tensor:
    """The images flipped and cut as drawn: uint8 (images, channels, height, width) to the same.

    One gather for the whole batch: each output pixel's place in the padded image is computed from the draws.
    Source: the augmentation of CIFAR-10 in He et al. 2016 (arXiv 1512.03385), §4.2, which LTH and SLTH follow.
    """
    count, channels, height, width = images.shape
    padded = F.pad(images, (PADDING,) * 4).flatten(2)  # (images, channels, padded pixels)
    rows = torch.arange(height, device=images.device) + draws.offsets[:, :1]  # (images, height)
    columns = torch.arange(width, device=images.device).expand(count, -1)
    columns = torch.where(draws.flips[:, None], width - 1 - columns, columns) + draws.offsets[:, 1:]  # (images, width)
    places = rows[:, :, None] * (width + 2 * PADDING) + columns[:, None, :]  # (images, height, width)
    places = places.view(count, 1, -1).expand(-1, channels, -1)
    return padded.gather(2, places).view(images.shape)
