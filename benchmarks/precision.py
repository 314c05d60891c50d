"""Conv-6 and ResNet-20: one training iteration in float32 and bfloat16, against a plain float32 PyTorch loop.

python benchmarks/precision.py [--batch 128] [--rounds 5] [--networks conv-6 resnet-20]
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import torch
import torch.nn.functional as F
from lenet_lanes import UPDATES
from timing import alternate, machine
from torch import Tensor

from winnow.models import build, initialize
from winnow.training import Plain, State, optimizer

SHAPE, CLASSES = (3, 32, 32), 10


def plain_loop(name: str, images: Tensor, labels: Tensor) -> Callable[[], None]:
    """What people write: the module itself in float32, torch.optim.Adam, and weights masked after each step."""
    model = build(name, SHAPE, CLASSES).to_empty(device="cpu")
    model.load_state_dict(initialize(model, "kaiming-normal", torch.Generator().manual_seed(0)))
    adam = torch.optim.Adam(model.parameters(), lr=1e-4)
    masks = {n: torch.ones_like(p) for n, p in model.named_parameters() if p.ndim > 1}

    def run() -> None:
        adam.zero_grad()
        F.cross_entropy(model(images), labels).backward()
        adam.step()
        with torch.no_grad():
            for n, p in model.named_parameters():
                if n in masks:
                    p.mul_(masks[n])

    return run


def winnow_step(name: str, images: Tensor, labels: Tensor, precision: str | None) -> Callable[[], None]:
    """One iteration of Winnow's plain engine, which lays images out channels-last."""
    module = build(name, SHAPE, CLASSES)
    adam = optimizer(UPDATES)
    values = initialize(module, "kaiming-normal", torch.Generator().manual_seed(0))
    state = State.of_values(values, [n for n, _ in module.named_parameters()]).with_slots(adam.slots)
    engine = Plain(module, precision)
    slots = {slot: list(tensors.values()) for slot, tensors in state.slots.items()}

    def run() -> None:
        _, gradients = engine.gradients(state, images.unsqueeze(0), labels.unsqueeze(0))
        adam.update_(list(state.parameters.values()), gradients, slots, 1e-4, state.age)

    return run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--networks", nargs="+", default=["conv-6", "resnet-20"])
    options = parser.parse_args()
    print(machine())
    print(f"bfloat16 in this processor's instructions: {torch.ops.mkldnn._is_mkldnn_bf16_supported()}")
    stream = torch.Generator().manual_seed(0)
    images = torch.rand(options.batch, *SHAPE, generator=stream)
    labels = torch.randint(0, CLASSES, (options.batch,), generator=stream)
    for name in options.networks:
        candidates = {
            "PyTorch float32": plain_loop(name, images, labels),
            "Winnow float32": winnow_step(name, images, labels, None),
            "Winnow bfloat16": winnow_step(name, images, labels, "bfloat16"),
        }
        medians = alternate(candidates, rounds=options.rounds)
        base = medians["PyTorch float32"]
        for candidate, seconds in medians.items():
            print(f"{name:12}{candidate:18}{1e3 * seconds:10.1f} ms{base / seconds:8.2f} x")


if __name__ == "__main__":
    main()
