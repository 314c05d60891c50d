from __future__ import annotations

import shutil
from collections import namedtuple
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.numpy import load_file

from winnow.data.crops import Box, central
from winnow.data.images import image_facts, image_pictures
from winnow.data.packed import pack, packed, verify
from winnow.data.tree import tree
from winnow.errors import DataError

from ..photographs import CLASSES, cut_short, photographs


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return photographs(tmp_path / "images", train=6, val=3)


@pytest.fixture
def file(root: Path, tmp_path: Path) -> Path:
    pack(tree(root), tmp_path / "images.packed", 24)
    return tmp_path / "images.packed"


@pytest.fixture(autouse=True)
def looked_at_anew() -> None:
    tree.cache_clear()
    packed.cache_clear()


def whole(height: int, width: int) -> Box:
    return Box(0, 0, height, width)


def test_a_packed_file_holds_the_folders_images_labels_and_classes(root: Path, file: Path) -> None:
    opened, images = packed(file), tree(root)
    assert (opened.classes, opened.training, len(opened.labels)) == (CLASSES, 18, 27)
    for name, listing in (("train", images.train), ("test", images.test)):
        assert torch.equal(opened.split(name).labels, listing.labels)
        assert len(opened.split(name)) == len(listing)
    for packed_split, files in zip(image_pictures(f"packed:{file}"), image_pictures(f"folder:{root}"), strict=True):
        for number in range(len(files)):
            one, other = (split.picture(number, central, 16).float() for split in (packed_split, files))
            assert (one - other).abs().mean() < 8  # resized twice against once


def test_images_keep_their_shape_and_small_ones_their_size(root: Path, tmp_path: Path) -> None:
    small = root / "train" / "ant" / "000.jpg"
    Image.new("RGB", (12, 10), (10, 20, 30)).save(small, quality=95)
    pack(tree(root), tmp_path / "file", 24)
    sizes = packed(tmp_path / "file").sizes.tolist()
    assert sizes[:3] == [[10, 12], [24, 31], [24, 40]]  # of 10x12, 35x45 and 30x50
    pixels = image_pictures(f"packed:{tmp_path}/file")[0].picture(0, whole, 10)
    assert (pixels.float().mean((1, 2)) - torch.tensor([10.0, 20.0, 30.0])).abs().max() < 3


def test_others_can_read_a_packed_file_as_safetensors(file: Path) -> None:
    tensors = load_file(file)
    assert tensors["sizes"].shape == (27, 2) and tensors["labels"].tolist() == [0] * 6 + [1] * 6 + [2] * 6 + [
        *[0] * 3,
        *[1] * 3,
        *[2] * 3,
    ]
    height, width = tensors["sizes"][0]
    first = tensors["pixels"][: 3 * height * width].reshape(height, width, 3)
    shown = image_pictures(f"packed:{file}")[0].picture(0, lambda h, w: Box(0, 0, 24, 24), 24)
    assert np.array_equal(first[:24, :24].transpose(2, 0, 1), shown.numpy())


def test_packing_twice_gives_the_same_bytes_and_its_checksum_is_of_the_contents(
    root: Path, file: Path, tmp_path: Path
) -> None:
    pack(tree(root), tmp_path / "again", 24)
    assert (tmp_path / "again").read_bytes() == file.read_bytes()
    pack(tree(root), tmp_path / "smaller", 20)
    checksums = {image_facts(f"packed:{each}").checksum for each in (file, tmp_path / "again", tmp_path / "smaller")}
    assert len(checksums) == 2


def test_images_left_out_are_not_packed(root: Path, tmp_path: Path) -> None:
    cut_short(root / "train" / "bee" / "000.jpg")
    with pytest.raises(DataError, match=r"bee/000\.jpg' cannot be decoded"):
        pack(tree(root), tmp_path / "file", 24)
    assert not list(tmp_path.glob("*file*")) and not list(tmp_path.glob(".*"))  # whole or absent
    pack(tree(root), tmp_path / "file", 24, without=frozenset({"train/bee/000.jpg"}))
    assert packed(tmp_path / "file").split("train").labels.tolist() == [0] * 6 + [1] * 5 + [2] * 6


def test_a_thousand_classes_with_long_names_fit_into_the_header(root: Path, tmp_path: Path) -> None:
    for number in range(1_000):
        folder = root / "train" / f"class-{number:04}-{'ü' * 40}"
        folder.mkdir()
        shutil.copy(root / "train" / "ant" / "000.jpg", folder)
    pack(tree(root), tmp_path / "file", 8)
    assert len(packed(tmp_path / "file").classes) == 1_003
    assert packed(tmp_path / "file").labels.max() == 1_002
    assert load_file(tmp_path / "file")["labels"].max() == 1_002


def test_what_happens_is_told(root: Path, tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    pack(tree(root), tmp_path / "file", 24, told=lambda done, total: told.append((done, total)))
    assert told == [(number, 27) for number in range(1, 28)]


def test_a_file_is_not_written_over_nor_where_there_is_no_room(
    root: Path, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(DataError, match=r"images\.packed' exists already"):
        pack(tree(root), file, 24)
    usage = namedtuple("usage", "free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(free=10_000))
    with pytest.raises(
        DataError, match=r"new' would take about 0\.0 GB, and 0\.0 GB are free there\. Choose a smaller"
    ):
        pack(tree(root), tmp_path / "new", 24)


@pytest.mark.parametrize(
    "spoil, message",
    [
        (lambda file: file.unlink(), r"there is no packed file '.*'\. `winnow data pack PATH --out .*` makes one"),
        (lambda file: file.write_bytes(b""), r"is not a whole packed file"),
        (lambda file: file.write_bytes(b"\xff" * 100), r"its header is longer than the file"),
        (lambda file: file.write_bytes(file.read_bytes()[:-5]), r"it is cut short"),
        (
            lambda file: file.write_bytes(file.read_bytes().replace(b'layout\\": 1', b'layout\\": 2')),
            r"its layout is 2, and this Winnow reads 1",
        ),
    ],
)
def test_what_is_no_whole_packed_file_is_told(file: Path, spoil: object, message: str) -> None:
    assert callable(spoil)
    spoil(file)
    with pytest.raises(DataError, match=message):
        packed(file)


def test_verifying_reads_the_contents_anew(file: Path) -> None:
    verify(file)
    content = bytearray(file.read_bytes())
    content[-400] ^= 1
    file.write_bytes(content)
    packed.cache_clear()
    with pytest.raises(DataError, match=r"images\.packed' is damaged: its contents have sha256 \w{12}…, not \w{12}…"):
        verify(file)
