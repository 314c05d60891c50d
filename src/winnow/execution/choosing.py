"""The engine for a training, as a run and a plan both choose it."""

from __future__ import annotations

import torch

from winnow.execution.examples import task_of, trial_batch
from winnow.steps import Train
from winnow.training import Choice, choose, draws
from winnow.training.choice import EngineName
from winnow.training.trial import Trial


def chosen(step: Train, device: torch.device, *, engine: EngineName = "auto", width: int | None = None) -> Choice:
    """The engine for trainings like `step`. A network of the user's own is tried first.

    Raises RecipeError for a network that cannot be trained on such examples, or not by the engine asked for.
    """
    course = step.course
    network, task, (inputs, targets) = course.network, task_of(course), trial_batch(course)
    module = network.build()
    is_alone = course.batch // (course.accumulate or 1) == 1
    trial = Trial(module, network.initial_values(0, 0), task, inputs, targets, network.classes, is_alone)
    if network.source is not None or is_alone:
        trial.check()
    return choose(
        module,
        device,
        precision=course.precision,
        deterministic=step.deterministic,
        clips=course.updates.clip is not None,
        draws=draws(module, inputs),
        task=task,
        trial=trial,
        rewires=step.dynamic is not None,
        engine=engine,
        width=width,
    )
