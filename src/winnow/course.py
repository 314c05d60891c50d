"""A course of training: what a recipe says of training, with every amount in iterations.

All trainings of an experiment share one course. It holds just what a training's result depends on, so that two
recipes that differ only in name, or in how they write the same amount, share their stored results.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from winnow.data import ImageFacts, described, is_images
from winnow.data.augment import Augmentation
from winnow.errors import RecipeError
from winnow.models.initialize import Scheme
from winnow.models.registry import Shape
from winnow.recipe import Recipe


@dataclass(frozen=True, kw_only=True)
class Network:
    """A network by name, for examples of a shape in a number of classes."""

    name: str
    init: Scheme
    shape: Shape
    classes: int


@dataclass(frozen=True, kw_only=True)
class Examples:
    """A data set by name and by the checksum of its arrays, split and normalized. The user's own is called `own`."""

    name: str
    checksum: str
    validation: int
    mean: tuple[float, ...] | None
    std: tuple[float, ...] | None
    seed: int
    augment: tuple[Augmentation, ...] | None = None
    """None where there is none."""

    size: int | None = None
    """The side to which images on disk are cut. None where they are not on disk."""

    corrupt: Literal["skip"] | None = None
    """None where a corrupt image is an error."""

    place: str | None = field(default=None, compare=False, metadata={"is_in_key": False})
    """Of the user's own data: its name as the recipe writes it, where it is found. In no key."""


@dataclass(frozen=True, kw_only=True)
class Updates:
    """How a batch's gradient changes the parameters, at every iteration. Amounts are in iterations."""

    optimizer: Literal["sgd", "adam", "rmsprop"]
    learning_rate: float
    momentum: float
    beta1: float
    beta2: float
    epsilon: float
    weight_decay: float
    warmup: int
    drops: tuple[int, ...]
    factor: float

    nesterov: Literal[True] | None = None
    """None where momentum does not look ahead."""

    smoothing: float | None = None
    """None where the optimizer is not RMSprop."""

    no_decay: tuple[str, ...] | None = None
    """None where weight decay is of every parameter."""

    clip: float | None = None
    """None where gradients are taken as they are."""

    decay: Literal["linear", "exponential", "cosine"] | None = None
    """None is by drops, which depend on no length."""

    final: float | None = None
    length: int | None = None
    """The iteration at which decay reaches `final`: T, the end of training. None where there are drops."""


@dataclass(frozen=True, kw_only=True)
class Course:
    """What all trainings of an experiment share: the network, the examples, the batch and the updates."""

    network: Network
    examples: Examples
    batch: int
    updates: Updates
    evaluate: int
    """Iterations between evaluations."""

    precision: Literal["bfloat16"] | None = None
    """None is float32."""

    label_smoothing: float | None = None
    """None where targets are as they are."""

    auxiliary: float | None = None
    """None where the network has no auxiliary classifier."""

    accumulate: int | None = None
    """None where a batch is not split."""


@dataclass(frozen=True, kw_only=True)
class Noise:
    """SGD noise u: which data order and augmentation a training sees (SLTH, arXiv 1903.01611, §3)."""

    seed: int
    replicate: int
    sample: int = 0


@dataclass(frozen=True, kw_only=True)
class Timeline:
    """A recipe's amounts of training in iterations."""

    per_epoch: int
    length: int
    rewind: int
    evaluate: int
    warmup: int
    drops: tuple[int, ...]


def timeline(recipe: Recipe) -> Timeline:
    """The recipe's amounts in iterations; raises RecipeError where they contradict each other."""
    if recipe.rewind == "auto":
        raise RecipeError(
            "rewind is 'auto', so k is not known until its onset has been found.\n"
            "`winnow run` finds it and goes on from there; `winnow onset` finds it alone. Or give k: --rewind 500it."
        )
    per_epoch = _iterations_per_epoch(recipe)
    length = recipe.train.length.iterations(per_epoch=per_epoch)
    if length < 1:
        raise RecipeError(f"train.length is {recipe.train.length}, which is no training. Give at least 1it.")
    rewind, evaluate, warmup = (
        amount.iterations(per_epoch=per_epoch, total=length)
        for amount in (recipe.rewind, recipe.train.evaluate, recipe.schedule.warmup)
    )
    if rewind >= length:
        raise RecipeError(
            f"rewind point {_spelled(recipe.rewind, rewind)} is not before the end of training "
            f"({_spelled(recipe.train.length, length)}).\n"
            f"Choose k below {length}it; the papers use at most 7 % of training."
        )
    if rewind == 0 and recipe.rewind.value:
        raise RecipeError(
            f"rewind point {recipe.rewind} is less than half an iteration. For initialization write '0it'."
        )
    if warmup > length:
        raise RecipeError(
            f"schedule.warmup is {_spelled(recipe.schedule.warmup, warmup)}, longer than training ({length}it)."
        )
    if recipe.schedule.decay != "step":
        _check_decay(recipe, warmup, length)
    if evaluate < 1:
        raise RecipeError(f"train.evaluate is {recipe.train.evaluate}, less than an iteration. Give at least 1it.")
    drops = tuple(drop.iterations(per_epoch=per_epoch, total=length) for drop in recipe.schedule.drops)
    if list(drops) != sorted(set(drops)):
        raise RecipeError(
            f"schedule.drops are at iterations {', '.join(map(str, drops))}; each must come after the one before."
        )
    return Timeline(per_epoch=per_epoch, length=length, rewind=rewind, evaluate=evaluate, warmup=warmup, drops=drops)


