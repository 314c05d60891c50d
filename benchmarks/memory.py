"""How much memory lanes take: the most that a process held while it trained LeNet-300-100, for 1 to 32 lanes.

Every number of lanes is measured in a process of its own. Beside it stands what the lanes' own state takes: values,
masks, gradients and Adam's two buffers, of each lane.

    python benchmarks/memory.py [--lanes 1 2 5 10 16 32]
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys

import torch
from lenet_lanes import CLASSES, EXAMPLES, SHAPE, network, winnow_loop
from timing import machine

from winnow.data import Resident
from winnow.training import Perceptron


def most_held(lanes: int) -> int:
    """Bytes at most, of this process, once it has trained so many lanes."""
    stream = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (EXAMPLES, *SHAPE), dtype=torch.uint8, generator=stream)
    labels = torch.randint(0, CLASSES, (EXAMPLES,), generator=stream)
    data = Resident(images, labels, mean=None, std=None, scale=255, device="cpu")
    winnow_loop(Perceptron, lanes, data, 128, density=0.5)(20)
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
    of_a_lane = 5 * 4 * sum(p.numel() for p in network().parameters())
    print(f"a lane's own state: {of_a_lane / 1e6:.1f} MB")
    print(f"{'lanes':>6}{'most held, MB':>16}{'above the first':>18}{'of the added state':>20}")
    first, fewest = 0, options.lanes[0]
    for lanes in options.lanes:
        command = [sys.executable, __file__, "--one", str(lanes)]
        held = int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
        first = first or held
        added, state = held - first, of_a_lane * (lanes - fewest)
        ratio = f"{added / state:.2f}" if state else ""
        print(f"{lanes:6}{held / 1e6:16.1f}{added / 1e6:18.1f}{ratio:>20}")


if __name__ == "__main__":
    main()
