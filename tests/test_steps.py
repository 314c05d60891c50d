from __future__ import annotations

import dataclasses
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from winnow.course import Course, Examples, Network, Noise, Objective, Updates
from winnow.dynamic import Dynamic
from winnow.errors import WinnowError
from winnow.experiments import imp
from winnow.from_recipe import course
from winnow.recipe import Rates, Recipe
from winnow.recipes import read
from winnow.steps import Content, Init, Prune, Step, Train

COURSE = Course(
    network=Network(name="lenet-5", init="glorot-normal", shape=(1, 8, 8), classes=10),
    examples=Examples(name="digits", checksum="ab", validation=200, mean=None, std=None, seed=0),
    batch=60,
    updates=Updates(
        optimizer="sgd",
        learning_rate=0.1,
        momentum=0.9,
        beta1=0.9,
        beta2=0.999,
        epsilon=1e-8,
        weight_decay=1e-4,
        warmup=10,
        drops=(20, 30),
        factor=0.1,
    ),
    evaluate=20,
)
INIT = Init(network=COURSE.network, seed=0, replicate=0)
DENSE = Train(course=COURSE, origin=INIT, noise=Noise(seed=0, replicate=0), stop=400)
REWOUND = dataclasses.replace(DENSE, stop=40)
MASK = Prune(trained=DENSE, level=1, rate=Rates(linear=0.2, output=0.1), scope="layerwise", score="magnitude")
TICKET = Train(
    course=COURSE, origin=REWOUND, mask=MASK, noise=Noise(seed=0, replicate=0), start=40, stop=400, deterministic=True
)
SCHEDULE = Dynamic(method="gmp", kept=(("fc1.weight", 9),), start=0, every=5, end=200)
RIVAL = dataclasses.replace(DENSE, dynamic=SCHEDULE)

CHANGED: dict[str, Any] = {
    "dynamic": SCHEDULE,
    "method": "set",
    "revision": 3,
    "kept": (("fc1.weight", 8),),
    "drop": 0.3,
    "init": "kaiming-normal",
    "shape": (1, 8, 9),
    "mean": (0.5,),
    "std": (0.5,),
    "optimizer": "adam",
    "drops": (20,),
    "exclude": ("conv1.*",),
    "scope": "global",
    "mask": None,
    "conv": 0.3,
    "augment": ("flip",),
    "precision": "bfloat16",
    "batch_norm": "local",
    "nesterov": True,
    "smoothing": 0.9,
    "no_decay": ("norm",),
    "clip": 1.0,
    "decay": "cosine",
    "final": 0.01,
    "length": 400,
    "granularity": "2:4",
    "code": "0123456789abcdef",
    "untrained": COURSE,
    "source": "0123456789abcdef",
    "task": Objective(name="regression"),
    "include": ("embed.weight",),
    "attention": 0.3,
    "embedding": 0.3,
    "size": 64,
    "corrupt": "skip",
    "label_smoothing": 0.1,
    "auxiliary": 0.4,
    "accumulate": 2,
    "at_once": True,
    "biases": 2,
}


def changed(name: str, value: Any) -> Any:
    if name in CHANGED:
        return CHANGED[name]
    if isinstance(value, bool):
        return not value
    if isinstance(value, str):
        return value + "x"
    assert isinstance(value, int | float), f"say in CHANGED what another {name} would be"
    return value + 1 if isinstance(value, int) else value / 2


