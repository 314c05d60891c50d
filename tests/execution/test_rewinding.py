"""The training that a run stores, beside the same training written out by hand with PyTorch's own modules."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from tests.execution.conftest import (
    EVALUATE,
    LENGTH,
    PER_EPOCH,
    RECIPE,
    REWIND,
    Spans,
    run,
    ticket,
)
from tests.states import assert_same_bits, tensors
from winnow import data
from winnow.experiments import imp
from winnow.models import build, initialize
from winnow.pruning import Mask
from winnow.recipe import Recipe
from winnow.seeds import generator
from winnow.steps import Content, Train
from winnow.store import Store

EXPERIMENT = imp(RECIPE)
RATES = {0: 0.05 / 9, 1: 0.1 / 9, 8: 0.05, 14: 0.05, 15: 0.005, 21: 0.005, 22: 0.0005}


def rate(iteration: int) -> float:
    """Warmup over 9 iterations to 0.05, then a tenth from 15 and from 22 on."""
    return 0.05 * min((iteration + 1) / 9, 1) * (0.1 if iteration >= 15 else 1) * (0.1 if iteration >= 22 else 1)


class ByHand:
    """One replicate's training, and its metrics by iteration."""

    clip: float | None = None

    def __init__(self, replicate: int) -> None:
        arrays = data.load("digits")
        parts = data.split(arrays, 200, generator(0, 0, "split"))
        images = torch.from_numpy(arrays.train_images).float() / 16
        labels = torch.from_numpy(arrays.train_labels)
        self.train = images[parts.train], labels[parts.train]
        self.splits = {
            "validation": (images[parts.validation], labels[parts.validation]),
            "test": (torch.from_numpy(arrays.test_images).float() / 16, torch.from_numpy(arrays.test_labels)),
        }
        self.replicate = replicate
        self.network = build("tiny-norm-8", (1, 8, 8), 10).to_empty(device="cpu")
        self.network.load_state_dict(initialize(self.network, "glorot-normal", generator(0, replicate, "init", 0)))
        self.optimizer = torch.optim.SGD(self.network.parameters(), lr=1.0, momentum=0.9, weight_decay=1e-3)
        self.metrics: dict[int, dict[str, float]] = {}
        self.losses: list[float] = []

    def rate(self, iteration: int) -> float:
        return rate(iteration)

    def rewind(self, values: dict[str, Tensor], momentum: dict[str, Tensor], mask: Mask) -> None:
        """Restart from a saved state under a mask."""
        self.network.load_state_dict(values)
        for name, p in self.network.named_parameters():
            kept = mask[name] if name in mask else torch.ones_like(p)
            p.data.mul_(kept)
            self.optimizer.state[p]["momentum_buffer"] = momentum[name] * kept

    def evaluate(self, iteration: int) -> None:
        row = {"train_loss": sum(self.losses) / len(self.losses)} if self.losses else {}
        self.losses.clear()
        with torch.no_grad():
            self.network.eval()
            for name, (images, labels) in self.splits.items():
                logits = self.network(images)
                row[f"{name}_loss"] = float(functional.cross_entropy(logits, labels))
                row[f"{name}_accuracy"] = float((logits.argmax(1) == labels).double().mean())
            self.network.train()
        self.metrics[iteration] = row

    def run(self, start: int, stop: int, mask: Mask | None = None) -> None:
        self.evaluate(start)
        images, labels = self.train
        for iteration in range(start, stop):
            epoch, position = divmod(iteration, PER_EPOCH)
            order = torch.randperm(1_000, generator=generator(0, self.replicate, "order", 0, epoch))
            batch = order[position * 50 : position * 50 + 50]
            for group in self.optimizer.param_groups:
                group["lr"] = self.rate(iteration)
            self.optimizer.zero_grad()
            loss = functional.cross_entropy(self.network(images[batch]), labels[batch])
            loss.backward()
            self.losses.append(loss.item())
            for name, p in self.network.named_parameters():
                if mask and name in mask:
                    assert p.grad is not None
                    p.grad.mul_(mask[name])
            if self.clip:
                torch.nn.utils.clip_grad_norm_(self.network.parameters(), self.clip)
            self.optimizer.step()
            if (iteration + 1) % EVALUATE == 0 or iteration + 1 == stop:
                self.evaluate(iteration + 1)

    def momentum(self) -> dict[str, Tensor]:
        return {name: self.optimizer.state[p]["momentum_buffer"] for name, p in self.network.named_parameters()}


