"""Masks made: what a score needs to look at is gathered, and the weights are ranked; or chance chooses."""

from __future__ import annotations

from contextlib import nullcontext

import torch
from torch import Tensor

from winnow.course import Examples, Noise
from winnow.errors import RecipeError
from winnow.execution.examples import known_of, splits, task_of, trial_batch
from winnow.execution.training import initial_state, starting_state
from winnow.given import in_words
from winnow.pruning import Context, Mask, prunable_layers, prune
from winnow.pruning.prune import check_every_layer_is_alive
from winnow.pruning.random import drawn
from winnow.pruning.scores import named_score
from winnow.seeds import generator
from winnow.steps import Draw, Prune, Train
from winnow.store import Store
from winnow.training import LaneRandomness, draws


def drawn_mask(step: Draw, store: Store) -> Mask:
    """The random mask of a step. Raises LayerCollapse where chance leaves a layer without weights."""
    mask = drawn(store.mask(step.like), step.how, generator(step.seed, step.replicate, "mask", step.sample))
    advice = "Ask for fewer levels, or leave this control out"
    check_every_layer_is_alive(mask, f"the random mask '{step.how}' of level {step.like.level}", advice)
    return mask


def pruned(step: Prune, store: Store, device: torch.device) -> Mask:
    """The mask of a level. Raises LayerCollapse where a layer would be left without weights."""
    network = step.course.network
    module = network.build(device)
    layers = prunable_layers(module, step.rate, step.exclude, step.include or ())
    before = step.trained.mask if isinstance(step.trained, Train) else None
    init, task = step.init, task_of(step.course)

    def on_device(values: dict[str, Tensor]) -> dict[str, Tensor]:
        return {name: value.to(device) for name, value in values.items()}

    def images(count: int, per_class: bool) -> tuple[Tensor, Tensor]:
        stream = generator(init.seed, init.replicate, "mask", 0, 0)
        return some_examples(step.course.examples, count, device, stream, per_class=per_class)

    def randomness() -> LaneRandomness:
        own = Noise(seed=init.seed, replicate=init.replicate)
        return LaneRandomness([own], device).at(-1 - step.level, only=0)  # trainings draw at iterations from 0 on

    context = Context(
        values=on_device(starting_state(step.trained, store).values()),
        initial=on_device(initial_state(init, store).values()),
        mask=store.mask(before) if before else Mask.ones({name: layer.shape for name, layer in layers.items()}),
        network=module,
        loss=lambda outputs, targets: task.each(outputs, targets).mean(),
        images=images,
        batch=step.course.batch,
        shape=network.shape,
        tokens=known_of(step.course.examples).inputs == "tokens",
        generator=generator(init.seed, init.replicate, "mask", step.level, 2),
        randomness=randomness if draws(module, trial_batch(step.course)[0]) else nullcontext,
    )
    return prune(
        context,
        layers=layers,
        level=step.level,
        scope=step.scope,
        score=named_score(step.score),
        granularity=step.granularity or "weight",
        at_once=step.at_once or False,
    )


def some_examples(
    examples: Examples, count: int, device: torch.device, stream: torch.Generator, *, per_class: bool
) -> tuple[Tensor, Tensor]:
    """So many training examples, or so many of each class, drawn at random, in the order of the split.

    Raises RecipeError where there are not so many.
    """
    train, data = splits(examples, device).train, in_words(examples.place or examples.name)
    order = torch.randperm(len(train), generator=stream)
    labels = train.targets.cpu() if per_class else torch.zeros(len(train), dtype=torch.int64)
    if labels.ndim != 1 or labels.is_floating_point():
        raise RecipeError(
            f"the score asks for {count} training examples of each class, and the targets of "
            f"{data} are no classes.\nChoose another score, such as 'magnitude'."
        )
    classes = range(int(labels.max()) + 1)
    groups = [order[labels[order] == label] for label in classes] if per_class else [order]
    least = min(len(group) for group in groups)
    if least < count:
        raise RecipeError(
            f"the score asks for {count} training examples{' of each class' * per_class}, and {data} has "
            f"{'a class with ' * per_class}only {least}.\nHold fewer out (data.validation), or choose another score."
        )
    index = torch.cat([group[:count] for group in groups]).sort().values
    return train.images_at(index), train.labels_at(index)
