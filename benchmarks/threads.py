"""Two lanes of a convolutional network: in turn on all cores, or at once, each in a thread with half of them.

Beside the times stands what part that is of the rate at which the machine multiplies large float32 matrices.

    python benchmarks/threads.py [--networks conv-2 conv-6 resnet-20 vgg-16] [--batch 60] [--rounds 5]
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from functools import partial
from threading import Thread

import torch
from precision import CLASSES, SHAPE, winnow_step
from timing import alternate, machine, matrix_product_rate
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

_STEPS = 3


def in_turn(steps: Sequence[Callable[[], None]]) -> None:
    for _ in range(_STEPS):
        for step in steps:
            step()


def at_once(steps: Sequence[Callable[[], None]]) -> None:
    cores = torch.get_num_threads()

    def run(step: Callable[[], None]) -> None:
        torch.set_num_threads(max(1, cores // len(steps)))
        for _ in range(_STEPS):
            step()

    threads = [Thread(target=run, args=(step,)) for step in steps]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    torch.set_num_threads(cores)


def batch_of(size: int, lane: int) -> tuple[Tensor, Tensor]:
    stream = torch.Generator().manual_seed(lane)
    return torch.rand(size, *SHAPE, generator=stream), torch.randint(0, CLASSES, (size,), generator=stream)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", nargs="+", default=["conv-2", "conv-6", "resnet-20", "vgg-16"])
    parser.add_argument("--batch", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    print(machine())
    print(f"{'ms per iteration of a lane':30}{'in turn':>10}{'at once':>10}{'':8}{'of the rate of products':>25}")
    for name in options.networks:
        steps = [winnow_step(name, *batch_of(options.batch, lane), precision=None) for lane in range(2)]
        with FlopCounterMode(display=False) as counter:
            steps[0]()
        ways = {"in turn": partial(in_turn, steps), "at once": partial(at_once, steps)}
        each = {way: seconds / _STEPS / 2 for way, seconds in alternate(ways, rounds=options.rounds).items()}
        ratio = each["in turn"] / each["at once"]
        part = counter.get_total_flops() / matrix_product_rate() / min(each.values())
        print(f"{name:30}{1e3 * each['in turn']:10.1f}{1e3 * each['at once']:10.1f}{ratio:6.2f} x{100 * part:23.0f} %")


if __name__ == "__main__":
    main()
