"""Rivals as steps: as dense as the tickets beside them, each setting with an effect, no key changed without them."""

from __future__ import annotations

import pytest

from winnow.errors import RecipeError, UnknownName
from winnow.experiments import imp
from winnow.experiments.experiment import Experiment
from winnow.models import build
from winnow.pruning import kept_weights, prunable_layers
from winnow.pruning.granularity import kept_at
from winnow.recipe import Recipe
from winnow.recipes import from_toml, read, to_toml
from winnow.steps import Train
from winnow.store.experiments import identity


def recipe(**edits: object) -> Recipe:
    named = {path.replace("__", "."): value for path, value in edits.items()}
    return read("digits").edited(
        {"levels": 3, "replicates": 2, "control": [], "rival": ["gmp", "set", "rigl"], **named}
    )


def rivals(experiment: Experiment) -> dict[tuple[str, int, int], Train]:
    return {(r.control, r.replicate, r.level): r.trained for r in experiment.rows if r.trained.dynamic}


@pytest.mark.parametrize("scope", ["layerwise", "global"])
def test_rivals_keep_exactly_as_many_weights_as_the_tickets_of_their_level(scope: str) -> None:
    of = recipe(prune__scope=scope, prune__rate__output=0.2 if scope == "global" else 0.1)
    layers = prunable_layers(build("lenet-300-100", (1, 8, 8), 10), of.prune.rate)
    sizes = [layer.size for layer in layers.values()]
    for (_, _, level), trained in rivals(imp(of)).items():
        parts = (
            [(sum(sizes), next(iter(layers.values())).rate)]
            if scope == "global"
            else [(layer.size, layer.rate) for layer in layers.values()]
        )
        expected = sum(kept_weights(size, rate, level) for size, rate in parts)
        assert trained.dynamic is not None and sum(count for _, count in trained.dynamic.kept) == expected


@pytest.mark.parametrize("granularity, level", [("unit", 3), ("2:4", 1)])
def test_rivals_of_tickets_in_pieces_are_as_dense_as_those(granularity: str, level: int) -> None:
    of = recipe(prune__granularity=granularity, prune__rate__output=None, prune__rate__linear=0.3, levels=level)
    layers = prunable_layers(build("lenet-300-100", (1, 8, 8), 10), of.prune.rate)
    expected = sum(kept_at(layer, level, granularity) for layer in layers.values())
    kept = {rival: trained.dynamic.kept for rival, trained in rivals(imp(of)).items() if trained.dynamic}
    assert {sum(dict(counts).values()) for (_, _, at), counts in kept.items() if at == level} == {expected}


def test_a_rival_is_one_training_of_the_dense_networks_start_noise_and_length() -> None:
    experiment = imp(recipe(rewind="20it"))
    dense = {row.replicate: row.trained for row in experiment.rows if row.level == 0}
    found = rivals(experiment)
    assert len(found) == 3 * 2 * 3
    for (_, replicate, _), trained in found.items():
        like = dense[replicate]
        assert (trained.origin, trained.noise, trained.start, trained.stop) == (like.origin, like.noise, 0, like.stop)
        assert trained.mask is None


@pytest.mark.parametrize(
    "edits, changed",
    [
        ({"dynamic__every": "10it"}, {"gmp", "set", "rigl"}),
        ({"dynamic__end": "50%"}, {"gmp", "set", "rigl"}),
        ({"dynamic__start": "20it"}, {"gmp"}),
        ({"dynamic__drop": 0.2}, {"set", "rigl"}),
        ({"dynamic__distribution": "recipe"}, {"set", "rigl"}),
        ({"dynamic__distribution": "uniform"}, {"gmp", "set", "rigl"}),
        ({"matching__tolerance": 0.5}, set()),
    ],
)
def test_each_setting_makes_another_training_of_those_it_is_for(edits: dict[str, object], changed: set[str]) -> None:
    before, after = rivals(imp(recipe())), rivals(imp(recipe(**edits)))
    assert {place[0] for place in before if before[place].key != after[place].key} == changed


def test_rivals_change_no_other_key_and_widen_an_experiment_as_controls_do() -> None:
    without, having = recipe(rival=[]), recipe()
    keys = [row.trained.key for row in imp(having).rows if not row.trained.dynamic]
    assert [row.trained.key for row in imp(without).rows] == keys
    assert identity(without) == identity(having) != identity(recipe(dynamic__drop=0.2))
    assert identity(having) == identity(recipe(dynamic__end="225it")), "75 % of 300 iterations, written otherwise"


def test_a_recipe_with_rivals_is_read_as_it_is_written() -> None:
    of = recipe(rival=["gmp,set", "rigl"], dynamic__every="2ep", dynamic__distribution="uniform")
    assert of.rival == ("gmp", "set", "rigl")
    assert from_toml(to_toml(of)) == of


@pytest.mark.parametrize(
    "edits, message",
    [
        ({"dynamic__end": "300it"}, r"dynamic.end is 300it \(iteration 300\).*before the end of training \(300it\)"),
        ({"dynamic__start": "80%"}, r"Masks begin to change after iteration 240"),
        (
            {"dynamic__every": "0it"},
            r"dynamic.every is 0it \(0it\), which leaves no update between iterations 0 and 225",
        ),
        ({"dynamic__every": "226it"}, r"dynamic.every is 226it"),
        (
            {"prune__granularity": "unit", "prune__rate__output": None, "prune__scope": "global"},
            r"known only once whole units of all layers together are ranked.*Give prune.scope = 'layerwise'",
        ),
        ({"levels": 60}, r"level \d+ of the rival 'gmp' would leave no weights in "),
    ],
)
def test_a_schedule_that_cannot_be_followed_says_why(edits: dict[str, object], message: str) -> None:
    with pytest.raises(RecipeError, match=f"(?s){message}"):
        imp(recipe(**edits))


def test_an_unknown_rival_lists_those_there_are() -> None:
    with pytest.raises(UnknownName, match=r"(?s)unknown rival 'rigle'\. Did you mean 'rigl'.*gmp, rigl, set"):
        imp(recipe(rival=["rigle"]))
