"""How much memory lanes take: the most that a process held while it trained LeNet-300-100, for 1 to 32 lanes.

Every number of lanes is measured in a process of its own. Beside it stands what a lane itself takes. That is its state,
of which nothing can be shared: values, Adam's two buffers, mask, data order. And it is what an iteration needs:
gradients, the batch as bytes and as numbers, each layer's outputs and the gradients by them.

    python benchmarks/memory.py [--lanes 1 2 5 10 16 32]
"""

from __future__ import annotations

import argparse
import math
import resource
import subprocess
import sys

import torch
from lenet_lanes import CLASSES, EXAMPLES, SHAPE, network, winnow_loop
from timing import machine

from winnow.data import Resident
from winnow.training import Perceptron

BATCH = 128


def own(batch: int = BATCH) -> tuple[int, int]:
    """Bytes of a lane's state, and of what an iteration needs for it."""
    kernels = [p.numel() for p in network().parameters() if p.ndim > 1]
    values = sum(p.numel() for p in network().parameters())
    state = 3 * 4 * values + 4 * sum(kernels) + 4 * EXAMPLES
    outputs = sum(p.numel() for p in network().parameters() if p.ndim == 1)
    return state, 4 * values + batch * (5 * math.prod(SHAPE) + 2 * 4 * outputs)


def most_held(lanes: int) -> int:
    """Bytes at most, of this process, once it has trained so many lanes."""
    stream = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (EXAMPLES, *SHAPE), dtype=torch.uint8, generator=stream)
    labels = torch.randint(0, CLASSES, (EXAMPLES,), generator=stream)
    data = Resident(images, labels, mean=None, std=None, scale=255, device="cpu")
    winnow_loop(Perceptron, lanes, data, BATCH, density=0.5)(20)
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lanes", type=int, nargs="+", default=[1, 2, 5, 10, 16, 32])
    parser.add_argument("--one", type=int, help="measure so many lanes in this process, and print bytes alone")
    options = parser.parse_args()
    if options.one:
        print(most_held(options.one))
        return
    print(machine())
    state, needed = own()
    print(f"a lane's own: {state / 1e6:.2f} MB of state, {needed / 1e6:.2f} MB for an iteration")
    print(f"{'lanes':>6}{'most held, MB':>16}{'above the first':>18}{'of the lanes own':>20}")
    first, fewest = 0, options.lanes[0]
    for lanes in options.lanes:
        command = [sys.executable, __file__, "--one", str(lanes)]
        held = int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
        first = first or held
        added, more = held - first, (state + needed) * (lanes - fewest)
        ratio = f"{added / more:.2f}" if more else ""
        print(f"{lanes:6}{held / 1e6:16.1f}{added / 1e6:18.1f}{ratio:>20}")


if __name__ == "__main__":
    main()
