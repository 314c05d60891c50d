"""The user's own data in memory: inputs and targets of any kind, checked, and the checksum that says which they are."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from winnow.data.misfits import check_alike, check_classes, check_counts, check_finite, check_inputs
from winnow.errors import DataError

PARTS = ("train_inputs", "train_targets", "test_inputs", "test_targets")
"""The arrays of a data set, in the order they are hashed."""

Inputs = Literal["images", "numbers", "tokens"]
"""uint8 (channels, height, width), float32 of any shape, or int64 of any shape."""

Targets = Literal["classes", "numbers", "tokens"]
"""int64 (), float32 () or (outputs,), or int64 (positions,): a token for every position."""


@dataclass(frozen=True, eq=False)
class OwnArrays:
    """A data set of the user's, in the types in which it is trained on.

    Raises DataError where the arrays do not fit together. `from_arrays` brings others into these types first.

    >>> inputs = np.zeros((4, 3), np.float32)
    >>> OwnArrays(inputs, np.arange(4), inputs, np.arange(4)).classes
    4
    """

    train_inputs: NDArray[Any]
    """(examples, ...): uint8 images (channels, height, width), float32 or int64 of any shape."""

    train_targets: NDArray[Any]
    """(examples,) int64 classes, (examples,) or (examples, outputs) float32, or (examples, positions) int64 tokens."""

    test_inputs: NDArray[Any]
    test_targets: NDArray[Any]

    stated_classes: int | None = None
    """How many classes, or tokens, there are; None: as many as occur."""

    def __post_init__(self) -> None:
        parts = [("train", self.train_inputs, self.train_targets), ("test", self.test_inputs, self.test_targets)]
        for part, inputs, targets in parts:
            check_counts(part, inputs, targets)
        check_alike("inputs", self.train_inputs, self.test_inputs)
        check_alike("targets", self.train_targets, self.test_targets)
        for part, inputs, targets in parts:
            check_inputs(part, inputs)
            check_finite(f"{part} inputs", inputs)
            check_finite(f"{part} targets", targets)
        if self.targets != "numbers":
            is_class = self.targets == "classes"
            stated = self.stated_classes
            check_classes(self.train_targets, self.test_targets, self.classes, stated=stated, whole=is_class)

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one input."""
        return self.train_inputs.shape[1:]

    @property
    def inputs(self) -> Inputs:
        """What the inputs are, told by their type."""
        if self.train_inputs.dtype == np.uint8:
            return "images"
        return "tokens" if self.train_inputs.dtype == np.int64 else "numbers"

    @property
    def targets(self) -> Targets:
        """What the targets are, told by their type and shape."""
        if self.train_targets.dtype == np.float32:
            return "numbers"
        return "classes" if self.train_targets.ndim == 1 else "tokens"

    @property
    def classes(self) -> int:
        """How many classes; of tokens, how many different ones; of numbers, how many an example has."""
        if self.targets == "numbers":
            return math.prod(self.train_targets.shape[1:])
        if self.stated_classes is not None:
            return self.stated_classes
        counted = [self.train_targets, self.test_targets]
        if self.targets == "tokens" and self.inputs == "tokens":
            counted += [self.train_inputs, self.test_inputs]
        return 1 + max(int(array.max()) for array in counted)

    @property
    def tokens(self) -> int | None:
        """How many tokens there are, counted from 0, where the inputs are such."""
        if self.inputs != "tokens":
            return None
        return 1 + max(int(array.max()) for array in (self.train_inputs, self.test_inputs))

    def checksum(self) -> str:
        """The sha256 of the arrays' types, shapes and bytes, in hexadecimal."""
        digest = hashlib.sha256(f"own {self.classes}\n".encode())
        for part in PARTS:
            array = np.ascontiguousarray(getattr(self, part))
            digest.update(f"{part} {array.dtype.name} {','.join(map(str, array.shape))}\n".encode())
            digest.update(array.astype(array.dtype.newbyteorder("<"), copy=False).data)
        return digest.hexdigest()


