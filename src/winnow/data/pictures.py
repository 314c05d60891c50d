"""Where single images come from: decoded from files as they are needed."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from winnow.data.crops import Boxer, resized
from winnow.data.tree import Listing
from winnow.errors import DataError, MissingExtra

Told = Callable[[int, int], None]
"""Told of how many images are done, and of how many there are."""


class Pictures(Protocol):
    """The images of one split, of any size, by their number."""

    @property
    def labels(self) -> Tensor:
        """int64 (images,)."""
        ...

    def __len__(self) -> int: ...

    def picture(self, number: int, box: Boxer, size: int) -> Tensor:
        """A part of an image as uint8 (3, size, size). Called from several threads at once."""
        ...


class Corrupt(DataError):
    """An image that cannot be decoded."""

    def __init__(self, file: Path, reason: object) -> None:
        self.reason = str(reason).rstrip(".")
        super().__init__(
            f"'{file}' cannot be decoded: {self.reason}.\n"
            f"Mend or remove it; or let `winnow data check PATH` list all such images once, and give "
            f"data.corrupt = 'skip', with which each is replaced by the next one."
        )


@dataclass(frozen=True, eq=False)
class Files:
    """Images in files. Colours are RGB; an orientation noted in the file is left alone, as is usual with ImageNet."""

    root: Path
    listing: Listing
    replaced: Mapping[int, int] = field(default_factory=dict[int, int])
    """Which image stands for another that is corrupt."""

    @property
    def labels(self) -> Tensor:
        """See Pictures."""
        if not self.replaced:
            return self.listing.labels
        labels = self.listing.labels.clone()
        labels[list(self.replaced)] = self.listing.labels[list(self.replaced.values())]
        return labels

    def __len__(self) -> int:
        return len(self.listing)

    def picture(self, number: int, box: Boxer, size: int) -> Tensor:
        """See Pictures."""
        file = self.root / self.listing.files[self.replaced.get(number, number)]
        return resized(decoded(file, box, size), size, size)


def replacements(listing: Listing, corrupt: frozenset[str]) -> dict[int, int]:
    """For the number of each corrupt image, that of the next one that is not; after the last comes the first.

    >>> replacements(Listing(["a", "b", "c"], torch.zeros(3)), frozenset({"b", "c"}))
    {1: 0, 2: 0}
    """
    broken = [number for number, file in enumerate(listing.files) if file in corrupt]
    if len(broken) == len(listing):
        raise DataError(f"all {len(listing)} images of a split are corrupt.")
    standing: dict[int, int] = {}
    for number in broken:
        other = number
        while listing.files[other] in corrupt:
            other = (other + 1) % len(listing)
        standing[number] = other
    return standing


_BROKEN = (OSError, SyntaxError, ValueError, IndexError, EOFError, struct.error)
"""What Pillow raises for broken files: no one kind of error, it depends on the format."""


def decoded(file: Path, box: Boxer, size: int | None) -> Tensor:
    """A part of the image in a file, uint8 (height, width, 3); raises Corrupt.

    With a `size`, a JPEG may be decoded at half, a quarter or an eighth of its size, where that still has a pixel for
    each of size x size: the decoder then does less.
    """
    image_module = _pillow()
    try:
        with image_module.open(file) as image:
            width, height = image.size
            part = box(height, width)
            if size is not None:
                image.draft("RGB", (math.ceil(width * size / part.width), math.ceil(height * size / part.height)))
            part = part.scaled((height, width), (image.size[1], image.size[0]))
            corners = (part.left, part.top, part.left + part.width, part.top + part.height)
            return torch.from_numpy(np.array(image.convert("RGB").crop(corners)))
    except (*_BROKEN, image_module.DecompressionBombError) as error:
        raise Corrupt(file, error) from error


def _pillow() -> Any:
    try:
        from PIL import Image
    except ModuleNotFoundError:
        raise MissingExtra("pillow", "data", "decoding images") from None
    return Image
