from __future__ import annotations

import pytest
import torch

from winnow.pruning import Mask
from winnow.training import State

CPU = torch.device("cpu")


def state(fill: float = 1.0, *, iteration: int = 5, age: int = 3, slots: tuple[str, ...] = ("mean", "square")) -> State:
    parameters = {"fc.weight": torch.full((1, 2, 3), fill), "fc.bias": torch.full((1, 2), fill)}
    return State(
        iteration,
        age,
        parameters,
        {"norm.running_mean": torch.full((1, 2), fill), "norm.num_batches_tracked": torch.tensor([int(fill)])},
        {slot: {name: torch.full_like(p, fill + 0.5) for name, p in parameters.items()} for slot in slots},
        torch.full((1, 4), fill),
    )


def tensors(of: State) -> dict[str, torch.Tensor]:
    slots = {f"{slot}/{name}": tensor for slot, by_name in of.slots.items() for name, tensor in by_name.items()}
    return of.parameters | of.buffers | slots | {"window": of.window}


def test_lanes_put_together_come_apart_as_they_were() -> None:
    alone = [state(1.0), state(2.0), state(3.0)]
    together = State.stacked(alone, CPU)
    assert (together.lanes, together.iteration, together.age) == (3, 5, 3)
    for number, lane in enumerate(alone):
        taken = together.lane(number)
        assert (taken.lanes, taken.iteration, taken.age) == (1, 5, 3)
        assert tensors(taken).keys() == tensors(lane).keys()
        for name, tensor in tensors(taken).items():
            assert torch.equal(tensor, tensors(lane)[name]), name
            assert tensor.dtype == tensors(lane)[name].dtype


def test_a_lane_that_was_taken_out_is_a_copy() -> None:
    together = State.stacked([state(1.0), state(2.0)], CPU)
    taken = together.lane(1)
    for tensor in tensors(together).values():
        tensor.zero_()
    assert all(bool(tensor.all()) for tensor in tensors(taken).values())


def test_lanes_that_were_put_together_are_copies() -> None:
    for count in (1, 2):
        alone = [state(1.0) for _ in range(count)]
        together = State.stacked(alone, CPU)
        for tensor in tensors(together).values():
            tensor.zero_()
        assert all(bool(tensor.all()) for lane in alone for tensor in tensors(lane).values())


@pytest.mark.parametrize("other", [state(iteration=6), state(age=4)])
def test_lanes_at_different_iterations_cannot_be_put_together(other: State) -> None:
    with pytest.raises(ValueError, match="lanes of one batch must be at the same iteration"):
        State.stacked([state(), other], CPU)


@pytest.mark.parametrize(
    "slots, fresh, age, value",
    [
        (("mean", "square"), False, 3, 1.5),  # saved ones are kept
        (("mean", "square"), True, 0, 0.0),
        (("momentum",), False, 0, 0.0),  # another optimizer's
        (("momentum",), True, 0, 0.0),
    ],
)
def test_an_optimizer_gets_the_buffers_that_were_saved_or_zeros(
    slots: tuple[str, ...], fresh: bool, age: int, value: float
) -> None:
    found = state().with_slots(slots, fresh=fresh)
    assert (found.age, found.iteration) == (age, 5)
    assert list(found.slots) == list(slots)
    for by_name in found.slots.values():
        assert {name: tensor.shape for name, tensor in by_name.items()} == {"fc.weight": (1, 2, 3), "fc.bias": (1, 2)}
        assert all(bool((tensor == value).all()) for tensor in by_name.values())


def test_a_state_without_buffers_is_at_age_zero() -> None:
    found = state(slots=()).with_slots(("momentum",))
    assert found.age == 0
    assert not found.slots["momentum"]["fc.weight"].any()


def test_a_mask_zeroes_weights_and_the_optimizers_buffers_in_every_lane() -> None:
    together = State.stacked([state(1.0), state(2.0)], CPU)
    kept = torch.tensor([[True, False, True], [False, False, True]])
    together.apply_(Mask({"fc.weight": kept}))
    for masked in (together.parameters, *together.slots.values()):
        assert not masked["fc.weight"][:, ~kept].any()
        assert bool(masked["fc.weight"][:, kept].all())
        assert bool(masked["fc.bias"].all())
    assert bool(together.buffers["norm.running_mean"].all())


def test_a_mask_zeroes_what_is_not_finite() -> None:
    one = state()
    one.parameters["fc.weight"].fill_(float("nan"))
    one.apply_(Mask({"fc.weight": torch.zeros(2, 3, dtype=torch.bool)}))
    assert not one.parameters["fc.weight"].any()


def test_fresh_values_are_told_into_parameters_and_buffers() -> None:
    values = {"fc.weight": torch.ones(2, 3), "norm.running_mean": torch.zeros(2)}
    made = State.of_values(values, ["fc.weight"])
    assert (made.iteration, made.age, made.lanes, made.slots) == (0, 0, 1, {})
    assert made.parameters["fc.weight"].shape == (1, 2, 3)
    assert made.buffers["norm.running_mean"].shape == (1, 2)
    assert made.values().keys() == values.keys()
    assert all(torch.equal(made.values()[name], values[name]) for name in values)


def test_a_state_dict_is_of_one_lane() -> None:
    with pytest.raises(ValueError, match="a state dict is of one lane; this state has 2"):
        State.stacked([state(), state()], CPU).values()


def test_another_training_starts_without_the_losses_of_this_one() -> None:
    assert state().restarted().window.shape == (1, 0)
