"""What does not fit in the arrays of a data set, told to whoever made them, and how to mend it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from winnow.errors import DataError

Array = NDArray[Any]


def check_counts(part: str, inputs: Array, targets: Array) -> None:
    """Raise DataError where a split has no examples, or not a target for each."""
    if not len(inputs if inputs.ndim else (0,)):
        raise DataError(
            f"there are no {part} examples: {part} inputs have shape {inputs.shape}; expected one at least.\n"
            f"Divide the examples anew between training and test."
        )
    if inputs.ndim < 2 or inputs.size == 0:
        raise DataError(
            f"{part} inputs have shape {inputs.shape}; expected (examples, ...), and some numbers of each.\n"
            f"Where an example is one number: inputs.reshape(-1, 1)."
        )
    count = len(targets) if targets.ndim else 1
    if count != len(inputs):
        raise DataError(
            f"there are {len(inputs)} {part} inputs and {count} {part} targets. Give one target for each input."
        )


def check_alike(kind: str, train: Array, test: Array) -> None:
    """Raise DataError where examples of the two splits differ in type or shape."""
    if (train.dtype, train.shape[1:]) != (test.dtype, test.shape[1:]):
        mend = (
            f"Make the examples of both splits in the same way; for the type, {kind}.astype('{train.dtype}')."
            if train.dtype != test.dtype
            else "Make the examples of both splits in the same way, to one shape."
        )
        raise DataError(
            f"test {kind} are {test.dtype} of shape {test.shape[1:]} each; the training {kind} are {train.dtype} of "
            f"shape {train.shape[1:]}.\n{mend}"
        )


def check_inputs(part: str, inputs: Array) -> None:
    """Raise DataError for images with their axes otherwise, and for whole numbers that are no tokens."""
    if inputs.dtype == np.uint8 and (inputs.ndim != 4 or inputs.shape[1] > 4):
        raise DataError(
            f"{part} inputs are uint8 of shape {inputs.shape}, so they are images; expected (examples, channels, "
            f"height, width), with 1 to 4 channels.\n"
            f"Where channels are last, inputs.transpose(0, 3, 1, 2); what is no image, inputs.astype('float32')."
        )
    if inputs.dtype == np.int64 and inputs.min() < 0:
        first = _first(inputs < 0)
        raise DataError(
            f"{part} inputs are whole numbers, so they are tokens, which are counted from 0, but {_place(first)} is "
            f"{inputs[first]}.\nWhat are no tokens, inputs.astype('float32')."
        )


def check_finite(name: str, array: Array) -> None:
    """Raise DataError for values that are infinite or not a number."""
    if array.dtype.kind != "f":
        return
    bad = ~np.isfinite(array)
    if count := int(bad.sum()):
        are = "value of the {} is not a finite number" if count == 1 else "values of the {} are not finite numbers"
        first = _first(bad)
        raise DataError(
            f"{count} {are.format(name)}: the first, {_place(first)}, is {array[first]}.\n"
            f"Leave such examples out, or put numbers in the places of these."
        )


def check_classes(train: Array, test: Array, count: int, *, stated: int | None, whole: bool) -> None:
    """Raise DataError for targets that are not counted from 0 to below `count`.

    `whole` is whether there is one for each example, a class. The lowest class that occurs must then be 0, unless
    it is stated how many there are: classes counted from 1 would have one that nothing belongs to.
    """
    least, most = min(int(train.min()), int(test.min())), max(int(train.max()), int(test.max()))
    if least >= 0 and most < count and not (whole and stated is None and least > 0):
        return
    found = f"targets go from {least} to {most}; expected"
    if least > 0 and stated is None:
        raise DataError(
            f"{found} classes that are counted from 0.\n"
            f"Write targets - {least}. Or, where the classes below {least} merely do not occur here, hand over the "
            f"arrays by name and say how many there are: classes={most + 1}."
        )
    values = set(np.union1d(train, test).tolist())
    part, targets = ("train", train) if int(train.min()) < 0 else ("test", test)
    if values == {-1, 1}:
        mend = "For two classes called -1 and 1: (targets + 1) // 2."
    elif least < 0:
        mend = (
            f"{int((targets < 0).sum())} of the {part} targets are below 0, the first {_place(_first(targets < 0))}: "
            f"leave out what has no class, or count the classes from 0."
        )
    elif least > 0 and most == count:
        mend = "They are counted from 1, it seems: targets - 1."
    else:
        mend = f"`classes` says that there are {count}: give {most + 1} or more, or leave it out."
    raise DataError(f"{found} 0 to {count - 1}.\n{mend}")


def made_classes(targets: Array) -> str:
    """How targets of another kind could become classes, as a sentence; empty where they could not.

    >>> made_classes(np.eye(3, dtype=np.float32))
    'They are one-hot: as classes, targets.argmax(1).'
    """
    numbers = targets.reshape(len(targets), -1)
    is_whole = targets.dtype != np.float32 or bool((numbers == np.floor(numbers)).all())
    cast = ".astype('int64')" if targets.dtype == np.float32 else ""
    if is_whole and numbers.shape[1] == 1:
        if targets.ndim == 1:
            return f"They are whole numbers: as classes, targets{cast}."
        return f"They are one number for each example: as classes, targets.reshape(-1){cast}."
    if targets.ndim == 2 and bool(((numbers == 0) | (numbers == 1)).all()) and bool((numbers.sum(1) == 1).all()):
        return "They are one-hot: as classes, targets.argmax(1)."
    return ""


def made_numbers(targets: Array) -> str:
    """How whole numbers could become numbers to learn, as a sentence; empty where they are such.

    >>> made_numbers(np.arange(3))
    "As numbers to learn, targets.astype('float32')."
    """
    return "" if targets.dtype == np.float32 else "As numbers to learn, targets.astype('float32')."


def _first(bad: Array) -> tuple[int, ...]:
    return tuple(int(position) for position in np.unravel_index(int(bad.argmax()), bad.shape))


def _place(position: tuple[int, ...]) -> str:
    example, *within = position
    return f"in example {example}{f' at {within}' if within else ''}"
