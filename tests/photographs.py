"""Folders of small JPEGs that a network can learn to tell apart: every class has a colour of its own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

CLASSES = ("ant", "bee", "cat")
_COLOURS = ((200, 60, 60), (60, 200, 60), (60, 60, 200))


def photograph(label: int, number: int, width: int = 40, height: int = 30) -> Image.Image:
    draw = np.random.default_rng([label, number])
    pixels = np.array(_COLOURS[label]) + draw.integers(-40, 41, (height // 5, width // 5, 3))
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).resize((width, height), Image.Resampling.BICUBIC)


def write(folder: Path, images: int, width: int = 40, height: int = 30, first: int = 0) -> None:
    for label, name in enumerate(CLASSES):
        (folder / name).mkdir(parents=True)
        for number in range(first, first + images):
            # Sizes differ, as they do in photographs from everywhere.
            image = photograph(label, number, width + 5 * (number % 3), height + 5 * (number % 2))
            image.save(folder / name / f"{number:03}.jpg", quality=90)


def photographs(root: Path, *, train: int = 8, val: int = 4, width: int = 40, height: int = 30) -> Path:
    """`root` with so many images of each class in train/CLASS and in val/CLASS."""
    write(root / "train", train, width, height)
    write(root / "val", val, width, height, first=train)
    return root


def cut_short(file: Path) -> None:
    """Make an image corrupt, as an interrupted download does."""
    file.write_bytes(file.read_bytes()[:-100])
