from __future__ import annotations

import pytest

from winnow.errors import RecipeError
from winnow.experiments import Experiment, controls, imp
from winnow.experiments.stability import stability
from winnow.recipes import read
from winnow.steps import Alter, Draw, Init, Prune, Train
from winnow.timeline import Amount

BASE = read("digits").edited(
    {"levels": 2, "replicates": 2, "control": ["all"], "train.length": "100it", "rewind": "30it"}
)


def row(experiment: Experiment, control: str, level: int, replicate: int = 0) -> Train:
    [found] = [
        each.trained
        for each in experiment.rows
        if (each.control, each.level, each.replicate) == (control, level, replicate)
    ]
    return found


def test_all_names_every_control_each_once_and_beside_others() -> None:
    names = list(dict.fromkeys(each.control for each in imp(BASE).rows))
    assert names == ["ticket", *controls()]
    assert names[1:] == [
        "reinit", "random", "shuffle", "random-global", "erdos-renyi", "signs", "signs-shuffled", "dense-longer",
        "swap",
    ]  # fmt: skip
    assert imp(BASE.edited({"control": ["all", "random"]})).rows == imp(BASE).rows
    one = imp(BASE.edited({"control": ["random"]})).rows
    assert set(one) < set(imp(BASE).rows)


@pytest.mark.parametrize("control", [["reinit,random"], ["reinit,", "random"], ["reinit, random"]])
def test_controls_may_be_written_with_commas_as_rivals_are(control: list[str]) -> None:
    assert read("digits").edited({"control": control}).control == ("reinit", "random")


@pytest.mark.parametrize("control, how", [
    ("random", "layerwise"), ("shuffle", "units"), ("random-global", "global"), ("erdos-renyi", "erdos-renyi"),
])  # fmt: skip
def test_a_random_mask_is_the_one_thing_in_which_a_control_of_masks_differs(control: str, how: str) -> None:
    experiment = imp(BASE)
    masks: set[Draw] = set()
    for level in (1, 2):
        for replicate in (0, 1):
            found, ticket = row(experiment, control, level, replicate), row(experiment, "ticket", level, replicate)
            assert isinstance(found.mask, Draw)
            assert (found.mask.like, found.mask.how, found.mask.replicate) == (ticket.mask, how, replicate)
            assert (found.origin, found.start, found.stop, found.noise) == (
                ticket.origin, ticket.start, ticket.stop, ticket.noise,
            )  # fmt: skip
            masks.add(found.mask)
    assert len(masks) == 4


@pytest.mark.parametrize("control", ["signs", "signs-shuffled"])
def test_altered_weights_are_the_one_thing_in_which_a_control_of_signs_differs(control: str) -> None:
    experiment = imp(BASE)
    for level in (1, 2):
        found, ticket = row(experiment, control, level), row(experiment, "ticket", level)
        assert isinstance(found.origin, Alter)
        assert (found.origin.origin, found.origin.mask, found.origin.how) == (ticket.origin, ticket.mask, control)
        assert found.mask == ticket.mask
        # so that they train in one batch with the tickets
        assert (found.start, found.stop, found.noise, found.fresh_optimizer) == (30, 100, ticket.noise, False)
        assert found.key != ticket.key


def test_the_dense_network_trained_longer_is_one_training_that_goes_on_by_what_each_level_cost() -> None:
    experiment = imp(BASE)
    dense = row(experiment, "ticket", 0)
    longer = [row(experiment, "dense-longer", level) for level in (1, 2)]
    assert [each.stop for each in longer] == [100 + 70, 100 + 2 * 70]
    assert {each.trajectory for each in longer} == {dense.trajectory}
    assert all(each.mask is None for each in longer)
    one_shot = imp(BASE.edited({"prune.rounds": "one-shot"}))
    assert [row(one_shot, "dense-longer", level).stop for level in (1, 2)] == [170, 170]
    early = imp(BASE.edited({"prune.at": "50it"}))
    assert [row(early, "dense-longer", level).stop for level in (1, 2)] == [170, 100 + 20 + 70]


def test_the_random_control_is_the_very_network_that_stability_studies() -> None:
    recipe = BASE.edited({"control": ["random"]})
    study = stability(recipe, density=0.64, at=[Amount.parse("30it")])
    assert study.level == 2
    children = {child.trained for child in study.children if child.network == "random" and child.sample == 0}
    assert children == {row(imp(recipe), "random", 2, replicate) for replicate in (0, 1)}


def test_controls_need_no_result_but_the_tickets_masks_and_rewind_points() -> None:
    experiment = imp(BASE)
    tickets = {each.mask for each in experiment.rows if each.control == "ticket"}
    for each in experiment.rows:
        if each.control != "ticket":
            for source in each.trained.needs:
                masks = {source} if isinstance(source, Prune) else set(source.needs) if isinstance(source, Draw) else {}
                assert set(masks) <= tickets
                assert masks or source in experiment.rewind_points.values()


def test_the_reinitialized_control_trains_the_whole_schedule_whatever_way_tickets_are_retrained() -> None:
    experiment = imp(BASE.edited({"retrain.how": "fine-tuning"}))
    assert row(experiment, "ticket", 1).stop == 170
    found = row(experiment, "reinit", 1)
    assert (found.start, found.stop) == (0, 100)
    assert isinstance(found.origin, Init)


SPARSE_START = {"retrain.how": "lr-rewinding", "levels": 2}
"""Level 2 starts from the weights with which level 1 ended."""


@pytest.mark.parametrize("name", ["random", "shuffle", "random-global", "erdos-renyi", "swap"])
def test_another_mask_is_not_laid_on_weights_that_an_earlier_one_has_made_zero(name: str) -> None:
    with pytest.raises(RecipeError, match=f"the control '{name}' lays another mask on .* most of the others are zero"):
        imp(BASE.edited(SPARSE_START | {"control": [name]}))
    found = imp(BASE.edited(SPARSE_START | {"control": [name], "prune.rounds": "one-shot"}))
    assert name in {each.control for each in found.rows}


def test_all_leaves_out_what_needs_weights_that_are_zero() -> None:
    found = {each.control for each in imp(BASE.edited(SPARSE_START | {"control": ["all"]})).rows}
    assert found == {"ticket", "reinit", "signs", "signs-shuffled", "dense-longer"}


def test_the_two_random_masks_of_a_level_have_no_more_in_common_than_by_chance() -> None:
    experiment = imp(BASE.edited({"control": ["random", "erdos-renyi"]}))
    draws = [row(experiment, control, 1).mask for control in ("random", "erdos-renyi")]
    assert len({each.sample for each in draws if isinstance(each, Draw)}) == 2
