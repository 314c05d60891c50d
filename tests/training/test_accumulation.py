from __future__ import annotations

import pytest
import torch
from torch import nn

from winnow.models import build, initialize
from winnow.seeds import generator
from winnow.training import Plain, Stacked, State, choose
from winnow.training.accumulation import Accumulated

LANES, BATCH = 2, 12


def state(network: nn.Module) -> State:
    names = [name for name, _ in network.named_parameters()]
    lanes = [
        State.of_values(initialize(network, "kaiming-normal", generator(0, lane, "init")), names)
        for lane in range(LANES)
    ]
    stacked = State.stacked(lanes, torch.device("cpu"))
    for values in (stacked.parameters, stacked.buffers):
        for name, tensor in values.items():
            values[name] = tensor.double() if tensor.is_floating_point() else tensor
    return stacked


def batch(shape: tuple[int, int, int]) -> tuple[torch.Tensor, torch.Tensor]:
    stream = generator(0, 0, "order")
    images = torch.rand(LANES, BATCH, *shape, generator=stream, dtype=torch.float64)
    return images, torch.randint(5, (LANES, BATCH), generator=stream)


@pytest.mark.parametrize("parts", [1, 2, 3, 5, 12])  # 5 does not divide 12: the parts differ by one
@pytest.mark.parametrize("engine", [Plain, Stacked])
def test_the_parts_of_a_batch_give_the_gradients_of_the_whole_within_rounding(engine: type[Plain], parts: int) -> None:
    network = build("lenet-8", (1, 4, 4), 5)
    trained = state(network)
    images, labels = batch((1, 4, 4))
    losses, gradients = engine(network).gradients(trained, images, labels)
    split_losses, split_gradients = Accumulated(engine(network), parts).gradients(trained, images, labels)
    torch.testing.assert_close(split_losses, losses, rtol=1e-12, atol=1e-12)
    for one, other in zip(split_gradients, gradients, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-12)


def test_batch_norm_is_of_each_part_and_its_statistics_move_once_for_each() -> None:
    network = build("resnet-8-2", (3, 8, 8), 5)
    whole, split = state(network), state(network)
    images, labels = batch((3, 8, 8))
    _, gradients = Plain(network).gradients(whole, images, labels)
    _, parts = Accumulated(Plain(network), 3).gradients(split, images, labels)
    assert not torch.allclose(gradients[0], parts[0])
    counts = [name for name in whole.buffers if name.endswith("num_batches_tracked")]
    assert {int(whole.buffers[name][0]) for name in counts} == {1}
    assert {int(split.buffers[name][0]) for name in counts} == {3}


def test_evaluation_and_the_form_of_states_are_the_engines_own() -> None:
    network = build("lenet-8", (1, 4, 4), 5)
    trained = state(network)
    images, labels = batch((1, 4, 4))
    plain, accumulated = Plain(network), Accumulated(Plain(network), 4)
    for one, other in zip(
        plain.evaluate(trained, images[0], labels[0]), accumulated.evaluate(trained, images[0], labels[0]), strict=True
    ):
        assert torch.equal(one, other)
    entered, masks = accumulated.enter(trained, {})
    assert entered is trained and masks == {} and accumulated.leave(entered) is trained


def test_every_engine_can_be_chosen_to_accumulate() -> None:
    network = build("lenet-8", (1, 4, 4), 5)
    built = choose(network, torch.device("cpu")).build(network, LANES, {}, accumulate=4)
    assert isinstance(built, Accumulated) and built.parts == 4


def test_the_parts_of_a_batch_draw_different_dropout() -> None:
    from winnow.course import Noise
    from winnow.training import LaneRandomness

    network = nn.Sequential(nn.Flatten(), nn.Dropout(0.5), nn.Linear(16, 5))
    trained = state(network)
    ones, labels = torch.ones(LANES, 2, 1, 4, 4, dtype=torch.float64), torch.zeros(LANES, 2, dtype=torch.int64)
    noises = [Noise(seed=0, replicate=lane) for lane in range(LANES)]
    single = Plain(network, randomness=LaneRandomness(noises, torch.device("cpu")))
    _, first = single.gradients(trained, ones[:, :1], labels[:, :1])
    parts = Accumulated(Plain(network, randomness=LaneRandomness(noises, torch.device("cpu"))), 2)
    _, both = parts.gradients(trained, ones, labels)
    assert not torch.allclose(first[0], both[0])  # as they would be if both parts dropped the same inputs
