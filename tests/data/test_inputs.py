from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import Dataset, IterableDataset, TensorDataset

from winnow.course import Examples
from winnow.data import described, from_arrays, is_here, materialized, opened
from winnow.data.table import Table
from winnow.errors import DataError, MissingExtra, RecipeError, UnknownName
from winnow.execution.examples import splits

FEATURES = np.arange(24.0).reshape(6, 4)
NUMBERS = {
    "train_inputs": FEATURES,
    "train_targets": FEATURES[:, 0],
    "test_inputs": FEATURES[:2],
    "test_targets": FEATURES[:2, 0],
}
CLASSES = NUMBERS | {"train_targets": np.arange(6), "test_targets": np.arange(2)}
IMAGES = CLASSES | {"train_inputs": np.zeros((6, 5, 7), np.uint8), "test_inputs": np.zeros((2, 5, 7), np.uint8)}
SEQUENCES = {"train_inputs": FEATURES.astype(int), "test_inputs": FEATURES[:2].astype(int)}
INPUTS = (("train_inputs", 6), ("test_inputs", 2))
TEXT = {"train_inputs": np.arange(12).reshape(2, 6), "test_inputs": np.arange(6).reshape(1, 6)}


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of the test's own."""
    monkeypatch.setenv("WINNOW_DATA", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.mark.parametrize(
    "arrays, inputs, targets, shape, classes",
    [
        (NUMBERS, "numbers", "numbers", (4,), 1),
        (NUMBERS | {"train_targets": FEATURES, "test_targets": FEATURES[:2]}, "numbers", "numbers", (4,), 4),
        (CLASSES, "numbers", "classes", (4,), 6),
        (CLASSES | {"classes": np.array(9)}, "numbers", "classes", (4,), 9),
        (IMAGES, "images", "classes", (1, 5, 7), 6),
        (TEXT, "tokens", "tokens", (5,), 12),
        (CLASSES | SEQUENCES, "tokens", "classes", (4,), 6),
    ],
)
def test_arrays_say_what_they_are(
    arrays: dict[str, Any], inputs: str, targets: str, shape: tuple[int, ...], classes: int
) -> None:
    found = from_arrays(arrays, source="here")
    assert (found.inputs, found.targets, found.shape, found.classes) == (inputs, targets, shape, classes)
    assert {found.train_inputs.dtype, found.train_targets.dtype} <= {np.dtype(t) for t in ("u1", "i8", "f4")}


def test_the_target_of_a_token_is_the_next_one() -> None:
    found = from_arrays(TEXT, source="text")
    assert found.train_inputs[1].tolist() == [6, 7, 8, 9, 10]
    assert found.train_targets[1].tolist() == [7, 8, 9, 10, 11]


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"train_inputs": None}, r"here holds train_targets, test_inputs, test_targets; expected train_inputs, "),
        ({"labels": FEATURES}, r"here holds .*labels; expected train_inputs, train_targets"),
        ({"train_targets": np.arange(5)}, r"here: there are 6 train inputs and 5 train targets"),
        ({"test_inputs": FEATURES[:2, :3]}, r"test inputs are float32 of shape \(3,\) each; the training inputs are "),
        ({"train_targets": np.array(list("abcdef"))}, r"train_targets are words; expected whole numbers or floats"),
        ({"train_targets": np.arange(6) - 1}, r"targets go from -1 to 4; expected 0 to 4"),
        ({"classes": np.array(3)}, r"targets go from 0 to 5; expected 0 to 2"),
        ({"train_inputs": np.full((6, 4), np.nan)}, r"24 values of the train inputs are not finite numbers"),
        (
            {part: np.zeros((n, 8, 8, 3), "u1") for part, n in INPUTS},
            r"expected \(examples, channels, height, width\), with 1",
        ),
        ({"train_inputs": np.zeros(6)}, r"train inputs have shape \(6,\); expected \(examples, ...\)"),
        (
            {"train_inputs": FEATURES.astype(int) - 5, "test_inputs": FEATURES[:2].astype(int)},
            "are whole numbers, so they are tokens",
        ),
    ],
)
def test_arrays_that_do_not_fit_are_told(changes: dict[str, Any], message: str) -> None:
    arrays = {name: array for name, array in (CLASSES | changes).items() if array is not None}
    with pytest.raises(DataError, match=message):
        from_arrays(arrays, source="here")


def test_the_checksum_is_of_the_content(tmp_path: Path) -> None:
    sums = [from_arrays(arrays, source="").checksum() for arrays in (
        CLASSES,
        CLASSES | {"train_inputs": FEATURES.astype(np.float32), "test_targets": np.arange(2, dtype=np.int16)},
        CLASSES | {"train_inputs": FEATURES + 1},
        CLASSES | {"classes": np.array(7)},
    )]  # fmt: skip
    assert sums[0] == sums[1]
    assert len(set(sums)) == 3


