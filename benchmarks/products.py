"""Matrix products of LeNet's first layer, and a large one: `torch.mm` (MKL on x86) against oneDNN.

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
    print(f"{'GFLOP/s':36}{'torch.mm':>10}{'oneDNN':>10}{'ratio':>8}")
    for name, (rows, inner, columns) in shapes.items():
        left, right = torch.rand(rows, inner), torch.rand(inner, columns)
        medians = alternate({"mm": repeated(torch.mm, left, right), "onednn": repeated(onednn, left, right)}, rounds=15)
        rates = {kind: 20 * 2e-9 * rows * inner * columns / seconds for kind, seconds in medians.items()}
        print(f"{name:36}{rates['mm']:10.0f}{rates['onednn']:10.0f}{rates['onednn'] / rates['mm']:8.2f}")


if __name__ == "__main__":
    main()
