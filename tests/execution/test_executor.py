from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from tests.execution.conftest import LENGTH, RECIPE, REWIND, Record, Spans, assert_same_results, planned, run, ticket
from winnow.data import held_out
from winnow.errors import RecipeError, WinnowError
from winnow.execution import part
from winnow.execution.choosing import chosen
from winnow.execution.estimate import estimate
from winnow.execution.executor import Executor
from winnow.execution.run import run as run_recipe
from winnow.execution.training import initial_state
from winnow.experiments import imp, instability
from winnow.seeds import generator
from winnow.steps import Content, Init, Step, Train
from winnow.store import Making, Store
from winnow.timeline import Amount
from winnow.training import EngineName, State

EXPERIMENT = imp(RECIPE)


@pytest.fixture
def root(finished: Path, tmp_path: Path) -> Path:
    """A copy of the store in which the recipe was run."""
    return Path(shutil.copytree(finished, tmp_path / "store"))


# Nothing twice


def test_a_rerun_trains_nothing_and_writes_nothing(root: Path, spans: Spans) -> None:
    before = {path: path.stat().st_mtime_ns for path in root.rglob("*") if path.is_file()}
    record = Record()
    plan = run(RECIPE, root, record)
    assert planned(RECIPE, root).missing == {}
    assert (plan.missing, plan.failed, plan.blocked) == ({}, {}, [])
    assert (spans.started, record.finished_steps, record.notes) == ([], [], [])
    assert {path: path.stat().st_mtime_ns for path in root.rglob("*") if path.is_file()} == before


def test_a_run_trains_each_iteration_of_the_plan_once(tmp_path: Path, spans: Spans) -> None:
    record = Record()
    run(RECIPE, tmp_path, record)
    assert spans.iterations == 2 * (24 + 2 * (24 - 6))  # the rewind point is on the dense network's way
    assert max(Counter(step.key for step in record.finished_steps).values()) == 1


@pytest.mark.parametrize("keep", ["weights", "last", "all"])
@pytest.mark.parametrize(
    "changes, new, iterations",
    [
        ({"levels": 3}, [(3, 0, "ticket"), (3, 1, "ticket")], 2 * 18),
        ({"replicates": 3}, [(0, 2, "ticket"), (1, 2, "ticket"), (2, 2, "ticket")], 24 + 2 * 18),
        (
            {"control": ["reinit"]},
            [(level, replicate, "reinit") for level in (1, 2) for replicate in (0, 1)],
            4 * 24,
        ),
    ],
)
def test_asking_for_more_trains_only_what_is_new(
    tmp_path: Path, spans: Spans, changes: dict[str, Any], new: list[tuple[int, int, str]], iterations: int, keep: str
) -> None:
    run(RECIPE, tmp_path, keep=keep)
    more = RECIPE.edited(changes)
    trainings = {step for step in planned(more, tmp_path, keep).missing if isinstance(step, Train)}
    rewind_points = set(imp(more).rewind_points.values()) - set(EXPERIMENT.rewind_points.values())
    assert trainings == {ticket(imp(more), *place) for place in new} | rewind_points

    spans.iterations = 0
    record = Record()
    run(more, tmp_path, record, keep=keep)
    assert spans.iterations == iterations
    assert {step for step in record.finished_steps if isinstance(step, Train)} == trainings


def test_another_rewind_point_shares_the_dense_network(root: Path, tmp_path: Path, spans: Spans) -> None:
    other = RECIPE.edited({"rewind": "16it"})
    missing = planned(other, root).missing
    dense = {ticket(EXPERIMENT, 0, replicate) for replicate in range(2)}
    first_masks = {ticket(EXPERIMENT, 1, replicate).mask for replicate in range(2)}
    assert not (dense | first_masks) & set(missing)
    assert len([step for step in missing if isinstance(step, Train)]) == 2 + 4  # to k again, and the tickets
    run(other, root)
    assert spans.iterations == 2 * (16 - 6) + 4 * (24 - 16)  # from the first rewind point to the second
    run(other, tmp_path / "fresh")
    assert_same_results(other, root, tmp_path / "fresh")


@pytest.mark.parametrize("k, again", [("16it", 10), ("7it", 1), ("5it", 5)])
def test_a_training_goes_on_from_the_last_state_stored_before(root: Path, spans: Spans, k: str, again: int) -> None:
    other = RECIPE.edited({"rewind": k})
    remaining = estimate(imp(other), imp(other).targets(), Store(root)).remaining
    assert [remaining[point] for point in imp(other).rewind_points.values() if isinstance(point, Train)] == [again] * 2


