"""A decoded data set in memory, and the checksum that says which one it is."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from winnow.errors import DataError

FIELDS = ("train_images", "train_labels", "test_images", "test_labels")
"""The arrays of a data set, in the order they are hashed."""


@dataclass(frozen=True, eq=False)
class Arrays:
    """A decoded data set, as its publisher gives it.

    Raises `DataError` when the arrays do not fit together.

    >>> import numpy as np
    >>> images, labels = np.zeros((4, 1, 8, 8), np.uint8), np.arange(4)
    >>> Arrays(images, labels, images[:2], labels[:2], classes=10, scale=255).shape
    (1, 8, 8)
    """

    train_images: NDArray[np.uint8]
    """(examples, channels, height, width), from 0 to `scale`."""

    train_labels: NDArray[np.int64]
    """(examples,), from 0 to `classes` - 1."""

    test_images: NDArray[np.uint8]
    """(examples, channels, height, width), of the same shape as the training images."""

    test_labels: NDArray[np.int64]
    """(examples,)"""

    classes: int
    """How many classes there are; a small part of a data set may lack some."""

    scale: int
    """The value that means full intensity: 255, or 16 for `digits`."""

    def __post_init__(self) -> None:
        for split in ("train", "test"):
            self._check(split, getattr(self, f"{split}_images"), getattr(self, f"{split}_labels"))
        if self.test_images.shape[1:] != self.train_images.shape[1:]:
            raise DataError(
                f"test images have shape {self.test_images.shape[1:]}; the training images have {self.shape}"
            )

    def _check(self, split: str, images: NDArray[Any], labels: NDArray[Any]) -> None:
        if images.dtype != np.uint8 or images.ndim != 4 or images.size == 0:
            raise DataError(
                f"{split} images are {images.dtype} of shape {images.shape}; "
                "expected uint8 of shape (examples, channels, height, width)"
            )
        if labels.dtype != np.int64 or labels.shape != images.shape[:1]:
            raise DataError(
                f"{split} labels are {labels.dtype} of shape {labels.shape}; expected int64 of shape {images.shape[:1]}"
            )
        if labels.min() < 0 or labels.max() >= self.classes:
            raise DataError(
                f"{split} labels go from {labels.min()} to {labels.max()}; expected 0 to {self.classes - 1}"
            )
        if self.scale < 255 and images.max() > self.scale:
            raise DataError(f"{split} images reach {images.max()}; expected at most {self.scale}")

    @property
    def shape(self) -> tuple[int, int, int]:
        """(channels, height, width) of one image."""
        _, channels, height, width = self.train_images.shape
        return channels, height, width

    def checksum(self) -> str:
        """The sha256 of the four arrays, in hexadecimal: 0.1 s for CIFAR-10."""
        return checksum({field: getattr(self, field) for field in FIELDS})


def checksum(arrays: Mapping[str, NDArray[Any]]) -> str:
    """The sha256 over each array's name, dtype, shape and bytes, in the order of `FIELDS`.

    It depends on what was decoded only: the same whatever file, package or compression it came in.
    """
    digest = hashlib.sha256()
    for field in FIELDS:
        array = np.ascontiguousarray(arrays[field])
        little_endian = array.astype(array.dtype.newbyteorder("<"), copy=False)
        shape = ",".join(map(str, array.shape))
        digest.update(f"{field} {array.dtype.name} {shape}\n".encode())
        digest.update(little_endian.data)
    return digest.hexdigest()
