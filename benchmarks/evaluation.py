"""Evaluating 2,500 images, so many at a time: one lane of a network on CIFAR-10's size, and LeNet's lanes on MNIST's.

LeNet is evaluated by the perceptron engine, dense and with few weights left, where its products are sparse.

    python benchmarks/evaluation.py [--networks conv-2 conv-6 resnet-20] [--lanes 11] [--rounds 3]
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping

import torch
from timing import alternate, machine
from torch import Tensor, nn

from winnow.models import build, initialize
from winnow.training import Perceptron, Plain, State

CIFAR, MNIST, CLASSES, EXAMPLES = (3, 32, 32), (1, 28, 28), 10, 2_500


def one_lane(name: str) -> Callable[[int], None]:
    """The plain engine on a lane of a network."""
    module = build(name, CIFAR, CLASSES)
    values = initialize(module, "kaiming-normal", torch.Generator().manual_seed(0))
    state = State.stacked([State.of_values(values, _names(module))], torch.device("cpu"))
    return _evaluation(Plain(module), state, {}, CIFAR)


def lanes_of_lenet(lanes: int, density: float) -> Callable[[int], None]:
    """The perceptron engine on lanes of LeNet-300-100 with so many of their weights left."""
    module = build("lenet-300-100", MNIST, CLASSES)
    stream = torch.Generator().manual_seed(0)
    each = [State.of_values(initialize(module, "glorot-normal", stream), _names(module)) for _ in range(lanes)]
    state = State.stacked(each, torch.device("cpu"))
    kernels = {name: values for name, values in state.parameters.items() if name.endswith("weight")}
    masks = {name: torch.rand(values.shape, generator=stream).lt_(density) for name, values in kernels.items()}
    for name, mask in masks.items():
        kernels[name].mul_(mask)
    return _evaluation(Perceptron(module, masks), state, masks, MNIST)


def _names(module: nn.Module) -> list[str]:
    return [name for name, _ in module.named_parameters()]


def _evaluation(
    engine: Plain | Perceptron, given: State, masks: Mapping[str, Tensor], shape: tuple[int, ...]
) -> Callable[[int], None]:
    """All images, so many at a time."""
    state, _ = engine.enter(given, masks)
    stream = torch.Generator().manual_seed(0)
    images = torch.rand(EXAMPLES, *shape, generator=stream)
    labels = torch.randint(0, CLASSES, (EXAMPLES,), generator=stream)

    def run(size: int) -> None:
        for part, expected in zip(torch.split(images, size), torch.split(labels, size), strict=True):
            engine.evaluate(state, part, expected)

    return run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", nargs="*", default=["conv-2", "conv-6", "resnet-20"])
    parser.add_argument("--sizes", type=int, nargs="+", default=[2_500, 1_000, 500, 250, 125])
    parser.add_argument("--lanes", type=int, default=11)
    parser.add_argument("--densities", type=float, nargs="*", default=[1.0, 0.15, 0.05])
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    print(machine())
    evaluations = {name: one_lane(name) for name in options.networks}
    for density in options.densities:
        name = f"{options.lanes} lanes of LeNet, {100 * density:g} %"
        evaluations[name] = lanes_of_lenet(options.lanes, density)
    print(f"{'ms':26}" + "".join(f"{size:>9,}" for size in options.sizes))
    for name, run in evaluations.items():
        medians = alternate(
            {str(size): (lambda size=size, run=run: run(size)) for size in options.sizes}, rounds=options.rounds
        )
        print(f"{name:26}" + "".join(f"{1e3 * medians[str(size)]:9.0f}" for size in options.sizes))


if __name__ == "__main__":
    main()
