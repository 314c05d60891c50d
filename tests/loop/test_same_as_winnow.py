"""A masked loop of plain PyTorch is the training that Winnow's own engine runs."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

import winnow
from winnow.course import Noise, Updates
from winnow.data import Resident
from winnow.from_recipe import course
from winnow.pruning import Mask
from winnow.recipes import read
from winnow.training import Batches, Plain, State, optimizer, train_

ITERATIONS, BATCH, EXAMPLES = 50, 4, 22
DIGITS = course(read("digits")).updates

NOISE = Noise(seed=3, replicate=1, sample=2)


class Float64(Batches):
    """Batches in float64, so that what is compared is the computation, not its rounding."""

    def at(self, iteration: int) -> tuple[Tensor, Tensor]:
        images, labels = super().at(iteration)
        return images.double(), labels


def resident() -> Resident:
    stream = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (EXAMPLES, 1, 4, 4), generator=stream, dtype=torch.uint8)
    labels = torch.randint(0, 3, (EXAMPLES,), generator=stream)
    return Resident(images, labels, mean=(0.5,), std=(0.3,), scale=255, device="cpu")


def network(kind: str) -> nn.Module:
    torch.manual_seed(1)
    if kind == "linear":
        return nn.Sequential(nn.Flatten(), nn.Linear(16, 8), nn.ReLU(), nn.Linear(8, 3)).double()
    norm = nn.BatchNorm2d(4)
    return nn.Sequential(nn.Conv2d(1, 4, 3), norm, nn.ReLU(), nn.Flatten(), nn.Linear(16, 3)).double()


SETTINGS = st.fixed_dictionaries(
    {
        "optimizer": st.sampled_from(["sgd", "adam", "rmsprop"]),
        "learning_rate": st.sampled_from([1e-3, 1e-2]),
        "momentum": st.sampled_from([0.0, 0.9]),
        "nesterov": st.sampled_from([None, True]),
        "weight_decay": st.sampled_from([0.0, 1e-2]),
        "clip": st.sampled_from([None, 0.05]),
    }
)


def updates(chosen: dict[str, Any]) -> Updates:
    """The settings as a course, without those that an optimizer does not have."""
    name, momentum = chosen["optimizer"], chosen["momentum"] if chosen["optimizer"] != "adam" else 0.0
    has_nesterov = name == "sgd" and momentum > 0
    return dataclasses.replace(
        DIGITS,
        **chosen
        | {"momentum": momentum, "nesterov": chosen["nesterov"] if has_nesterov else None}
        | {"smoothing": 0.9 if name == "rmsprop" else None},
    )


def torch_optimizer(own: Updates, model: nn.Module) -> torch.optim.Optimizer:
    settings = {"lr": own.learning_rate, "weight_decay": own.weight_decay}
    if own.optimizer == "sgd":
        return torch.optim.SGD(model.parameters(), momentum=own.momentum, nesterov=own.nesterov is True, **settings)
    if own.optimizer == "adam":
        return torch.optim.Adam(model.parameters(), betas=(own.beta1, own.beta2), eps=own.epsilon, **settings)
    alpha = {"alpha": own.smoothing, "eps": own.epsilon, "momentum": own.momentum}
    return torch.optim.RMSprop(model.parameters(), **alpha, **settings)


def by_winnow(model: nn.Module, mask: Mask, own: Updates) -> dict[str, Tensor]:
    values = {name: value.clone() for name, value in model.state_dict().items()}
    state = State.of_values(values, [name for name, _ in model.named_parameters()])
    update = optimizer(own)
    state = state.with_slots(update.slots)
    state.apply_(mask)
    train_(
        state,
        ITERATIONS,
        batches=Float64(resident(), [NOISE], BATCH),
        engine=Plain(model),
        optimizer=update,
        rate=lambda iteration: own.learning_rate,
        masks={name: kept.unsqueeze(0).double() for name, kept in mask.items()},
        clip=own.clip,
    )
    return state.values()


def batches() -> Iterator[tuple[Tensor, Tensor]]:
    """The loader that a user would write, on the same examples."""
    data = resident()
    order = winnow.DataOrder(data, BATCH, seed=3, replicate=1, sample=2)
    examples = [(data.images_at(torch.tensor(i)).double(), data.labels_at(torch.tensor(i))) for i in range(EXAMPLES)]
    loader = torch.utils.data.DataLoader(examples, batch_sampler=order)
    while True:
        yield from loader


def by_hand(model: nn.Module, mask: Mask, own: Updates) -> dict[str, Tensor]:
    update = torch_optimizer(own, model)
    with winnow.masked(model, mask, update):
        for _, (images, labels) in zip(range(ITERATIONS), batches(), strict=False):
            update.zero_grad()
            nn.functional.cross_entropy(model(images), labels).backward()
            if own.clip is not None:
                # PyTorch divides by norm + 1e-6; Winnow by the norm.
                norm = nn.utils.get_total_norm(p.grad for p in model.parameters() if p.grad is not None)
                for parameter in model.parameters():
                    parameter.grad *= min(1.0, own.clip / float(norm))
            update.step()
    return model.state_dict()


@pytest.mark.parametrize("kind", ["linear", "convolutional"])
@settings(max_examples=12)
@given(chosen=SETTINGS)
def test_a_masked_loop_is_winnows_own_training(kind: str, chosen: dict[str, Any]) -> None:
    own, model = updates(chosen), network(kind)
    mask = winnow.prune(model, rate=0.6)
    ours, theirs = by_winnow(network(kind), mask, own), by_hand(model, mask, own)
    assert ours.keys() == theirs.keys()
    for name, value in ours.items():
        torch.testing.assert_close(
            theirs[name], value, rtol=1e-9, atol=1e-11, msg=lambda text, name=name: f"{name}: {text}"
        )
