"""A data set kept where it is trained on: bytes, turned into numbers only when a batch needs them."""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from winnow.data.augment import Draws, augmented
from winnow.data.shard import WHOLE, Shard
from winnow.errors import DataError, RecipeError


def at_once(shape: tuple[int, ...], targets: Tensor) -> int:
    """How many examples of a shape to evaluate at a time, so that neither they nor their outputs take much room.

    At most 2,500 of CIFAR's size on a GPU. A fifth of that on a CPU, which is no slower (benchmarks/evaluation.py), and
    Conv-2 in all takes a third of the memory.
    """
    most = 500 if targets.device.type == "cpu" else 2_500
    return max(1, min(most, 3_072 * most // max(1, math.prod(shape)), most // max(1, math.prod(targets.shape[1:]))))


class Resident:
    """One split of a data set on a device, as compact bytes that are normalized when gathered.

    `images` uint8 (examples, channels, height, width), `labels` int64 (examples,), or float32 (examples, ...) where a
    network is to learn numbers. A pixel x becomes (x / `scale` - mean) / std of its channel, where `mean` and `std` are
    on the scale 0 to 1; None means 0 and 1. On a CPU the images are shared with the caller, not copied. Raises
    `DataError` when images and labels do not fit together, `RecipeError` when `mean` or `std` do not fit the images.

    >>> images = torch.full((10, 1, 2, 2), 255, dtype=torch.uint8)
    >>> data = Resident(images, torch.arange(10), mean=(0.5,), std=(0.25,), scale=255, device="cpu")
    >>> index = torch.tensor([[0, 3, 5], [7, 7, 9]])  # (lanes, batch)
    >>> data.images_at(index).shape, data.labels_at(index)[1]
    (torch.Size([2, 3, 1, 2, 2]), tensor([7, 7, 9]))
    >>> round(data.images_at(index).max().item(), 4)  # (255 / 255 - 0.5) / 0.25
    2.0
    """

    def __init__(
        self,
        images: Tensor,
        labels: Tensor,
        *,
        mean: tuple[float, ...] | None,
        std: tuple[float, ...] | None,
        scale: int,
        device: torch.device | str,
    ) -> None:
        if images.dtype != torch.uint8 or images.ndim != 4:
            raise DataError(
                f"images are {images.dtype} of shape {tuple(images.shape)}; "
                "expected torch.uint8 of shape (examples, channels, height, width)"
            )
        fits = labels.dtype == torch.float32 or (labels.dtype == torch.int64 and labels.ndim == 1)
        if not fits or labels.shape[:1] != images.shape[:1]:
            raise DataError(
                f"labels are {labels.dtype} of shape {tuple(labels.shape)}; "
                f"expected torch.int64 of shape ({len(images)},)"
            )
        self.shape: tuple[int, int, int] = (images.shape[1], images.shape[2], images.shape[3])
        self.device = torch.device(device)
        pixels = images.reshape(len(images), math.prod(self.shape))
        self._pixels = pixels.to(self.device)  # (examples, pixels)
        self._labels = labels.to(self.device)
        # (x / scale - mean) / std = x * gain + offset, for each pixel
        means, stds = self._by_channel("mean", mean, 0.0), self._by_channel("std", std, 1.0)
        if not all(value > 0 for value in std or ()):
            raise RecipeError(f"field data.std: {std} is not positive throughout; pixels are divided by it")
        area = self.shape[1] * self.shape[2]
        self._gain = (1 / (scale * stds)).repeat_interleave(area).float().to(self.device)  # (pixels,)
        self._offset = (-means / stds).repeat_interleave(area).float().to(self.device)  # (pixels,)
        self._is_centred = mean is not None

    def _by_channel(self, field: str, values: tuple[float, ...] | None, default: float) -> Tensor:
        channels = self.shape[0]
        if values is None:
            return torch.full((channels,), default, dtype=torch.float64)
        if len(values) != channels:
            raise RecipeError(
                f"field data.{field}: {values} has {len(values)} value{'s' * (len(values) != 1)}; "
                f"the images have {channels} channel{'s' * (channels != 1)}. Give one for each."
            )
        return torch.tensor(values, dtype=torch.float64)

    def __len__(self) -> int:
        return len(self._labels)

    @property
    def targets(self) -> Tensor:
        """All labels, (examples,), or numbers, (examples, ...)."""
        return self._labels

    @property
    def at_once(self) -> int:
        """How many examples to evaluate at a time; fewer of larger images."""
        return at_once(self.shape, self._labels)

    def images_at(self, index: Tensor, draws: Draws | None = None) -> Tensor:
        """Normalized images, float32 (*index.shape, channels, height, width), augmented if `draws` says how.

        `index` is int64 of any shape, for instance (lanes, batch); `draws` are for its images in order. Raises
        `IndexError` outside the data.
        """
        rows = self._pixels.index_select(0, index.reshape(-1).to(self.device))  # (images, pixels), bytes
        if draws is not None:
            rows = augmented(rows.view(-1, *self.shape), draws).flatten(1)
        # Multiplied and added apart: a fused kernel rounds an image differently by its place in the batch.
        values = rows.float().mul_(self._gain)
        if self._is_centred:
            values.add_(self._offset)
        return values.view(*index.shape, *self.shape)

    def chunks(self, size: int, shard: Shard = WHOLE) -> Iterator[tuple[Tensor, Tensor]]:
        """A shard of all images and labels in order, `size` at a time, for evaluation."""
        index = shard.of(torch.arange(len(self), device=self.device))
        for part in torch.split(index, size):
            yield self.images_at(part), self.labels_at(part)

    def labels_at(self, index: Tensor) -> Tensor:
        """Labels, int64 (*index.shape,), of the images at `index`; numbers as float32 (*index.shape, ...)."""
        flat = self._labels.index_select(0, index.reshape(-1).to(self.device))
        return flat.view((*index.shape, *self._labels.shape[1:]))
