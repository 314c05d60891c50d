"""Masks that change in training: exact counts at every update, what is removed and added, and all engines alike."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from winnow.course import Noise, Updates
from winnow.dynamic import Dynamic, Method
from winnow.training import Batches, Observer, Plain, Rewiring, Stacked, State, begun, learning_rate, optimizer, train_

from .test_loop import ADAM, CPU, EXAMPLES, RMSPROP, SGD, fresh, small

SIZES = {"conv.weight": 36, "fc1.weight": 512, "output.weight": 24}
KEPT = (("conv.weight", 20), ("fc1.weight", 100), ("output.weight", 12))

GMP = Dynamic(method="gmp", kept=KEPT, start=3, every=4, end=21)
SET = Dynamic(method="set", kept=KEPT, every=4, end=21, drop=0.3)
RIGL = Dynamic(method="rigl", kept=KEPT, every=4, end=21, drop=0.3)
SCHEDULES = [GMP, SET, RIGL]
NOISES = [Noise(seed=0, replicate=replicate) for replicate in range(len(SCHEDULES))]


class Doubles:
    """The batches of `Batches`, in float64."""

    def __init__(self, noises: list[Noise], dtype: torch.dtype) -> None:
        self.batches, self.dtype = Batches(EXAMPLES, noises, 12), dtype

    def at(self, iteration: int) -> tuple[Tensor, Tensor]:
        images, labels = self.batches.at(iteration)
        return images.to(self.dtype), labels


def started(updates: Updates = SGD, dtype: torch.dtype = torch.float32) -> State:
    lanes = []
    for number, schedule in enumerate(SCHEDULES):
        state = fresh([number], updates)
        for tensors in (state.parameters, state.buffers, *state.slots.values()):
            for name, tensor in tensors.items():
                tensors[name] = tensor.to(dtype) if tensor.is_floating_point() else tensor
        lanes.append(begun(state, schedule, NOISES[number]))
    return State.stacked(lanes, CPU)


def trained(
    state: State,
    stop: int,
    engine: type[Plain | Stacked] = Plain,
    updates: Updates = SGD,
    observer: Observer | None = None,
) -> None:
    train_(
        state,
        stop,
        batches=Doubles(NOISES, state.masks["fc1.weight"].dtype),
        engine=engine(small()),
        optimizer=optimizer(updates),
        rate=lambda iteration: learning_rate(updates, iteration),
        masks=state.masks,
        rewiring=Rewiring(SCHEDULES, NOISES),
        observers=[observer] if observer else [],
    )


@pytest.mark.parametrize("updates", [SGD, ADAM, RMSPROP], ids=lambda updates: updates.optimizer)
def test_at_every_iteration_each_lane_keeps_exactly_as_many_weights_as_its_schedule_says(updates: Updates) -> None:
    state = started(updates)
    seen: list[int] = []

    def look(now: State, losses: Tensor) -> None:
        behind = max([due for due in range(now.iteration) if GMP.is_due(due)], default=None)
        for lane, schedule in enumerate(SCHEDULES):
            for name, kept in KEPT:
                mask = now.masks[name][lane]
                count = kept
                if schedule is GMP:
                    count = SIZES[name] if behind is None else schedule.count(SIZES[name], kept, behind)
                assert int(mask.sum()) == count, (schedule.method, name, now.iteration)
                for tensors in (now.parameters, *now.slots.values()):
                    assert not tensors[name][lane][mask == 0].any()
        seen.append(now.iteration)

    trained(state, 30, updates=updates, observer=look)
    assert seen == list(range(1, 31))
    assert all(int(state.masks[name][0].sum()) == kept for name, kept in KEPT)


def test_engines_agree_on_masks_and_weights() -> None:
    plain, stacked = started(dtype=torch.float64), started(dtype=torch.float64)
    trained(plain, 25, Plain)
    trained(stacked, 25, Stacked)
    for name, mask in plain.masks.items():
        assert torch.equal(mask, stacked.masks[name])
        torch.testing.assert_close(plain.parameters[name], stacked.parameters[name], rtol=1e-9, atol=1e-11)


def test_a_lane_trains_as_it_does_alone() -> None:
    together = started(dtype=torch.float64)
    trained(together, 25)
    for lane, (schedule, noise) in enumerate(zip(SCHEDULES, NOISES, strict=True)):
        alone = started(dtype=torch.float64).lane(lane)
        train_(
            alone,
            25,
            batches=Doubles([noise], torch.float64),
            engine=Plain(small()),
            optimizer=optimizer(SGD),
            rate=lambda iteration: learning_rate(SGD, iteration),
            masks=alone.masks,
            rewiring=Rewiring([schedule], [noise]),
        )
        for name, mask in alone.masks.items():
            assert torch.equal(mask[0], together.masks[name][lane])
            torch.testing.assert_close(alone.parameters[name][0], together.parameters[name][lane])


WEIGHTS = [5.0, -0.1, 0.2, 0.0, 0.0, 0.0, -3.0, 0.3]
MASK = [1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 1.0, 1.0]


def one_layer(weights: list[float], mask: list[float]) -> State:
    parameters = {"w": torch.tensor([weights]), "b": torch.ones(1, 2)}
    slots = {"momentum": {"w": torch.tensor([mask]), "b": torch.ones(1, 2)}}
    return State(4, 4, parameters, {}, slots, masks={"w": torch.tensor([mask])})


@pytest.mark.parametrize(
    "gradient, after",
    [
        ([0.0, 0.0, 0.0, 1.0, -2.0, 0.5, 0.0, 0.0], [1, 0, 0, 1, 1, 0, 1, 1]),
        ([9.0, 9.0, 0.0, 1.0, 0.0, -2.0, 9.0, 9.0], [1, 1, 0, 0, 0, 1, 1, 1]),  # a weight may come back at once
        ([0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 0.0, 0.0], [1, 0, 0, 0, 1, 1, 1, 1]),  # ties by position
    ],
)
def test_rigl_removes_the_smallest_weights_and_adds_where_the_gradient_is_largest(
    gradient: list[float], after: list[int]
) -> None:
    schedule = Dynamic(method="rigl", kept=(("w", 5),), every=4, end=1_000_000, drop=0.4)
    state = one_layer(WEIGHTS, MASK)
    Rewiring([schedule], NOISES[:1]).update_(state, [torch.tensor([gradient]), torch.ones(1, 2)], 4)
    assert state.masks["w"][0].tolist() == after
    stays = torch.tensor(after) * torch.tensor(MASK)  # those that came back at once among them
    assert torch.equal(state.parameters["w"][0], torch.tensor(WEIGHTS) * stays)  # added weights stand at zero
    assert torch.equal(state.slots["momentum"]["w"][0], torch.tensor(MASK) * stays)  # and so do their buffers
    assert state.parameters["b"].all() and state.slots["momentum"]["b"].all()


@pytest.mark.parametrize("method", ["set", "rigl"])
def test_a_layer_that_is_whole_is_left_alone(method: Method) -> None:
    schedule = Dynamic(method=method, kept=(("w", 8),), every=4, end=100, drop=0.4)
    weights = [5.0, -0.1, 0.2, 0.4, 0.1, -0.3, -3.0, 0.3]
    state = one_layer(weights, [1.0] * 8)
    Rewiring([schedule], NOISES[:1]).update_(state, [torch.rand(1, 8), torch.ones(1, 2)], 4)
    assert state.masks["w"].all() and state.slots["momentum"]["w"].all()
    assert torch.equal(state.parameters["w"][0], torch.tensor(weights))


def test_set_removes_the_smallest_weights_and_adds_by_chance_whatever_the_gradient() -> None:
    schedule = Dynamic(method="set", kept=(("w", 5),), every=4, end=100, drop=0.4)
    found: dict[int, list[float]] = {}
    for replicate in range(12):
        state = one_layer(WEIGHTS, MASK)
        noise = Noise(seed=0, replicate=replicate)
        Rewiring([schedule], [noise]).update_(state, [torch.rand(1, 8), torch.ones(1, 2)], 4)
        found[replicate] = state.masks["w"][0].tolist()
        assert sum(found[replicate]) == 5 and [found[replicate][at] for at in (0, 6, 7)] == [1, 1, 1]
    assert {at for mask in found.values() for at in range(8) if mask[at]} == set(range(8))
    again = one_layer(WEIGHTS, MASK)
    Rewiring([schedule], NOISES[:1]).update_(again, [torch.rand(1, 8), torch.ones(1, 2)], 4)
    assert again.masks["w"][0].tolist() == found[0]


def test_gradual_pruning_removes_for_good() -> None:
    state, before = started(), torch.ones(1)
    for stop in (8, 12, 16, 22, 30):
        trained(state, stop)
        mask = state.masks["fc1.weight"][0]
        assert not ((mask == 1) & (before == 0)).any()
        before = mask.clone()
    assert before.sum() == 100


def test_random_first_masks_are_the_replicates_own_and_shared_by_methods() -> None:
    masks = [
        begun(fresh([0], SGD), schedule, Noise(seed=0, replicate=replicate)).masks["fc1.weight"]
        for schedule, replicate in ((SET, 0), (RIGL, 0), (SET, 1))
    ]
    assert torch.equal(masks[0], masks[1]) and not torch.equal(masks[0], masks[2])


def test_a_training_whose_mask_changes_has_no_mask_of_another_step() -> None:
    from winnow.experiments import imp
    from winnow.recipes import read

    ticket = imp(read("digits").edited({"levels": 1})).rows[-1].trained
    with pytest.raises(ValueError, match="changes, or it is another step's"):
        replace(ticket, dynamic=SET)


def test_layers_of_one_shape_get_other_weights_by_chance() -> None:
    schedule = Dynamic(method="set", kept=(("first", 50), ("second", 50)), every=4, end=21, drop=0.5)
    mask = (torch.arange(100.0) >= 50).float().unsqueeze(0)
    weights = {"first": mask.clone(), "second": mask.clone()}
    state = State(4, 4, weights, {}, masks={"first": mask.clone(), "second": mask.clone()})
    Rewiring([schedule], [NOISES[0]]).update_(state, [torch.zeros(1, 100)] * 2, 4)
    first, second = state.masks.values()
    assert int(first.sum()) == int(second.sum()) == 50
    assert not torch.equal(first, second)
