"""From a recipe to its course of training: every amount in iterations; settings that contradict each other refused."""

from __future__ import annotations

from dataclasses import dataclass

from winnow.course import Course, Examples, Network, Objective, Updates
from winnow.data import Described, OwnArrays, described, is_images, opened
from winnow.data.inputs import Targets
from winnow.data.misfits import made_classes, made_numbers
from winnow.errors import RecipeError, UnknownName
from winnow.facts import facts
from winnow.given import in_words
from winnow.models import foreign
from winnow.named import code, is_own, named
from winnow.recipe import Recipe, Schedule


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
    """What the recipe's trainings share. What has no effect is left as it would be if nothing were said of it."""
    amounts = timeline(recipe)
    data = described(recipe.data.name, recipe.data.size, recipe.data.corrupt)
    _check_settings_fit(recipe, data)
    _check_images(recipe)
    optimizer, schedule = recipe.optimizer, recipe.schedule
    drops = tuple(drop for drop in amounts.drops if drop < amounts.length)
    built = network(recipe, data)
    return Course(
        network=built,
        examples=Examples(
            name="own" if data.is_own else recipe.data.name,
            place=recipe.data.name if data.is_own else None,
            checksum=data.checksum,
            validation=recipe.data.validation,
            mean=None if recipe.data.mean == (0.0,) * data.shape[0] else recipe.data.mean,
            std=None if recipe.data.std == (1.0,) * data.shape[0] else recipe.data.std,
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
            drops=drops,
            factor=schedule.factor if drops else Schedule().factor,
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
        batch_norm=None if recipe.train.batch_norm == "synchronized" or not facts(built).has_batch_norm else "local",
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
            f"train.task is '{task}', which is for {_TASKS[task]}, and the targets of {in_words(data.name)} are "
            f"{data.targets}{_as_given(data, task)} task = '{fitting}', or name one of your own: 'file.py:function'."
        )
    return None if task == "classification" else Objective(name=task)


def _as_given(data: Described, task: str) -> str:
    """The type and shape of targets that are not for a task, what makes them so, and the verb for another task."""
    arrays = opened(data.name) if data.is_own and not is_images(data.name) else None
    if not isinstance(arrays, OwnArrays):
        return ".\nWrite"
    targets = arrays.train_targets
    mend = {"classification": made_classes(targets), "regression": made_numbers(targets)}.get(task)
    return f": {targets.dtype} of shape {targets.shape[1:]} each.\n{f'{mend} Or write' if mend else 'Write'}"


def _check_settings_fit(recipe: Recipe, data: Described) -> None:
    """Raise RecipeError for settings of images where the examples are none."""
    of_images = {"mean": recipe.data.mean, "std": recipe.data.std, "augment": recipe.data.augment or None}
    given = [name for name, value in of_images.items() if value is not None]
    if given and data.inputs != "images":
        raise RecipeError(
            f"data.{given[0]} is for images, and the inputs of {in_words(recipe.data.name)} are {data.inputs} of shape "
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
            f"data.validation is {recipe.data.validation}, but {in_words(recipe.data.name)} has only "
            f"{known.train} training examples to split. Hold out fewer."
        )
    if recipe.train.batch > examples:
        raise RecipeError(
            f"train.batch is {recipe.train.batch}, more than the {examples} training examples of "
            f"{in_words(recipe.data.name)}{' that are not held out' if recipe.data.validation else ''}. "
            f"Give {examples} at most."
        )
    if recipe.train.accumulate > recipe.train.batch:
        raise RecipeError(
            f"train.accumulate is {recipe.train.accumulate}: a batch of {recipe.train.batch} has not so many parts."
        )
    return examples // recipe.train.batch


def _spelled(written: object, iterations: int) -> str:
    return str(written) if str(written) == f"{iterations}it" else f"{written} ({iterations}it)"