def test_a_state_that_is_gone_is_not_gone_on_from(root: Path, tmp_path: Path) -> None:
    store, other = Store(root), RECIPE.edited({"rewind": "16it"})
    for point in EXPERIMENT.rewind_points.values():
        store.remove(point.key)
    run(other, root)
    run(other, tmp_path / "fresh")
    assert_same_results(other, root, tmp_path / "fresh")


def test_a_plan_lists_every_step_after_those_it_needs(tmp_path: Path) -> None:
    plan = planned(RECIPE.edited({"control": ["reinit"]}), tmp_path)
    seen: set[Step] = set()
    for step in plan.missing:
        assert set(step.needs) <= seen
        seen.add(step)
    assert plan.stored == {}
    assert all(isinstance(step, Train) and not step.mask for step in plan.ready)


def test_planning_runs_nothing_and_changes_nothing(root: Path, spans: Spans) -> None:
    before = sorted(root.rglob("*"))
    planned(RECIPE.edited({"levels": 4, "replicates": 3}), root)
    assert sorted(root.rglob("*")) == before
    assert spans.started == []


# What is kept


@pytest.mark.parametrize("keep, kept", [
    ("weights", {0: Content.WEIGHTS, 1: Content.WEIGHTS, 2: Content.WEIGHTS}),
    ("last", {0: Content.WEIGHTS, 1: Content.METRICS, 2: Content.WEIGHTS}),
    ("all", {0: Content.FULL, 1: Content.FULL, 2: Content.FULL}),
])  # fmt: skip
def test_a_finished_run_keeps_just_what_was_asked_for(tmp_path: Path, keep: str, kept: dict[int, Content]) -> None:
    run(RECIPE, tmp_path, keep=keep, keep_all=keep == "all")
    store = Store(tmp_path)
    for replicate in range(2):
        found = {level: store.manifest(ticket(EXPERIMENT, level, replicate)) for level in range(3)}
        assert {level: manifest and manifest.kept for level, manifest in found.items()} == kept
        rewound = store.manifest(EXPERIMENT.rewind_points[replicate])
        assert rewound is not None and rewound.kept is Content.FULL
    assert list((tmp_path / "progress").glob("*")) == []
    assert list((tmp_path / "temporary").glob("*")) == []


def test_what_an_interrupted_run_stored_for_a_while_goes_when_it_is_resumed(tmp_path: Path, spans: Spans) -> None:
    recipe = RECIPE.edited({"retrain.how": "lr-rewinding", "replicates": 1})  # a level starts where the last one ended
    store, experiment = Store(tmp_path), imp(recipe)
    spans.interrupt_at = lambda state: store.has(ticket(experiment, 1), Content.METRICS)
    with pytest.raises(KeyboardInterrupt):
        run(recipe, tmp_path, keep="last")
    waiting = store.manifest(ticket(experiment, 1))
    assert waiting is not None and waiting.kept > Content.METRICS

    spans.interrupt_at = lambda state: False
    run(recipe, tmp_path, keep="last")
    found = [store.manifest(ticket(experiment, level)) for level in range(3)]
    assert [each and each.kept for each in found] == [Content.FULL, Content.METRICS, Content.WEIGHTS]


def test_what_one_run_keeps_another_leaves(tmp_path: Path) -> None:
    store = Store(tmp_path)

    def kept() -> list[Content]:
        manifests = [store.manifest(ticket(EXPERIMENT, level)) for level in range(3)]
        manifests.append(store.manifest(EXPERIMENT.rewind_points[0]))
        return [manifest.kept for manifest in manifests if manifest]

    run(RECIPE, tmp_path, keep="all", keep_all=True)
    assert kept() == [Content.FULL] * 4
    study = instability(RECIPE, at=[Amount.parse(str(RECIPE.rewind))], samples=2)
    assert Executor(store).run(study.targets("last")).stored
    run(RECIPE.edited({"levels": 3}), tmp_path, keep="last")
    assert kept() == [Content.FULL] * 4


def test_a_study_of_the_dense_network_leaves_the_rewind_points_for_tickets(tmp_path: Path, spans: Spans) -> None:
    Executor(Store(tmp_path)).run(instability(RECIPE, at=[Amount.parse(str(RECIPE.rewind))], samples=2).targets())
    before = spans.iterations
    run(RECIPE.edited({"levels": 1}), tmp_path)
    assert spans.iterations - before == 2 * (LENGTH - REWIND)  # the tickets of both replicates, and nothing else


