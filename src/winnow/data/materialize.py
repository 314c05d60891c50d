"""Torch datasets and Hugging Face datasets, taken into memory as arrays."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader

from winnow.data.inputs import PARTS, OwnArrays, as_array, from_arrays
from winnow.errors import DataError, MissingExtra, UnknownName

_log = logging.getLogger(__name__)

_INPUTS = ("image", "img", "input_ids", "tokens", "pixel_values", "features", "inputs", "input", "x")
_TARGETS = ("label", "labels", "fine_label", "target", "targets", "y")


def materialized(value: Any, *, source: str) -> OwnArrays:
    """What a user's function gives, or `winnow.run(data=...)` is given, as arrays. Raises DataError.

    It may be a pair of torch datasets (train, test), of (input, target) each; the four arrays, in order or by name; or
    a Hugging Face DatasetDict with splits `train` and `test`.
    """
    if isinstance(value, OwnArrays):
        return value
    if type(value).__name__ == "DatasetDict":
        return from_hugging_face(value, source=source)
    if isinstance(value, Mapping):
        by_name = cast("Mapping[Any, Any]", value)
        if by_name and not any(name in by_name for name in PARTS) and all(map(_is_dataset, by_name.values())):
            names = [str(name) for name in by_name]
            raise DataError(
                f"{source} is a {_kind(by_name)} of datasets, {', '.join(names)}; expected two of them, (train, test), "
                f"in this order."
            )
        return from_arrays({str(name): entry for name, entry in by_name.items()}, source=source)
    parts: list[Any] = list(cast("Sequence[Any]", value)) if isinstance(value, (tuple, list)) else []
    if len(parts) == 4:
        return from_arrays(dict(zip(PARTS, parts, strict=True)), source=source)
    if len(parts) != 2:
        raise DataError(
            f"{source} is a {_kind(cast(Any, value))}{f' of {len(parts)}' if parts else ''}; expected two datasets "
            f"(train, test), or the arrays {', '.join(PARTS)}.{_divided(value)}"
        )
    if any(_is_arrays(part) for part in parts):
        raise DataError(
            f"{source} is two {'arrays' if _is_array(parts[0]) else 'pairs of arrays'}; expected two datasets (train, "
            f"test), or four arrays.\nHand over ({', '.join(PARTS)})."
        )
    arrays: dict[str, Any] = {}
    for part, dataset in zip(("train", "test"), parts, strict=True):
        examples = list(_examples(_each(dataset, part, source), part, source))
        for name, column in (("inputs", [x for x, _ in examples]), ("targets", [y for _, y in examples])):
            arrays[f"{part}_{name}"] = _stacked(column, f"{part} {name}", source)
    return from_arrays(arrays, source=source)


def from_hugging_face(dataset: Any, *, source: str, columns: tuple[str, str] | None = None) -> OwnArrays:
    """A DatasetDict with splits `train` and `test` (or `validation`) as arrays. Raises DataError or UnknownName.

    `columns` names those of inputs and targets; without it they are the ones usually called so. `input_ids` without a
    column of targets are sequences of tokens.
    """
    splits: list[str] = [str(name) for name in getattr(dataset, "keys", tuple)()]
    test = next((name for name in ("test", "validation") if name in splits), None)
    if "train" not in splits or test is None:
        raise DataError(
            f"{source} has the splits {', '.join(splits) or 'none'}; expected 'train' and 'test'.\n"
            f"dataset.train_test_split(0.2).save_to_disk(...) makes them."
        )
    known: list[str] = list(dataset["train"].column_names)
    if columns is None:
        inputs = next((name for name in _INPUTS if name in known), None)
        targets = next((name for name in _TARGETS if name in known), None)
        if inputs is None or (targets is None and inputs not in ("input_ids", "tokens")):
            raise DataError(
                f"{source} has the columns {', '.join(known)}; say which are the inputs and the targets: "
                f"hf:FOLDER#inputs,targets."
            )
    else:
        inputs, targets = columns
        for name in columns:
            if name not in known:
                raise UnknownName(f"column of {source}", name, known)
    if test == "validation":
        _log.warning(
            "%s has no split 'test': its 'validation' is what tests are of, and data.validation is held out of 'train'",
            source,
        )
    arrays: dict[str, Any] = {}
    for part, split in (("train", "train"), ("test", test)):
        for kind, column in (("inputs", inputs), ("targets", targets)):
            if column is not None:
                arrays[f"{part}_{kind}"] = _stacked(list(dataset[split][column]), f"{part} {kind}", source)
    return from_arrays(arrays, source=source)


def open_hugging_face(written: str, *, source: str) -> OwnArrays:
    """The dataset that `save_to_disk` wrote to a folder: `FOLDER`, or `FOLDER#inputs,targets` with its columns' names.

    Raises DataError, or MissingExtra without the package `datasets`.
    """
    folder, _, names = written.partition("#")
    chosen = tuple(name.strip() for name in names.split(",")) if names else None
    if chosen is not None and len(chosen) != 2:
        raise DataError(f"{source}: after '#' come two columns, of inputs and targets: 'hf:FOLDER#image,label'.")
    if not Path(folder).is_dir():
        raise DataError(f"{source}: there is no folder '{folder}'. dataset.save_to_disk('{folder}') writes one.")
    try:
        datasets: Any = import_module("datasets")
    except ImportError:
        raise MissingExtra("datasets", "hf", "reading a Hugging Face dataset") from None
    try:
        dataset = datasets.load_from_disk(folder)
    except Exception as error:  # it has no error of its own for this
        raise DataError(f"{source}: '{folder}' is no dataset that save_to_disk wrote: {error}") from error
    return from_hugging_face(dataset, source=source, columns=chosen)


def _each(dataset: Any, part: str, source: str) -> Iterable[Any]:
    """A dataset's examples. One with a length and indices need not know where it ends."""
    if isinstance(dataset, DataLoader):
        if cast("DataLoader[Any]", dataset).batch_sampler is not None:
            raise DataError(
                f"{source}: the {part} data are a DataLoader, which gives batches; expected a Dataset, which gives one "
                f"example at a time.\nHand over what it loads from: {part}_loader.dataset. train.batch says how many "
                f"go together."
            )
    elif hasattr(dataset, "__len__") and hasattr(dataset, "__getitem__"):
        return (dataset[number] for number in range(len(dataset)))
    if isinstance(dataset, Iterable):
        return cast("Iterable[Any]", dataset)
    lacks = " without a length" if hasattr(dataset, "__getitem__") else ""
    mend = "\nGive it a method __len__, or hand over a list of its examples." if lacks else ""
    raise DataError(f"{source}: the {part} data are a {_kind(dataset)}{lacks}; expected a torch Dataset.{mend}")