def assert_as_stored(by_hand: ByHand, store: Store, step: Train) -> None:
    found = store.state(step).values()
    for name, expected in by_hand.network.state_dict().items():
        torch.testing.assert_close(found[name], expected, rtol=1e-4, atol=1e-5, msg=name)
    rows = store.curve(step).rows
    assert list(rows) == list(by_hand.metrics)
    for iteration, row in by_hand.metrics.items():
        assert rows[iteration] == pytest.approx(row, rel=1e-4, abs=1e-5), iteration


def test_the_rate_written_out_is_the_recipes() -> None:
    assert {iteration: rate(iteration) for iteration in RATES} == pytest.approx(RATES)


@pytest.mark.parametrize("replicate", [0, 1])
def test_the_level_0_run_is_ordinary_training(finished: Path, replicate: int) -> None:
    by_hand = ByHand(replicate)
    by_hand.run(0, LENGTH)
    assert_as_stored(by_hand, Store(finished), ticket(EXPERIMENT, 0, replicate))


@pytest.mark.parametrize("level", [1, 2])
def test_a_ticket_is_ordinary_training_that_goes_on_from_iteration_k(finished: Path, level: int) -> None:
    store, step = Store(finished), ticket(EXPERIMENT, level, 1)
    assert step.mask is not None
    mask = store.mask(step.mask)
    by_hand = ByHand(1)
    by_hand.run(0, REWIND)
    values = {name: value.clone() for name, value in by_hand.network.state_dict().items()}
    momentum = {name: value.clone() for name, value in by_hand.momentum().items()}
    by_hand.metrics.clear()
    by_hand.losses.clear()
    by_hand.rewind(values, momentum, mask)
    by_hand.run(REWIND, LENGTH, mask)
    assert_as_stored(by_hand, store, step)


FEATURED = RECIPE.edited(
    {
        "replicates": 1,
        "levels": 1,
        "optimizer.name": "rmsprop",
        "optimizer.learning_rate": 0.01,
        "optimizer.epsilon": 1e-2,
        "optimizer.smoothing": 0.8,
        "optimizer.no_decay": ["norm", "*.bias"],
        "optimizer.weight_decay": 0.1,
        "optimizer.clip": 0.7,
        "schedule.drops": [],
        "schedule.decay": "cosine",
        "schedule.final": 1e-4,
    }
)
"""RMSprop, weight decay of kernels alone, clipping, and a cosine after warmup."""


class FeaturedByHand(ByHand):
    """The same with all that FEATURED asks for, as PyTorch has it."""

    clip = 0.7

    def __init__(self, replicate: int) -> None:
        super().__init__(replicate)
        parameters = dict(self.network.named_parameters())
        kernels = [parameters.pop("fc1.weight"), parameters.pop("output.weight")]
        self.optimizer = torch.optim.RMSprop(
            [{"params": kernels}, {"params": list(parameters.values()), "weight_decay": 0.0}],
            alpha=0.8, eps=1e-2, momentum=0.9, weight_decay=0.1,
        )  # fmt: skip

    def rate(self, iteration: int) -> float:
        half = (0.01 - 1e-4) / 2
        return (
            0.01 * (iteration + 1) / 9
            if iteration < 9
            else 1e-4 + half * (1 + math.cos(math.pi * (iteration - 9) / 15))
        )


def test_every_setting_of_the_optimizer_and_the_schedule_reaches_the_training(tmp_path: Path) -> None:
    run(FEATURED, tmp_path)
    by_hand = FeaturedByHand(0)
    by_hand.run(0, LENGTH)
    assert_as_stored(by_hand, Store(tmp_path), ticket(imp(FEATURED), 0))


def test_masks_are_nested_and_their_weights_exactly_zero_at_the_end(finished: Path) -> None:
    store = Store(finished)
    for replicate in range(2):
        steps = [ticket(EXPERIMENT, level, replicate) for level in (1, 2)]
        masks = [store.mask(step.mask) for step in steps if step.mask]
        # 512 and 80 weights: 512 * 0.8 ** n and 80 * 0.9 ** n, to the nearest
        assert [[int(kept.sum()) for kept in mask.values()] for mask in masks] == [[410, 72], [328, 65]]
        assert masks[1].is_within(masks[0])
        for step, mask in zip(steps, masks, strict=True):
            parameters = store.state(step).values()
            for name, kept in mask.items():
                assert torch.count_nonzero(parameters[name][~kept]) == 0
                assert torch.count_nonzero(parameters[name][kept]) == kept.sum()


