from __future__ import annotations

import pytest
import torch
from torch import Tensor

from winnow.data import Resident
from winnow.errors import DataError, RecipeError

IMAGES = torch.randint(0, 256, (20, 3, 5, 7), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
LABELS = torch.arange(20) % 10


def resident(mean: tuple[float, ...] | None = None, std: tuple[float, ...] | None = None, scale: int = 255) -> Resident:
    return Resident(IMAGES, LABELS, mean=mean, std=std, scale=scale, device="cpu")


def channels(values: tuple[float, ...]) -> Tensor:
    return torch.tensor(values, dtype=torch.float64).view(-1, 1, 1)


@pytest.mark.parametrize("scale", [255, 16, 1])
@pytest.mark.parametrize("mean", [None, (0.5, 0.4, 0.0)])
@pytest.mark.parametrize("std", [None, (0.2, 0.3, 1.0)])
def test_images_are_scaled_and_normalized_channel_by_channel(
    mean: tuple[float, ...] | None, std: tuple[float, ...] | None, scale: int
) -> None:
    index = torch.tensor([3, 3, 19, 0])
    expected = (IMAGES[index].double() / scale - channels(mean or (0.0,) * 3)) / channels(std or (1.0,) * 3)
    found = resident(mean, std, scale).images_at(index)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, expected.float(), rtol=1e-6, atol=1e-6 * 255 / scale)


@pytest.mark.parametrize("shape", [(), (4,), (2, 3), (2, 1, 2), (0,), (3, 0)])
def test_an_index_of_any_shape_gathers_images_and_labels_of_that_shape(shape: tuple[int, ...]) -> None:
    data = resident()
    index = torch.randint(0, 20, shape, generator=torch.Generator().manual_seed(1))
    assert data.images_at(index).shape == (*shape, 3, 5, 7)
    assert torch.equal(data.labels_at(index), LABELS[index])
    torch.testing.assert_close(data.images_at(index), IMAGES[index] / 255)


@pytest.mark.parametrize("mean", [None, (0.5, 0.4, 0.3)])
def test_an_image_has_the_same_bits_in_whatever_batch_it_is_gathered(mean: tuple[float, ...] | None) -> None:
    data = resident(mean, (0.2, 0.3, 0.7))
    together = data.images_at(torch.arange(20))
    alone = torch.stack([data.images_at(torch.tensor(position)) for position in range(20)])
    assert torch.equal(together, alone)


def test_what_is_gathered_is_the_callers_own() -> None:
    data = resident()
    data.images_at(torch.arange(20)).zero_()
    data.labels_at(torch.arange(20)).zero_()
    assert data.images_at(torch.arange(20)).any()
    assert torch.equal(data.labels_at(torch.arange(20)), LABELS)


def test_it_tells_its_size_and_shape() -> None:
    data = resident()
    assert (len(data), data.shape, data.device) == (20, (3, 5, 7), torch.device("cpu"))


@pytest.mark.parametrize("outside", [20, -1])
def test_an_index_outside_the_data_is_refused(outside: int) -> None:
    with pytest.raises(IndexError):
        resident().images_at(torch.tensor([0, outside]))


@pytest.mark.parametrize(
    "images, labels, message",
    [
        (IMAGES.float(), LABELS, "images are torch.float32"),
        (IMAGES[0], LABELS, r"of shape \(3, 5, 7\); expected torch.uint8"),
        (
            IMAGES,
            LABELS[1:],
            r"labels are torch.int64 of shape \(19,\); expected torch.int64 of shape \(20,\)",
        ),
        (IMAGES, LABELS.int(), "labels are torch.int32"),
    ],
)
def test_images_and_labels_that_do_not_fit_are_refused(images: Tensor, labels: Tensor, message: str) -> None:
    with pytest.raises(DataError, match=message):
        Resident(images, labels, mean=None, std=None, scale=255, device="cpu")


@pytest.mark.parametrize(
    "mean, std, message",
    [
        ((0.5,), None, r"field data.mean: \(0.5,\) has 1 value; the images have 3 channels"),
        (None, (1.0, 1.0), "field data.std: .* has 2 values"),
        (None, (1.0, 0.0, 1.0), "field data.std: .* is not positive"),
        (None, (1.0, float("nan"), 1.0), "field data.std: .* is not positive"),
    ],
)
def test_a_mean_or_std_that_does_not_fit_names_its_field(
    mean: tuple[float, ...] | None, std: tuple[float, ...] | None, message: str
) -> None:
    with pytest.raises(RecipeError, match=message):
        resident(mean, std)
