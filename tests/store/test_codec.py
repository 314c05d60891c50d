from __future__ import annotations

import json

import pytest
import torch
from safetensors.torch import load, save
from torch import Tensor

from winnow.errors import CorruptResult
from winnow.steps import Content
from winnow.store import codec
from winnow.training import State

STREAM = torch.Generator().manual_seed(0)


def state(slots: tuple[str, ...] = ("mean", "square"), window: int = 3) -> State:
    """One lane with every kind of tensor that networks have."""
    parameters = {
        "z.weight": torch.randn(1, 4, 3, generator=STREAM),
        "a.bias": torch.tensor([[0.0, -0.0, float("inf"), float("nan"), 1e-45]]),
        "half.weight": torch.randn(1, 2, 2, generator=STREAM).bfloat16(),
        "scalar": torch.randn(1, generator=STREAM),
        "transposed": torch.randn(1, 5, 2, generator=STREAM).mT,
    }
    buffers = {
        "norm.num_batches_tracked": torch.tensor([2**60 + 1]),
        "norm.running_var": torch.randn(1, 4, generator=STREAM).double(),
        "table": torch.tensor([[True, False, True]]),
        "empty": torch.empty(1, 0),
    }
    by_slot = {slot: {name: torch.randn_like(p) for name, p in parameters.items()} for slot in slots}
    return State(12_345, 678, parameters, buffers, by_slot, torch.randn(1, window, generator=STREAM))


def bits(tensor: Tensor) -> bytes:
    return tensor.contiguous().flatten().view(torch.uint8).numpy().tobytes()


def assert_same_bits(one: dict[str, Tensor], other: dict[str, Tensor]) -> None:
    assert list(one) == list(other)  # order too: gradients are matched to parameters by it
    for name, tensor in one.items():
        assert (tensor.dtype, tensor.shape) == (other[name].dtype, other[name].shape), name
        assert bits(tensor) == bits(other[name]), name


@pytest.mark.parametrize("slots", [("mean", "square"), ("momentum",), ()])
@pytest.mark.parametrize("window", [0, 3])
def test_a_state_survives_to_the_bit(slots: tuple[str, ...], window: int) -> None:
    saved = state(slots, window)
    again = codec.decode(codec.encode(saved, Content.FULL))
    assert (again.iteration, again.age, again.lanes) == (12_345, 678, 1)
    assert_same_bits(again.parameters, saved.parameters)
    assert_same_bits(again.buffers, saved.buffers)
    assert list(again.slots) == list(saved.slots)
    for slot, by_name in saved.slots.items():
        assert_same_bits(again.slots[slot], by_name)
    assert_same_bits({"window": again.window}, {"window": saved.window})


def test_a_state_without_the_optimizers_buffers_has_its_weights_still() -> None:
    saved = state()
    content = codec.encode(saved, Content.WEIGHTS)
    again = codec.decode(content)
    assert again.slots == {}
    assert_same_bits(again.parameters, saved.parameters)
    assert_same_bits(again.buffers, saved.buffers)
    assert len(content) < len(codec.encode(saved, Content.FULL))
    assert codec.encode(again, Content.WEIGHTS) == codec.encode(codec.decode(content), Content.WEIGHTS)


def test_one_lane_of_several_can_be_saved() -> None:
    lanes = [state(), state()]
    together = State.stacked(lanes, torch.device("cpu"))
    again = codec.decode(codec.encode(together.lane(1), Content.FULL))
    assert_same_bits(again.parameters, lanes[1].parameters)


def test_a_saved_state_is_safetensors_that_others_can_read() -> None:
    content = codec.encode(state(), Content.FULL)
    assert load(content)["parameters/z.weight"].shape == (4, 3)
    assert load(content)["slots/mean/z.weight"].shape == (4, 3)


WHOLE = codec.encode(state(), Content.FULL)


def described(header: object) -> bytes:
    return save({"window": torch.empty(0)}, metadata={"winnow": json.dumps(header)})


@pytest.mark.parametrize(
    "content, message",
    [
        (b"", "its state cannot be read"),
        (WHOLE[:-1], "its state cannot be read"),
        (WHOLE[:100], "its state cannot be read"),
        (b"\xff" * 100, "its state cannot be read"),
        (save({"window": torch.ones(1)}), "its state cannot be read"),
        (described({"format": 1}), "its state cannot be read"),
        (described([]), "its state cannot be read"),
        (described({"format": 1, "order": [], "iteration": 0, "age": 0}), "its state cannot be read"),
        (described({"format": 2}), "its state has format 2; this Winnow reads 1"),
    ],
)
def test_what_is_not_a_state_is_refused(content: bytes, message: str) -> None:
    with pytest.raises(CorruptResult, match=message):
        codec.decode(content)