def _examples(each: Iterable[Any], part: str, source: str) -> Iterator[tuple[Any, Any]]:
    """Pairs of input and target, one after the other; raises DataError where the dataset fails."""
    stream, count = iter(each), 0
    while True:
        try:
            example = next(stream)
        except StopIteration:
            return
        except Exception as error:  # it is not our code that runs here
            raise DataError(
                f"{source}: example {count} of the {part} data cannot be read: {type(error).__name__}: {error}."
            ) from error
        yield _example(example, part, source)
        count += 1


def _is_dataset(value: Any) -> bool:
    return hasattr(value, "__getitem__") and not isinstance(value, (tuple, list, str)) and not _is_array(value)


def _divided(value: Any) -> str:
    """How one dataset, or what loads one, becomes two."""
    if isinstance(value, DataLoader):
        return "\nIt gives batches: hand over what it loads from, (train_loader.dataset, test_loader.dataset)."
    if _is_dataset(value):
        return "\nDivide it in two: torch.utils.data.random_split(dataset, [0.8, 0.2])."
    return ""


def _is_array(value: Any) -> bool:
    return isinstance(value, (Tensor, np.ndarray))


def _is_arrays(value: Any) -> bool:
    """Whether it is an array, or a pair of inputs and targets, where a dataset should be."""
    pair: list[Any] = list(cast("Sequence[Any]", value)) if isinstance(value, (tuple, list)) else []
    return _is_array(value) or (len(pair) == 2 and all(map(_is_array, pair)))


def _example(example: Any, part: str, source: str) -> tuple[Any, Any]:
    count = len(cast("list[Any]", example)) if isinstance(example, (tuple, list)) else 0
    if count != 2:
        raise DataError(
            f"{source}: an example of the {part} data is a {_kind(example)}{f' of {count}' if count else ''}; "
            f"expected a pair (input, target)."
        )
    inputs, target = cast("tuple[Any, Any]", example)
    return inputs, target


def _kind(value: Any) -> str:
    return type(value).__name__


def _stacked(column: list[Any], name: str, source: str) -> NDArray[Any]:
    if not column:
        raise DataError(
            f"{source} has no {name}: that split is empty; expected one example at least.\n"
            f"Divide the examples anew between training and test."
        )
    try:
        arrays = [_array(entry) for entry in column]
    except DataError as error:
        raise DataError(f"{source}: among the {name}, {error}") from None
    shapes = {array.shape for array in arrays}
    if len(shapes) > 1:
        some = ", ".join(map(str, sorted(shapes, key=str)[:3]))
        raise DataError(
            f"{source}: the {name} have different shapes, such as {some}. Bring them to one: resize images, cut or pad "
            f"sequences."
        )
    return np.stack(arrays)


def _array(entry: Any) -> NDArray[Any]:
    array = as_array(entry)
    if hasattr(entry, "getbands") and array.ndim == 3:  # a PIL image has its channels last
        array = array.transpose(2, 0, 1)
    return array