def starts(spans: Spans, iteration: int) -> list[dict[str, Tensor]]:
    return [tensors(state) for state in spans.started if state.iteration == iteration]


@pytest.mark.parametrize(
    "optimizer",
    [
        {},
        {"optimizer.name": "adam", "optimizer.momentum": 0.0},
        {"optimizer.name": "rmsprop", "optimizer.clip": 0.5},
        {"optimizer.nesterov": True, "optimizer.no_decay": ["norm"]},
    ],
)
@pytest.mark.parametrize("at_rewind", ["restored", "fresh"])
def test_every_ticket_restarts_from_the_bits_of_the_rewind_point(
    tmp_path: Path, spans: Spans, optimizer: dict[str, object], at_rewind: str
) -> None:
    recipe = RECIPE.edited({"replicates": 1, "optimizer.at_rewind": at_rewind, **optimizer})
    run(recipe, tmp_path)
    store, experiment = Store(tmp_path), imp(recipe)
    rewound = store.state(experiment.rewind_points[0])
    assert (rewound.iteration, rewound.age) == (REWIND, REWIND)
    assert rewound.buffers["norm.num_batches_tracked"].tolist() == [REWIND]
    assert bool(rewound.buffers["norm.running_mean"].all())
    assert rewound.slots

    restarted = [state for state in spans.started if state.iteration == REWIND][-2:]
    for state, level in zip(restarted, (1, 2), strict=True):
        step = ticket(experiment, level).mask
        assert step is not None
        mask = store.mask(step)
        expected = store.state(experiment.rewind_points[0])
        expected.apply_(mask)
        if at_rewind == "fresh":
            expected.age = 0
            for by_name in expected.slots.values():
                for buffer in by_name.values():
                    buffer.zero_()
        assert_same_bits(state, expected)
        assert any(bool(buffer.any()) for by_name in state.slots.values() for buffer in by_name.values()) == (
            at_rewind == "restored"
        )


def test_without_rewinding_tickets_restart_from_initialization(tmp_path: Path, spans: Spans) -> None:
    recipe = RECIPE.edited({"replicates": 1, "rewind": "0it", "control": ["reinit"]})
    run(recipe, tmp_path)
    store, experiment = Store(tmp_path), imp(recipe)
    values = initialize(build("tiny-norm-8", (1, 8, 8), 10), "glorot-normal", generator(0, 0, "init", 0))
    dense, *restarted = [state for state in spans.started if state.iteration == 0]
    for name, value in values.items():
        assert torch.equal(dense.values()[name], value)
    reinits = 0
    assert len(restarted) == 4
    for state in restarted:
        assert (state.age, state.buffers["norm.num_batches_tracked"].tolist()) == (0, [0])
        kept = state.parameters["fc1.weight"][0] != 0
        level = {410: 1, 328: 2}[int(kept.sum())]
        step = ticket(experiment, level).mask
        assert step is not None
        assert torch.equal(kept, store.mask(step)["fc1.weight"])
        reinits += not torch.equal(state.parameters["fc1.weight"][0], values["fc1.weight"] * kept)
    assert reinits == 2


@pytest.mark.parametrize(
    "edits",
    [
        {},
        {"optimizer.name": "adam", "optimizer.momentum": 0.0},
        {"optimizer.name": "rmsprop", "schedule.drops": [], "schedule.decay": "linear", "optimizer.clip": 0.5},
    ],
)
def test_the_rewind_point_on_the_way_does_not_change_the_dense_training(
    tmp_path: Path, edits: dict[str, object]
) -> None:
    results = []
    for rewind in ("0it", "6it", "16it"):
        recipe: Recipe = RECIPE.edited({"levels": 1, "replicates": 1, "rewind": rewind, **edits})
        run(recipe, tmp_path / rewind, keep="all", keep_all=True)
        dense = ticket(imp(recipe), 0)
        store = Store(tmp_path / rewind)
        assert store.has(dense, Content.FULL)
        results.append((store.state(dense), store.curve(dense)))
    for state, curve in results[1:]:
        assert_same_bits(state, results[0][0])
        assert curve == results[0][1]
