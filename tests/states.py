"""Training states, held against each other to the bit."""

from __future__ import annotations

import torch
from torch import Tensor

from winnow.training import State


def tensors(of: State) -> dict[str, Tensor]:
    slots = {f"{slot}/{name}": tensor for slot, by_name in of.slots.items() for name, tensor in by_name.items()}
    return of.parameters | of.buffers | slots


def assert_same_bits(one: State, other: State) -> None:
    assert (one.iteration, one.age) == (other.iteration, other.age)
    assert tensors(one).keys() == tensors(other).keys()
    for name, tensor in tensors(one).items():
        assert torch.equal(tensor, tensors(other)[name]), name
