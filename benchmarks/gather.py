"""Batches from resident bytes: one gather and one multiplication, against indexing floats and a loop over images.

python benchmarks/gather.py
"""

from __future__ import annotations

from typing import cast

import torch
import torch.nn.functional as F
from timing import alternate, machine
from torch import Tensor

from winnow.data import Draws, Resident, draw
from winnow.data.augment import PADDING


def one_by_one(images: Tensor, draws: Draws) -> Tensor:
    """What a per-image loader does: pad, cut and flip each image in Python."""
    done: list[Tensor] = []
    flips, offsets = cast(list[bool], draws.flips.tolist()), cast(list[tuple[int, int]], draws.offsets.tolist())
    for image, flip, (row, column) in zip(images, flips, offsets, strict=True):
        cut = F.pad(image, (PADDING,) * 4)[:, row : row + 32, column : column + 32]
        done.append(cut.flip(-1) if flip else cut)
    return torch.stack(done).float() / 255


def main() -> None:
    print(machine())
    stream = torch.Generator().manual_seed(0)
    for name, shape, examples in (("MNIST", (1, 28, 28), 55_000), ("CIFAR-10", (3, 32, 32), 45_000)):
        images = torch.randint(0, 256, (examples, *shape), dtype=torch.uint8, generator=stream)
        data = Resident(images, torch.zeros(examples, dtype=torch.int64), mean=None, std=None, scale=255, device="cpu")
        for lanes in (1, 10):
            index = torch.randint(0, examples, (lanes, 128), generator=stream)
            candidates = {
                "gather": lambda d=data, i=index: d.images_at(i),
                "index": lambda m=images, i=index: m[i].float() / 255,
            }
            if shape[0] == 3:
                draws = draw(("flip", "crop"), index.numel(), stream)
                candidates["gather, flip, crop"] = lambda d=data, i=index, r=draws: d.images_at(i, r)
                candidates["one by one, flip, crop"] = lambda m=images, i=index, r=draws: one_by_one(
                    m[i].flatten(0, 1), r
                )
            for candidate, seconds in alternate(candidates).items():
                print(f"{name:9} {lanes:2} lanes x 128: {candidate:24}{1e3 * seconds:9.2f} ms")


if __name__ == "__main__":
    main()
