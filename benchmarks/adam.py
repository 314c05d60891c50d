"""PyTorch's fused Adam on as many weights as fit in the cache, and on many more: does it wait for memory or compute?

python benchmarks/adam.py [--weights 60000 266200 2662000] [--rounds 9]
"""

from __future__ import annotations

import argparse
from functools import partial

import torch
from lenet_lanes import UPDATES
from timing import alternate, machine

from winnow.training import optimizer

_TOUCHED = 20_000_000
"""Weights updated in each timing, whatever their number at a time."""


def updates(weights: int, times: int, values: list[torch.Tensor]) -> None:
    adam = optimizer(UPDATES)
    parameter, gradient, mean, square = (tensor[:weights] for tensor in values)
    for _ in range(times):
        adam.update_([parameter], [gradient], {"mean": [mean], "square": [square]}, 1e-3, 5)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", type=int, nargs="+", default=[60_000, 266_200, 2_662_000])
    parser.add_argument("--rounds", type=int, default=9)
    options = parser.parse_args()
    print(machine())
    values = [torch.rand(max(options.weights)) for _ in range(4)]
    runs = {f"{count:,}": partial(updates, count, _TOUCHED // count, values) for count in options.weights}
    for name, seconds in alternate(runs, rounds=options.rounds).items():
        print(f"{name:>12} weights{1e9 * seconds / _TOUCHED:8.3f} ns each")


if __name__ == "__main__":
    main()