def variants(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """The value with each of its fields changed in turn, however deep the field."""
    for field in dataclasses.fields(value):
        inner, place = getattr(value, field.name), f"{path}.{field.name}".strip(".")
        if dataclasses.is_dataclass(inner) and (field.name not in CHANGED or field.name == "dynamic"):
            for deeper, variant in variants(inner, place):
                yield deeper, dataclasses.replace(value, **{field.name: variant})
        elif field.name == "dynamic" and value.mask:
            continue  # a mask is another step's, or it changes
        elif field.metadata.get("is_in_key", True) and not (field.name == "mask" and inner is None):
            yield place, dataclasses.replace(value, **{field.name: changed(field.name, inner)})


@pytest.mark.parametrize("step", [INIT, DENSE, MASK, TICKET, RIVAL], ids=["init", "dense", "mask", "ticket", "rival"])
def test_a_step_has_another_key_when_any_field_of_it_or_of_what_it_comes_from_differs(step: Step) -> None:
    found = dict(variants(step))
    keys = {place: variant.key for place, variant in found.items()}
    assert step.key not in keys.values()
    assert len(found) >= 7
    assert len(set(keys.values())) == len(keys)
    assert all(variant != step for variant in found.values())


def test_every_field_that_a_step_may_differ_in_was_changed() -> None:
    places = dict(variants(TICKET))
    for place in (
        "course.network.name",
        "course.examples.checksum",
        "course.updates.weight_decay",
        "course.evaluate",
        "origin.stop",
        "origin.origin.replicate",
        "noise.sample",
        "start",
        "fresh_optimizer",
        "deterministic",
    ):
        assert place in places


def test_where_data_lie_is_in_no_key() -> None:
    elsewhere = dataclasses.replace(COURSE.examples, place="folder:/elsewhere")
    assert dataclasses.replace(DENSE, course=dataclasses.replace(COURSE, examples=elsewhere)).key == DENSE.key


def test_a_step_built_again_is_the_same_step() -> None:
    again = Train(
        course=dataclasses.replace(COURSE),
        origin=Init(network=dataclasses.replace(COURSE.network), seed=0, replicate=0, sample=0),
        noise=Noise(seed=0, replicate=0, sample=0),
        start=0,
        stop=400,
    )
    assert again == DENSE
    assert {again: "found"}[DENSE] == "found"
    assert DENSE.key != DENSE


def test_steps_of_different_kinds_with_like_fields_differ() -> None:
    assert len({step.key for step in (INIT, DENSE, MASK, TICKET)}) == 4


def test_a_new_schema_is_a_new_key(monkeypatch: pytest.MonkeyPatch) -> None:
    before = DENSE.key
    monkeypatch.setattr(Init, "SCHEMA", Init.SCHEMA + 1)
    again = dataclasses.replace(DENSE, origin=dataclasses.replace(INIT))
    assert again.key != before


KEY = """
from winnow.experiments import imp
from winnow.recipes import read
print(imp(read("digits").edited({"levels": 1, "replicates": 1})).rows[-1].trained.key)
"""


def test_another_process_finds_the_same_keys() -> None:
    answer = subprocess.run([sys.executable, "-c", KEY], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == imp(read("digits").edited({"levels": 1, "replicates": 1})).rows[-1].trained.key


def steps_of(recipe: Recipe) -> Train:
    shared = course(recipe)
    init = Init(network=shared.network, seed=recipe.seed, replicate=0)
    return Train(course=shared, origin=init, noise=Noise(seed=recipe.seed, replicate=0), stop=100)


BASE = read("digits").edited(
    {"train.length": "400it", "optimizer.learning_rate": 0.0012, "schedule.warmup": "32it", "schedule.drops": ["200it"]}
)


@pytest.mark.parametrize(
    "changes",
    [
        {"name": "other", "about": "something"},
        {"levels": 3, "replicates": 9, "control": [], "rewind": "16it"},
        {"matching.tolerance": 0.2, "matching.at": "early-stop"},
        {"schedule.warmup": "2ep"},  # 16 iterations are an epoch
        {"schedule.warmup": "8%"},
        {"schedule.drops": ["50%"]},
        {"schedule.drops": ["12.5ep"]},
        {"schedule.drops": ["200it", "400it", "30ep"]},  # what comes after the end changes nothing
        {"train.length": "25ep"},
        {"train.evaluate": "1.25ep"},
        {"prune.rate.output": 0.3},  # of masks, not of the dense network
        {"optimizer.at_rewind": "fresh"},
        {"data.mean": [0.0], "data.std": [1.0]},  # which change no pixel
        {"train.batch_norm": "local"},  # of which there is none
    ],
)
def test_recipes_that_train_alike_share_their_results_however_they_are_written(changes: dict[str, Any]) -> None:
    assert steps_of(BASE.edited(changes)) == steps_of(BASE)


def test_what_drops_multiply_the_rate_by_is_in_no_key_where_there_are_none() -> None:
    without = BASE.edited({"schedule.drops": []})
    assert steps_of(without) == steps_of(without.edited({"schedule.factor": 0.2}))
    assert steps_of(without) == steps_of(without.edited({"schedule.factor": 0.2, "schedule.drops": ["400it"]}))


SGD = {"optimizer.name": "sgd", "levels": 2, "replicates": 1, "rewind": "16it"}


@pytest.mark.parametrize(
    "changes, no_effect",
    [
        ({}, {"prune.rate.conv": 0.1, "prune.rate.embedding": 0.3}),  # kinds that the network has none of
        (SGD, {"optimizer.at_rewind": "fresh"}),  # without momentum there are no buffers
    ],
)
def test_tickets_share_their_results_with_those_of_settings_without_effect(
    changes: dict[str, Any], no_effect: dict[str, Any]
) -> None:
    one = BASE.edited({"levels": 2, "replicates": 1} | changes)
    assert imp(one).steps() == imp(one.edited(no_effect)).steps()


def test_masks_of_biases_are_other_masks_than_they_were_under_an_engine_that_let_these_go_on() -> None:
    one = BASE.edited({"levels": 1, "replicates": 1, "prune.include": ["fc1.bias"]})
    masks = [imp(recipe).rows[-1].mask for recipe in (one, one.edited({"prune.include": ["fc1.weight"]}))]
    assert [mask.biases for mask in masks if isinstance(mask, Prune)] == [2, None]


def test_fresh_buffers_and_rates_that_have_an_effect_make_other_tickets() -> None:
    one = BASE.edited(SGD | {"optimizer.momentum": 0.9})
    for changes in ({"optimizer.at_rewind": "fresh"}, {"prune.rate.output": 0.2}):
        assert imp(one).rows[-1].trained != imp(one.edited(changes)).rows[-1].trained


@pytest.mark.parametrize(
    "changes",
    [
        {"seed": 1},
        {"data.validation": 199},
        {"data.mean": [0.1]},
        {"data.std": [1.1]},
        {"model.name": "lenet-300-101"},
        {"model.init": "kaiming-normal"},
        {"train.batch": 61},
        {"train.evaluate": "21it"},
        {"optimizer.learning_rate": 0.0012000000000000001},
        {"optimizer.beta1": 0.8},
        {"optimizer.weight_decay": 1e-4},
        {"schedule.warmup": "33it"},
        {"schedule.drops": []},
        {"schedule.drops": ["200it", "201it"]},
        {"schedule.factor": 0.2},
        {"optimizer.clip": 1.0},
        {"schedule.drops": [], "schedule.decay": "linear"},
        {"schedule.drops": [], "schedule.decay": "cosine"},
        {"optimizer.name": "rmsprop"},
    ],
)
def test_recipes_that_train_differently_share_nothing(changes: dict[str, Any]) -> None:
    assert steps_of(BASE.edited(changes)).trajectory != steps_of(BASE).trajectory


@pytest.mark.parametrize(
    "name, changes, keys",
    [
        (
            "digits",
            {},
            (
                "b7a5a9d4fe4c7f298fece6936b0aed4cd0dd408c",
                "4902bb36d596a7992f9adc91cc70d868076d4564",
                "4771b7adea530646af097ee58230316753276f8a",
            ),
        ),
        (
            "conv4-cifar10",
            {},
            ("86c2258f9a5f5511bd12920ec544bbfefde5af3c", "78eae0a27db5bda88925a2e05cdf06a536967704"),
        ),
        (
            "digits",
            {
                "optimizer.name": "sgd",
                "optimizer.momentum": 0.9,
                "optimizer.weight_decay": 1e-4,
                "schedule.drops": ["200it"],
                "schedule.warmup": "1ep",
                "rewind": "10it",
            },
            (
                "73a66a2c2728ab187d66ec8d529d24a58442702d",
                "eb224855da17cd5a6942d32158719c069490a895",
                "4bc29fe607cc1353ec7ca489db221cd7bbc35ca0",
            ),
        ),
    ],
)
def test_what_was_stored_before_a_setting_was_added_is_found_under_its_key(
    name: str, changes: dict[str, Any], keys: tuple[str, ...]
) -> None:
    rows = imp(read(name).edited({"levels": 1, "replicates": 1} | changes)).rows
    assert tuple(row.trained.key for row in rows) == keys


def test_how_a_rate_decays_smoothly_depends_on_the_length_of_training() -> None:
    linear = BASE.edited({"schedule.drops": [], "schedule.decay": "linear"})
    assert steps_of(linear) == steps_of(linear.edited({"schedule.final": 0.0, "train.length": "25ep"}))
    assert steps_of(linear).trajectory != steps_of(linear.edited({"train.length": "401it"})).trajectory
    assert steps_of(BASE).trajectory == steps_of(BASE.edited({"train.length": "401it"})).trajectory


def test_the_order_of_parameters_without_decay_is_no_part_of_a_key() -> None:
    one = BASE.edited({"optimizer.weight_decay": 0.1, "optimizer.no_decay": ["bias", "output.*"]})
    assert steps_of(one) == steps_of(one.edited({"optimizer.no_decay": ["output.*", "bias", "bias"]}))
    assert steps_of(one) != steps_of(one.edited({"optimizer.no_decay": ["bias"]}))


def test_trainings_that_differ_in_their_end_alone_are_one_trajectory() -> None:
    assert DENSE.trajectory == REWOUND.trajectory == dataclasses.replace(DENSE, stop=1).trajectory
    assert DENSE != REWOUND
    for other in (
        dataclasses.replace(DENSE, mask=MASK),
        dataclasses.replace(DENSE, start=1),
        dataclasses.replace(DENSE, noise=Noise(seed=0, replicate=1)),
        dataclasses.replace(DENSE, fresh_optimizer=True),
        dataclasses.replace(DENSE, deterministic=True),
        TICKET,
    ):
        assert other.trajectory != DENSE.trajectory


@pytest.mark.parametrize(
    "step, needs",
    [
        (INIT, {}),
        (DENSE, {}),  # initial values are drawn again
        (MASK, {DENSE: Content.WEIGHTS}),
        (TICKET, {MASK: Content.METRICS, REWOUND: Content.FULL}),
        (dataclasses.replace(TICKET, fresh_optimizer=True), {MASK: Content.METRICS, REWOUND: Content.WEIGHTS}),
        (dataclasses.replace(TICKET, origin=INIT, start=0), {MASK: Content.METRICS}),
        (dataclasses.replace(MASK, trained=TICKET), {TICKET: Content.WEIGHTS, MASK: Content.METRICS}),
    ],
)
def test_a_step_needs_of_its_inputs_what_it_reads(step: Step, needs: dict[Step, Content]) -> None:
    assert dict(step.needs) == needs


def test_each_content_includes_those_before() -> None:
    assert Content.METRICS < Content.WEIGHTS < Content.FULL


@pytest.mark.parametrize("start, stop", [(0, 0), (400, 400), (401, 400), (-1, 400)])
def test_a_training_without_length_cannot_be_built(start: int, stop: int) -> None:
    with pytest.raises(ValueError, match=f"a training from iteration {start} to {stop} has no length") as caught:
        dataclasses.replace(DENSE, start=start, stop=stop)
    assert not isinstance(caught.value, WinnowError)


def test_augmentations_named_in_another_order_or_twice_are_the_same() -> None:
    recipe = read("resnet18-cifar10")
    courses = [course(recipe.edited({"data.augment": names})) for names in (["flip", "crop"], ["crop", "flip", "crop"])]
    assert courses[0] == courses[1]
