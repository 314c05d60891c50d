from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager
from itertools import count
from pathlib import Path

import pytest
import torch

from tests.execution.conftest import EVALUATE, LENGTH, RECIPE, REWIND, Record, Spans, assert_same_results, run
from winnow.execution.environment import Interruption, deterministic_mode
from winnow.execution.estimate import estimate
from winnow.execution.executor import Executor
from winnow.experiments import imp
from winnow.steps import Content
from winnow.store import Store
from winnow.training import State


def is_ticket(state: State) -> bool:
    return bool((state.parameters["fc1.weight"] == 0).any())


@pytest.mark.parametrize("level, iteration, evaluate", [
    ("dense", 1, 8),
    ("dense", REWIND, 8),  # when the rewind point is due
    ("dense", 7, 8),
    ("dense", 8, 8),  # when an evaluation is due
    ("dense", LENGTH - 1, 8),
    ("dense", LENGTH, 8),  # when the result is due
    ("dense", 1, 1),
    ("dense", REWIND, 1),
    ("dense", LENGTH, 1),
    ("ticket", REWIND + 1, 8),
    ("ticket", 8, 8),
    ("ticket", 20, 8),  # between epochs
    ("ticket", LENGTH, 8),
    ("ticket", REWIND + 1, 1),
    ("ticket", LENGTH, 1),
])  # fmt: skip
def test_an_interrupted_run_goes_on_to_the_same_bits_as_one_left_alone(
    tmp_path: Path, finished: Path, spans: Spans, level: str, iteration: int, evaluate: int
) -> None:
    recipe = RECIPE.edited({"replicates": 1, "train.evaluate": f"{evaluate}it", "levels": 1})
    left_alone = finished
    if evaluate != 8:
        left_alone = tmp_path / "left alone"
        run(recipe, left_alone)
        spans.iterations = 0

    spans.interrupt_at = lambda state: state.iteration == iteration and is_ticket(state) == (level == "ticket")
    with pytest.raises(KeyboardInterrupt):
        run(recipe, tmp_path / "store")
    assert spans.iterations > 0

    spans.interrupt_at = lambda state: False
    spans.started.clear()
    plan = run(recipe, tmp_path / "store")
    assert plan.missing == {}
    assert spans.iterations == LENGTH + (LENGTH - REWIND)  # nothing is trained again
    assert_same_results(recipe, tmp_path / "store", left_alone)
    assert list((tmp_path / "store" / "progress").glob("*")) == []


def test_a_run_interrupted_again_and_again_ends_with_the_same_bits(
    tmp_path: Path, finished: Path, spans: Spans
) -> None:
    seen: set[tuple[bool, int, float]] = set()

    def every_fifth(state: State) -> bool:
        place = (is_ticket(state), state.iteration, float(state.parameters["output.weight"].sum()))
        is_new = state.iteration % 5 == 0 and place not in seen
        seen.add(place)
        return is_new

    spans.interrupt_at = every_fifth
    interruptions = 0
    while True:
        try:
            run(RECIPE, tmp_path)
            break
        except KeyboardInterrupt:
            interruptions += 1
    assert interruptions >= 2 * (4 + 3 + 3)
    assert_same_results(RECIPE, tmp_path, finished)


def test_a_shorter_training_leaves_what_is_saved_of_a_longer_one(tmp_path: Path, spans: Spans) -> None:
    recipe = RECIPE.edited({"replicates": 1, "levels": 1, "rewind": "0it"})
    shorter = recipe.edited({"train.length": "12it"})
    spans.interrupt_at = lambda state: state.iteration == 20
    with pytest.raises(KeyboardInterrupt):
        run(recipe, tmp_path)
    spans.interrupt_at = lambda state: False
    [saved] = (tmp_path / "progress").glob("*")
    before = saved.read_bytes()

    store = Store(tmp_path)
    told = [estimate(imp(each), imp(each).targets(), store).remaining.values() for each in (recipe, shorter)]
    assert [sorted(left) for left in told] == [[LENGTH - 20, LENGTH], [12, 12]]
    assert run(shorter, tmp_path).missing == {}
    assert saved.read_bytes() == before
    spans.iterations = 0
    assert run(recipe, tmp_path).missing == {}
    assert spans.iterations == (LENGTH - 20) + LENGTH  # the rest of the dense network's, and a ticket of its mask


