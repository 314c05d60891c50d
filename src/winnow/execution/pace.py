"""How long an iteration takes here: as stored trainings of the same course took, else as a few take now."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

import torch

from winnow.course import Noise
from winnow.data import is_images
from winnow.data.table import InMemory
from winnow.execution.choosing import chosen
from winnow.execution.examples import known_of, splits, synthetic, task_of, trial_batch
from winnow.models import trained
from winnow.models.drawing import ready
from winnow.steps import Train
from winnow.store import Manifest, Store
from winnow.store.maintenance import manifests
from winnow.store.manifest import hardware
from winnow.training import (
    Batches,
    LaneRandomness,
    State,
    draws,
    evaluated,
    exempt,
    learning_rate,
    optimizer,
    train_,
)
from winnow.training.choice import EngineName

_ENOUGH = 0.6
"""Seconds of training to time, and at least three iterations."""

_EXAMPLES = 1_000
"""How many examples are timed on, or a batch, where that is more."""

_NUMBERS = 1 << 22
"""Of how many numbers, at most, a timed batch is."""


@dataclass(frozen=True)
class Pace:
    """How long one training's iterations take, with its share of the evaluations and of the lanes beside it."""

    seconds: float
    """For one iteration."""

    source: str
    """Where this is known from, in words."""


def pace(step: Train, store: Store, device: torch.device, lanes: int, engine: EngineName = "auto") -> Pace:
    """The pace of trainings like `step`, `lanes` of them at once if the engine takes so many."""
    known = [manifest for manifest in manifests(store) if isinstance(manifest, Manifest) and _is_alike(manifest, step)]
    if known:
        paces = [each.seconds / (each.step["stop"] - each.step["start"]) for each in known]
        return Pace(statistics.median(paces), f"as {len(known)} stored training{'s' * (len(known) > 1)} took here")
    return Pace(_timed(step, device, lanes, engine), "timed just now on synthetic data of the same shape")


def _is_alike(manifest: Manifest, step: Train) -> bool:
    """Whether a result is a training of the same course on the same hardware."""
    here = hardware()
    return (
        manifest.kind == step.kind
        and manifest.failure is None
        and manifest.seconds > 0
        and all(manifest.step.get(name) == step.fields[name] for name in ("course", "deterministic"))
        and {name: manifest.made.get(name) for name in here} == here
    )


def _timed(step: Train, device: torch.device, lanes: int, name: EngineName) -> float:
    """Seconds for an iteration of one training: dense, which is the slowest that a level can be."""
    course = step.course
    network = course.network.build()
    choice = chosen(step, device, engine=name)
    has_draws = draws(network, trial_batch(course)[0])
    lanes = max(1, min(lanes, choice.width))
    noises = [Noise(seed=0, replicate=lane) for lane in range(lanes)]
    randomness = LaneRandomness(noises, device) if has_draws else None
    engine = choice.build(
        ready(network, device), lanes, {}, course.precision, task=task_of(course), randomness=randomness
    )
    names = trained(network)
    updates = optimizer(course.updates, exempt(course.updates, network, names))

    values = course.network.initial_values(0, 0)
    one = State.of_values(values, names).with_slots(updates.slots)
    state, masks = engine.enter(State.stacked([one] * lanes, device), {})
    numbers = math.prod(course.network.shape)
    batch = max(1, min(course.batch, _NUMBERS // numbers))  # of large images a part of a batch is timed
    count = max(batch, min(max(_EXAMPLES, course.batch), 8 * _NUMBERS // numbers))
    known, examples = known_of(course.examples), synthetic(course, count, device)
    are_on_disk = is_images(course.examples.place or "")  # their decoding goes on beside training, and is not timed
    augment = None if are_on_disk else course.examples.augment
    batches = Batches(examples, noises, batch, augment)
    try:
        for part in examples.chunks(count):
            engine.evaluate(state, *part)
    except Exception:  # a network that made-up examples are none for, as one that looks a number up
        if not known.is_own or are_on_disk:
            raise
        examples = cast(InMemory, splits(course.examples, device).train)
        batches, count = Batches(examples, noises, batch, augment), len(examples)

    def train() -> None:
        stop = state.iteration + 1
        rate = learning_rate(course.updates, 0)
        train_(
            state,
            stop,
            batches=batches,
            engine=engine,
            optimizer=updates,
            rate=lambda _: rate,
            masks=masks,
            clip=course.updates.clip,
        )

    evaluations = (course.examples.validation + known.test) / count
    iteration = _seconds(train, device, at_least=3) * course.batch / batch
    evaluation = _seconds(lambda: evaluated(engine, state, {"test": examples}), device, at_least=1) * evaluations
    return (iteration + evaluation / course.evaluate) / lanes


def _seconds(action: Callable[[], object], device: torch.device, at_least: int) -> float:
    """How long something takes, once it has been done and has its memory and its kernels."""

    def now() -> float:
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        return time.perf_counter()

    action()
    times = 0
    began = now()
    while times < at_least or now() - began < _ENOUGH:
        action()
        times += 1
    return (now() - began) / times
