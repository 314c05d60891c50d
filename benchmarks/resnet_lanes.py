"""ResNet-20 on images of CIFAR-10's shape: lane-iterations and images a second of each engine.

It runs on a GPU if there is one. Compared are a plain PyTorch loop with a DataLoader that flips and crops image by
image, the same loop on resident images that flips and crops the whole batch, and Winnow's loop with some lanes on each
engine; all with momentum, weight decay, masks and augmentation, in float32 (TF32 where PyTorch takes it for
convolutions, as on GPUs) or bfloat16.

Two limits stand beside: the arithmetic one is that of the operations alone at the rate of a large matrix product in the
same precision; the memory one, of every layer's output written once and read once, and in the backward pass read once
more and its gradient written and read, at the rate of a large copy. Both are of one lane by itself.

    python benchmarks/resnet_lanes.py [--lanes 1 2 5 8] [--engines plain graphed] [--network resnet-20] [--device cuda]
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial

import torch
import torch.nn.functional as F
from baseline import initialized, masked_step
from lenet_lanes import UPDATES
from timing import alternate, copy_rate, machine, matrix_product_rate
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from torch.utils.flop_counter import FlopCounterMode

from winnow.course import Noise
from winnow.data import Draws, Resident, draw
from winnow.data.augment import PADDING
from winnow.models import build, initialize
from winnow.training import Batches, Compiled, Graphed, Plain, Stacked, State, optimizer, train_
from winnow.training.engines import Precision

SHAPE, CLASSES, EXAMPLES, BATCH = (3, 32, 32), 10, 45_000, 128
SGD = replace(UPDATES, optimizer="sgd", learning_rate=0.1, momentum=0.9, weight_decay=1e-4)
ENGINES = {"plain": Plain, "stacked": Stacked, "compiled": Compiled, "graphed": Graphed}
PRECISIONS: dict[str, tuple[Precision, torch.dtype]] = {
    "float32": (None, torch.float32),
    "bfloat16": ("bfloat16", torch.bfloat16),
}


class OneByOne(Dataset[tuple[Tensor, Tensor]]):
    """Images that are flipped and cropped one at a time, as a DataLoader asks for them."""

    def __init__(self, images: Tensor, labels: Tensor) -> None:
        self.images, self.labels = images, labels

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        row, column = (int(offset) for offset in torch.randint(0, 2 * PADDING + 1, (2,)))
        padded = F.pad(self.images[index].float() / 255, (PADDING,) * 4)
        cut = padded[:, row : row + SHAPE[1], column : column + SHAPE[2]]
        return (cut.flip(-1) if torch.rand(()) < 0.5 else cut), self.labels[index]


def loaded(images: Tensor, labels: Tensor, workers: int, device: torch.device) -> Iterator[tuple[Tensor, Tensor]]:
    loader = DataLoader(
        OneByOne(images, labels),
        BATCH,
        shuffle=True,
        drop_last=True,
        num_workers=workers,
        pin_memory=device.type == "cuda",
        persistent_workers=workers > 0,
    )
    while True:
        for inputs, targets in loader:
            yield inputs.to(device, non_blocking=True), targets.to(device, non_blocking=True)


def resident(data: Resident) -> Iterator[tuple[Tensor, Tensor]]:
    stream = torch.Generator().manual_seed(0)
    while True:
        index = torch.randint(0, EXAMPLES, (1, BATCH), generator=stream)
        draws = draw(("flip", "crop"), BATCH, stream)
        on_device = Draws(draws.flips.to(data.device), draws.offsets.to(data.device))
        yield data.images_at(index.to(data.device), on_device)[0], data.labels_at(index.to(data.device))[0]


def plain_loop(name: str, batches: Iterator[tuple[Tensor, Tensor]], device: torch.device) -> Callable[[int], None]:
    """The loop that people write, with torch.optim.SGD."""
    model = initialized(name, SHAPE, CLASSES).to(device)
    step = masked_step(model, torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-4))

    def run(iterations: int) -> None:
        for _ in range(iterations):
            step(*next(batches))

    return run


def winnow_loop(name: str, engine: str, lanes: int, precision: Precision, data: Resident) -> Callable[[int], None]:
    """Winnow's own loop, as the executor calls it."""
    module = build(name, SHAPE, CLASSES)
    names = [n for n, _ in module.named_parameters()]
    sgd = optimizer(SGD)

    def initial(lane: int) -> State:
        values = initialize(module, "kaiming-normal", torch.Generator().manual_seed(lane))
        return State.of_values(values, names).with_slots(sgd.slots)

    state = State.filled(map(initial, range(lanes)), lanes, data.device)
    masks = {n: torch.ones_like(p, dtype=torch.bool) for n, p in state.parameters.items() if n.endswith("weight")}
    noises = [Noise(seed=0, replicate=lane) for lane in range(lanes)]
    batches = Batches(data, noises, BATCH, ("flip", "crop"))
    made = ENGINES[engine](module, precision)
    state, masks = made.enter(state, masks)

    def run(iterations: int) -> None:
        stop = state.iteration + iterations
        train_(state, stop, batches=batches, engine=made, optimizer=sgd, rate=lambda _: 0.1, masks=masks)

    return run