def test_an_npz_file_is_read_for_its_checksum_once_until_it_changes(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from winnow.data import described as function

    module = sys.modules[function.__module__]
    opens: list[str] = []
    opening = module._opened
    monkeypatch.setattr(module, "_opened", lambda name: (opens.append(name), opening(name))[1])
    path = tmp_path / "data.npz"
    np.savez(path, **NUMBERS)  # pyright: ignore
    first = described(f"npz:{path}")
    module._remembered.cache_clear()  # as in another process
    assert described(f"npz:{path}") == first
    assert len(opens) == 1
    np.savez(path, **(NUMBERS | {"train_inputs": FEATURES + 1}))  # pyright: ignore
    assert described(f"npz:{path}").checksum != first.checksum
    assert len(opens) == 2
    assert is_here(f"npz:{path}")


@pytest.mark.parametrize("content", ["{", "[1]", "null"])
def test_a_memory_that_is_damaged_or_cannot_be_kept_is_done_without(tmp_path: Path, cache: Path, content: str) -> None:
    path = tmp_path / "data.npz"
    np.savez(path, **NUMBERS)  # pyright: ignore
    cache.mkdir()
    (cache / "described.json").write_text(content)
    assert described(f"npz:{path}").train == 6
    (cache / "described.json").unlink()
    (cache / "described.json").mkdir()
    np.savez(path, **CLASSES)  # pyright: ignore
    assert described(f"npz:{path}").classes == 6


DATA = """
import torch
from torch.utils.data import TensorDataset

def pair():
    x = torch.arange(12.0).view(6, 2)
    return TensorDataset(x, x.sum(1)), TensorDataset(x[:2], x[:2].sum(1))

def one():
    return pair()[0]

def broken():
    raise OSError("no such disk")

number = 3
"""


@pytest.fixture
def own(tmp_path: Path) -> Callable[[str], str]:
    """Gives the name of a function in a file of data."""
    (tmp_path / "sets.py").write_text(DATA)
    return lambda function: f"{tmp_path / 'sets.py'}:{function}"


def test_a_function_gives_two_datasets(own: Callable[[str], str]) -> None:
    found = described(own("pair"))
    assert (found.train, found.test, found.shape, found.targets) == (6, 2, (2,), "numbers")
    assert opened(own("pair")).train_targets.tolist() == [1.0, 5.0, 9.0, 13.0, 17.0, 21.0]  # pyright: ignore


@pytest.mark.parametrize(
    "name, message",
    [
        ("one", r"sets.py:one is a TensorDataset; expected two datasets \(train, test\), or the arrays train_inputs"),
        ("broken", r"sets.py:broken' cannot be called: OSError: no such disk"),
        ("number", r"sets.py:number' is a int; expected a function"),
    ],
)
def test_a_function_that_gives_no_data_is_told(own: Callable[[str], str], name: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        described(own(name))


@pytest.mark.parametrize(
    "name, error, message",
    [
        ("npz:missing.npz", DataError, r"there is no file 'missing.npz'"),
        ("npz:README.md", DataError, r"is no whole .npz file|there is no file"),
        ("hf:missing", DataError, r"there is no folder 'missing'"),
        ("hf:folder#a,b,c", DataError, r"after '#' come two columns"),
        ("nzp:data.npz", UnknownName, r"unknown kind of data 'nzp'. Did you mean 'npz'"),
        ("given:data-0123456789ab", RecipeError, r"was handed over from Python as an object, which this process does"),
        ("digit", UnknownName, "unknown data set 'digit'. Did you mean 'digits'"),
    ],
)
def test_a_name_of_no_data_is_told(name: str, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        described(name)


@pytest.mark.parametrize(
    "path, name",
    [
        ("pictures", "folder:pictures"),
        ("/nowhere/pictures", "folder:/nowhere/pictures"),
        ("saved", "hf:saved"),
        ("data.npz", "npz:data.npz"),
        ("images.packed", "packed:images.packed"),
        ("sets.py", "sets.py:FUNCTION"),
        ("table.csv", "FILE.py:FUNCTION"),
    ],
)
def test_a_path_alone_is_told_with_the_kind_it_lacks(
    path: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for folder in ("pictures", "saved"):
        (tmp_path / folder).mkdir()
    for file in ("saved/dataset_dict.json", "data.npz", "images.packed", "sets.py", "table.csv"):
        (tmp_path / file).touch()
    with pytest.raises(
        RecipeError, match=rf"field data.name: '{path}' is a path. Say of what kind: '{name}'.\nKinds are"
    ):
        described(path)


class Pictures(Dataset[Any]):
    def __len__(self) -> int:
        return 3

    def __getitem__(self, number: int) -> tuple[Image.Image, int]:
        return Image.new("RGB", (7, 5), (number, 2, 3)), number


class Stream(IterableDataset[Any]):
    def __iter__(self) -> Any:
        return iter([(torch.zeros(2), 0.5), (torch.ones(2), 1.5)])


def test_datasets_of_pictures_and_streams_are_taken_into_memory() -> None:
    pictures = materialized((Pictures(), Pictures()), source="pictures")
    assert pictures.train_inputs.shape == (3, 3, 5, 7)
    assert pictures.train_inputs[2, :, 0, 0].tolist() == [2, 2, 3]
    assert materialized((Stream(), Stream()), source="stream").train_targets.tolist() == [0.5, 1.5]


@pytest.mark.parametrize(
    "value, message",
    [
        ((TensorDataset(torch.ones(2, 1)), TensorDataset(torch.ones(2, 1))), r"data is a tuple of 1; expected a pair"),
        (([(np.ones(2), 0), (np.ones(3), 0)], []), r"the train inputs have different shapes, such as \(2,\), \(3,\)"),
        (([], []), r"data has no train inputs"),
        ((3, 4), r"the train data are a int; expected a torch Dataset"),
        (3, r"data is a int; expected two datasets"),
    ],
)
def test_datasets_that_give_no_arrays_are_told(value: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        materialized(value, source="data")


def test_a_hugging_face_dataset_on_disk_is_read_by_its_columns(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    import datasets

    rows = {"x1": [[0.0, 1.0], [2.0, 3.0]], "label": [0, 1], "width": [0.5, 1.5]}
    both = {split: datasets.Dataset.from_dict(rows) for split in ("train", "test")}
    datasets.DatasetDict(both).save_to_disk(tmp_path / "set")  # pyright: ignore
    name = f"hf:{tmp_path / 'set'}"
    assert described(f"{name}#x1,label").targets == "classes"
    assert described(f"{name}#x1,width").targets == "numbers"
    with pytest.raises(DataError, match=r"has the columns x1, label, width; say which are the inputs"):
        described(name)
    with pytest.raises(UnknownName, match=r"unknown column of .* 'x2'. Did you mean 'x1'"):
        described(f"{name}#x2,label")
    datasets.DatasetDict(train=both["train"], validation=both["test"]).save_to_disk(tmp_path / "other")
    assert not caplog.messages
    assert described(f"hf:{tmp_path / 'other'}#x1,label").test == 2
    assert "other#x1,label has no split 'test': its 'validation' is what tests are of" in caplog.text
    datasets.Dataset.from_dict(rows).save_to_disk(tmp_path / "one")  # pyright: ignore
    with pytest.raises(DataError, match=r"has the splits none; expected 'train' and 'test'"):
        described(f"hf:{tmp_path / 'one'}")


def test_without_the_package_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(MissingExtra, match=r'reading a Hugging Face dataset.*\n.*"winnow-lth\[hf\]"'):
        opened(f"hf:{tmp_path}")


def test_numbers_are_split_and_held_as_they_are(tmp_path: Path) -> None:
    np.savez(tmp_path / "data.npz", **NUMBERS)  # pyright: ignore
    name = f"npz:{tmp_path / 'data.npz'}"
    checksum = described(name).checksum
    examples = Examples(name="own", place=name, checksum=checksum, validation=2, mean=None, std=None, seed=0)
    parts = splits(examples, torch.device("cpu"))
    assert (len(parts.train), len(parts.validation), len(parts.test)) == (4, 2, 2)
    inputs, targets = next(parts.train.chunks(10))
    assert isinstance(parts.train, Table)
    assert torch.equal(inputs[:, 0], targets)
    index = torch.tensor([[0, 3], [2, 2]])
    assert parts.train.images_at(index).shape == (2, 2, 4)


def test_data_that_changed_since_the_plan_are_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "data.npz", **NUMBERS)  # pyright: ignore
    name = f"npz:{tmp_path / 'data.npz'}"
    examples = Examples(name="own", place=name, checksum="ab", validation=2, mean=None, std=None, seed=0)
    with pytest.raises(DataError, match=r"has changed since this run began: .*\. Run the command again"):
        splits(examples, torch.device("cpu"))


@pytest.mark.parametrize("content", [b"", b"hello", b"PK\x03\x04" + bytes(40)], ids=["empty", "text", "cut"])
def test_what_is_no_whole_npz_file_is_told(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "data.npz"
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"is no whole .npz file of plain arrays .*\nWrite it with numpy.savez\("):
        described(f"npz:{path}")


def test_a_single_array_is_no_npz_file(tmp_path: Path) -> None:
    np.save(tmp_path / "data.npy", np.zeros(3))
    (tmp_path / "data.npy").rename(tmp_path / "data.npz")
    with pytest.raises(DataError, match=r"is no whole .npz file"):
        described(f"npz:{tmp_path / 'data.npz'}")


def test_a_token_that_is_only_ever_read_counts_too() -> None:
    tokens = np.array([[5, 0, 1], [5, 1, 0]])
    assert from_arrays({"train_inputs": tokens, "test_inputs": tokens}, source="text").classes == 6
