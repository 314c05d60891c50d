from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from winnow.course import Updates
from winnow.training import optimizer, slot_names

UPDATES = Updates(
    optimizer="sgd",
    learning_rate=0.1,
    momentum=0.0,
    beta1=0.9,
    beta2=0.999,
    epsilon=1e-8,
    weight_decay=0.0,
    warmup=0,
    drops=(),
    factor=0.1,
)

RMSPROP = replace(UPDATES, optimizer="rmsprop", smoothing=0.9)

SHAPES = [(4, 3), (4,), (2, 3, 3, 3), ()]

SETTINGS: list[tuple[Updates, type[torch.optim.Optimizer], dict[str, Any]]] = [
    (UPDATES, torch.optim.SGD, {}),
    (replace(UPDATES, weight_decay=1e-2), torch.optim.SGD, {"weight_decay": 1e-2}),
    (replace(UPDATES, momentum=0.9), torch.optim.SGD, {"momentum": 0.9}),
    (replace(UPDATES, momentum=0.9, weight_decay=1e-2), torch.optim.SGD, {"momentum": 0.9, "weight_decay": 1e-2}),
    (replace(UPDATES, optimizer="adam"), torch.optim.Adam, {}),
    (replace(UPDATES, optimizer="adam", weight_decay=1e-2), torch.optim.Adam, {"weight_decay": 1e-2}),
    (
        replace(UPDATES, optimizer="adam", beta1=0.5, beta2=0.9, epsilon=1e-3),
        torch.optim.Adam,
        {"betas": (0.5, 0.9), "eps": 1e-3},
    ),
    (replace(UPDATES, momentum=0.9, nesterov=True), torch.optim.SGD, {"momentum": 0.9, "nesterov": True}),
    (
        replace(UPDATES, momentum=0.5, nesterov=True, weight_decay=1e-2),
        torch.optim.SGD,
        {"momentum": 0.5, "nesterov": True, "weight_decay": 1e-2},
    ),
    (RMSPROP, torch.optim.RMSprop, {"alpha": 0.9}),
    (replace(RMSPROP, smoothing=0.0, epsilon=1e-2), torch.optim.RMSprop, {"alpha": 0.0, "eps": 1e-2}),
    (replace(RMSPROP, momentum=0.9), torch.optim.RMSprop, {"alpha": 0.9, "momentum": 0.9}),
    (
        replace(RMSPROP, smoothing=0.99, momentum=0.5, weight_decay=1e-2, epsilon=1e-3),
        torch.optim.RMSprop,
        {"alpha": 0.99, "momentum": 0.5, "weight_decay": 1e-2, "eps": 1e-3},
    ),
    (replace(UPDATES, optimizer="adam", beta1=0.0, beta2=0.0), torch.optim.Adam, {"betas": (0.0, 0.0)}),
]


def rate_at(step: int) -> float:
    return 0.01 if step < 30 else 0.002


def gradient(parameter: Tensor, lane: int, step: int) -> Tensor:
    """A gradient that depends on the value, so that errors do not average out."""
    stream = torch.Generator().manual_seed(1_000 * lane + step)
    return parameter.detach().sin() + torch.randn(parameter.shape, generator=stream, dtype=parameter.dtype)


