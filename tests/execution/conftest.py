"""A tiny network with batch norm, a recipe that trains it in a moment, and a record of what is trained."""

from __future__ import annotations

import os
import signal
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from winnow.execution import part
from winnow.execution.executor import Executor, Plan
from winnow.execution.reporting import Silent
from winnow.experiments import Experiment, imp
from winnow.models import register
from winnow.recipe import Recipe
from winnow.recipes import read
from winnow.steps import Content, Step, Train
from winnow.store import Store
from winnow.training import State

from ..states import assert_same_bits


@register("tiny-norm")
def tiny_norm(shape: tuple[int, int, int], classes: int, hidden: int) -> nn.Module:
    """one hidden layer with batch norm: `tiny-norm-8`."""
    inputs = shape[0] * shape[1] * shape[2]
    return nn.Sequential(
        OrderedDict(
            flatten=nn.Flatten(),
            fc1=nn.Linear(inputs, hidden, bias=False),
            norm=nn.BatchNorm1d(hidden),
            relu=nn.ReLU(),
            output=nn.Linear(hidden, classes),
        )
    )


@register("tiny-drop")
def tiny_drop(shape: tuple[int, int, int], classes: int, hidden: int) -> nn.Module:
    """one hidden layer with dropout: `tiny-drop-8`."""
    inputs = shape[0] * shape[1] * shape[2]
    return nn.Sequential(
        OrderedDict(
            flatten=nn.Flatten(),
            fc1=nn.Linear(inputs, hidden),
            relu=nn.ReLU(),
            drop=nn.Dropout(0.3),
            output=nn.Linear(hidden, classes),
        )
    )


LENGTH, REWIND, EVALUATE, PER_EPOCH = 24, 6, 8, 20

RECIPE = read("digits").edited(
    {
        "name": "tiny",
        "levels": 2,
        "replicates": 2,
        "control": [],
        "deterministic": True,
        "rewind": f"{REWIND}it",
        "model.name": "tiny-norm-8",
        "train.length": f"{LENGTH}it",
        "train.batch": 50,  # 20 an epoch
        "train.evaluate": f"{EVALUATE}it",
        "optimizer.name": "sgd",
        "optimizer.learning_rate": 0.05,
        "optimizer.momentum": 0.9,
        "optimizer.weight_decay": 1e-3,
        "schedule.warmup": "9it",
        "schedule.drops": ["15it", "22it"],
    }
)


@dataclass
class Record(Silent):
    """A reporter that remembers, and does something when a training has got so far."""

    finished_steps: list[Step] = field(default_factory=list)
    failures: dict[Step, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def training(self, steps: Sequence[Train], iteration: int, metrics: Mapping[str, float] | None = None) -> None:
        assert all(step.start <= iteration <= step.stop for step in steps)

    def finished(self, step: Step, seconds: float) -> None:
        self.finished_steps.append(step)

    def failed(self, step: Step, message: str) -> None:
        self.failures[step] = message

    def noted(self, message: str) -> None:
        self.notes.append(message)


@dataclass
class Spans:
    """Every stretch of training that the loop was asked for, and the state it began with."""

    started: list[State] = field(default_factory=list)
    iterations: int = 0
    interrupt_at: Callable[[State], bool] = lambda state: False


@pytest.fixture(autouse=True)
def spans(monkeypatch: pytest.MonkeyPatch) -> Spans:
    """Looks into the loop, and presses Ctrl-C where a test says so."""
    found, loop = Spans(), part.train_

    def watched(state: State, stop: int, **keywords: Any) -> None:
        found.started.append(State.stacked([state.lane(number) for number in range(state.lanes)], torch.device("cpu")))

        def count(now: State, losses: Tensor) -> None:
            found.iterations += now.lanes
            if found.interrupt_at(now):
                os.kill(os.getpid(), signal.SIGINT)

        observers = [count, *keywords.pop("observers", ())]
        loop(state, stop, observers=observers, **keywords)

    monkeypatch.setattr(part, "train_", watched)
    return found


@pytest.fixture
def seconds() -> float:
    """How long a test may take."""
    return 60


@pytest.fixture(autouse=True)
def time_limit(seconds: float) -> Iterator[None]:
    """An executor that never ends fails its test."""

    def give_up(number: int, frame: FrameType | None) -> None:
        pytest.fail(f"not done in {seconds} s: it goes round in circles")  # no Exception, which others would catch

    before = signal.signal(signal.SIGALRM, give_up)
    signal.setitimer(signal.ITIMER_REAL, seconds, 1)
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


def run(recipe: Recipe, root: Path, record: Record | None = None, keep: Any = "weights", **options: Any) -> Plan:
    executor = Executor(Store(root), reporter=record or Record(), **options)
    return executor.run(imp(recipe).targets(keep))


def planned(recipe: Recipe, root: Path, keep: Any = "weights") -> Plan:
    return Executor(Store(root)).plan(imp(recipe).targets(keep))


def ticket(experiment: Experiment, level: int, replicate: int = 0, control: str = "ticket") -> Train:
    [found] = [
        row.trained for row in experiment.rows if (row.level, row.replicate, row.control) == (level, replicate, control)
    ]
    return found


def assert_same_results(recipe: Recipe, root: Path, other: Path) -> None:
    """Every result of the recipe has the same bits in both stores."""
    one, two = Store(root), Store(other)
    experiment = imp(recipe)
    for step in experiment.targets():
        if isinstance(step, Train):
            assert one.curve(step) == two.curve(step)
            assert_same_bits(one.state(step), two.state(step))
            if step.mask:
                assert one.mask(step.mask) == two.mask(step.mask)


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store in which the recipe was run without interruption. Tests copy it before they change it."""
    root = tmp_path_factory.mktemp("finished") / "store"
    plan = run(RECIPE, root)
    assert not (plan.missing or plan.failed or plan.blocked)
    assert all(Store(root).has(step, content) for step, content in imp(RECIPE).targets().items() if step.inputs)
    assert Content.FULL in imp(RECIPE).targets().values()
    return root
