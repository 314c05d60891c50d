from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from winnow.data.crops import Box, central, draw_crops, is_flipped, random_resized, resized

side = st.integers(1, 3_000)


def rows(count: int) -> list[list[float]]:
    return draw_crops(count, torch.Generator().manual_seed(0)).tolist()


@given(height=side, width=side, seed=st.integers(0, 2**31))
def test_a_crop_lies_within_its_image_whatever_the_images_shape(height: int, width: int, seed: int) -> None:
    drawn = draw_crops(1, torch.Generator().manual_seed(seed))[0].tolist()
    for box in (random_resized(drawn)(height, width), central(height, width)):
        assert box.height >= 1 and 0 <= box.top <= height - box.height
        assert box.width >= 1 and 0 <= box.left <= width - box.width


def test_crops_have_8_to_100_percent_of_the_area_and_ratios_from_3_4_to_4_3_all_equally_likely() -> None:
    boxes = [random_resized(row)(600, 700) for row in rows(4_000)]
    areas = torch.tensor([box.height * box.width / (600 * 700) for box in boxes])
    ratios = torch.tensor([math.log(box.width / box.height) / math.log(4 / 3) for box in boxes])
    assert 0.079 < areas.min() < 0.1 and 0.98 < areas.max() <= 1
    assert ratios.min() == pytest.approx(-1, abs=0.02) and ratios.max() == pytest.approx(1, abs=0.02)
    small = areas < 0.5  # larger ones fit with some ratios alone
    assert torch.quantile(areas[small], 0.5) == pytest.approx(0.29, abs=0.01)
    assert ratios[small].mean() == pytest.approx(0, abs=0.05)
    tops = torch.tensor([box.top / (600 - box.height) for box in boxes if box.height < 300])
    assert tops.mean() == pytest.approx(0.5, abs=0.02) and tops.min() < 0.02 and tops.max() > 0.98


@pytest.mark.parametrize("height, width, box", [(10, 100, Box(0, 43, 10, 13)), (100, 10, Box(43, 0, 13, 10))])
def test_a_narrow_image_that_no_ratio_fits_gives_its_middle(height: int, width: int, box: Box) -> None:
    whole = [1.0, 0.5] * 10 + [0.3, 0.3, 0.3]  # every try asks for the whole area
    assert random_resized(whole)(height, width) == box


@pytest.mark.parametrize(
    "height, width, box",
    [
        (256, 256, Box(16, 16, 224, 224)),
        (500, 256, Box(138, 16, 224, 224)),
        (1, 9, Box(0, 4, 1, 1)),
    ],
)
def test_evaluation_sees_the_middle_of_seven_eighths_of_the_shorter_side(height: int, width: int, box: Box) -> None:
    assert central(height, width) == box


def test_half_of_the_images_are_mirrored() -> None:
    assert sum(map(is_flipped, rows(1_000))) == pytest.approx(500, abs=50)


@given(height=side, width=side, seed=st.integers(0, 2**31), factor=st.sampled_from([1, 2, 4, 8]))
def test_a_box_in_an_image_that_was_decoded_smaller_still_lies_within_it(
    height: int, width: int, seed: int, factor: int
) -> None:
    drawn = draw_crops(1, torch.Generator().manual_seed(seed))[0].tolist()
    after = (math.ceil(height / factor), math.ceil(width / factor))
    box = random_resized(drawn)(height, width).scaled((height, width), after)
    assert box.height >= 1 and 0 <= box.top <= after[0] - box.height
    assert box.width >= 1 and 0 <= box.left <= after[1] - box.width


def test_a_box_whose_halves_are_both_rounded_up_stays_within_its_image() -> None:
    assert Box(3, 3, 3, 3).scaled((6, 6), (3, 3)) == Box(1, 1, 2, 2)


def test_resizing_averages_what_it_makes_smaller_and_keeps_what_has_the_size() -> None:
    stripes = torch.tensor([0, 255], dtype=torch.uint8).repeat(8)[None, :, None].expand(16, 16, 3).contiguous()
    assert torch.equal(resized(stripes, 16, 16), stripes.permute(2, 0, 1))
    inner = resized(stripes, 4, 4)[:, 1:3, 1:3].int()
    assert inner.min() > 110 and inner.max() < 145  # nearest pixels would be 0 or 255