def limits(name: str, precision: str, device: torch.device) -> tuple[float, float]:
    """Seconds that one iteration of one lane takes at least: by its operations, and by its layers' outputs."""
    model, dtype = initialized(name, SHAPE, CLASSES).to(device), PRECISIONS[precision][1]
    images = torch.rand(BATCH, *SHAPE, device=device)
    elements: list[int] = []
    layers = [module for module in model.modules() if not list(module.children())]
    hooks = [
        layer.register_forward_hook(lambda _module, _inputs, output: elements.append(output.numel()))
        for layer in layers
    ]
    with FlopCounterMode(display=False) as counter:
        F.cross_entropy(model(images), torch.zeros(BATCH, dtype=torch.int64, device=device)).backward()
    for hook in hooks:
        hook.remove()
    moved = 5 * sum(elements) * dtype.itemsize
    return counter.get_total_flops() / matrix_product_rate(dtype=dtype, device=device), moved / copy_rate(device)


def main() -> None:
    default = "cuda" if torch.cuda.is_available() else "cpu"
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--network", default="resnet-20")
    parser.add_argument("--device", default=default)
    parser.add_argument("--lanes", type=int, nargs="+", default=[1, 2, 3, 4, 5, 6, 7, 8])
    parser.add_argument(
        "--engines", nargs="+", choices=ENGINES, default=["plain", "graphed"][: 1 + (default == "cuda")]
    )
    parser.add_argument("--precisions", nargs="+", choices=PRECISIONS, default=list(PRECISIONS))
    parser.add_argument("--workers", type=int, default=2, help="of the DataLoader")
    parser.add_argument("--iterations", type=int, default=20, help="in each timing")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    device = torch.device(options.device)
    print(machine())

    stream = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (EXAMPLES, *SHAPE), dtype=torch.uint8, generator=stream)
    labels = torch.randint(0, CLASSES, (EXAMPLES,), generator=stream)
    data = Resident(images, labels, mean=None, std=None, scale=255, device=device)

    first = ("PyTorch, DataLoader", "float32", 1)
    loops: dict[tuple[str, str, int], Callable[[int], None]] = {
        first: plain_loop(options.network, loaded(images, labels, options.workers, device), device),
        ("PyTorch, resident", "float32", 1): plain_loop(options.network, resident(data), device),
    }
    for precision in options.precisions:
        for engine in options.engines:
            for lanes in options.lanes:
                made = winnow_loop(options.network, engine, lanes, PRECISIONS[precision][0], data)
                loops[f"Winnow {engine}", precision, lanes] = made

    count = options.iterations
    runs = {str(loop): partial(run, count) for loop, run in loops.items()}
    seconds = alternate(runs, rounds=options.rounds)
    medians = {loop: seconds[str(loop)] for loop in loops}
    least = {precision: limits(options.network, precision, device) for precision in {"float32", *options.precisions}}
    for precision, (arithmetic, memory) in sorted(least.items()):
        print(f"{options.network}, batch {BATCH}, {precision}: limits of arithmetic {1e3 * arithmetic:.3f} ms, "
              f"of memory {1e3 * memory:.3f} ms per lane and iteration")  # fmt: skip
    base = medians[first] / count
    titles = ("ms/lane-it", "lane-it/s", "images/s", "x DataLoader", "of the limit")
    print(f"{'':20}{'':10}{'lanes':>6}" + "".join(f"{title:>14}" for title in titles))
    for (name, precision, lanes), median in medians.items():
        each = median / count / lanes
        rates = f"{1e3 * each:14.3f}{1 / each:14,.1f}{BATCH / each:14,.0f}"
        print(f"{name:20}{precision:10}{lanes:6}{rates}{base / each:14.2f}{each / max(least[precision]):14.2f}")


if __name__ == "__main__":
    main()