def test_a_training_goes_on_from_a_state_that_was_stored_after_it_was_last_saved(tmp_path: Path, spans: Spans) -> None:
    recipe = RECIPE.edited({"replicates": 1, "levels": 1, "rewind": "16it"})
    run(recipe, tmp_path / "left alone")
    for iteration in (13, 20):
        spans.interrupt_at = lambda state, iteration=iteration: state.iteration == iteration
        with pytest.raises(KeyboardInterrupt):
            run(recipe, tmp_path / "store")
        [saved] = (tmp_path / "store" / "progress").glob("*")
        if iteration == 13:
            before = saved.read_bytes()
    saved.write_bytes(before)  # as if it had been killed at 20, and not asked to stop
    spans.interrupt_at = lambda state: False
    spans.started.clear()
    run(recipe, tmp_path / "store")
    assert spans.started[0].iteration == 16
    assert_same_results(recipe, tmp_path / "store", tmp_path / "left alone")


def test_what_a_training_took_includes_what_it_went_on_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ticks = count(step=10)
    monkeypatch.setattr("winnow.execution.training.time.monotonic", lambda: next(ticks))  # 10 s from look to look
    recipe = RECIPE.edited({"replicates": 1, "levels": 1, "rewind": "0it", "schedule.drops": ["15it"]})
    first, whole = (imp(recipe.edited({"train.length": f"{end}it"})).rows[0].trained for end in (20, LENGTH))
    assert first.trajectory == whole.trajectory
    Executor(Store(tmp_path), keep_all=True).run({first: Content.FULL})
    Executor(Store(tmp_path)).run({whole: Content.METRICS})
    took = [manifest.seconds for step in (first, whole) if (manifest := Store(tmp_path).manifest(step))]
    assert took[1] > took[0] > 0  # though the last iterations alone took less


def test_lanes_that_were_trained_together_are_each_saved(tmp_path: Path, spans: Spans) -> None:
    recipe = RECIPE.edited({"deterministic": False, "levels": 1, "replicates": 3})
    spans.interrupt_at = lambda state: state.iteration == 13
    with pytest.raises(KeyboardInterrupt):
        run(recipe, tmp_path)
    assert len(list((tmp_path / "progress").glob("*"))) == 3
    spans.interrupt_at = lambda state: False
    spans.started.clear()
    run(recipe, tmp_path, width=2)  # no matter how they are batched now
    assert [(state.iteration, state.lanes) for state in spans.started[:4]] == [(13, 2), (16, 2), (13, 1), (16, 1)]


@pytest.mark.parametrize("damage", ["", "{}\n", "\0" * 100])
def test_damaged_progress_is_not_used(tmp_path: Path, finished: Path, spans: Spans, damage: str) -> None:
    spans.interrupt_at = lambda state: state.iteration == 13
    with pytest.raises(KeyboardInterrupt):
        run(RECIPE, tmp_path)
    [saved] = (tmp_path / "progress").glob("*")
    saved.write_text(damage)
    spans.interrupt_at = lambda state: False
    run(RECIPE, tmp_path)
    assert_same_results(RECIPE, tmp_path, finished)


def test_the_dense_training_goes_on_from_the_rewind_point_where_progress_is_lost(
    tmp_path: Path, finished: Path, spans: Spans
) -> None:
    recipe = RECIPE.edited({"replicates": 1})
    spans.interrupt_at = lambda state: state.iteration == 13
    with pytest.raises(KeyboardInterrupt):
        run(recipe, tmp_path)
    [saved] = (tmp_path / "progress").glob("*")
    saved.unlink()
    spans.interrupt_at = lambda state: False
    spans.started.clear()
    run(recipe, tmp_path)
    assert spans.started[0].iteration == REWIND
    assert_same_results(recipe, tmp_path, finished)


