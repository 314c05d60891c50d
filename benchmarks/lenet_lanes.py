"""LeNet-300-100 on images of MNIST's shape: the cost of one iteration of one lane.

Compared are a plain PyTorch loop with a DataLoader over tensors, the same without one, and Winnow's loop with 1
to 32 lanes and at low densities, all with Adam and masks. The arithmetic limit is that of the products alone, at the
rate of a large matrix product.

    python benchmarks/lenet_lanes.py [--batch 128] [--lanes 1 2 5 10 16 32] [--densities 0.2 0.05]
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator

import torch
from baseline import masked_step
from timing import alternate, machine, matrix_product_rate
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from winnow.course import Noise, Updates
from winnow.data import Resident
from winnow.models import build, initialize
from winnow.training import Batches, Perceptron, Plain, Stacked, State, optimizer, train_

SHAPE, CLASSES, EXAMPLES = (1, 28, 28), 10, 55_000
UPDATES = Updates(
    optimizer="adam",
    learning_rate=1.2e-3,
    momentum=0.0,
    beta1=0.9,
    beta2=0.999,
    epsilon=1e-8,
    weight_decay=0.0,
    warmup=0,
    drops=(),
    factor=0.1,
)


def network() -> nn.Sequential:
    return nn.Sequential(
        nn.Flatten(), nn.Linear(784, 300), nn.ReLU(), nn.Linear(300, 100), nn.ReLU(), nn.Linear(100, 10)
    )


def plain_loop(batches: Iterator[tuple[Tensor, Tensor]]) -> Callable[[int], None]:
    """The loop that people write, with torch.optim.Adam."""
    model = network()
    step = masked_step(model, torch.optim.Adam(model.parameters(), lr=1.2e-3))

    def run(iterations: int) -> None:
        for _ in range(iterations):
            step(*next(batches))

    return run


def forever(loader: DataLoader[tuple[Tensor, ...]]) -> Iterator[tuple[Tensor, Tensor]]:
    while True:
        yield from loader


def tight(images: Tensor, labels: Tensor, batch: int) -> Iterator[tuple[Tensor, Tensor]]:
    while True:
        order = torch.randperm(len(images))
        for index in torch.split(order, batch):
            yield images[index], labels[index]


def winnow_loop(
    engine_of: type[Plain] | type[Stacked] | type[Perceptron],
    lanes: int,
    data: Resident,
    batch: int,
    density: float = 1.0,
) -> Callable[[int], None]:
    """Winnow's own loop, as the executor calls it."""
    module = build("lenet-300-100", SHAPE, CLASSES)
    names = [name for name, _ in module.named_parameters()]
    adam = optimizer(UPDATES)

    def initial(lane: int) -> State:
        values = initialize(module, "glorot-normal", torch.Generator().manual_seed(lane))
        return State.of_values(values, names).with_slots(adam.slots)

    state = State.filled(map(initial, range(lanes)), lanes, torch.device("cpu"))
    kernels = {name: p for name, p in state.parameters.items() if name.endswith("weight")}
    stream = torch.Generator().manual_seed(0)
    masks = {name: torch.rand(p.shape, generator=stream).lt_(density) for name, p in kernels.items()}
    for name, mask in masks.items():
        state.parameters[name].mul_(mask)
    batches = Batches(data, [Noise(seed=0, replicate=lane) for lane in range(lanes)], batch)
    engine = Perceptron(module, masks) if issubclass(engine_of, Perceptron) else engine_of(module)
    state, masks = engine.enter(state, masks)

    def run(iterations: int) -> None:
        stop = state.iteration + iterations
        train_(state, stop, batches=batches, engine=engine, optimizer=adam, rate=lambda _: 1.2e-3, masks=masks)

    return run


def flops(batch: int) -> float:
    """Of one lane's iteration: forward and weights' gradients everywhere, inputs' gradients but in the first layer."""
    layers = [784 * 300, 300 * 100, 100 * 10]
    return 2.0 * batch * (2 * sum(layers) + sum(layers[1:]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--lanes", type=int, nargs="+", default=[1, 2, 5, 10, 16, 32])
    parser.add_argument("--densities", type=float, nargs="*", default=[0.2, 0.1, 0.05, 0.03])
    parser.add_argument("--iterations", type=int, default=20, help="in each timing")
    parser.add_argument("--rounds", type=int, default=9)
    options = parser.parse_args()
    print(machine())

    stream = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (EXAMPLES, *SHAPE), dtype=torch.uint8, generator=stream)
    labels = torch.randint(0, CLASSES, (EXAMPLES,), generator=stream)
    floats = images.float() / 255
    data = Resident(images, labels, mean=None, std=None, scale=255, device="cpu")
    loader = DataLoader(TensorDataset(floats, labels), batch_size=options.batch, shuffle=True, drop_last=True)

    loops = {
        "PyTorch, DataLoader over tensors": (plain_loop(forever(loader)), 1),
        "PyTorch, resident tensors": (plain_loop(tight(floats, labels, options.batch)), 1),
        "Winnow plain, 1 lane": (winnow_loop(Plain, 1, data, options.batch), 1),
    }
    for lanes in options.lanes:
        loops[f"Winnow perceptron, {lanes} lanes"] = (winnow_loop(Perceptron, lanes, data, options.batch), lanes)
    loops["Winnow stacked, 10 lanes"] = (winnow_loop(Stacked, 10, data, options.batch), 10)
    for density in options.densities:
        name = f"Winnow perceptron, 10 lanes, {100 * density:g} %"
        loops[name] = (winnow_loop(Perceptron, 10, data, options.batch, density), 10)

    count = options.iterations
    medians = alternate({name: (lambda run=run: run(count)) for name, (run, _) in loops.items()}, rounds=options.rounds)
    limit = flops(options.batch) / matrix_product_rate()
    base = medians["PyTorch, DataLoader over tensors"] / count
    print(f"batch {options.batch}; arithmetic limit {1e3 * limit:.3f} ms per lane and iteration")
    print(f"{'':38}{'ms/lane-it':>11}{'x DataLoader':>14}{'of the limit':>14}")
    for name, (_, lanes) in loops.items():
        each = medians[name] / count / lanes
        print(f"{name:38}{1e3 * each:11.3f}{base / each:14.2f}{each / limit:14.2f}")


if __name__ == "__main__":
    main()
