"""What training LeNet's first layer gains at low density: sparse kernels against dense products, and dead units.

The first part times one layer of 300 x 784 at a batch of 60: the forward product and the weights' gradient, dense and
as CSR (`torch.sparse`), and Adam on all weights against Adam on the alive ones. The second reads the masks of a
store and counts inputs and units that no alive weight touches.

    python benchmarks/sparse.py [--store DIR]
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import cast

import torch
from lenet_lanes import UPDATES
from timing import alternate, machine
from torch import Tensor

from winnow.experiments import imp
from winnow.store import Store
from winnow.store.experiments import recorded
from winnow.training import optimizer

warnings.filterwarnings("ignore", message="Sparse CSR tensor support is in beta")
BATCH, INPUTS, OUTPUTS = 60, 784, 300


def kernels() -> None:
    stream = torch.Generator().manual_seed(0)
    print(f"{'density':>8}{'forward':>10}{'gradient':>10}{'Adam':>10}   dense / sparse; above 1 sparse is faster")
    for density in (0.20, 0.15, 0.10, 0.05, 0.035, 0.02, 0.01):
        medians = alternate(layer(density, stream))
        forward = medians["forward dense"] / medians["forward csr"]
        backward = medians["gradient dense"] / medians["gradient csr"]
        update = medians["adam all"] / medians["adam alive"]
        print(f"{100 * density:7.1f}%{forward:10.2f}{backward:10.2f}{update:10.2f}")


def layer(density: float, stream: torch.Generator) -> dict[str, Callable[[], object]]:
    """What an iteration does to the layer, ten times over, each in its dense and its sparse way."""
    inputs, gradient = torch.rand(INPUTS, BATCH, generator=stream), torch.rand(OUTPUTS, BATCH, generator=stream)
    alive = torch.rand(OUTPUTS, INPUTS, generator=stream) < density
    dense = torch.randn(OUTPUTS, INPUTS, generator=stream) * alive
    csr = dense.to_sparse_csr()
    adam = optimizer(UPDATES)
    every, few = ([[torch.randn(shape)] for _ in range(4)] for shape in ((OUTPUTS, INPUTS), (int(alive.sum()),)))

    def update(tensors: list[list[Tensor]]) -> None:
        parameters, gradients, mean, square = tensors
        adam.update_(parameters, gradients, {"mean": mean, "square": square}, 1e-3, 5)

    def sampled() -> Tensor:
        return cast(Tensor, torch.sparse.sampled_addmm(csr, gradient, inputs.t(), beta=0.0))

    return {
        "forward dense": lambda: [dense @ inputs for _ in range(10)],
        "forward csr": lambda: [csr @ inputs for _ in range(10)],
        "gradient dense": lambda: [gradient @ inputs.t() for _ in range(10)],
        "gradient csr": lambda: [sampled() for _ in range(10)],
        "adam all": lambda: [update(every) for _ in range(10)],
        "adam alive": lambda: [update(few) for _ in range(10)],
    }


def dead_units(store: Path) -> None:
    opened = Store(store)
    for _, recipe in recorded(opened)[0]:
        print(f"{recipe.name}: inputs and hidden units with alive weights on both sides, mean over replicates")
        by_level: dict[int, list[tuple[float, float, float]]] = {}
        for row in imp(recipe).rows:
            if row.control == "ticket" and row.mask is not None and opened.manifest(row.mask) is not None:
                mask = opened.mask(row.mask)
                first, second, output = mask["fc1.weight"], mask["fc2.weight"], mask["output.weight"]
                counts = (first.any(0), first.any(1) & second.any(0), second.any(1) & output.any(0))
                inputs, hidden1, hidden2 = (float(alive.sum()) for alive in counts)
                by_level.setdefault(row.level, []).append((inputs, hidden1, hidden2))
        for level, counts in by_level.items():
            means = [sum(values) / len(values) for values in zip(*counts, strict=True)]
            print(f"  level {level:2}: inputs {means[0]:6.1f}, fc1 {means[1]:6.1f}, fc2 {means[2]:6.1f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--store", type=Path)
    options = parser.parse_args()
    print(machine())
    kernels()
    if options.store:
        dead_units(options.store)


if __name__ == "__main__":
    main()
