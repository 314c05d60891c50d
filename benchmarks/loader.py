"""An epoch of large images: Winnow's loader and its packed file, against a plain torch DataLoader with PIL.

python benchmarks/loader.py [--images 1200] [--width 500 --height 375] [--size 224] [--batch 64] [--folder DIR]

All three cut parts of random size and shape out of the same generated JPEGs, mirror half of them, and give normalized
float32 batches. Every epoch begins with nothing prepared. The DataLoader has as many worker processes as there are
processors, which stay alive between epochs. Processor time, which a busy machine distorts less, is that of an epoch in
this process: the DataLoader's without workers.
"""

from __future__ import annotations

import argparse
import math
import os
import statistics
import tempfile
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from timing import alternate, machine
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from winnow.course import Noise
from winnow.data import Streamed, image_pictures
from winnow.data.packed import pack
from winnow.data.tree import tree
from winnow.training import Streaming

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def photographs(root: Path, images: int, width: int, height: int) -> None:
    """JPEGs of about the size in bytes of ImageNet's (110 kB at 500x375), half in each of two classes."""
    draw = np.random.default_rng(0)
    for number in range(images):
        folder = root / ("train" if number % 10 else "val") / ("cat", "dog")[number // 10 % 2]
        folder.mkdir(parents=True, exist_ok=True)
        coarse = draw.integers(0, 256, (height // 16, width // 16, 3), dtype=np.uint8)
        smooth = np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)).astype(np.int16)
        noisy = (smooth + draw.integers(-30, 31, smooth.shape)).clip(0, 255).astype(np.uint8)
        Image.fromarray(noisy).save(folder / f"{number:06}.jpg", quality=90)


class Plain(Dataset[tuple[Tensor, int]]):
    """What everyone writes first: open, convert, cut, resize, mirror, to a tensor, normalize; image by image."""

    def __init__(self, root: Path, size: int) -> None:
        self.files = sorted((root / "train").glob("*/*.jpg"))
        self.size = size
        self.mean, self.std = torch.tensor(MEAN).view(3, 1, 1), torch.tensor(STD).view(3, 1, 1)

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, number: int) -> tuple[Tensor, int]:
        image = Image.open(self.files[number]).convert("RGB")
        image = image.crop(self.corners(*image.size)).resize((self.size, self.size), Image.Resampling.BILINEAR)
        if torch.rand(()) < 0.5:
            image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        pixels = torch.from_numpy(np.array(image)).permute(2, 0, 1).float() / 255
        return (pixels - self.mean) / self.std, number % 2

    def corners(self, width: int, height: int) -> tuple[int, int, int, int]:
        for _ in range(10):
            area = width * height * torch.empty(()).uniform_(0.08, 1).item()
            aspect = math.exp(torch.empty(()).uniform_(math.log(3 / 4), math.log(4 / 3)).item())
            w, h = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
            if w <= width and h <= height:
                left = int(torch.randint(0, width - w + 1, ()))
                top = int(torch.randint(0, height - h + 1, ()))
                return left, top, left + w, top + h
        return 0, 0, width, height


def processor_time(epoch: Callable[[], object], rounds: int, between: Callable[[], object]) -> float:
    """Median processor seconds of an epoch, of all threads of this process."""
    taken: list[float] = []
    for _ in range(rounds):
        between()
        began = time.process_time()
        epoch()
        taken.append(time.process_time() - began)
    return statistics.median(taken)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, value in (("images", 1_200), ("width", 500), ("height", 375), ("size", 224), ("batch", 64)):
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--folder", type=Path, help="a folder of images with train and val, instead of generated ones")
    asked = parser.parse_args()
    print(machine())
    with tempfile.TemporaryDirectory() as scratch:
        root = asked.folder or Path(scratch) / "images"
        if asked.folder is None:
            photographs(root, asked.images, asked.width, asked.height)
        packed = Path(scratch) / "images.packed"
        pack(tree(root), packed, 256)
        files = tree(root).train.files
        size = sum((root / file).stat().st_size for file in files) / len(files)
        print(
            f"{len(files)} training images of {size / 1e3:.0f} kB; packed at 256: {packed.stat().st_size / 1e6:.0f} MB"
        )

        workers = len(os.sched_getaffinity(0))
        plain = DataLoader(
            Plain(root, asked.size),
            asked.batch,
            shuffle=True,
            drop_last=True,
            num_workers=workers,
            persistent_workers=True,
        )
        batches = len(files) // asked.batch
        streams: dict[str, Streaming] = {}
        for kind, place in (("folder", root), ("packed", packed)):
            train, _ = image_pictures(f"{kind}:{place}")
            examples = Streamed(train, torch.arange(len(train)), size=asked.size, mean=MEAN, std=STD, device="cpu")
            streams[kind] = Streaming(examples, [Noise(seed=0, replicate=0)], asked.batch, ("flip", "resized-crop"))

        def epoch(kind: str) -> None:
            for iteration in range(batches):
                streams[kind].at(iteration)

        def settle() -> None:
            """Nothing is decoded ahead in the time of another; each epoch begins with nothing prepared."""
            for stream in streams.values():
                stream.close()
            time.sleep(0.1)

        candidates = {
            f"DataLoader, PIL, {workers} workers": lambda: deque(plain, maxlen=0),  # one batch after the other
            "Winnow, folder": lambda: epoch("folder"),
            "Winnow, packed": lambda: epoch("packed"),
        }
        seconds = alternate(candidates, rounds=asked.rounds, between=settle)
        alone = DataLoader(plain.dataset, asked.batch, shuffle=True, drop_last=True)
        busy = [
            processor_time(each, asked.rounds, settle)
            for each in (lambda: deque(alone, maxlen=0), lambda: epoch("folder"), lambda: epoch("packed"))
        ]
        baseline = next(iter(seconds.values()))
        images = batches * asked.batch
        for (name, taken), cost in zip(seconds.items(), busy, strict=True):
            print(
                f"{name:28}{taken:8.2f} s an epoch{images / taken:9.0f} images/s{baseline / taken:7.2f} x"
                f"{1e3 * cost / images:9.2f} ms processor time an image{busy[0] / cost:7.2f} x"
            )


if __name__ == "__main__":
    main()
