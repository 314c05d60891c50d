"""Controls, ways to retrain and ways to prune, run: beside the same written out by hand, and for what they share."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
from torch.nn import functional

from tests.execution.conftest import LENGTH, RECIPE, REWIND, Record, Spans, planned, run, ticket
from tests.execution.test_rewinding import ByHand, assert_as_stored
from tests.states import assert_same_bits
from winnow import data
from winnow.errors import RecipeError
from winnow.execution import masking
from winnow.execution.lanes import batches, lanes
from winnow.execution.masks import anatomy
from winnow.execution.run import run as winnow_run
from winnow.execution.training import initial_state, starting_state
from winnow.experiments import controls, imp
from winnow.models import build
from winnow.pruning import Mask
from winnow.pruning.random import drawn
from winnow.results import collect
from winnow.seeds import generator
from winnow.steps import Alter, Content, Draw, Init, Prune, Train
from winnow.store import Store

ALL = RECIPE.edited({"control": ["all"]})


@pytest.fixture
def seconds() -> float:
    return 60  # some train forty networks


def mask_of(step: Train, store: Store) -> Mask:
    assert step.mask is not None
    return store.mask(step.mask)


# Controls


def test_adding_every_control_to_a_finished_run_trains_only_the_controls(
    finished: Path, tmp_path: Path, spans: Spans
) -> None:
    root = tmp_path / "store"
    shutil.copytree(finished, root)
    record, before = Record(), {step.key for step in imp(RECIPE).targets()}
    run(ALL, root, record)
    own = {row.trained for row in imp(ALL).rows if row.control != "ticket"}
    trained = {step for step in record.finished_steps if isinstance(step, Train)}
    assert trained == own
    assert {step.kind for step in record.finished_steps} == {"train", "draw"}
    assert not before & {step.key for step in record.finished_steps}
    # Two replicates: at two levels a reinitialized one of 24 iterations and seven of 18, and the dense network trained
    # on by 18 for each level: from the rewind point, the last state that is kept in full.
    assert spans.iterations == 2 * (2 * (24 + 7 * 18) + (18 + 2 * 18))
    assert not planned(ALL, root).missing


def test_controls_that_start_at_k_train_in_one_batch_with_the_tickets() -> None:
    rows = [row for row in imp(ALL.edited({"deterministic": False})).rows if row.level == 1]
    found = batches(lanes(row.trained for row in rows), width=32)
    controls_of = {row.trained: row.control for row in rows}
    assert [{controls_of[lane.last] for lane in batch} for batch in found] == [
        {"ticket", "random", "shuffle", "random-global", "erdos-renyi", "signs", "signs-shuffled", "swap"},
        {"reinit"},
        {"dense-longer"},
    ]
    assert [len(batch) for batch in found] == [16, 2, 2]


@pytest.fixture(scope="module")
def controlled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("controlled") / "store"
    assert not run(ALL.edited({"replicates": 1}), root).failed
    return root


@pytest.mark.parametrize("control", ["random", "shuffle", "random-global", "erdos-renyi"])
def test_a_random_mask_has_the_tickets_number_of_weights_and_is_seeded_by_the_replicate(
    controlled: Path, control: str
) -> None:
    store, experiment = Store(controlled), imp(ALL)
    for level in (1, 2):
        step = ticket(experiment, level, control=control)
        assert isinstance(step.mask, Draw)
        own, found = mask_of(ticket(experiment, level), store), mask_of(step, store)
        assert found.kept == own.kept and found != own
        assert found == drawn(own, step.mask.how, generator(0, 0, "mask", step.mask.sample))
        assert store.curve(step).last == LENGTH


@pytest.mark.parametrize("control", ["signs", "signs-shuffled"])
def test_a_control_of_signs_starts_with_the_tickets_state_but_for_its_magnitudes(
    controlled: Path, control: str
) -> None:
    store, step = Store(controlled), ticket(imp(ALL), 1, control=control)
    assert isinstance(step.origin, Alter) and isinstance(step.origin.origin, Train)
    rewound, altered = store.state(step.origin.origin), starting_state(step.origin, store)
    mask = mask_of(step, store)
    for name, kept in mask.items():
        weight, before = altered.parameters[name][0], rewound.parameters[name][0]
        assert weight.abs().unique().tolist() == pytest.approx([before.std(correction=0).item()])
        assert (weight.sign() == before.sign())[kept].all() == (control == "signs")
        assert (weight > 0)[kept].sum() == (before > 0)[kept].sum()
        altered.parameters[name] = rewound.parameters[name]
    assert_same_bits(altered, rewound)  # everything else, the optimizer's buffers and their age too


def test_signs_that_were_shuffled_agree_with_those_that_training_began_with(controlled: Path) -> None:
    found = anatomy(imp(ALL.edited({"replicates": 1})), Store(controlled), identity="all")
    agreeing = {
        (record.control, record.level): record.value
        for record in found.records
        if record.metric == "sign_agreement" and not record.layer
    }
    for level in (1, 2):
        assert agreeing["signs", level] > 0.8 and agreeing["signs-shuffled", level] > 0.8  # half, with W_0's own


def test_the_dense_network_trained_longer_is_ordinary_training_that_goes_on(controlled: Path) -> None:
    store, experiment = Store(controlled), imp(ALL)
    goes_on = ByHand(0)
    goes_on.run(0, LENGTH + 18)
    assert_as_stored(goes_on, store, ticket(experiment, 1, control="dense-longer"))
    assert store.curve(ticket(experiment, 2, control="dense-longer")).last == LENGTH + 2 * 18


def test_results_are_in_the_controls_order_and_the_dense_network_trained_longer_has_every_weight(
    controlled: Path,
) -> None:
    results = collect(imp(ALL.edited({"replicates": 1})), Store(controlled), identity="x")
    alone = [name for name in controls() if name != "swap"]  # which takes the mask of another replicate
    assert list(dict.fromkeys(level.control for level in results.levels)) == ["ticket", *alone]
    densities = {(level.control, level.level): level.density for level in results.levels}
    assert densities["dense-longer", 2] == 1
    assert all(densities[name, 2] == densities["ticket", 2] for name in alone if name != "dense-longer")


def test_a_random_mask_that_would_empty_a_layer_fails_alone(tmp_path: Path) -> None:
    # 80 of 592 weights are the output's; of 32 in all, chance may leave it none, but not this seed's ticket
    recipe = RECIPE.edited(
        {"levels": 1, "replicates": 1, "control": ["random-global", "random"], "prune.rate.linear": 0.99,
         "prune.rate.output": 0.99}
    )  # fmt: skip
    seeds = {seed: recipe.edited({"seed": seed}) for seed in range(12)}
    for seed, each in seeds.items():
        like = Mask({"fc1.weight": torch.arange(512) < 5, "output.weight": torch.arange(80) < 1})
        if not drawn(like, "global", generator(seed, 0, "mask", 0))["output.weight"].any():
            record = Record()
            plan = run(each, tmp_path, record)
            [message] = {failure.message for failure in plan.failed.values()}
            assert message.startswith("the random mask 'global' of level 1 would leave no weights in output.weight")
            assert [row.control for row in imp(each).rows if row.trained in plan.blocked] == ["random-global"]
            assert Store(tmp_path).has(ticket(imp(each), 1, control="random"), Content.METRICS)
            return
    pytest.fail("no seed empties a layer")


# Ways to retrain


@pytest.mark.parametrize("how, start", [("lr-rewinding", REWIND), ("fine-tuning", LENGTH)])
def test_a_ticket_that_keeps_its_weights_is_ordinary_training_that_goes_on_from_the_end(
    tmp_path: Path, how: str, start: int
) -> None:
    recipe = RECIPE.edited({"replicates": 1, "retrain.how": how})
    run(recipe, tmp_path)
    store, experiment = Store(tmp_path), imp(recipe)
    by_hand = ByHand(0)
    by_hand.run(0, LENGTH)
    for level in (1, 2):
        step = ticket(experiment, level)
        values = {name: value.clone() for name, value in by_hand.network.state_dict().items()}
        momentum = {name: value.clone() for name, value in by_hand.momentum().items()}
        by_hand.metrics.clear()
        by_hand.losses.clear()
        by_hand.rewind(values, momentum, mask_of(step, store))
        by_hand.run(start, start + LENGTH - REWIND, mask_of(step, store))
        assert_as_stored(by_hand, store, step)
    assert mask_of(ticket(experiment, 2), store).is_within(mask_of(ticket(experiment, 1), store))


@pytest.mark.parametrize("how", ["lr-rewinding", "fine-tuning"])
def test_a_run_that_keeps_its_weights_is_done_when_it_is_done(tmp_path: Path, how: str, spans: Spans) -> None:
    recipe = RECIPE.edited({"replicates": 1, "retrain.how": how})
    run(recipe, tmp_path)
    trained = spans.iterations
    assert trained == LENGTH + 2 * (LENGTH - REWIND)
    assert not planned(recipe, tmp_path).missing
    store = Store(tmp_path)
    kept = [store.manifest(ticket(imp(recipe), level)) for level in range(3)]
    assert [each and each.kept for each in kept] == [Content.FULL, Content.WEIGHTS, Content.WEIGHTS]
    other = recipe.edited({"retrain.how": "fine-tuning" if how == "lr-rewinding" else "lr-rewinding"})
    run(other, tmp_path)  # shares the dense network
    assert spans.iterations - trained == 2 * (LENGTH - REWIND)
    controlled = recipe.edited({"control": ["signs"]})
    run(controlled, tmp_path)  # for which the first level's end is needed in full again
    assert spans.iterations - trained == (2 + 1 + 2) * (LENGTH - REWIND)
    assert not planned(controlled, tmp_path).missing


# Pruning earlier


def test_levels_that_are_not_asked_for_train_to_p_alone_and_show_it(tmp_path: Path, spans: Spans) -> None:
    recipe = RECIPE.edited(
        {"replicates": 1, "levels": 3, "prune.at": "14it", "prune.train_levels": [1, 3], "control": ["random"]}
    )
    run(recipe, tmp_path)
    assert spans.iterations == LENGTH + 18 + (14 - REWIND) + 18 + 2 * 18
    store = Store(tmp_path)
    results = collect(imp(recipe), store, identity="x")
    shown = {(level.control, level.level): (level.cut, level.is_matching is None) for level in results.levels}
    assert shown == {
        ("ticket", 0): (None, True),
        ("ticket", 1): (None, False),
        ("ticket", 2): (14, True),
        ("ticket", 3): (None, False),
        ("random", 1): (None, False),
        ("random", 3): (None, False),
    }
    spans.iterations = 0
    run(recipe.edited({"prune.train_levels": None, "control": []}), tmp_path)
    assert spans.iterations in (LENGTH - 14, LENGTH - REWIND)  # level 2 goes on, if its state was kept in full


def test_masks_of_pruning_at_p_are_of_the_weights_at_p(tmp_path: Path) -> None:
    recipe = RECIPE.edited({"replicates": 1, "levels": 1, "prune.at": "14it"})
    run(recipe, tmp_path)
    by_hand = ByHand(0)
    by_hand.run(0, 14)
    weight = by_hand.network.state_dict()["fc1.weight"]
    kept = mask_of(ticket(imp(recipe), 1), Store(tmp_path))["fc1.weight"]
    assert weight[kept].abs().min() > weight[~kept].abs().max()


# Ways to prune


def test_snip_at_initialization_sees_ten_training_examples_of_each_class_in_w_0(tmp_path: Path) -> None:
    recipe = RECIPE.edited(
        {"replicates": 1, "rewind": "0it", "prune.score": "snip", "prune.at": "rewind", "prune.rounds": "one-shot"}
    )
    run(recipe, tmp_path)
    arrays = data.load("digits")
    parts = data.split(arrays, 200, generator(0, 0, "split"))
    labels = torch.from_numpy(arrays.train_labels)[parts.train]
    images = torch.from_numpy(arrays.train_images).float()[parts.train] / 16
    order = torch.randperm(1_000, generator=generator(0, 0, "mask", 0, 0))
    index = torch.cat([order[labels[order] == label][:10] for label in range(10)]).sort().values
    network = build("tiny-norm-8", (1, 8, 8), 10).to_empty(device="cpu")
    init = ticket(imp(recipe), 0).origin
    assert isinstance(init, Init)
    network.load_state_dict(initial_state(init, Store(tmp_path)).values())
    functional.cross_entropy(network.train()(images[index]), labels[index]).backward()
    for level in (1, 2):
        mask = mask_of(ticket(imp(recipe), level), Store(tmp_path))
        for name, kept in mask.items():
            weight = network.get_parameter(name)
            assert weight.grad is not None
            score = (weight * weight.grad).abs()
            assert score[kept].min() >= score[~kept].max()


@pytest.mark.parametrize("score", ["grasp", "synflow", "random", "magnitude"])
def test_scores_at_initialization_need_no_training_first(tmp_path: Path, score: str) -> None:
    recipe = RECIPE.edited(
        {"replicates": 1, "rewind": "0it", "prune.score": score, "prune.at": "rewind", "prune.rounds": "one-shot"}
    )
    plan = planned(recipe, tmp_path)
    assert {step for step in plan.ready if isinstance(step, Prune)} == {
        row.mask for row in imp(recipe).rows if row.mask
    }
    run(recipe, tmp_path)
    masks = [mask_of(ticket(imp(recipe), level), Store(tmp_path)) for level in (1, 2)]
    assert [[int(kept.sum()) for kept in mask.values()] for mask in masks] == [[410, 72], [328, 65]]


def test_random_pruning_differs_by_level_and_replicate(tmp_path: Path) -> None:
    recipe = RECIPE.edited({"rewind": "0it", "prune.score": "random", "prune.at": "rewind", "prune.rounds": "one-shot"})
    run(recipe, tmp_path)
    masks = {(level, n): mask_of(ticket(imp(recipe), level, n), Store(tmp_path)) for level in (1, 2) for n in (0, 1)}
    assert masks[1, 0] != masks[1, 1]
    assert not masks[2, 0].is_within(masks[1, 0])


def test_magnitude_change_is_since_iteration_0_and_not_since_k(tmp_path: Path) -> None:
    recipe = RECIPE.edited({"replicates": 1, "levels": 1, "prune.score": "magnitude-change"})
    run(recipe, tmp_path, keep="all", keep_all=True)
    store, dense = Store(tmp_path), ticket(imp(recipe), 0)
    assert isinstance(dense.origin, Init)
    grown = (
        store.state(dense).values()["fc1.weight"].abs()
        - initial_state(dense.origin, store).values()["fc1.weight"].abs()
    )
    kept = mask_of(ticket(imp(recipe), 1), store)["fc1.weight"]
    assert grown[kept].min() >= grown[~kept].max()


OWN = """
def score(context):
    return {name: -weight.abs() for name, weight in context.weights.items()}
