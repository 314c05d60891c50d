"""LeNet-300-100 on MNIST, Adam, batch 60: what an iteration costs as training goes on.

Adam's running mean of a gradient that has become zero shrinks to subnormal numbers, with which processors are slow.
Compared are a plain PyTorch loop on resident tensors, Winnow's loop without its sweeps (winnow.training.subnormal), and
Winnow's loop. The candidates take turns, a stretch of iterations each.

    python benchmarks/subnormal.py [--iterations 3000] [--lanes 5]
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import torch
from lenet_lanes import plain_loop, tight, winnow_loop
from timing import machine

from winnow.data import Resident, load
from winnow.training import Perceptron, loop

BATCH, STRETCH = 60, 100


def without_sweeps(run: Callable[[int], None]) -> Callable[[int], None]:
    def unswept(iterations: int) -> None:
        every, loop.EVERY = loop.EVERY, 1 << 62
        run(iterations)
        loop.EVERY = every

    return unswept


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--iterations", type=int, default=3000)
    parser.add_argument("--lanes", type=int, default=5)
    options = parser.parse_args()
    print(machine())

    arrays = load("mnist")
    images, labels = torch.as_tensor(arrays.train_images)[:55_000], torch.as_tensor(arrays.train_labels)[:55_000].long()
    data = Resident(images, labels, mean=None, std=None, scale=255, device="cpu")
    lanes = options.lanes
    candidates: dict[str, tuple[Callable[[int], None], int]] = {
        "PyTorch, resident tensors": (plain_loop(tight(images.float() / 255, labels, BATCH)), 1),
        f"Winnow without sweeps, {lanes} lanes": (without_sweeps(winnow_loop(Perceptron, lanes, data, BATCH)), lanes),
        f"Winnow, {lanes} lanes": (winnow_loop(Perceptron, lanes, data, BATCH), lanes),
    }
    seconds: dict[str, list[float]] = {name: [] for name in candidates}
    for _ in range(options.iterations // STRETCH):
        for name, (run, count) in candidates.items():
            began = time.perf_counter()
            run(STRETCH)
            seconds[name].append((time.perf_counter() - began) / STRETCH / count)

    parts = [slice(0, 8), slice(8, 16), slice(16, None)]
    heads = [f"from {part.start * STRETCH:,}" for part in parts]
    print(f"{'ms per lane and iteration':38}" + "".join(f"{head:>12}" for head in heads))
    for name, times in seconds.items():
        print(f"{name:38}" + "".join(f"{1e3 * statistics.median(times[part]):12.3f}" for part in parts))


if __name__ == "__main__":
    main()
