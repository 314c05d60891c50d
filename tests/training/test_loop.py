from __future__ import annotations

import copy
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from winnow.course import Noise, Updates
from winnow.data import Resident
from winnow.models import initialize
from winnow.pruning import Mask
from winnow.seeds import generator
from winnow.training import Batches, Engine, Plain, Stacked, State, exempt, learning_rate, optimizer, slot_names, train_

from ..states import assert_same_bits, tensors

CPU = torch.device("cpu")

SGD = Updates(
    optimizer="sgd",
    learning_rate=0.05,
    momentum=0.9,
    beta1=0.9,
    beta2=0.999,
    epsilon=1e-8,
    weight_decay=1e-2,
    warmup=6,
    drops=(30,),
    factor=0.1,
)
ADAM = replace(SGD, optimizer="adam", learning_rate=0.003, momentum=0.0)
RMSPROP = replace(SGD, optimizer="rmsprop", learning_rate=0.003, smoothing=0.9)
NESTEROV = replace(SGD, nesterov=True)
SELECTIVE = replace(NESTEROV, no_decay=("bias", "norm"))

STREAM = torch.Generator().manual_seed(0)
IMAGES = torch.randint(0, 256, (60, 1, 6, 6), dtype=torch.uint8, generator=STREAM)
LABELS = torch.randint(0, 3, (60,), generator=STREAM)
EXAMPLES = Resident(IMAGES, LABELS, mean=(0.5,), std=(0.3,), scale=255, device="cpu")


def small() -> nn.Module:
    """Convolution, batch norm and a linear layer: every kind of parameter and buffer."""
    return nn.Sequential(
        OrderedDict(
            conv=nn.Conv2d(
                1, 4, 3, bias=False
            ),  # batch norm cancels a bias, and Adam would magnify its rounding errors
            norm=nn.BatchNorm2d(4),
            relu=nn.ReLU(),
            flatten=nn.Flatten(),
            fc1=nn.Linear(64, 8),
            fc1_relu=nn.ReLU(),
            output=nn.Linear(8, 3),
        )
    )


def fresh(replicates: list[int], updates: Updates) -> State:
    network = small()
    names = [name for name, _ in network.named_parameters()]
    values = [initialize(network, "kaiming-normal", generator(0, replicate, "init")) for replicate in replicates]
    state = State.stacked([State.of_values(lane, names) for lane in values], CPU)
    return state.with_slots(slot_names(updates))


def masks(lanes: int) -> list[Mask]:
    """A mask of its own for each lane."""
    drawn: list[Mask] = []
    for lane in range(lanes):
        stream = torch.Generator().manual_seed(lane)
        shapes = {"conv.weight": (4, 1, 3, 3), "fc1.weight": (8, 64)}
        drawn.append(Mask({name: torch.rand(shape, generator=stream) < 0.4 for name, shape in shapes.items()}))
    return drawn


def masked(state: State, of: list[Mask]) -> State:
    lanes = [state.lane(number) for number in range(state.lanes)]
    for lane, mask in zip(lanes, of, strict=True):
        lane.apply_(mask)
    return State.stacked(lanes, CPU)


def train(
    state: State,
    stop: int,
    updates: Updates,
    noises: list[Noise],
    of: list[Mask] | None = None,
    clip: float | None = None,
) -> list[Tensor]:
    losses: list[Tensor] = []
    train_(
        state,
        stop,
        batches=Batches(EXAMPLES, noises, 8),
        engine=Plain(small()),
        optimizer=optimizer(updates, exempt(updates, small(), state.parameters)),
        rate=lambda iteration: learning_rate(updates, iteration),
        masks={name: torch.stack([mask[name] for mask in of]).float() for name in of[0]} if of else {},
        clip=clip,
        observers=[lambda _, loss: losses.append(loss.clone())],
    )
    return losses


def noises(lanes: int) -> list[Noise]:
    return [Noise(seed=0, replicate=lane) for lane in range(lanes)]


