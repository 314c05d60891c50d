from __future__ import annotations

import io
import json

import numpy as np
import pytest
from PIL import Image

from winnow.data import layouts
from winnow.data.layouts import CIFAR_BINARY, CIFAR_SHEETS, DIGITS, MNIST, decode_idx
from winnow.errors import DataError, MissingExtra

from .conftest import idx


def test_idx_files_keep_shape_and_order() -> None:
    array = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
    assert np.array_equal(decode_idx(idx(array), "images", 3), array)


@pytest.mark.parametrize(
    "content, message",
    [
        (b"", "is not an IDX file .* it begins with nothing"),
        (b"\x1f\x8b\x08\x00" * 8, "it begins with 1f8b0800, not 00000803"),
        (idx(np.zeros(3)), "it begins with 00000801, not 00000803"),
        (idx(np.zeros((2, 3, 4)))[:-1], r"holds 39 bytes; its header, for shape \(2, 3, 4\), promises 40"),
        (idx(np.zeros((2, 3, 4))) + b"\x00", "holds 41 bytes"),
        (idx(np.zeros((2, 3, 4)))[:10], "is not an IDX file"),
    ],
)
def test_what_is_no_idx_file_of_images_is_refused(content: bytes, message: str) -> None:
    with pytest.raises(DataError, match=message):
        decode_idx(content, "images", 3)


def test_mnist_images_have_one_channel(files: dict[str, bytes]) -> None:
    decoded = MNIST.decode(files)
    assert decoded["train_images"].shape == (12, 1, 3, 2)
    assert decoded["test_labels"].dtype == np.int64


def test_cifar_sheets_and_cifar_binary_batches_decode_to_the_same_arrays() -> None:
    draw = np.random.default_rng(3)
    binary: dict[str, bytes] = {}
    sheets: dict[str, bytes] = {}
    train_labels: list[int] = []
    for name in CIFAR_BINARY.files:
        images = draw.integers(0, 256, (4, 3, 32, 32)).astype(np.uint8)
        labels = draw.integers(0, 10, 4).astype(np.uint8)
        binary[name] = np.concatenate([labels[:, None], images.reshape(4, -1)], axis=1).tobytes()
        sheet = io.BytesIO()
        Image.fromarray(images.transpose(0, 2, 3, 1).reshape(4, 1024, 3)).save(sheet, "PNG")
        sheets[name.replace(".bin", ".png")] = sheet.getvalue()
        if name.startswith("test"):
            sheets["test_lables.json"] = json.dumps(labels.tolist()).encode()
        else:
            train_labels += labels.tolist()
    sheets["train_lables.json"] = json.dumps(train_labels).encode()

    from_binary, from_sheets = CIFAR_BINARY.decode(binary), CIFAR_SHEETS.decode(sheets)
    assert from_binary["train_images"].shape == (20, 3, 32, 32)
    assert from_binary.keys() == from_sheets.keys()
    for field, array in from_binary.items():
        assert array.dtype == from_sheets[field].dtype
        assert np.array_equal(array, from_sheets[field]), field


def test_the_planes_of_a_cifar_record_are_red_green_blue() -> None:
    record = bytes([7]) + b"\x01" * 1024 + b"\x02" * 1024 + b"\x03" * 1024
    decoded = CIFAR_BINARY.decode(dict.fromkeys(CIFAR_BINARY.files, record))
    assert decoded["test_labels"].tolist() == [7]
    assert decoded["test_images"][0].max(axis=(1, 2)).tolist() == [1, 2, 3]


@pytest.mark.parametrize("content", [b"", b"\x00" * 3072, b"\x00" * 3074])
def test_a_cifar_batch_that_is_no_whole_number_of_records_is_refused(content: bytes) -> None:
    with pytest.raises(DataError, match=r"data_batch_1.bin holds \d+ bytes; expected a multiple of 3073"):
        CIFAR_BINARY.decode({"data_batch_1.bin": content})


def png(shape: tuple[int, ...]) -> bytes:
    content = io.BytesIO()
    Image.fromarray(np.zeros(shape, np.uint8)).save(content, "PNG")
    return content.getvalue()


@pytest.mark.parametrize(
    "name, content, message",
    [
        ("test_batch.png", b"GIF89a", "test_batch.png is not a readable PNG"),
        ("test_batch.png", png((2, 1024, 3))[:-40], "test_batch.png is not a readable PNG"),
        ("test_batch.png", png((2, 1024)), r"has shape \(2, 1024\); expected \(examples, 1024, 3\)"),
        ("test_batch.png", png((2, 512, 3)), r"has shape \(2, 512, 3\)"),
        ("test_lables.json", b"[1, 2", "is not a JSON list of labels"),
        ("test_lables.json", b'{"a": 1}', "is not a JSON list of labels"),
    ],
)
def test_broken_cifar_sheets_are_refused(name: str, content: bytes, message: str) -> None:
    with pytest.raises(DataError, match=message):
        CIFAR_SHEETS.decode({name: content})


@pytest.mark.parametrize("content", [b"1,2,3\n", b"a,b\n"])
def test_broken_digits_are_refused(content: bytes) -> None:
    with pytest.raises(DataError, match=r"digits.csv is not a table of 65 whole numbers to a line"):
        DIGITS.decode({"digits.csv": content})


def test_sheets_without_pillow_name_the_extra_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layouts.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match=r"winnow-lth\[data\]"):
        CIFAR_SHEETS.check_ready()
    MNIST.check_ready()