def course(recipe: Recipe) -> Course:
    """What the recipe's trainings share."""
    amounts = timeline(recipe)
    data = described(recipe.data.name, recipe.data.size, recipe.data.corrupt)
    _check_images(recipe)
    optimizer, schedule = recipe.optimizer, recipe.schedule
    return Course(
        network=Network(name=recipe.model.name, init=recipe.model.init, shape=data.shape, classes=data.classes),
        examples=Examples(
            name="own" if isinstance(data, ImageFacts) else recipe.data.name,
            checksum=data.checksum,
            validation=recipe.data.validation,
            mean=recipe.data.mean,
            std=recipe.data.std,
            seed=recipe.seed,
            augment=tuple(sorted(set(recipe.data.augment))) or None,
            size=data.shape[1] if isinstance(data, ImageFacts) else None,
            corrupt=recipe.data.corrupt,
            place=recipe.data.name if isinstance(data, ImageFacts) else None,
        ),
        batch=recipe.train.batch,
        updates=Updates(
            optimizer=optimizer.name,
            learning_rate=optimizer.learning_rate,
            momentum=optimizer.momentum,
            beta1=optimizer.beta1,
            beta2=optimizer.beta2,
            epsilon=optimizer.epsilon,
            weight_decay=optimizer.weight_decay,
            warmup=amounts.warmup,
            drops=tuple(drop for drop in amounts.drops if drop < amounts.length),
            factor=recipe.schedule.factor,
            nesterov=optimizer.nesterov or None,
            smoothing=optimizer.smoothing if optimizer.name == "rmsprop" else None,
            no_decay=tuple(sorted(set(optimizer.no_decay))) or None,
            clip=optimizer.clip,
            decay=None if schedule.decay == "step" else schedule.decay,
            final=None if schedule.decay == "step" else schedule.final or 0.0,
            length=None if schedule.decay == "step" else amounts.length,
        ),
        evaluate=amounts.evaluate,
        precision=None if recipe.train.precision == "float32" else recipe.train.precision,
        label_smoothing=recipe.train.label_smoothing or None,
        auxiliary=recipe.train.auxiliary,
        accumulate=recipe.train.accumulate if recipe.train.accumulate > 1 else None,
    )


def _check_images(recipe: Recipe) -> None:
    """Raise RecipeError for settings of images on disk where they are not, and the other way round."""
    data = recipe.data
    if is_images(data.name):
        if "crop" in data.augment:
            raise RecipeError(
                "data.augment has 'crop', which pads images of one size; those on disk have many.\n"
                "Write 'resized-crop', a part of random size and shape."
            )
        return
    for name, is_given in (
        ("size", data.size is not None),
        ("corrupt", data.corrupt is not None),
        ("augment = 'resized-crop'", "resized-crop" in data.augment),
    ):
        if is_given:
            raise RecipeError(
                f"data.{name} is for images on disk (data.name = 'folder:PATH' or 'packed:FILE'), "
                f"and the data set is '{data.name}'. Leave it out."
            )


def _check_decay(recipe: Recipe, warmup: int, length: int) -> None:
    """Raise RecipeError where a smooth decay has nowhere to go, or no iteration to go there in."""
    rate, final = recipe.optimizer.learning_rate, recipe.schedule.final or 0.0
    if final >= rate:
        raise RecipeError(
            f"schedule.final is {final:g}, not below optimizer.learning_rate ({rate:g}), from which the rate decays."
        )
    if warmup == length:
        raise RecipeError(
            f"schedule.warmup is {_spelled(recipe.schedule.warmup, warmup)}, all of training ({length}it), "
            f"so {recipe.schedule.decay} decay has no iteration left. Give a shorter warmup."
        )


def _iterations_per_epoch(recipe: Recipe) -> int:
    """Batches in an epoch; the last partial one is dropped (VGG-19's 112,480 iterations are 160 epochs of 703)."""
    known = described(recipe.data.name, recipe.data.size, recipe.data.corrupt)
    examples = known.train - recipe.data.validation
    if examples < 1:
        raise RecipeError(
            f"data.validation is {recipe.data.validation}, but {recipe.data.name} has only "
            f"{known.train} training examples to split."
        )
    if recipe.train.batch > examples:
        raise RecipeError(
            f"train.batch is {recipe.train.batch}, more than the {examples} training examples of {recipe.data.name}."
        )
    if recipe.train.accumulate > recipe.train.batch:
        raise RecipeError(
            f"train.accumulate is {recipe.train.accumulate}: a batch of {recipe.train.batch} has not so many parts."
        )
    return examples // recipe.train.batch


def _spelled(written: object, iterations: int) -> str:
    return str(written) if str(written) == f"{iterations}it" else f"{written} ({iterations}it)"