@pytest.mark.parametrize("updates", [SGD, ADAM])
@pytest.mark.parametrize("lanes", [1, 2])
def test_the_loop_is_ordinary_training_with_pytorchs_own_modules(updates: Updates, lanes: int) -> None:
    state = fresh(list(range(lanes)), updates)
    starts = [state.lane(number).values() for number in range(lanes)]
    losses = torch.stack(train(state, 40, updates, noises(lanes)))

    for number in range(lanes):
        network = small()
        network.load_state_dict(starts[number])
        network.train()
        theirs = (
            torch.optim.SGD(network.parameters(), lr=1, momentum=0.9, weight_decay=1e-2)
            if updates is SGD
            else torch.optim.Adam(network.parameters(), lr=1, weight_decay=1e-2)
        )
        for iteration in range(40):
            rate = updates.learning_rate * min((iteration + 1) / 6, 1) * (0.1 if iteration >= 30 else 1)
            theirs.param_groups[0]["lr"] = rate
            order = torch.randperm(60, generator=generator(0, number, "order", 0, iteration // 7))
            batch = order[iteration % 7 * 8 : iteration % 7 * 8 + 8]
            loss = functional.cross_entropy(network((IMAGES[batch].float() / 255 - 0.5) / 0.3), LABELS[batch])
            theirs.zero_grad()
            loss.backward()
            theirs.step()
            assert float(losses[iteration, number]) == pytest.approx(loss.item(), rel=1e-3, abs=1e-4)
        for name, expected in network.state_dict().items():
            torch.testing.assert_close(state.lane(number).values()[name], expected, rtol=1e-3, atol=1e-4, msg=name)


@pytest.mark.parametrize("updates", [SGD, ADAM, RMSPROP, SELECTIVE])
def test_a_training_that_is_continued_has_the_same_bits_as_one_left_alone(updates: Updates) -> None:
    of = masks(2)
    left_alone = masked(fresh([0, 1], updates), of)
    train(left_alone, 40, updates, noises(2), of)

    for stops in [(17,), (1, 39), (7, 14, 15)]:
        continued = masked(fresh([0, 1], updates), of)
        for stop in (*stops, 40):
            # what a store keeps: one lane at a time
            continued = State.stacked([copy.deepcopy(continued.lane(number)) for number in range(2)], CPU)
            train(continued, stop, updates, noises(2), of)
        assert_same_bits(continued, left_alone)
    assert left_alone.buffers["norm.num_batches_tracked"].tolist() == [40, 40]
    assert bool((left_alone.buffers["norm.running_mean"] != 0).all())


@pytest.mark.parametrize(
    "updates",
    [
        SGD,
        replace(SGD, momentum=0.0),
        NESTEROV,
        SELECTIVE,
        ADAM,
        replace(ADAM, weight_decay=0.0),
        RMSPROP,
        replace(RMSPROP, momentum=0.0, weight_decay=0.0),
    ],
)
def test_pruned_weights_and_their_buffers_are_exactly_zero_after_every_update(updates: Updates) -> None:
    of = masks(2)
    state = masked(fresh([0, 1], updates), of)
    checked: list[int] = []

    def check(now: State, losses: Tensor) -> None:
        for lane, mask in enumerate(of):
            for name, kept in mask.items():
                for by_name in (now.parameters, *now.slots.values()):
                    assert torch.count_nonzero(by_name[name][lane][~kept]) == 0
                assert torch.count_nonzero(now.parameters[name][lane][kept]) > 0.9 * kept.sum()
        checked.append(now.iteration)

    train_(
        state,
        25,
        batches=Batches(EXAMPLES, noises(2), 8),
        engine=Plain(small()),
        optimizer=optimizer(updates, exempt(updates, small(), state.parameters)),
        rate=lambda iteration: learning_rate(updates, iteration),
        masks={name: torch.stack([mask[name] for mask in of]).float() for name in of[0]},
        observers=[check],
    )
    assert checked == list(range(1, 26))


@pytest.mark.parametrize("updates", [SGD, ADAM, RMSPROP, SELECTIVE])
def test_a_lane_trains_the_same_alone_as_beside_others(updates: Updates) -> None:
    of = masks(3)
    together = masked(fresh([0, 1, 2], updates), of)
    alone = together.lane(1)
    train(together, 30, updates, noises(3), of)
    train(alone, 30, updates, [noises(3)[1]], [of[1]])
    for name, tensor in tensors(together.lane(1)).items():
        torch.testing.assert_close(tensor, tensors(alone)[name], rtol=1e-5, atol=1e-6, msg=name)


def test_lanes_with_the_same_start_and_noise_stay_the_same() -> None:
    state = fresh([4, 4], SGD)
    losses = train(state, 20, SGD, [Noise(seed=0, replicate=7)] * 2)
    for tensor in tensors(state).values():
        assert torch.equal(tensor[0], tensor[1])
    assert all(float(pair[0]) == float(pair[1]) for pair in losses)


def test_a_training_that_is_over_does_nothing() -> None:
    state = fresh([0], SGD)
    train(state, 5, SGD, noises(1))
    before = state.lane(0)
    assert train(state, 5, SGD, noises(1)) == []
    assert_same_bits(state, before)


@pytest.mark.parametrize("engine", [Plain, Stacked])
@pytest.mark.parametrize("lanes", [1, 3])
def test_an_engines_gradients_are_autograds_and_it_leaves_the_parameters_alone(
    engine: Callable[[nn.Module], Engine], lanes: int
) -> None:
    state = fresh(list(range(lanes)), SGD)
    before = State.stacked([state.lane(number) for number in range(lanes)], CPU)
    images, labels = Batches(EXAMPLES, noises(lanes), 8).at(3)

    losses, gradients = engine(small()).gradients(state, images, labels)

    assert losses.shape == (lanes,)
    for number in range(lanes):
        network = small()
        network.load_state_dict(before.lane(number).values())
        loss = functional.cross_entropy(network.train()(images[number]), labels[number])
        loss.backward()
        torch.testing.assert_close(losses[number], loss.detach())
        for (name, p), gradient in zip(network.named_parameters(), gradients, strict=True):
            assert p.grad is not None
            torch.testing.assert_close(gradient[number], p.grad, rtol=1e-5, atol=1e-6, msg=name)
        for name, buffer in network.named_buffers():  # running statistics move as they should
            torch.testing.assert_close(state.buffers[name][number], buffer, msg=name)
    for name, p in state.parameters.items():
        assert torch.equal(p, before.parameters[name])
        assert not p.requires_grad


@pytest.mark.parametrize("engine", [Plain, Stacked])
def test_evaluation_uses_the_running_statistics_and_changes_nothing(engine: Callable[[nn.Module], Engine]) -> None:
    state = fresh([0, 1], SGD)
    train(state, 10, SGD, noises(2))
    before = State.stacked([state.lane(number) for number in range(2)], CPU)
    every = torch.arange(60)

    loss, correct = engine(small()).evaluate(state, EXAMPLES.images_at(every), EXAMPLES.labels_at(every))

    for number in range(2):
        network = small()
        network.load_state_dict(state.lane(number).values())
        logits = network.eval()(EXAMPLES.images_at(every))
        torch.testing.assert_close(loss[number], functional.cross_entropy(logits, LABELS, reduction="sum").detach())
        assert int(correct[number]) == int((logits.argmax(1) == LABELS).sum())
    assert_same_bits(state, before)
