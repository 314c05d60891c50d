"""How long an iteration takes here: as stored trainings of the same course took, else as a few take now."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch

from winnow.course import Noise
from winnow.data import Resident, entry
from winnow.execution.examples import trial_inputs
from winnow.models import build, initialize
from winnow.steps import Train
from winnow.store import Manifest, Store
from winnow.store.maintenance import manifests
from winnow.store.manifest import hardware
from winnow.training import (
    Batches,
    LaneRandomness,
    State,
    choose,
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
    network = build(course.network.name, course.network.shape, course.network.classes)
    has_draws = draws(network, trial_inputs(course.network))
    choice = choose(
        network,
        device,
        draws=has_draws,
        precision=course.precision,
        deterministic=step.deterministic,
        engine=name,
        clips=course.updates.clip is not None,
        rewires=step.dynamic is not None,
    )
    lanes = max(1, min(lanes, choice.width))
    noises = [Noise(seed=0, replicate=lane) for lane in range(lanes)]
    randomness = LaneRandomness(noises, device) if has_draws else None
    engine = choice.build(network, lanes, {}, course.precision, randomness=randomness)
    names = [name for name, _ in network.named_parameters()]
    updates = optimizer(course.updates, exempt(course.updates, network, names))

    stream = torch.Generator().manual_seed(0)
    values = initialize(network, course.network.init, stream)
    one = State.of_values(values, names).with_slots(updates.slots)
    state, masks = engine.enter(State.stacked([one] * lanes, device), {})
    count = max(_EXAMPLES, course.batch)
    examples = Resident(
        torch.randint(256, (count, *course.network.shape), generator=stream, dtype=torch.uint8),
        torch.randint(course.network.classes, (count,), generator=stream),
        mean=course.examples.mean,
        std=course.examples.std,
        scale=255,
        device=device,
    )
    batches = Batches(examples, noises, course.batch, course.examples.augment)

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

    known = entry(course.examples.name)
    evaluations = (course.examples.validation + known.test) / count
    iteration = _seconds(train, device, at_least=3)
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