def from_arrays(arrays: Mapping[str, Any], *, source: str) -> OwnArrays:
    """Arrays by the names of `PARTS` as a data set; `source` is what errors call it.

    uint8 stays as it is, other integers become int64, and floats float32. Grey images (examples, height, width) get
    their one channel. `classes` may say how many there are. Token sequences need no targets: each token's is the
    next. Raises DataError.

    >>> tokens = np.arange(12).reshape(2, 6)
    >>> text = from_arrays({"train_inputs": tokens, "test_inputs": tokens}, source="text")
    >>> text.train_inputs[0].tolist(), text.train_targets[0].tolist()
    ([0, 1, 2, 3, 4], [1, 2, 3, 4, 5])
    """
    unknown = [name for name in arrays if name not in (*PARTS, "classes")]
    try:
        given = {name: as_array(arrays[name]) for name in PARTS if name in arrays}
    except DataError as error:
        raise DataError(f"{source}: {error}") from None
    found = {name: _typed(array, name, source) for name, array in given.items()}
    if "train_targets" not in found and "test_targets" not in found:
        for part in ("train", "test"):
            inputs = found.get(f"{part}_inputs")
            if inputs is not None and inputs.dtype == np.int64 and inputs.ndim == 2 and inputs.shape[1] > 1:
                found[f"{part}_inputs"], found[f"{part}_targets"] = inputs[:, :-1], inputs[:, 1:]
    missing = [name for name in PARTS if name not in found]
    if missing or unknown:
        raise DataError(
            f"{source} holds {', '.join(arrays) or 'nothing'}; expected {', '.join(PARTS)} and, where some do not "
            f"occur, the number of classes.\nOnly sequences of tokens, integers (examples, positions), need no targets."
        )
    for name in ("train_inputs", "test_inputs"):
        if found[name].dtype == np.uint8 and found[name].ndim == 3:
            found[name] = found[name][:, None]
    try:
        stated = int(np.asarray(arrays["classes"])) if "classes" in arrays else None
        return OwnArrays(*(found[name] for name in PARTS), stated_classes=stated)
    except DataError as error:
        raise DataError(f"{source}: {error}") from None


def as_array(value: Any) -> NDArray[Any]:
    """Numbers of any kind as an array: tensors from wherever they lie. Raises DataError for lists of unequal ones."""
    if isinstance(value, Tensor):
        tensor = value.detach().cpu()
        return (tensor.float() if tensor.dtype == torch.bfloat16 else tensor).numpy()
    try:
        return np.asarray(value)
    except ValueError as error:
        raise DataError(f"a {type(value).__name__} is no array of numbers: {error}.") from None


def _typed(array: NDArray[Any], name: str, source: str) -> NDArray[Any]:
    kind = array.dtype.kind
    if kind == "u" and array.dtype == np.uint8 and name.endswith("inputs"):
        return np.ascontiguousarray(array)
    if kind in "iub":
        return np.ascontiguousarray(array.astype(np.int64))
    if kind == "f":
        with np.errstate(over="ignore"):
            single = np.ascontiguousarray(array.astype(np.float32))
        if too_large := int(np.isfinite(array).sum() - np.isfinite(single).sum()):
            raise DataError(
                f"{source}: {too_large} of {name} are beyond the largest float32, 3.4e38: the largest is "
                f"{np.abs(array[np.isfinite(array)]).max():.3g}.\nBring them to one scale first."
            )
        return single
    if kind not in "US" and not (kind == "O" and all(isinstance(each, str) for each in array.flat)):
        raise DataError(f"{source}: {name} are {array.dtype}; expected whole numbers or floats.")
    mend = (
        "Give each class a number: numpy.unique(words, return_inverse=True)[1]."
        if name.endswith("targets")
        else "Words become tokens, whole numbers from 0 on, as many for each example."
    )
    raise DataError(f"{source}: {name} are words; expected whole numbers or floats.\n{mend}")
