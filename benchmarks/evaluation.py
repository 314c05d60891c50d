"""Evaluating 2,500 images of CIFAR-10's size, so many at a time.

python benchmarks/evaluation.py [--networks conv-2 conv-6 resnet-20] [--rounds 3]
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import torch
from timing import alternate, machine
from torch import Tensor

from winnow.models import build, initialize
from winnow.training import Plain, State

SHAPE, CLASSES, EXAMPLES = (3, 32, 32), 10, 2_500


def evaluation(name: str, images: Tensor, labels: Tensor) -> Callable[[int], None]:
    module = build(name, SHAPE, CLASSES)
    values = initialize(module, "kaiming-normal", torch.Generator().manual_seed(0))
    lane = State.of_values(values, [parameter for parameter, _ in module.named_parameters()])
    engine = Plain(module)
    state, _ = engine.enter(State.stacked([lane], torch.device("cpu")), {})

    def run(size: int) -> None:
        for part, expected in zip(torch.split(images, size), torch.split(labels, size), strict=True):
            engine.evaluate(state, part, expected)

    return run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", nargs="+", default=["conv-2", "conv-6", "resnet-20"])
    parser.add_argument("--sizes", type=int, nargs="+", default=[2_500, 1_000, 500, 250, 125])
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    print(machine())
    stream = torch.Generator().manual_seed(0)
    images = torch.rand(EXAMPLES, *SHAPE, generator=stream)
    labels = torch.randint(0, CLASSES, (EXAMPLES,), generator=stream)
    print(f"{'ms':12}" + "".join(f"{size:>9,}" for size in options.sizes))
    for name in options.networks:
        run = evaluation(name, images, labels)
        medians = alternate(
            {str(size): (lambda size=size, run=run: run(size)) for size in options.sizes}, rounds=options.rounds
        )
        print(f"{name:12}" + "".join(f"{1e3 * medians[str(size)]:9.0f}" for size in options.sizes))


if __name__ == "__main__":
    main()
