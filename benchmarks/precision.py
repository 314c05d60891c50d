"""Conv-6 and ResNet-20: one training iteration in float32 and bfloat16, against a plain float32 PyTorch loop.

Each has a process of its own, for Winnow's keeps freed memory; they take turns. What the plain loop would gain by
keeping it too, which nothing does by itself, is shown beside.

python benchmarks/precision.py [--batch 128] [--rounds 5] [--networks conv-6 resnet-20]
"""

from __future__ import annotations

import argparse
import multiprocessing
from collections.abc import Callable
from functools import partial
from multiprocessing.connection import Connection

import torch
from baseline import initialized, masked_step
from lenet_lanes import UPDATES
from timing import alternate, machine
from torch import Tensor

from winnow.models import build, initialize
from winnow.training import Plain, State, optimizer
from winnow.training.engines import Precision
from winnow.training.heap import keep_freed_memory

SHAPE, CLASSES = (3, 32, 32), 10


def plain_loop(name: str, images: Tensor, labels: Tensor) -> Callable[[], None]:
    """An iteration of the loop that people write, with torch.optim.Adam."""
    model = initialized(name, SHAPE, CLASSES)
    return partial(masked_step(model, torch.optim.Adam(model.parameters(), lr=1e-4)), images, labels)


def winnow_step(name: str, images: Tensor, labels: Tensor, precision: Precision) -> Callable[[], None]:
    """One iteration of Winnow's plain engine, which lays images out channels-last."""
    module = build(name, SHAPE, CLASSES)
    adam = optimizer(UPDATES)
    values = initialize(module, "kaiming-normal", torch.Generator().manual_seed(0))
    state = State.of_values(values, [n for n, _ in module.named_parameters()]).with_slots(adam.slots)
    engine = Plain(module, precision)
    state, _ = engine.enter(state, {})
    slots = {slot: list(tensors.values()) for slot, tensors in state.slots.items()}

    def run() -> None:
        _, gradients = engine.gradients(state, images.unsqueeze(0), labels.unsqueeze(0))
        adam.update_(list(state.parameters.values()), gradients, slots, 1e-4, state.age)

    return run


class Worker:
    """A candidate in a process of its own, which takes a step when it is called."""

    def __init__(self, name: str, candidate: str, batch: int, threads: int) -> None:
        context = multiprocessing.get_context("spawn")
        self.ours, theirs = context.Pipe()
        context.Process(target=_serve, args=(theirs, name, candidate, batch, threads), daemon=True).start()

    def __call__(self) -> None:
        self.ours.send(True)
        self.ours.recv()

    def end(self) -> None:
        """Let the process go."""
        self.ours.send(False)


def _serve(pipe: Connection, name: str, candidate: str, batch: int, threads: int) -> None:
    torch.set_num_threads(threads)
    stream = torch.Generator().manual_seed(0)
    images = torch.rand(batch, *SHAPE, generator=stream)
    labels = torch.randint(0, CLASSES, (batch,), generator=stream)
    step = CANDIDATES[candidate](name, images, labels)
    while pipe.recv():
        step()
        pipe.send(True)


def plain_loop_keeping_memory(name: str, images: Tensor, labels: Tensor) -> Callable[[], None]:
    """The plain loop in a process that keeps freed memory."""
    keep_freed_memory()
    return plain_loop(name, images, labels)


CANDIDATES: dict[str, Callable[[str, Tensor, Tensor], Callable[[], None]]] = {
    "PyTorch float32": plain_loop,
    "PyTorch float32, memory kept": plain_loop_keeping_memory,
    "Winnow float32": partial(winnow_step, precision=None),
    "Winnow bfloat16": partial(winnow_step, precision="bfloat16"),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--networks", nargs="+", default=["conv-6", "resnet-20"])
    options = parser.parse_args()
    print(machine())
    print(f"bfloat16 in this processor's instructions: {torch.ops.mkldnn._is_mkldnn_bf16_supported()}")
    for name in options.networks:
        workers = {each: Worker(name, each, options.batch, torch.get_num_threads()) for each in CANDIDATES}
        medians = alternate(workers, rounds=options.rounds)
        for worker in workers.values():
            worker.end()
        base = medians["PyTorch float32"]
        for candidate, seconds in medians.items():
            print(f"{name:12}{candidate:30}{1e3 * seconds:10.1f} ms{base / seconds:8.2f} x")


if __name__ == "__main__":
    main()
