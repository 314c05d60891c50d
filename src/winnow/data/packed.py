"""One file of images that are decoded and made smaller already, for epochs that cost little more than reading it.

The file is safetensors. `pixels`, uint8, are the images one after another, each (height, width, 3), training images
before test images, and up to seven zeros; then come `sizes`, int32 (images, 2), and `labels`, int64 (images,). The
header's metadata has one entry, `packed`, which is JSON: the layout's version, the classes' names, how many images are
for training, the size asked for, and the sha256 of all that follows the header.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import struct
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from winnow.data.crops import Boxer, resized, whole
from winnow.data.pictures import Told, decoded
from winnow.data.tree import Listing, Tree
from winnow.errors import DataError

_LAYOUT = 1


@dataclass(frozen=True, eq=False)
class Packed:
    """A packed file, mapped into memory: what is not looked at is not read."""

    path: Path
    classes: tuple[str, ...]
    training: int
    """How many of the images are for training; the rest are for testing."""

    checksum: str
    """The sha256 of the contents, as the header states it; `verify` takes it anew."""

    sizes: NDArray[np.int32]
    labels: Tensor
    starts: NDArray[np.int64]
    pixels: NDArray[np.uint8]

    def split(self, name: str) -> PackedSplit:
        """The images of `train` or `test`."""
        return PackedSplit(self, range(self.training) if name == "train" else range(self.training, len(self.labels)))


@dataclass(frozen=True, eq=False)
class PackedSplit:
    """Some of the images of a packed file."""

    packed: Packed
    numbers: range

    @property
    def labels(self) -> Tensor:
        """See Pictures."""
        return self.packed.labels[self.numbers.start : self.numbers.stop]

    def __len__(self) -> int:
        return len(self.numbers)

    def picture(self, number: int, box: Boxer, size: int) -> Tensor:
        """See Pictures."""
        image = self.numbers[number]
        height, width = self.packed.sizes[image].tolist()
        start = self.packed.starts[image]
        pixels = self.packed.pixels[start : start + 3 * height * width].reshape(height, width, 3)
        part = box(height, width)
        rows = pixels[part.top : part.top + part.height, part.left : part.left + part.width]
        return resized(torch.from_numpy(rows), size, size)


def pack(
    images: Tree, out: Path, size: int, *, told: Told | None = None, without: frozenset[str] = frozenset()
) -> None:
    """Write every image of a folder, made smaller so that its shorter side is `size`, into one file.

    An image that is smaller already stays as it is. Images in `without` are left out. The file is whole or absent.
    Raises DataError where an image is corrupt, or the file cannot be written.
    """
    if out.exists():
        raise DataError(f"'{out}' exists already. Name another file, or remove it first.")
    temporary = out.with_name(f".{out.name}.{os.getpid()}.part")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as file:
            _write(file, images, out, size, told, without)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, out)
    except OSError as error:
        raise DataError(f"'{out}' cannot be written: {error}.") from error
    finally:
        temporary.unlink(missing_ok=True)


def _write(file: BinaryIO, images: Tree, out: Path, size: int, told: Told | None, without: frozenset[str]) -> None:
    """Write the images, their tables, and then the header, which tells the sha256 of both, before them."""
    train, test = (_labelled(listing, without) for listing in (images.train, images.test))
    files, labels = [file for file, _ in train + test], [label for _, label in train + test]
    _check_room(out, len(files) * 4 * size * size)  # 4:3, three bytes a pixel
    header = _header_length(images.classes)
    digest = hashlib.sha256()
    sizes: list[tuple[int, int]] = []
    file.write(b" " * header)
    for number, pixels in enumerate(_smaller(images, files, size), start=1):
        sizes.append((pixels.shape[0], pixels.shape[1]))
        _append(file, digest.update, pixels)
        if told is not None:
            told(number, len(files))
    length = file.tell() - header
    padding = -length % 8  # labels begin at a multiple of their own length
    _append(file, digest.update, np.zeros(padding, np.uint8))
    tables = {"sizes": np.array(sizes, "<i4"), "labels": np.array(labels, "<i8")}
    for table in tables.values():
        _append(file, digest.update, table)
    described = {
        "layout": _LAYOUT,
        "classes": images.classes,
        "training": len(train),
        "size": size,
        "sha256": digest.hexdigest(),
    }
    file.seek(0)
    file.write(_header(header, length + padding, tables, described))


def _labelled(listing: Listing, without: frozenset[str]) -> list[tuple[str, int]]:
    """The images of a split with their labels, but for those to be left out."""
    labels = cast("list[int]", listing.labels.tolist())
    return [(file, label) for file, label in zip(listing.files, labels, strict=True) if file not in without]


def _check_room(out: Path, about: int) -> None:
    """Raise DataError where a disk has less than about so many bytes free."""
    if (free := shutil.disk_usage(out.parent).free) < about:
        raise DataError(
            f"'{out}' would take about {about / 1e9:,.1f} GB, and {free / 1e9:,.1f} GB are free there. "
            f"Choose a smaller --size, or another disk."
        )


def _smaller(images: Tree, files: Sequence[str], size: int) -> Iterator[NDArray[np.uint8]]:
    """The images in order, decoded by several threads that are never far ahead of what is written."""

    def one(file: str) -> NDArray[np.uint8]:
        pixels = decoded(images.root / file, whole, size)
        height, width, _ = pixels.shape
        factor = size / min(height, width)
        if factor < 1:
            target = (max(1, round(height * factor)), max(1, round(width * factor)))
            pixels = resized(pixels, *target).permute(1, 2, 0)
        return pixels.contiguous().numpy()

    count = os.cpu_count() or 1
    with ThreadPoolExecutor(count) as threads:
        waiting: deque[Future[NDArray[np.uint8]]] = deque()
        try:
            for file in files:
                waiting.append(threads.submit(one, file))
                if len(waiting) > 4 * count:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


def _append(file: BinaryIO, told: Callable[[bytes], object], array: NDArray[Any]) -> None:
    content = array.tobytes()
    told(content)
    file.write(content)


def _header_length(classes: Sequence[str]) -> int:
    """Room for the header, which is written last: when it is reserved, all but the classes' names is unknown."""
    return 8 + 1_024 + 2 * len(json.dumps(classes)) // 8 * 8


