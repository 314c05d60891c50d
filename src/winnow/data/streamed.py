"""A split that is too large for memory: images are decoded as they are needed, by several threads, ahead of time."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import lru_cache
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from winnow.data.crops import Boxer, central
from winnow.data.pictures import Pictures
from winnow.data.shard import WHOLE, Shard
from winnow.errors import RecipeError

_AT_ONCE = 8
"""Images that a thread decodes before it takes up others."""

_ALONE = 32_767
"""Numbers that PyTorch works on without calling up other threads."""

_EVALUATED = 256
"""The most images that are evaluated at once: a network's features of a thousand large ones fill a GPU."""


class Pending:
    """Images that are being decoded."""

    def __init__(self, pixels: Tensor, parts: Sequence[Future[None]]) -> None:
        self._pixels, self._parts = pixels, parts

    def pixels(self) -> Tensor:
        """uint8 (images, 3, size, size), once all are there. Raises what decoding raised."""
        for part in self._parts:
            part.result()
        return self._pixels

    def cancel(self) -> None:
        """Begin no more of them."""
        for part in self._parts:
            part.cancel()


class Streamed:
    """Some of the images of a source, cut to one size and normalized, in an order that does not change.

    `index` int64 (examples,) says which. A pixel x becomes (x / 255 - mean) / std of its channel. Raises RecipeError
    where `mean` or `std` do not have three values.
    """

    def __init__(
        self,
        pictures: Pictures,
        index: Tensor,
        *,
        size: int,
        mean: tuple[float, ...] | None,
        std: tuple[float, ...] | None,
        device: torch.device | str,
    ) -> None:
        for name, values in (("mean", mean), ("std", std)):
            if values is not None and len(values) != 3:
                given = f"{len(values)} value{'s' * (len(values) != 1)}"
                raise RecipeError(f"field data.{name}: {values} has {given}; the images have 3 channels.")
        self.size = size
        self.device = torch.device(device)
        self._pictures = pictures
        self._index: list[int] = index.tolist()
        self._labels = pictures.labels[index].to(self.device)
        means, stds = torch.tensor(mean or (0.0,) * 3), torch.tensor(std or (1.0,) * 3)
        # For each pixel, channels last as the images are: a product of memory that is laid out alike is the fastest.
        self._gain, self._offset = (
            values.expand(size, size, 3).contiguous().permute(2, 0, 1).to(self.device)
            for values in (1 / (255 * stds), -means / stds)
        )

    def __len__(self) -> int:
        return len(self._index)

    @property
    def targets(self) -> Tensor:
        """All labels, (examples,)."""
        return self._labels

    @property
    def at_once(self) -> int:
        """How many images to evaluate at a time."""
        return _EVALUATED

    def images_at(self, index: Tensor) -> Tensor:
        """The centres of the images at `index`, (images,), normalized."""
        return self.normalized(self._centres(index).pixels())

    def begin(self, positions: Sequence[int], boxes: Sequence[Boxer], flips: Sequence[bool] | None = None) -> Pending:
        """Have the images at some positions decoded, each cut as its box says, and mirrored if it says so."""
        shape = (len(positions), self.size, self.size, 3)  # as images are decoded, and as convolutions like it best
        pixels = torch.empty(shape, dtype=torch.uint8, pin_memory=self.device.type == "cuda")
        places = pixels.numpy()

        def decode(start: int) -> None:
            for place in range(start, min(start + _AT_ONCE, len(positions))):
                image = self._pictures.picture(self._index[positions[place]], boxes[place], self.size)
                write = _write_mirrored if flips and flips[place] else _write
                write(image.permute(1, 2, 0), places[place])

        parts = [_threads().submit(decode, start) for start in range(0, len(positions), _AT_ONCE)]
        return Pending(pixels.permute(0, 3, 1, 2), parts)

    def normalized(self, pixels: Tensor, out: Tensor | None = None) -> Tensor:
        """Pixels, uint8 (..., 3, size, size), as float32 on the device, laid out as they were, or in `out`."""
        if self.device.type == "cpu":
            return self._normalized_here(pixels, torch.empty_like(pixels, dtype=torch.float32) if out is None else out)
        on_device = pixels.to(self.device, non_blocking=True)
        values = on_device.float() if out is None else out.copy_(on_device)
        return values.mul_(self._gain).add_(self._offset)

    def _normalized_here(self, pixels: Tensor, out: Tensor) -> Tensor:
        """The same on a CPU: image by image, so that each stays in the cache, and by numpy in this thread alone.

        PyTorch's threads would wait for more such work for a while, on the processors that are to decode meanwhile.
        """
        gain, offset = self._gain.numpy(), self._offset.numpy()
        for image, place in zip(pixels.flatten(0, -4).numpy(), out.flatten(0, -4).numpy(), strict=True):
            place[:] = image
            np.multiply(place, gain, out=place)
            np.add(place, offset, out=place)
        return out

    def labels_at(self, index: Tensor) -> Tensor:
        """Labels, int64 (*index.shape,), of the images at `index`."""
        return self._labels.index_select(0, index.reshape(-1).to(self.device)).view(index.shape)

    def chunks(self, size: int, shard: Shard = WHOLE) -> Iterator[tuple[Tensor, Tensor]]:
        """A shard of the images' centres and their labels in order, `size` at a time but 256 at most."""
        parts = torch.split(shard.of(torch.arange(len(self))), min(size, _EVALUATED))
        following = self._centres(parts[0])
        for number, part in enumerate(parts):
            current = following
            if number + 1 < len(parts):
                following = self._centres(parts[number + 1])
            yield self.normalized(current.pixels()), self.labels_at(part)

    def _centres(self, part: Tensor) -> Pending:
        return self.begin(cast("list[int]", part.tolist()), [central] * len(part))


def _write(image: Tensor, place: NDArray[np.uint8]) -> None:
    """Put an image, (height, width, 3), in its place. PyTorch would copy with threads of its own in each of ours."""
    place[:] = image.numpy()


def _write_mirrored(image: Tensor, place: NDArray[np.uint8]) -> None:
    """The same with left and right swapped, by PyTorch, since numpy is five times as slow; a few rows at a time."""
    rows = max(1, _ALONE // image[0].numel())
    for start in range(0, len(image), rows):
        place[start : start + rows] = image[start : start + rows].flip(1).numpy()


@lru_cache(maxsize=1)
def _threads() -> ThreadPoolExecutor:
    """As many as there are processors: Pillow and PyTorch let others run while they decode and resize."""
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return ThreadPoolExecutor(count or 1, thread_name_prefix="winnow-decode")
