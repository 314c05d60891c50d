"""A folder of images, with a folder for each class: which files it has, and what tells it from another."""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import cast

import torch
from torch import Tensor

from winnow.errors import DataError

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".ppm")
"""Files that are images. Others are not looked at."""

_log = logging.getLogger(__name__)

_PARTS = ("train", "training", "test", "testing", "val", "valid", "validation")
"""What folders of parts of a data set are called."""

_TEST = 5
"""Where a folder has no test images of its own, one in so many of every class is one."""


@dataclass(frozen=True, eq=False)
class Listing:
    """The images of one split."""

    files: Sequence[str]
    """By class, then by name; relative to the folder."""

    labels: Tensor
    """int64 (images,): the position of its class among all."""

    def __len__(self) -> int:
        return len(self.files)


@dataclass(frozen=True, eq=False)
class Tree:
    """A folder of images."""

    root: Path
    classes: tuple[str, ...]
    train: Listing
    """Training images, validation not yet taken off."""

    test: Listing

    fingerprint: str
    """The sha256 of every file's name and size. A file that is added, removed, renamed, or replaced by one of another
    size changes it; one whose bytes change while their number stays does not: reading 140 GB would tell that alone."""

    def checksum(self, without: frozenset[str]) -> str:
        """The fingerprint of the folder where some of its images are left out."""
        if not without:
            return self.fingerprint
        left_out = "\n".join([self.fingerprint, *sorted(without)])
        return hashlib.sha256(left_out.encode("utf-8", "surrogateescape")).hexdigest()


@lru_cache(maxsize=4)
def tree(root: Path) -> Tree:
    """The images in `root/train/CLASS/` and `root/val/CLASS/`, the second being test images; or in `root/CLASS/`.

    In the second case one image in five of every class is a test image: those whose names have the least hashes, so
    that others may come and go without changing their lot. Classes are sorted by name. The folder is looked through
    once a process. Raises DataError where it is not such a folder.
    """
    if not root.is_dir():
        raise DataError(
            f"there is no folder '{root}'.\n"
            f"Name one with images in train/CLASS and val/CLASS, or in CLASS: --data.name folder:PATH."
        )
    is_split = (root / "train").is_dir()
    if is_split and not (root / "val").is_dir():
        other = next((name for name in _PARTS if name != "train" and (root / name).is_dir()), "")
        mend = f"\nCall '{other}' so, or let a link of that name lead to it." if other else ""
        raise DataError(f"'{root}' has a folder 'train' but none called 'val', which would hold the test images.{mend}")
    digest = hashlib.sha256()
    if is_split:
        classes = _folders(root / "train")
        unknown = sorted(set(_folders(root / "val")) - set(classes))
        if unknown:
            raise DataError(f"'{root}/val' has classes that '{root}/train' lacks: {', '.join(unknown[:5])}.")
        train = _listing(root, [f"train/{name}" for name in classes], digest.update)
        test = _listing(root, [f"val/{name}" for name in classes], digest.update, may_lack=True)
        if set(_folders(root / "test") if (root / "test").is_dir() else ()) & set(classes):
            _log.warning("'%s' has a folder 'test' too, which is not looked at: tests are of the images in 'val'", root)
    else:
        classes = _folders(root)
        if classes and all(name.lower() in _PARTS for name in classes):
            raise DataError(
                f"'{root}' has the folders {', '.join(classes)}, which would be its classes.\n"
                f"Call that of the training images 'train' and that of the test images 'val', or name the folder that "
                f"holds the classes."
            )
        train, test = _divided(_listing(root, classes, digest.update))
    if len(classes) < 2:
        raise DataError(f"'{root}' has {len(classes)} folders of images; expected one for each class, two at least.")
    if not len(test):
        raise DataError(f"'{root}' has no test images: 'val' is empty, or no class has {_TEST} images.")
    return Tree(root, tuple(classes), train, test, digest.hexdigest())


def _folders(root: Path) -> list[str]:
    with os.scandir(root) as found:
        return sorted(entry.name for entry in found if entry.is_dir() and not entry.name.startswith("."))


def _listing(root: Path, folders: Sequence[str], told: Callable[[bytes], object], *, may_lack: bool = False) -> Listing:
    files: list[str] = []
    labels: list[int] = []
    for label, folder in enumerate(folders):
        here = sorted(_images(root, folder)) if (root / folder).is_dir() else []
        if not here and not may_lack:
            raise DataError(f"class folder '{root / folder}' has no images ({', '.join(SUFFIXES)}).")
        for file, size in here:
            told(f"{file} {size}\n".encode("utf-8", "surrogateescape"))
            files.append(file)
            labels.append(label)
    return Listing(files, torch.tensor(labels, dtype=torch.int64))


def _images(root: Path, folder: str) -> Iterator[tuple[str, int]]:
    """The images in a folder and those below it, and their sizes in bytes."""
    with os.scandir(root / folder) as found:
        for entry in found:
            name = f"{folder}/{entry.name}"
            if entry.name.startswith("."):
                continue
            if entry.is_dir():
                yield from _images(root, name)
            elif entry.name.lower().endswith(SUFFIXES):
                yield name, entry.stat().st_size


def _divided(whole: Listing) -> tuple[Listing, Listing]:
    """Training and test images, where a folder does not tell them apart."""
    by_class: dict[int, list[int]] = {}
    for position, label in enumerate(cast("list[int]", whole.labels.tolist())):
        by_class.setdefault(label, []).append(position)
    chosen: set[int] = set()
    for positions in by_class.values():
        positions.sort(key=lambda position: hashlib.sha256(os.fsencode(whole.files[position])).digest())
        chosen.update(positions[: len(positions) // _TEST])
    test = sorted(chosen)
    train = sorted(set(range(len(whole))) - chosen)
    return tuple(Listing([whole.files[p] for p in part], whole.labels[part]) for part in (train, test))  # pyright: ignore[reportReturnType]
