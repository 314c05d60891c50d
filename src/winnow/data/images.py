"""Data that are images on disk, `folder:PATH` or `packed:FILE`: what they are, and their splits as streams."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from winnow.data import corrupt as corrupt_images
from winnow.data.packed import Packed, packed
from winnow.data.pictures import Files, Pictures, replacements
from winnow.data.tree import tree
from winnow.errors import RecipeError

PREFIXES = ("folder:", "packed:")

SIZE = 224
"""The side of images where data.size does not say."""

Skip = Literal["skip"] | None
"""What becomes of corrupt images: None is an error where one is met; `skip` replaces those that are known."""


def is_images(name: str) -> bool:
    """Whether a data set's name says that it is images on disk.

    >>> is_images("folder:/data/imagenet"), is_images("cifar10")
    (True, False)
    """
    return name.startswith(PREFIXES)


@dataclass(frozen=True, kw_only=True)
class ImageFacts:
    """What there is to know of images on disk before any of them is read."""

    train: int
    """Training images, validation not yet taken off."""

    test: int
    shape: tuple[int, int, int]
    classes: int

    checksum: str
    """What tells them from others. Of a folder: of its files' names and sizes, and of which are left out as corrupt. Of
    a packed file: of its contents."""

    skipped: int = 0
    """How many are corrupt, and replaced by others."""


def image_facts(name: str, size: int | None = None, corrupt: Skip = None) -> ImageFacts:
    """The facts of `folder:PATH` or `packed:FILE`, whose images are cut to size x size. Raises DataError."""
    train, test, classes, checksum, skipped = _opened(name, corrupt)
    shape = (3, size or SIZE, size or SIZE)
    return ImageFacts(
        train=len(train), test=len(test), shape=shape, classes=classes, checksum=checksum, skipped=skipped
    )


def image_pictures(name: str, corrupt: Skip = None) -> tuple[Pictures, Pictures]:
    """The training and the test images of `folder:PATH` or `packed:FILE`. Raises DataError."""
    train, test, _, _, _ = _opened(name, corrupt)
    return train, test


def _opened(name: str, corrupt: Skip) -> tuple[Pictures, Pictures, int, str, int]:
    kind, _, place = name.partition(":")
    path = Path(place).expanduser().resolve()
    if kind == "packed":
        if corrupt is not None:
            raise RecipeError("data.corrupt is for folders; a packed file has whole images alone. Leave it out.")
        file: Packed = packed(path)
        return file.split("train"), file.split("test"), len(file.classes), file.checksum, 0
    images = tree(path)
    broken = corrupt_images.known(images) if corrupt == "skip" else frozenset[str]()
    train, test = (Files(path, listing, replacements(listing, broken)) for listing in (images.train, images.test))
    return train, test, len(images.classes), images.checksum(broken), len(broken)