def test_buffers_that_another_process_gave_up_are_made_again_and_not_taken_for_zero(tmp_path: Path) -> None:
    experiment = imp(RECIPE.edited({"retrain.how": "lr-rewinding", "replicates": 1, "levels": 1}))
    (again,) = (row.trained for row in experiment.rows if row.level == 1)
    assert isinstance(again.origin, Train) and again.mask is not None
    executor = Executor(Store(tmp_path))
    executor.run({again.origin: Content.FULL, again.mask: Content.METRICS})
    executor.store.reduce(again.origin.key, Content.WEIGHTS)  # what a process does that needed no more
    assert executor.run({again: Content.FULL}).missing == {}
    assert executor.store.state(again).age == again.origin.length + again.length


def test_what_another_process_stored_meanwhile_to_keep_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    experiment = imp(RECIPE.edited({"replicates": 1, "levels": 1}))
    (dense,), (again,) = ([row.trained for row in experiment.rows if row.level == level] for level in (0, 1))
    Executor(Store(tmp_path)).run({dense: Content.FULL})
    monkeypatch.setattr(Executor, "_kept_before", lambda self, plan: {})  # as if it was not there at the start
    Executor(Store(tmp_path)).run({again: Content.WEIGHTS})
    manifest = Store(tmp_path).manifest(dense)
    assert manifest is not None and manifest.kept is Content.FULL


def test_a_rewind_point_without_its_buffers_is_trained_again_though_all_tickets_are_stored(root: Path) -> None:
    store = Store(root)
    points = EXPERIMENT.rewind_points.values()
    assert all(store.reduce(point.key, Content.WEIGHTS) for point in points)
    assert set(planned(RECIPE, root).missing) == set(points)
    run(RECIPE, root)
    assert all(store.has(point, Content.FULL) for point in points)


# What fails


def test_a_training_that_diverges_is_reported_and_others_go_on(tmp_path: Path, spans: Spans) -> None:
    wild = RECIPE.edited({"optimizer.learning_rate": 1e30, "schedule.warmup": "0it", "replicates": 1, "rewind": "0it"})
    targets = imp(wild).targets() | imp(RECIPE).targets()
    record, store = Record(), Store(tmp_path)
    plan = Executor(store, reporter=record).run(targets)

    dense = ticket(imp(wild), 0)
    assert set(plan.failed) == set(record.failures) == {dense}
    message = plan.failed[dense].message
    assert message == (
        "the loss is not finite at iteration 1 (learning rate 1e+30).\n"
        "Try a smaller optimizer.learning_rate, or a longer schedule.warmup."
    )
    assert plan.failed[dense].error == "Diverged"
    assert {ticket(imp(wild), level) for level in (1, 2)} <= set(plan.blocked)
    assert all(store.has(step, content) for step, content in imp(RECIPE).targets().items())
    assert list(store.curve(dense).rows) == [0]  # what was measured until then

    spans.iterations = 0
    again = Executor(store).run(targets)  # it would only diverge again
    assert spans.iterations == 0
    assert set(again.failed) == {dense}


@pytest.mark.parametrize("engine", ["plain", "stacked"])
@pytest.mark.parametrize("value", [float("inf"), float("nan")])
def test_a_lane_that_diverges_disturbs_none_of_those_beside_it(
    tmp_path: Path, engine: EngineName, value: float
) -> None:
    recipe = RECIPE.edited({"deterministic": False, "replicates": 3, "rewind": "0it"})
    experiment = imp(recipe)
    run(recipe, tmp_path / "alone", engine=engine, width=1)

    store = Store(tmp_path / "together")
    broken = experiment.rewind_points[1]
    assert isinstance(broken, Init)
    state = initial_state(broken, store)
    state.parameters["output.bias"].fill_(value)
    store.put_state(broken, state, Content.FULL, making=Making())
    record = Record()
    plan = Executor(store, reporter=record, engine=engine, width=3).run(experiment.targets())

    assert set(plan.failed) == {ticket(experiment, 0, 1)}
    assert "the loss is not finite at iteration 0 (learning rate 0.00555" in record.failures[ticket(experiment, 0, 1)]
    for replicate in (0, 2):
        for level in range(3):
            step = ticket(experiment, level, replicate)
            alone = Store(tmp_path / "alone").state(step).parameters
            for name, tensor in store.state(step).parameters.items():
                torch.testing.assert_close(tensor, alone[name], rtol=1e-3, atol=1e-4, msg=f"{name} at level {level}")


