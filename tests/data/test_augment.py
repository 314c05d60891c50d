"""Augmentation: every image has draws of its own, and the batched gather does what a loop would."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from winnow.data.augment import PADDING, Draws, augmented, draw

IMAGES = torch.randint(0, 256, (40, 3, 8, 10), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def one_by_one(images: torch.Tensor, draws: Draws) -> torch.Tensor:
    """The same, an image at a time: pad, cut, and mirror what was cut."""
    height, width = images.shape[2:]
    done = []
    for image, flip, (row, column) in zip(images, draws.flips, draws.offsets.tolist(), strict=True):
        cut = F.pad(image, (PADDING,) * 4)[:, row : row + height, column : column + width]
        done.append(cut.flip(-1) if flip else cut)
    return torch.stack(done)


@pytest.mark.parametrize("augment", [(), ("flip",), ("crop",), ("flip", "crop")])
def test_a_batch_is_changed_as_its_images_would_be_one_by_one(augment):
    draws = draw(augment, len(IMAGES), torch.Generator().manual_seed(1))
    assert torch.equal(augmented(IMAGES, draws), one_by_one(IMAGES, draws))


def test_without_augmentation_nothing_changes():
    assert torch.equal(augmented(IMAGES, draw((), 40, torch.Generator())), IMAGES)


def test_images_of_one_batch_have_draws_of_their_own():
    draws = draw(("flip", "crop"), 2_000, torch.Generator().manual_seed(2))
    assert 0.45 < draws.flips.float().mean() < 0.55
    assert {tuple(offset) for offset in draws.offsets.tolist()} == {(r, c) for r in range(9) for c in range(9)}


def test_a_flip_does_not_depend_on_whether_images_are_cropped_too():
    alone, both = (draw(augment, 50, torch.Generator().manual_seed(3)) for augment in (("flip",), ("flip", "crop")))
    assert torch.equal(alone.flips, both.flips)
