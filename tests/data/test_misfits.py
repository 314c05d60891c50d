from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, Dataset, TensorDataset

from winnow.data import from_arrays, materialized
from winnow.errors import DataError, RecipeError
from winnow.from_recipe import course
from winnow.handed import handed_data
from winnow.recipes import read

FEATURES = np.arange(24.0).reshape(6, 4)
CLASSES: dict[str, Any] = {
    "train_inputs": FEATURES,
    "train_targets": np.arange(6) % 3,
    "test_inputs": FEATURES[:2],
    "test_targets": np.array([0, 2]),
}
EMPTY = {"test_inputs": FEATURES[:0], "test_targets": np.arange(0)}
NAN, LARGE = FEATURES[:2].copy(), FEATURES.copy()
NAN[1, 2], LARGE[3, 1] = np.nan, -1e300


def counted(*targets: int, **more: Any) -> dict[str, Any]:
    return {"train_targets": np.array(targets), "test_targets": np.array(targets[:2]), **more}


@pytest.mark.parametrize(
    "changes, message",
    [
        (EMPTY, r"there are no test examples: test inputs have shape \(0, 4\); expected one at least.\nDivide the"),
        ({"train_targets": np.array(3)}, r"there are 6 train inputs and 1 train targets. Give one target for each"),
        ({"test_inputs": FEATURES[:2, :3]}, r"training inputs are float32 of shape \(4,\).\nMake .* to one shape"),
        (
            {"test_inputs": FEATURES[:2].astype(np.uint8)},
            r"test inputs are uint8 of shape \(4,\) each; the training inputs are float32 .*\n.*s.astype\('float32'\)",
        ),
        (
            {"test_targets": np.zeros(2)},
            r"test targets are float32 of shape \(\) .* training targets are int64.*\n.*targets.astype\('int64'\)",
        ),
        (
            {"test_inputs": NAN},
            r"1 value of the test inputs is not a finite number: the first, in example 1 at \[2\]",
        ),
        (
            {"train_targets": np.full(6, np.inf), "test_targets": np.zeros(2)},
            r"6 values .* example 0, is inf.\nLeave",
        ),
        ({"train_inputs": LARGE}, r"here: 1 of train_inputs are beyond the largest float32, 3.4e38: .* 1e\+300"),
        (
            {"train_inputs": FEATURES.astype(int) - 5, "test_inputs": FEATURES[:2].astype(int)},
            r"train inputs are whole numbers, so they are tokens, which are counted from 0, but in example 0 at \[0\] "
            r"is -5.\nWhat are no tokens, inputs.astype\('float32'\)",
        ),
        (
            counted(1, 2, 3, 1, 2, 3),
            r"targets go from 1 to 3; expected classes that are counted from 0.\nWrite targets - 1. .* classes=4",
        ),
        (
            counted(1, 2, 3, 1, 2, 3, classes=3),
            r"from 1 to 3; expected 0 to 2.\nThey are counted from 1, it seems: ",
        ),
        (
            counted(0, 1, 4, 1, 0, 1, classes=3),
            r"from 0 to 4; expected 0 to 2.\n`classes` says that there are 3: ",
        ),
        (
            counted(-1, 1, 1, -1, 1, 1),
            r"from -1 to 1; expected 0 to 1.\nFor two classes called -1 and 1: \(targ",
        ),
        (
            counted(0, 2, -1, 1, -1, 1),
            r"from -1 to 2; .*\n2 of the train targets are below 0, the first in example 2",
        ),
        ({"test_targets": np.array([0, -1])}, r"1 of the test targets are below 0, the first in example 1"),
        ({"test_targets": np.array(["a", "b"])}, r"test_targets are words; .*\nGive each class a number: numpy.unique"),
        ({"test_targets": np.array(["a", "b"], object)}, r"test_targets are words; .*\nGive each class a number"),
        ({"test_targets": np.array([None, 1])}, r"test_targets are object; expected whole numbers or floats\.$"),
        ({"train_inputs": np.array([["a", "b"]])}, r"train_inputs are words; .*\nWords become tokens, whole numbers"),
        ({"train_inputs": [[1, 2], [3]]}, r"here: a list is no array of numbers: setting an array element"),
    ],
)
def test_what_does_not_fit_is_told_with_its_place_and_its_mending(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        from_arrays(CLASSES | changes, source="here")


def test_classes_that_do_not_occur_can_be_stated() -> None:
    assert from_arrays(CLASSES | counted(1, 2, 3, 1, 2, 3, classes=4), source="here").classes == 4


class Endless(Dataset[Any]):
    def __getitem__(self, number: int) -> Any:
        return FEATURES[0], 0


def pair(examples: int = 4) -> TensorDataset:
    return TensorDataset(torch.zeros(examples, 2), torch.zeros(examples, dtype=torch.int64))


class Broken(Dataset[Any]):
    def __len__(self) -> int:
        return 2

    def __getitem__(self, number: int) -> Any:
        return (FEATURES[0], 0) if number == 0 else {}["path"]


LOADER = DataLoader(pair(), batch_size=2)


@pytest.mark.parametrize(
    "value, message",
    [
        (
            (LOADER, LOADER),
            r"data: the train data are a DataLoader, which gives batches; .*\n.*: train_loader.data",
        ),
        ((pair(), LOADER), r"data: the test data are a DataLoader, .*\n.*: test_loader.dataset."),
        (LOADER, r"data is a DataLoader; expected two datasets .*\n.* \(train_loader.dataset, test_loader.dataset\)"),
        (pair(), r"data is a TensorDataset; expected two datasets .*\n.*random_split\(dataset, \[0.8, 0.2\]\)"),
        (
            (Endless(), Endless()),
            r"the train data are a Endless without a length; expected a torch Dataset.\nGive",
        ),
        (
            {"training": pair(), "test": pair()},
            r"data is a dict of datasets, training, test; expected two of them, \(tr",
        ),
        ((Broken(), pair()), r"data: example 1 of the train data cannot be read: KeyError: 'path'"),
        ((pair(), pair(0)), r"data has no test inputs: that split is empty; expected one example at least.\nDivide"),
        (
            (FEATURES, torch.zeros(6)),
            r"data is two arrays; expected .*\nHand over \(train_inputs, train_targets, test_",
        ),
        (((FEATURES, FEATURES), (FEATURES, FEATURES)), r"data is two pairs of arrays; expected two datasets"),
        (
            ([(1, 2, 3)], [(1, 2, 3)]),
            r"an example of the train data is a tuple of 3; expected a pair \(input, ",
        ),
        (([([[1], [2, 3]], 0)], []), r"data: among the train inputs, a list is no array of numbers: setting an array"),
    ],
)
def test_what_gives_no_examples_is_told_with_what_would(value: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        materialized(value, source="data")


def test_a_loader_without_batches_gives_examples() -> None:
    loader = DataLoader(pair(), batch_size=None)
    assert materialized((loader, loader), source="data").train_inputs.shape == (4, 2)


def test_tensors_that_numpy_does_not_take_are_taken() -> None:
    found = from_arrays(
        CLASSES
        | {
            "train_inputs": torch.ones(6, 4, requires_grad=True),
            "test_inputs": torch.ones(2, 4, dtype=torch.bfloat16),
        },
        source="here",
    )
    assert found.train_inputs.dtype == found.test_inputs.dtype == np.float32


@pytest.mark.parametrize(
    "targets, given, mend",
    [
        (
            np.arange(6)[:, None] % 3,
            r"tokens: int64 of shape \(1,\)",
            r"one number .*: as classes, targets.reshape",
        ),
        (np.eye(3, dtype=int)[np.arange(6) % 3], r"tokens: int64 of shape \(3,\)", r"one-hot: .* targets.argmax\(1\)"),
        (np.eye(3)[np.arange(6) % 3], r"numbers: float32 of shape \(3,\)", r"one-hot: as classes, targets.argmax\(1\)"),
        (
            np.arange(6.0) % 3,
            r"numbers: float32 of shape \(\)",
            r"whole numbers: as classes, targets.astype\('int64'\)",
        ),
        (np.ones((6, 1)), r"numbers: .* \(1,\)", r"as classes, targets.reshape\(-1\).astype\('int64'\)"),
        (np.arange(6) / 2, r"numbers: float32 of shape \(\) each.\nWrite task = 'regression'", ""),
    ],
)
def test_targets_that_are_no_classes_are_told_with_how_they_become_some(
    targets: Any, given: str, mend: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WINNOW_DATA", str(tmp_path))
    name = handed_data(CLASSES | {"train_targets": targets, "test_targets": targets[:2]})
    recipe = read("digits").edited({"data.name": name, "data.validation": 2, "train.batch": 2})
    with pytest.raises(RecipeError, match=rf"the targets of your data set are {given}(.|\n)*{mend}"):
        course(recipe)


def test_classes_are_no_numbers_to_learn_until_they_are_floats(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WINNOW_DATA", str(tmp_path))
    edits = {"data.name": handed_data(CLASSES), "data.validation": 2, "train.batch": 2, "train.task": "regression"}
    with pytest.raises(RecipeError, match=r"are classes: int64 .*\nAs numbers to learn, targets.astype\('float32'\)"):
        course(read("digits").edited(edits))


@pytest.mark.parametrize(
    "edits, message",
    [
        ({"data.validation": 6}, r"data.validation is 6, but your data set has only 6 training .* Hold out fewer"),
        ({"train.batch": 5}, r"train.batch is 5, more than the 4 training .* not held out. Give 4 at most"),
    ],
)
def test_amounts_that_data_handed_over_do_not_have_are_told(
    edits: dict[str, Any], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WINNOW_DATA", str(tmp_path))
    base = {"data.name": handed_data(CLASSES), "data.validation": 2, "train.batch": 2, "model.name": "lenet-4"}
    with pytest.raises(RecipeError, match=message):
        course(read("digits").edited(base | edits))