def test_ctrl_c_before_anything_is_trained_stops_cleanly(tmp_path: Path, spans: Spans) -> None:
    class Impatient(Record):
        def planned(self, steps: object) -> None:
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        run(RECIPE, tmp_path, Impatient())
    assert Store(tmp_path).result_keys() == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_asks_to_stop_and_the_second_stops_at_once(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    with Interruption() as interruption:
        assert not interruption.is_requested()
        os.kill(os.getpid(), number)
        assert interruption.is_requested()
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), number)
    assert signal.getsignal(number) == before


def test_a_run_outside_the_main_thread_leaves_signals_alone(tmp_path: Path, spans: Spans) -> None:
    before, handlers = signal.getsignal(signal.SIGINT), []
    spans.interrupt_at = lambda state: bool(handlers.append(signal.getsignal(signal.SIGINT)))
    failures: list[BaseException] = []

    def work() -> None:
        try:
            run(RECIPE.edited({"replicates": 1, "levels": 1}), tmp_path)
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert failures == []
    assert set(handlers) == {before}


@pytest.mark.parametrize("is_on", [False, True])
def test_deterministic_mode_is_on_within_alone(is_on: bool) -> None:
    before = torch.are_deterministic_algorithms_enabled()
    with deterministic_mode(is_on):
        assert torch.are_deterministic_algorithms_enabled() == (is_on or before)
    assert torch.are_deterministic_algorithms_enabled() == before


@contextmanager
def default(dtype: torch.dtype) -> Generator[None]:
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


@pytest.mark.parametrize(
    "around",
    [
        lambda: torch.autocast("cpu", dtype=torch.bfloat16),
        lambda: default(torch.float64),
        lambda: torch.device("meta"),
        torch.no_grad,
        torch.inference_mode,
    ],
    ids=["autocast", "default type", "default device", "no_grad", "inference_mode"],
)
@pytest.mark.parametrize("init", ["glorot-normal", "own"])
def test_modes_of_the_program_around_change_no_result(
    tmp_path: Path, around: Callable[[], AbstractContextManager[object]], init: str
) -> None:
    recipe = RECIPE.edited({"replicates": 1, "levels": 1, "model.init": init})
    run(recipe, tmp_path / "plain")
    with around():
        run(recipe, tmp_path / "within")
    assert_same_results(recipe, tmp_path / "within", tmp_path / "plain")


def test_dropout_goes_on_after_an_interruption_as_if_there_had_been_none(tmp_path: Path, spans: Spans) -> None:
    recipe = RECIPE.edited({"replicates": 1, "levels": 1, "model.name": "tiny-drop-8"})
    run(recipe, tmp_path / "left alone")
    spans.interrupt_at = lambda state: state.iteration == 11
    with pytest.raises(KeyboardInterrupt):
        run(recipe, tmp_path / "store")
    spans.interrupt_at = lambda state: False
    run(recipe, tmp_path / "store")
    assert_same_results(recipe, tmp_path / "store", tmp_path / "left alone")


def test_lanes_that_were_looked_at_and_those_that_were_not_yet_go_on_apart(tmp_path: Path, spans: Spans) -> None:
    recipe = RECIPE.edited({"deterministic": False, "levels": 1, "replicates": 1, "rewind": f"{EVALUATE}it"})
    spans.interrupt_at = lambda state: state.iteration == 13
    with pytest.raises(KeyboardInterrupt):
        run(recipe, tmp_path)  # which stores replicate 0 as it was evaluated at its rewind point
    [saved] = (tmp_path / "progress").glob("*")
    saved.unlink()
    both = recipe.edited({"replicates": 2, "rewind": "0it"})
    spans.interrupt_at = lambda state: state.iteration == EVALUATE
    with pytest.raises(KeyboardInterrupt):
        run(both, tmp_path)  # which saves replicate 1 at the same iteration, before it was evaluated
    spans.interrupt_at = lambda state: False
    spans.started.clear()
    run(both, tmp_path)
    assert [(state.iteration, state.lanes) for state in spans.started[:2]] == [(EVALUATE, 1), (EVALUATE, 1)]
    dense = [row.trained for row in imp(both).rows if row.level == 0]
    assert [list(Store(tmp_path).curve(step).rows) for step in dense] == [[0, 8, 16, 24]] * 2
    losses = [Store(tmp_path).curve(step).rows[EVALUATE]["train_loss"] for step in dense]
    assert all(loss > 0 for loss in losses)
