"""A course of training: what a recipe says of training, with every amount in iterations.

All trainings of an experiment share one course. It holds just what a training's result depends on, so that two
recipes that differ only in name, or in how they write the same amount, share their stored results.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor, nn

from winnow.data import Described, described, is_images
from winnow.data.augment import Augmentation
from winnow.data.inputs import Targets
from winnow.errors import RecipeError, UnknownName
from winnow.models import build, draw_own, foreign, initialize
from winnow.models.drawing import ready
from winnow.models.foreign import is_fixed
from winnow.models.initialize import Scheme
from winnow.models.registry import Shape
from winnow.named import code, is_own, named
from winnow.recipe import Recipe
from winnow.seeds import derive, generator


@dataclass(frozen=True, kw_only=True)
class Network:
    """A network by name, for examples of a shape in a number of classes."""

    name: str
    init: Scheme
    shape: Shape
    classes: int

    source: str | None = None
    """Of a network from elsewhere: the fingerprint of its code or config, or the version of its library."""

    place: str | None = field(default=None, compare=False, metadata={"is_in_key": False})
    """Of a network from elsewhere: its name as the recipe writes it, where it is found. In no key."""

    def build(self, device: torch.device | None = None) -> nn.Module:
        """The network without values (see `winnow.models.build`), to be trained on a device where one is given."""
        network = build(self.place or self.name, self.shape, self.classes)
        return network if device is None else ready(network, device)

    @property
    def is_fixed(self) -> bool:
        """Whether it was handed over with its values, so that its own initialization is always the same."""
        return self.init == "own" and is_fixed(self.place or self.name)

    def initial_values(self, seed: int, replicate: int, sample: int = 0) -> dict[str, Tensor]:
        """Values drawn for a replicate, by their names in the state dict; `sample` tells independent draws apart.

        Raises RecipeError where a network that was handed over with its values would have to draw others.
        """
        if sample and self.is_fixed:
            raise RecipeError(
                "model: it was handed over as a module with values of its own, so they cannot be drawn anew.\n"
                "Hand over the function or class that builds it, or set model.init to 'kaiming-normal'."
            )
        if self.init == "own":
            drawn_from = derive(seed, replicate, "init", sample)
            return draw_own(self.place or self.name, self.shape, self.classes, drawn_from)
        return initialize(self.build(), self.init, generator(seed, replicate, "init", sample))


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
class Objective:
    """The task of a training: what outputs are held against."""

    name: str
    """`regression`, `tokens`, or of one's own `own:NAME`."""

    source: str | None = None
    """Of one's own: the fingerprint of its code."""

    place: str | None = field(default=None, compare=False, metadata={"is_in_key": False})
    """Of one's own: where it is found, as the recipe writes it. In no key."""


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

    task: Objective | None = None
    """None is classification."""
    label_smoothing: float | None = None
    """None where targets are as they are."""

    auxiliary: float | None = None
    """None where the network has no auxiliary classifier."""

    accumulate: int | None = None
    """None where a batch is not split."""
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
    data = described(recipe.data.name, recipe.data.size, recipe.data.corrupt)
    _check_settings_fit(recipe, data)
    _check_images(recipe)
    optimizer, schedule = recipe.optimizer, recipe.schedule
    return Course(
        network=network(recipe, data),
        examples=Examples(
            name="own" if data.is_own else recipe.data.name,
            place=recipe.data.name if data.is_own else None,
            checksum=data.checksum,
            validation=recipe.data.validation,
            mean=recipe.data.mean,
            std=recipe.data.std,
            seed=recipe.seed,
            augment=tuple(sorted(set(recipe.data.augment))) or None,
            size=data.shape[1] if is_images(recipe.data.name) else None,
            corrupt=recipe.data.corrupt,
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
        task=_task(recipe, data),
        label_smoothing=recipe.train.label_smoothing or None,
        auxiliary=recipe.train.auxiliary,
        accumulate=recipe.train.accumulate if recipe.train.accumulate > 1 else None,
        batch_norm=None if recipe.train.batch_norm == "synchronized" else recipe.train.batch_norm,
    )


def network(recipe: Recipe, data: Described) -> Network:
    """The recipe's network, for its data."""
    name, init = recipe.model.name, recipe.model.init
    from_elsewhere = foreign(name)
    if from_elsewhere is None:
        return Network(name=name, init=init, shape=data.shape, classes=data.classes)
    known_as, source = from_elsewhere.identity
    return Network(name=known_as, init=init, shape=data.shape, classes=data.classes, source=source, place=name)


_TASKS: dict[str, Targets] = {"classification": "classes", "regression": "numbers", "tokens": "tokens"}
"""The tasks that Winnow knows, by what their targets are."""


def _task(recipe: Recipe, data: Described) -> Objective | None:
    """The recipe's task; None for classification. Raises RecipeError where it is not for such targets."""
    task = recipe.train.task
    if task != "classification" and (recipe.train.label_smoothing or recipe.train.auxiliary):
        raise RecipeError(
            f"train.label_smoothing and train.auxiliary change the loss of classification, and train.task is "
            f"'{task}'.\nLeave them out."
        )
    if is_own(task):
        return Objective(
            name=f"own:{task.rpartition(':')[2]}", source=code(named(task, field="train.task")), place=task
        )
    if task not in _TASKS:
        raise UnknownName("task", task, _TASKS)
    if _TASKS[task] != data.targets:
        fitting = next(name for name, targets in _TASKS.items() if targets == data.targets)
        raise RecipeError(
            f"train.task is '{task}', which is for {_TASKS[task]}, and the targets of {data.name} are {data.targets}.\n"
            f"Write task = '{fitting}', or name one of your own: 'file.py:function'."
        )
    return None if task == "classification" else Objective(name=task)


def _check_settings_fit(recipe: Recipe, data: Described) -> None:
    """Raise RecipeError for settings of images where the examples are none."""
    of_images = {"mean": recipe.data.mean, "std": recipe.data.std, "augment": recipe.data.augment or None}
    given = [name for name, value in of_images.items() if value is not None]
    if given and data.inputs != "images":
        raise RecipeError(
            f"data.{given[0]} is for images, and the inputs of {recipe.data.name} are {data.inputs} of shape "
            f"{data.shape}. Leave it out; bring numbers to one scale before they are saved."
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