"""


def test_a_score_of_ones_own_prunes_and_when_its_code_changes_it_prunes_anew(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text(OWN)
    recipe = RECIPE.edited({"replicates": 1, "levels": 1, "prune.score": f"{path}:score"})
    run(recipe, tmp_path / "store")
    store, step = Store(tmp_path / "store"), ticket(imp(recipe), 1)
    kept = mask_of(step, store)["fc1.weight"]
    weight = store.state(ticket(imp(recipe), 0)).values()["fc1.weight"]
    assert weight[kept].abs().max() < weight[~kept].abs().min()
    other = tmp_path / "other.py"  # a module is run once a process
    other.write_text(OWN.replace("-weight.abs()", "weight"))
    changed = ticket(imp(recipe.edited({"prune.score": f"{other}:score"})), 1)
    assert isinstance(changed.mask, Prune) and isinstance(step.mask, Prune)
    assert changed.mask.code != step.mask.code
    assert ticket(imp(recipe), 0) == ticket(imp(RECIPE), 0)  # what comes before it is shared


def test_a_score_that_asks_for_more_examples_than_there_are_says_so(tmp_path: Path) -> None:
    course = ticket(imp(RECIPE), 0).course
    with pytest.raises(RecipeError, match="asks for 500 training examples of each class, and digits has a class with"):
        masking.some_examples(course.examples, 500, torch.device("cpu"), torch.Generator(), per_class=True)
    images, labels = masking.some_examples(
        course.examples, 7, torch.device("cpu"), torch.Generator().manual_seed(0), per_class=True
    )
    assert images.shape == (70, 1, 8, 8)
    assert labels.bincount().tolist() == [7] * 10


@pytest.mark.parametrize("granularity, edits", [("2:4", {"levels": 1}), ("unit", {"prune.rate.output": None})])
def test_a_ticket_in_a_form_that_hardware_runs_fast_trains_in_it(
    tmp_path: Path, granularity: str, edits: dict[str, object]
) -> None:
    recipe = RECIPE.edited({"replicates": 1, "prune.granularity": granularity, **edits})
    run(recipe, tmp_path)
    store = Store(tmp_path)
    for level in range(1, recipe.levels + 1):
        weight = store.state(ticket(imp(recipe), level)).values()["fc1.weight"]
        if granularity == "unit":
            assert int(weight.any(1).sum()) == int(8 * 0.8**level + 0.5)
        else:
            assert ((weight.view(8, -1, 4) != 0).sum(2) == 2).all()


def test_networks_whose_weights_go_on_are_no_tickets_and_those_from_scratch_are_tickets_of_w_0(tmp_path: Path) -> None:
    edits = {"replicates": 1, "levels": 1}
    found = winnow_run(RECIPE.edited({**edits, "retrain.how": "lr-rewinding"}), store=tmp_path, device="cpu")
    with pytest.raises(RecipeError, match=r"with retrain \(learning rate rewound to 6it\), weights go on .*\nTickets"):
        found.ticket(1)
    assert found.mask(1).kept == 410 + 72
    scratch = winnow_run(RECIPE.edited({**edits, "retrain.how": "scratch"}), store=tmp_path, device="cpu")
    written = scratch.ticket(1)
    init = ticket(scratch.experiment, 0).origin
    assert isinstance(init, Init)
    assert written.provenance["k"] == 0
    assert torch.equal(written.state["fc1.weight"], initial_state(init, Store(tmp_path)).values()["fc1.weight"])


@pytest.mark.parametrize("score", ["snip", "grasp"])
def test_a_score_in_training_mode_draws_dropout_from_a_stream_of_its_own(tmp_path: Path, score: str) -> None:
    edits = {"replicates": 1, "levels": 1, "rewind": "0it", "model.name": "tiny-drop-8"}
    recipe = RECIPE.edited({**edits, "prune.score": score, "prune.at": "rewind", "prune.rounds": "one-shot"})
    step = ticket(imp(recipe), 1).mask
    assert isinstance(step, Prune)
    torch.manual_seed(1)
    before = torch.get_rng_state()
    first = masking.pruned(step, Store(tmp_path), torch.device("cpu"))
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(2)
    assert masking.pruned(step, Store(tmp_path), torch.device("cpu")) == first


def test_ways_whose_buffers_are_of_different_age_do_not_share_a_batch(tmp_path: Path) -> None:
    # Reinitialized weights start at iteration 0 with fresh buffers; tickets do too, with those of the dense end.
    changes = {"retrain.how": "lr-rewinding", "rewind": "0it", "control": ["reinit"], "deterministic": False}
    recipe = RECIPE.edited(changes | {"levels": 1})
    rows = [row for row in imp(recipe).rows if row.level == 1]
    found = batches(lanes(row.trained for row in rows), width=32)
    assert [len(batch) for batch in found] == [2, 2]
    assert {row.control: row.trained.age for row in rows} == {"ticket": LENGTH, "reinit": 0}
    assert not run(recipe, tmp_path).failed
