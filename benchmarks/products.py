"""Matrix products of LeNet's first layer, and a large one: `torch.mm` (MKL on x86) against oneDNN, and by rows.

By rows, the left matrix is divided among the threads as a batch of matrices, which MKL multiplies one a thread.

python benchmarks/products.py [--batch 60 128]
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import torch
from timing import alternate, machine
from torch import Tensor


def onednn(left: Tensor, right: Tensor) -> Tensor:
    """The product by the operator behind PyTorch's own fused linear layers."""
    return torch.ops.mkldnn._linear_pointwise(left, right.mT, None, "none", [], "")  # pyright: ignore


def by_rows(left: Tensor, right: Tensor) -> Tensor:
    """The product as a batch of as many as there are threads."""
    rows = left.unfold(0, len(left) // torch.get_num_threads(), len(left) // torch.get_num_threads()).mT
    return torch.bmm(rows, right.expand(len(rows), -1, -1)).flatten(0, 1)


def repeated(multiply: Callable[[Tensor, Tensor], Tensor], left: Tensor, right: Tensor) -> Callable[[], None]:
    def run() -> None:
        for _ in range(20):
            multiply(left, right)

    return run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch", type=int, nargs="+", default=[60, 128])
    options = parser.parse_args()
    print(machine())
    shapes = {"1024 x 1024 x 1024": (1024, 1024, 1024)}
    for batch in options.batch:
        shapes[f"forward, 300 x 784 x {batch}"] = (300, 784, batch)
        shapes[f"weights' gradient, 300 x {batch} x 784"] = (300, batch, 784)
    ways = {"torch.mm": torch.mm, "oneDNN": onednn, "by rows": by_rows}
    print(f"{'GFLOP/s':36}" + "".join(f"{way:>10}{'':8}" for way in ways))
    for name, (rows, inner, columns) in shapes.items():
        left, right = torch.rand(rows, inner), torch.rand(inner, columns)
        medians = alternate({way: repeated(multiply, left, right) for way, multiply in ways.items()}, rounds=15)
        base = medians["torch.mm"]
        rates = {way: 20 * 2e-9 * rows * inner * columns / seconds for way, seconds in medians.items()}
        print(f"{name:36}" + "".join(f"{rates[way]:10.0f}{base / medians[way]:6.2f} x" for way in ways))


if __name__ == "__main__":
    main()