def test_a_training_that_diverges_after_the_rewind_point_leaves_that_stored(tmp_path: Path) -> None:
    wild = RECIPE.edited(
        {"optimizer.learning_rate": 1e10, "schedule.warmup": "0it", "schedule.drops": [], "rewind": "1it"}
    )
    plan = run(wild, tmp_path)
    experiment = imp(wild)
    assert set(plan.failed) == {ticket(experiment, 0, replicate) for replicate in range(2)}
    assert all(Store(tmp_path).has(point, Content.FULL) for point in experiment.rewind_points.values())


@pytest.mark.parametrize("changes", [{"train.batch": 1}, {"train.batch": 5, "train.accumulate": 3}])
def test_batches_of_one_example_are_refused_where_batch_norm_has_nothing_to_take_a_variance_of(
    changes: dict[str, Any],
) -> None:
    step, cpu = ticket(imp(RECIPE.edited(changes)), 0), torch.device("cpu")
    with pytest.raises(RecipeError, match=r"does not train on one example at a time.*\nValueError: .*\nGive a batch"):
        chosen(step, cpu)
    chosen(ticket(imp(RECIPE.edited(changes | {"model.name": "lenet-8"})), 0), cpu)


class Squares(nn.Module):
    def forward(self, inputs: Tensor) -> Tensor:
        return inputs.square()


def test_a_rewind_point_whose_very_next_batch_diverges_is_kept(tmp_path: Path) -> None:
    inputs, targets = torch.randn(40, 4, generator=torch.Generator().manual_seed(0)), torch.arange(40) % 2
    train = held_out(40, 10, generator(0, 0, "split")).train
    order = torch.randperm(30, generator=generator(0, 0, "order", 0, 0))
    inputs[train[order[12]]] = 3e38  # in batch 2 of 5 examples each, and infinite when it is squared
    found = run_recipe(
        model=lambda classes: nn.Sequential(Squares(), nn.Linear(4, classes)),
        data=(inputs, targets, torch.zeros(4, 4), targets[:4]),
        store=tmp_path,
        rewind="2it",
        levels=1,
        replicates=1,
        control=[],
        data__validation=10,
        train__length="12it",
        train__batch=5,
        train__evaluate="6it",
    )
    assert ["the loss is not finite at iteration 2" in message for message in found.failures.values()] == [True]
    assert found.rewind_point().iteration == 2


def test_layer_collapse_ends_a_replicate_with_its_results_kept(tmp_path: Path) -> None:
    recipe = RECIPE.edited({"model.name": "tiny-norm-1", "levels": 5, "prune.rate.linear": 0.9, "rewind": "0it"})
    record, experiment = Record(), imp(recipe)
    plan = run(recipe, tmp_path, record)  # of 64 weights 6, then 1, then none
    collapsed = {ticket(experiment, 3, replicate).mask for replicate in range(2)}
    assert set(plan.failed) == set(record.failures) == collapsed
    for failure in plan.failed.values():
        assert failure.error == "LayerCollapse"
        assert failure.message.startswith("level 3 would leave no weights in fc1.weight, so no signal could pass.")
    store = Store(tmp_path)
    for replicate in range(2):
        assert [store.has(ticket(experiment, level, replicate), Content.WEIGHTS) for level in range(6)] == [
            True,
            True,
            True,
            False,
            False,
            False,
        ]
    assert {ticket(experiment, level, 0) for level in (3, 4, 5)} <= set(plan.blocked)
    assert len(plan.blocked) == len(set(plan.blocked))


# What is damaged


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def folder(root: Path, step: Step) -> Path:
    return root / "results" / step.key[:2] / step.key


@pytest.mark.parametrize("name, file", [
    ("level 2", "state.safetensors"),
    ("level 2", "manifest.json"),
    ("mask 2", "mask.safetensors"),
    ("mask 2", "manifest.json"),
    ("rewind point", "state.safetensors"),
    ("rewind point", "manifest.json"),
    ("level 0", "manifest.json"),
])  # fmt: skip
def test_a_damaged_result_is_named_moved_aside_and_computed_again(
    root: Path, tmp_path: Path, name: str, file: str
) -> None:
    more = RECIPE.edited({"levels": 3})
    run(more, tmp_path / "whole")
    second = ticket(EXPERIMENT, 2)
    assert second.mask is not None
    steps: dict[str, Step] = {
        "level 0": ticket(EXPERIMENT, 0),
        "level 2": second,
        "mask 2": second.mask,
        "rewind point": EXPERIMENT.rewind_points[0],
    }
    damaged = steps[name]
    if file == "manifest.json":
        (folder(root, damaged) / file).write_text("{")
    else:
        flip(folder(root, damaged) / file)
    record = Record()
    run(more, root, record)
    assert [path.name.partition("-")[0] for path in (root / "corrupt").iterdir()] == [damaged.key]
    assert any(f"stored result {damaged.key} is damaged" in note and "Moved aside to" in note for note in record.notes)
    assert damaged in record.finished_steps
    assert_same_results(more, root, tmp_path / "whole")


