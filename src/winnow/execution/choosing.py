"""The engine for a training, as a run and a plan both choose it."""

from __future__ import annotations

from dataclasses import replace

import torch

from winnow.course import Course
from winnow.errors import RecipeError
from winnow.execution.examples import real_batch, task_of, trial_batch
from winnow.steps import Train
from winnow.training import Choice, choose, draws
from winnow.training.choice import EngineName
from winnow.training.trial import Trial


def chosen(step: Train, device: torch.device, *, engine: EngineName = "auto", width: int | None = None) -> Choice:
    """The engine for trainings like `step`. A network of the user's own is tried first.

    Raises RecipeError for a network that cannot be trained on such examples, or not by the engine asked for.
    """
    course, trial = step.course, _tried(step.course, device)
    module, task, inputs = trial.network, trial.task, trial.inputs
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


def _tried(course: Course, device: torch.device) -> Trial:
    """A network on made-up examples, or where it does not train on these on real ones.

    Raises RecipeError for a network that trains on neither.
    """
    network, task, (inputs, targets) = course.network, task_of(course), trial_batch(course)
    trial = Trial(network.build(), network.initial_values(0, 0), task, inputs, targets, network.classes)
    if network.source is not None:
        try:
            trial.check()
        except RecipeError:
            real = real_batch(course, device)
            if real is None:
                raise
            trial = replace(trial, inputs=real[0], targets=real[1])
            trial.check()
    if course.batch // (course.accumulate or 1) == 1:
        trial.check_alone()
    return trial
