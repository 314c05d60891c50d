from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from winnow.data.tree import tree
from winnow.errors import DataError

from ..photographs import CLASSES, photographs, write


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return photographs(tmp_path / "images", train=5, val=2)


@pytest.fixture(autouse=True)
def looked_at_anew() -> None:
    tree.cache_clear()


def test_train_and_val_give_training_and_test_images_by_class_and_name(root: Path) -> None:
    images = tree(root)
    assert images.classes == CLASSES
    assert images.train.files[:6] == [*(f"train/ant/00{n}.jpg" for n in range(5)), "train/bee/000.jpg"]
    assert images.train.labels.tolist() == [0] * 5 + [1] * 5 + [2] * 5
    assert images.test.files == [f"val/{name}/00{n}.jpg" for name in CLASSES for n in (5, 6)]


def test_without_train_and_val_a_fifth_of_every_class_is_for_testing_and_others_do_not_change_that(
    tmp_path: Path,
) -> None:
    write(tmp_path / "flat", 20)
    before = tree(tmp_path / "flat")
    assert before.test.files[:4] != sorted([*before.train.files[:16], *before.test.files[:4]])[:4]  # not the first
    assert len(before.train) == 48 and before.test.labels.tolist() == [0] * 4 + [1] * 4 + [2] * 4
    assert not set(before.train.files) & set(before.test.files)
    (tmp_path / "flat" / "bee" / before.train.files[20].rpartition("/")[2]).unlink()
    tree.cache_clear()
    after = tree(tmp_path / "flat")
    assert set(after.train.files) | set(after.test.files) < set(before.train.files) | set(before.test.files)
    kept = [file for file in before.test.files if "bee" not in file]
    assert [file for file in after.test.files if "bee" not in file] == kept
    assert set(after.test.files) <= set(before.test.files)


def test_files_that_are_no_images_and_hidden_ones_are_left_alone_and_folders_within_a_class_are_looked_into(
    root: Path,
) -> None:
    before = tree(root)
    (root / "train" / "ant" / "notes.txt").write_text("seen in May")
    (root / "train" / "ant" / ".hidden.jpg").write_text("")
    (root / "train" / ".cache").mkdir()
    tree.cache_clear()
    assert tree(root).fingerprint == before.fingerprint
    (root / "train" / "ant" / "more").mkdir()
    shutil.copy(root / "train" / "ant" / "000.jpg", root / "train" / "ant" / "more" / "x.JPEG")
    tree.cache_clear()
    assert "train/ant/more/x.JPEG" in tree(root).train.files


@pytest.mark.parametrize("change", ["add", "remove", "rename", "resize", "move to another class"])
def test_the_fingerprint_tells_folders_apart_whose_files_differ_in_name_or_size(root: Path, change: str) -> None:
    before = tree(root).fingerprint
    file = root / "train" / "ant" / "001.jpg"
    if change == "add":
        shutil.copy(file, file.with_name("999.jpg"))
    elif change == "remove":
        file.unlink()
    elif change == "rename":
        file.rename(file.with_name("998.jpg"))
    elif change == "resize":
        file.write_bytes(file.read_bytes() + b" ")
    else:
        file.rename(root / "train" / "bee" / "997.jpg")
    tree.cache_clear()
    assert tree(root).fingerprint != before


def test_the_fingerprint_does_not_depend_on_where_the_folder_lies_or_when_its_files_were_written(
    root: Path, tmp_path: Path
) -> None:
    before = tree(root).fingerprint
    moved = tmp_path / "elsewhere"
    root.rename(moved)
    os.utime(moved / "train" / "ant" / "000.jpg", (0, 0))
    assert tree(moved).fingerprint == before


@pytest.mark.parametrize(
    "spoil, message",
    [
        (lambda root: shutil.rmtree(root), r"there is no folder '.*'\.\nName one with images in train/CLASS"),
        (lambda root: shutil.rmtree(root / "val"), r"has a folder 'train' but none called 'val', .* test images\.$"),
        (lambda root: (root / "val").rename(root / "test"), r"none called 'val', .*\nCall 'test' so, or let a link"),
        (
            lambda root: [(root / name).rename(root / name.title()) for name in ("train", "val")],
            r"has the folders Train, Val, which would be its classes.\nCall that of the training images 'train'",
        ),
        (lambda root: (root / "val" / "dog").mkdir(), r"/val' has classes that '.*/train' lacks: dog\."),
        (lambda root: (root / "train" / "dog").mkdir(), r"class folder '.*/train/dog' has no images \(\.jpg, "),
        (lambda root: [shutil.rmtree(root / "val" / name) for name in CLASSES], r"has no test images: 'val' is empty"),
        (
            lambda root: [shutil.rmtree(root / part / name) for part in ("train", "val") for name in CLASSES[1:]],
            r"has 1 folders of images; expected one for each class, two at least",
        ),
    ],
)
def test_a_folder_that_is_none_of_images_is_told(root: Path, spoil: object, message: str) -> None:
    assert callable(spoil)
    spoil(root)
    with pytest.raises(DataError, match=message):
        tree(root)


def test_a_folder_of_tests_beside_val_is_told(root: Path, caplog: pytest.LogCaptureFixture) -> None:
    (root / "test").mkdir()  # as ImageNet's, whose images have no classes
    tree(root)
    assert not caplog.messages
    shutil.copytree(root / "val", root / "test", dirs_exist_ok=True)
    tree.cache_clear()
    assert len(tree(root).test) == 6
    assert "has a folder 'test' too, which is not looked at: tests are of the images in 'val'" in caplog.text
