"""What is cut out of an image of any size: drawn at random for training, the centre for evaluation."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

_TRIES = 10
_AREA = (0.08, 1.0)
_RATIO = (3 / 4, 4 / 3)

CENTRE = 0.875
"""The part of an image's shorter side that evaluation sees: 224 of 256 pixels, in ImageNet's usual evaluation."""


@dataclass(frozen=True)
class Box:
    """A part of an image, in pixels."""

    top: int
    left: int
    height: int
    width: int

    def scaled(self, before: tuple[int, int], after: tuple[int, int]) -> Box:
        """The same part where the image is of another size; sizes are (height, width)."""
        if before == after:
            return self
        down, across = after[0] / before[0], after[1] / before[1]
        height = min(after[0], max(1, round(self.height * down)))
        width = min(after[1], max(1, round(self.width * across)))
        top = min(round(self.top * down), after[0] - height)
        return Box(top, min(round(self.left * across), after[1] - width), height, width)


Boxer = Callable[[int, int], Box]
"""(height, width) of an image -> the part of it to cut out."""


def whole(height: int, width: int) -> Box:
    """All of it."""
    return Box(0, 0, height, width)


def central(height: int, width: int) -> Box:
    """The square in the middle, of `CENTRE` of the shorter side.

    >>> central(256, 341)
    Box(top=16, left=58, height=224, width=224)
    """
    side = max(1, round(CENTRE * min(height, width)))
    return Box((height - side) // 2, (width - side) // 2, side, side)


def draw_crops(images: int, generator: Generator) -> Tensor:
    """What the crop and the flip of each image depend on: float64 (images, 23), uniform from 0 to 1."""
    return torch.rand(images, 2 * _TRIES + 3, dtype=torch.float64, generator=generator)


def is_flipped(drawn: Sequence[float]) -> bool:
    """Whether an image is mirrored, from its row of `draw_crops`."""
    return drawn[-1] < 0.5


def random_resized(drawn: Sequence[float]) -> Boxer:
    """A part of 8 to 100 % of the area, from 3:4 to 4:3, anywhere in the image; from a row of `draw_crops`.

    Ten areas and ratios are tried; where none fits into the image, it is the largest part in its middle that does.

    Source: Szegedy et al. 2015 (arXiv 1409.4842), §6; the logarithm of the ratio is uniform, as is usual now.

    >>> random_resized([0.5] * 23)(100, 100)
    Box(top=14, left=14, height=73, width=73)
    """

    def box(height: int, width: int) -> Box:
        for area, ratio in zip(drawn[0 : 2 * _TRIES : 2], drawn[1 : 2 * _TRIES : 2], strict=True):
            pixels = height * width * (_AREA[0] + area * (_AREA[1] - _AREA[0]))
            aspect = math.exp(math.log(_RATIO[0]) + ratio * math.log(_RATIO[1] / _RATIO[0]))
            w, h = round(math.sqrt(pixels * aspect)), round(math.sqrt(pixels / aspect))
            if 0 < w <= width and 0 < h <= height:
                down, across = drawn[-3:-1]
                return Box(int(down * (height - h + 1)), int(across * (width - w + 1)), h, w)
        h = min(height, max(1, round(width / _RATIO[0])))
        w = min(width, max(1, round(height * _RATIO[1])))
        return Box((height - h) // 2, (width - w) // 2, h, w)

    return box


def resized(pixels: Tensor, height: int, width: int) -> Tensor:
    """Pixels, uint8 (any, any, 3), as an image of another size, uint8 (3, height, width); bilinear, antialiased."""
    image = pixels.unsqueeze(0).permute(0, 3, 1, 2)  # in this order PyTorch sees that channels are last, and stay so
    return F.interpolate(image, (height, width), mode="bilinear", antialias=True)[0]