def test_damage_that_nobody_reads_is_left_alone(root: Path, spans: Spans) -> None:
    flip(folder(root, ticket(EXPERIMENT, 1)) / "state.safetensors")
    run(RECIPE.edited({"levels": 3}), root)
    assert not (root / "corrupt").exists()


def test_a_result_that_another_process_has_made_meanwhile_is_not_made_again(
    root: Path, tmp_path: Path, spans: Spans, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The plan is older than the store: the lock was free because the other process was done."""
    late, works = Store(tmp_path / "late"), Store.locked
    calls = iter([True])

    def after_the_other(self: Store, names: list[str]) -> Any:
        if next(calls, False):
            shutil.copytree(root, self.root, dirs_exist_ok=True)
        return works(self, names)

    monkeypatch.setattr(Store, "locked", after_the_other)
    plan = Executor(late).run(imp(RECIPE).targets())
    assert plan.missing == {}
    assert spans.started == []


def test_lanes_are_trained_together_where_the_recipe_does_not_ask_for_the_same_bits(
    tmp_path: Path, spans: Spans
) -> None:
    recipe = RECIPE.edited({"deterministic": False, "replicates": 3})
    run(recipe, tmp_path)
    assert {state.lanes for state in spans.started} == {3}
    assert spans.iterations == 3 * (24 + 2 * 18)


def test_deterministic_runs_have_the_same_bits_whatever_the_width(tmp_path: Path, finished: Path) -> None:
    run(RECIPE, tmp_path, width=2)
    assert_same_results(RECIPE, tmp_path, finished)


def test_lanes_have_the_results_of_trainings_alone(tmp_path: Path) -> None:
    recipe = RECIPE.edited({"deterministic": False, "control": ["reinit"]})
    run(recipe, tmp_path / "alone", width=1, engine="plain")
    run(recipe, tmp_path / "together", width=4, engine="stacked")
    one, two = Store(tmp_path / "alone"), Store(tmp_path / "together")
    for row in imp(recipe).rows:
        if row.level > 1:
            continue  # a rounding error may turn a rank, and with it the next mask
        for iteration, metrics in one.curve(row.trained).rows.items():
            assert two.curve(row.trained).rows[iteration] == pytest.approx(metrics, rel=1e-3, abs=2e-3)


@pytest.mark.parametrize(
    "error", [torch.OutOfMemoryError("out"), RuntimeError("DefaultCPUAllocator: can't allocate memory")]
)
def test_where_lanes_do_not_fit_into_memory_half_of_them_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: RuntimeError
) -> None:
    recipe = RECIPE.edited({"deterministic": False, "replicates": 5, "levels": 1, "rewind": "0it"})
    widths: list[int] = []
    whole = part.train_

    def cramped(state: State, stop: int, **parts: Any) -> None:
        widths.append(state.lanes)
        if state.lanes > 2:
            raise error
        whole(state, stop, **parts)

    monkeypatch.setattr(part, "train_", cramped)
    record = Record()
    plan = Executor(Store(tmp_path), reporter=record, engine="stacked", width=5).run(imp(recipe).targets())
    assert not plan.missing
    assert not plan.failed
    assert widths[:2] == [5, 3]
    assert max(widths[2:]) == 2  # level 1 begins with what was found to fit
    assert any("5 lanes do not fit into the memory of cpu: going on with 3" in note for note in record.notes)


def test_a_single_training_that_does_not_fit_into_memory_ends_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cramped(state: State, stop: int, **parts: Any) -> None:
        raise torch.OutOfMemoryError("tried to allocate 9 EiB")

    monkeypatch.setattr(part, "train_", cramped)
    with pytest.raises(WinnowError, match="a single training does not fit into the memory of cpu: tried to allocate"):
        run(RECIPE, tmp_path)