@pytest.mark.parametrize("lanes", [1, 3])
@pytest.mark.parametrize("dtype, tolerance", [(torch.float64, 1e-12), (torch.float32, 2e-5)])
@pytest.mark.parametrize("updates, reference, settings", SETTINGS)
def test_sixty_updates_are_those_of_pytorchs_optimizer_in_every_lane(
    updates: Updates,
    reference: type[torch.optim.Optimizer],
    settings: dict[str, Any],
    dtype: torch.dtype,
    tolerance: float,
    lanes: int,
) -> None:
    stream = torch.Generator().manual_seed(0)
    ours = [torch.randn(lanes, *shape, generator=stream, dtype=dtype) for shape in SHAPES]
    theirs = [[p[lane].clone().requires_grad_() for p in ours] for lane in range(lanes)]
    their_optimizers = [reference(parameters, lr=rate_at(0), **settings) for parameters in theirs]
    our_optimizer = optimizer(updates)
    slots = {slot: [torch.zeros_like(p) for p in ours] for slot in our_optimizer.slots}

    for step in range(60):
        gradients = [torch.stack([gradient(p[lane], lane, step) for lane in range(lanes)]) for p in ours]
        our_optimizer.update_(ours, gradients, slots, rate_at(step), step)
        for lane, (parameters, their_optimizer) in enumerate(zip(theirs, their_optimizers, strict=True)):
            for parameter in parameters:
                parameter.grad = gradient(parameter, lane, step)
            their_optimizer.param_groups[0]["lr"] = rate_at(step)
            their_optimizer.step()

    for lane in range(lanes):
        for mine, other in zip(ours, theirs[lane], strict=True):
            torch.testing.assert_close(mine[lane], other.detach(), rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("updates", [updates for updates, _, _ in SETTINGS])
def test_a_pruned_weight_and_its_buffers_are_exactly_zero_after_every_update(updates: Updates) -> None:
    stream = torch.Generator().manual_seed(0)
    kept = torch.rand(2, 50, generator=stream) < 0.3
    parameters = [torch.randn(2, 50, generator=stream) * kept]
    ours = optimizer(updates)
    slots = {slot: [torch.zeros(2, 50)] for slot in ours.slots}
    for step in range(60):
        gradients = [
            torch.randn(2, 50, generator=stream) * 10**step if step < 9 else torch.randn(2, 50, generator=stream)
        ]
        gradients[0].mul_(kept)
        ours.update_(parameters, gradients, slots, 0.05, step)
        for tensor in (parameters[0], *(slot[0] for slot in slots.values())):
            assert torch.count_nonzero(tensor[~kept]) == 0
            assert torch.isfinite(tensor).all()
    assert torch.count_nonzero(parameters[0][kept]) == int(kept.sum())


def test_an_update_of_one_lane_is_the_same_beside_others() -> None:
    for updates, _, _ in SETTINGS:
        stream = torch.Generator().manual_seed(0)
        together = [torch.randn(3, 7, 5, generator=stream)]
        alone = [together[0][1:2].clone()]
        ours = optimizer(updates)
        buffers = {slot: [torch.zeros(3, 7, 5)] for slot in ours.slots}
        own_buffers = {slot: [torch.zeros(1, 7, 5)] for slot in ours.slots}
        for step in range(20):
            gradients = torch.randn(3, 7, 5, generator=stream)
            ours.update_(alone, [gradients[1:2].clone()], own_buffers, 0.05, step)
            ours.update_(together, [gradients], buffers, 0.05, step)
        torch.testing.assert_close(together[0][1], alone[0][0], rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize(
    "updates, slots",
    [
        (UPDATES, ()),
        (replace(UPDATES, momentum=0.9), ("momentum",)),
        (replace(UPDATES, optimizer="adam"), ("mean", "square")),
        (RMSPROP, ("square",)),
        (replace(RMSPROP, momentum=0.9), ("square", "momentum")),
        (replace(UPDATES, momentum=0.9, weight_decay=0.1, no_decay=("bias",)), ("momentum",)),
    ],
)
def test_an_optimizer_names_the_buffers_it_keeps(updates: Updates, slots: tuple[str, ...]) -> None:
    assert slot_names(updates) == optimizer(updates, {1} if updates.no_decay else None).slots == slots


@pytest.mark.parametrize("updates, reference, settings", [case for case in SETTINGS if case[0].weight_decay])
def test_parameters_left_out_of_weight_decay_are_updated_as_by_pytorchs_optimizer_without_it(
    updates: Updates, reference: type[torch.optim.Optimizer], settings: dict[str, Any]
) -> None:
    stream = torch.Generator().manual_seed(0)
    ours = [torch.randn(2, *shape, generator=stream, dtype=torch.float64) for shape in SHAPES]
    theirs = [p.clone().requires_grad_() for p in ours]
    exempt = {1, 3}
    groups = [
        {"params": [p for position, p in enumerate(theirs) if position not in exempt]},
        {"params": [theirs[position] for position in exempt], "weight_decay": 0.0},
    ]
    their_optimizer = reference(groups, lr=0.01, **settings)
    our_optimizer = optimizer(replace(updates, no_decay=("some",)), exempt)
    slots = {slot: [torch.zeros_like(p) for p in ours] for slot in our_optimizer.slots}
    for step in range(50):
        for parameter in theirs:
            parameter.grad = gradient(parameter, 0, step)
        our_optimizer.update_(ours, [gradient(p, 0, step) for p in ours], slots, 0.01, step)
        their_optimizer.step()
    for mine, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(mine, other.detach(), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("exempt", [None, frozenset[int]()])
def test_an_optimizer_that_leaves_parameters_out_of_decay_must_be_told_which(exempt: Any) -> None:
    with pytest.raises(ValueError, match="say at which positions these parameters are"):
        optimizer(replace(UPDATES, weight_decay=0.1, no_decay=("bias",)), exempt)


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_rmsprop_changes_nothing_in_the_gradients_it_is_given(momentum: float) -> None:
    """Two parameters may be given one gradient's memory: decay of the one must not reach the other."""
    updates = replace(RMSPROP, momentum=momentum, weight_decay=0.1)
    shared = torch.randn(1, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    parameters = [torch.ones(1, 5, dtype=torch.float64), 2 * torch.ones(1, 5, dtype=torch.float64)]
    single = [parameters[1].clone()]
    ours = optimizer(updates)
    for values, count in ((parameters, 2), (single, 1)):
        slots = {slot: [torch.zeros_like(shared) for _ in range(count)] for slot in ours.slots}
        ours.update_(values, [shared] * count, slots, 0.1, 0)
    assert torch.equal(parameters[1], single[0])
