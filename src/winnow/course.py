"""A course of training: what a recipe says of training, with every amount in iterations.

All trainings of an experiment share one course. It holds just what a training's result depends on, so that two
recipes that differ only in name, or in how they write the same amount, share their stored results.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from winnow.data import entry
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
    """A data set by name and by the checksum of its arrays, split and normalized."""

    name: str
    checksum: str
    validation: int
    mean: tuple[float, ...] | None
    std: tuple[float, ...] | None
    seed: int
    augment: tuple[Augmentation, ...] | None = None
    """None where there is none."""


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

    batch_norm: Literal["local"] | None = None
    """None is over the whole batch, however many processes share it."""


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
    data = entry(recipe.data.name)
    optimizer, schedule = recipe.optimizer, recipe.schedule
    return Course(
        network=Network(name=recipe.model.name, init=recipe.model.init, shape=data.shape, classes=data.classes),
        examples=Examples(
            name=recipe.data.name,
            checksum=data.checksum,
            validation=recipe.data.validation,
            mean=recipe.data.mean,
            std=recipe.data.std,
            seed=recipe.seed,
            augment=tuple(sorted(set(recipe.data.augment))) or None,
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
        batch_norm=None if recipe.train.batch_norm == "synchronized" else recipe.train.batch_norm,
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
    examples = entry(recipe.data.name).train - recipe.data.validation
    if examples < 1:
        raise RecipeError(
            f"data.validation is {recipe.data.validation}, but {recipe.data.name} has only "
            f"{entry(recipe.data.name).train} training examples to split."
        )
    if recipe.train.batch > examples:
        raise RecipeError(
            f"train.batch is {recipe.train.batch}, more than the {examples} training examples of {recipe.data.name}."
        )
    return examples // recipe.train.batch


def _spelled(written: object, iterations: int) -> str:
    return str(written) if str(written) == f"{iterations}it" else f"{written} ({iterations}it)"
