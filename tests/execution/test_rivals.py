"""Trainings whose mask changes, through executor and store: interrupted, resumed, reduced, batched."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tests.execution.conftest import LENGTH, RECIPE, Record, Spans, run
from tests.states import assert_same_bits
from winnow.experiments import imp
from winnow.pruning import Mask
from winnow.recipe import Recipe
from winnow.steps import Content, Train
from winnow.store import Store
from winnow.training import State


def recipe(*rivals: str, **edits: object) -> Recipe:
    settings = {"rewind": "0it", "levels": 1, "replicates": 1, "rival": rivals, "train.evaluate": "8it"}
    schedule = {"dynamic.every": "3it", "dynamic.end": "18it"}
    return RECIPE.edited({**settings, **schedule, **{path.replace("__", "."): value for path, value in edits.items()}})


@pytest.fixture
def seconds() -> float:
    """How long a test may take: some train a run twice."""
    return 60


def rivals(of: Recipe) -> list[Train]:
    return [row.trained for row in imp(of).rows if row.control in of.rival]


@pytest.fixture(scope="module")
def left_alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("alone") / "store"
    run(recipe("gmp", "set", "rigl"), root, keep="all", keep_all=True)
    return root


@pytest.mark.parametrize("method", ["gmp", "set", "rigl"])
@pytest.mark.parametrize("iteration", [1, 3, 10, 12, 18, LENGTH])
def test_a_training_interrupted_between_or_at_updates_ends_with_the_same_bits_and_mask(
    tmp_path: Path, left_alone: Path, spans: Spans, method: str, iteration: int
) -> None:
    spans.interrupt_at = lambda state: bool(state.masks) and state.iteration == iteration
    with pytest.raises(KeyboardInterrupt):
        run(recipe(method), tmp_path / "store", keep="all", keep_all=True)
    spans.interrupt_at = lambda state: False
    assert run(recipe(method), tmp_path / "store", keep="all", keep_all=True).missing == {}
    one, other = Store(tmp_path / "store"), Store(left_alone)
    (step,) = rivals(recipe(method))
    assert_same_bits(one.state(step), other.state(step))
    assert one.mask(step) == other.mask(step)
    assert one.curve(step) == other.curve(step)


def mask_of(state: State) -> Mask:
    return Mask({name: kept[0] != 0 for name, kept in state.masks.items()})


def test_the_final_mask_is_stored_whatever_is_kept_of_the_state(left_alone: Path, tmp_path: Path) -> None:
    store, lean = Store(left_alone), Store(tmp_path / "lean")
    run(recipe("gmp", "set", "rigl"), tmp_path / "lean", keep="last")
    for step in rivals(recipe("gmp", "set", "rigl")):
        assert step.dynamic is not None
        state, mask = store.state(step), store.mask(step)
        assert mask == mask_of(state)
        assert {name: int(kept.sum()) for name, kept in mask.items()} == dict(step.dynamic.kept)
        assert all(not state.parameters[name][0][~kept].any() for name, kept in mask.items())
        assert not lean.has(step, Content.WEIGHTS) and lean.mask(step) == mask
        store.reduce(step.key, Content.WEIGHTS)
        assert store.mask(step) == mask and store.state(step).masks == {}


def test_rivals_of_all_densities_train_as_lanes_of_one_batch_never_with_the_perceptron(tmp_path: Path) -> None:
    record = Record()
    many = recipe("gmp", "set", "rigl", levels=2, replicates=2, deterministic=False, model__name="lenet-8")
    plan = run(many, tmp_path / "store", record)
    assert not plan.missing and not plan.failed
    store = Store(tmp_path / "store")
    for step in rivals(many):
        manifest = store.manifest(step)
        assert manifest is not None and manifest.made["lanes"] == 12  # 3 rivals, 2 levels, 2 replicates
    engines = [note.split(":")[0] for note in record.notes if note.startswith("engine")]
    assert engines == ["engine perceptron", "engine stacked"]


def test_stacked_rivals_are_those_trained_one_by_one(tmp_path: Path) -> None:
    many = recipe("set", "rigl", replicates=2, deterministic=False, model__name="lenet-8")
    stores = []
    for engine in ("plain", "stacked"):
        run(many, tmp_path / engine, engine=engine)
        stores.append(Store(tmp_path / engine))
    for step in rivals(many):
        one, other = (store.state(step) for store in stores)
        torch.testing.assert_close(one.parameters, other.parameters, rtol=1e-3, atol=1e-4)
