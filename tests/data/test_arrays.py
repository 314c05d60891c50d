from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from winnow.data import Arrays
from winnow.errors import DataError


def build(**changed: Any) -> Arrays:
    fields: dict[str, Any] = {
        "train_images": np.zeros((4, 1, 3, 2), np.uint8),
        "train_labels": np.arange(4),
        "test_images": np.zeros((2, 1, 3, 2), np.uint8),
        "test_labels": np.arange(2),
        "classes": 4,
        "scale": 16,
    }
    return Arrays(**(fields | changed))


def test_a_data_set_knows_the_shape_of_one_image() -> None:
    assert build().shape == (1, 3, 2)


@pytest.mark.parametrize(
    "changed, message",
    [
        ({"train_images": np.zeros((4, 1, 3, 2), np.float32)}, "train images are float32"),
        ({"train_images": np.zeros((4, 3, 2), np.uint8)}, r"shape \(4, 3, 2\); expected uint8"),
        ({"train_images": np.zeros((0, 1, 3, 2), np.uint8)}, r"train images are uint8 of shape \(0,"),
        (
            {"train_labels": np.arange(3)},
            r"train labels are int64 of shape \(3,\); expected int64 of shape \(4,\)",
        ),
        ({"test_labels": np.arange(2, dtype=np.uint8)}, "test labels are uint8"),
        ({"train_labels": np.array([0, 1, 2, 4])}, "train labels go from 0 to 4; expected 0 to 3"),
        ({"test_labels": np.array([-1, 0])}, "test labels go from -1 to 0; expected 0 to 3"),
        (
            {"test_images": np.zeros((2, 3, 3, 2), np.uint8)},
            r"shape \(3, 3, 2\); the training images have \(1, 3, 2\)",
        ),
        ({"test_images": np.full((2, 1, 3, 2), 17, np.uint8)}, "test images reach 17; expected at most 16"),
    ],
)
def test_arrays_that_do_not_fit_together_are_refused(changed: dict[str, object], message: str) -> None:
    with pytest.raises(DataError, match=message):
        build(**changed)


@pytest.mark.parametrize(
    "changed",
    [
        {"train_labels": np.array([0, 1, 3, 2])},  # order
        {
            "train_images": np.zeros((4, 1, 2, 3), np.uint8),
            "test_images": np.zeros((2, 1, 2, 3), np.uint8),
        },  # shape
        {"test_images": np.eye(12, dtype=np.uint8)[:1].reshape(2, 1, 3, 2)},  # one pixel
    ],
)
def test_the_checksum_depends_on_everything_decoded(changed: dict[str, object]) -> None:
    assert build(**changed).checksum() != build().checksum()


def test_the_checksum_does_not_depend_on_how_arrays_lie_in_memory() -> None:
    fortran = np.asfortranarray(np.zeros((4, 1, 3, 2), np.uint8))
    assert build(train_images=fortran).checksum() == build().checksum()