def _header(room: int, pixels: int, tables: dict[str, NDArray[Any]], described: dict[str, Any]) -> bytes:
    entries: dict[str, Any] = {"__metadata__": {"packed": json.dumps(described)}}
    entries["pixels"] = {"dtype": "U8", "shape": [pixels], "data_offsets": [0, pixels]}
    start = pixels
    for (name, table), dtype in zip(tables.items(), ("I32", "I64"), strict=True):
        entries[name] = {"dtype": dtype, "shape": list(table.shape), "data_offsets": [start, start + table.nbytes]}
        start += table.nbytes
    text = json.dumps(entries).encode()
    assert len(text) <= room - 8
    return struct.pack("<Q", room - 8) + text.ljust(room - 8)


@lru_cache(maxsize=4)
def packed(path: Path) -> Packed:
    """Open a packed file; nothing but its header and its tables is read. Raises DataError where it is not one."""
    try:
        with path.open("rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            if length > path.stat().st_size:
                raise ValueError("its header is longer than the file")
            entries = json.loads(file.read(length))
        described = json.loads(entries["__metadata__"]["packed"])
        if described["layout"] != _LAYOUT:
            raise ValueError(f"its layout is {described['layout']}, and this Winnow reads {_LAYOUT}")

        def mapped(name: str, dtype: str) -> NDArray[Any]:
            first, last = entries[name]["data_offsets"]
            if 8 + length + last > path.stat().st_size:
                raise ValueError("it is cut short")
            shape = tuple(entries[name]["shape"])
            # Copy on write, since PyTorch warns of memory that it may not write to. Nothing writes to it.
            return np.memmap(path, dtype=dtype, mode="c", offset=8 + length + first, shape=shape)

        sizes = np.array(mapped("sizes", "<i4"))
        ends = np.cumsum(3 * sizes[:, 0].astype(np.int64) * sizes[:, 1])
        return Packed(
            path=path,
            classes=tuple(described["classes"]),
            training=int(described["training"]),
            checksum=str(described["sha256"]),
            sizes=sizes,
            labels=torch.from_numpy(np.array(mapped("labels", "<i8"))),
            starts=np.concatenate([np.zeros(1, np.int64), ends[:-1]]),
            pixels=mapped("pixels", "|u1"),
        )
    except FileNotFoundError:
        raise DataError(f"there is no packed file '{path}'. `winnow data pack PATH --out {path}` makes one.") from None
    except (OSError, ValueError, KeyError, TypeError, struct.error) as error:
        raise DataError(
            f"'{path}' is not a whole packed file: {error}.\n`winnow data pack PATH --out FILE` makes one."
        ) from error


def verify(path: Path) -> None:
    """Read a packed file whole, and raise DataError where its contents do not have the sha256 that it states."""
    stated = packed(path).checksum
    digest = hashlib.sha256()
    with path.open("rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        file.seek(length, os.SEEK_CUR)
        while block := file.read(1 << 24):
            digest.update(block)
    if digest.hexdigest() != stated:
        raise DataError(
            f"'{path}' is damaged: its contents have sha256 {digest.hexdigest()[:12]}…, not {stated[:12]}…."
        )
