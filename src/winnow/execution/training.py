"""Run a batch of lanes: from where each is to where each ends, storing every result they pass."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from winnow.course import Course
from winnow.errors import WinnowError
from winnow.execution import progress
from winnow.execution.examples import splits, trial_inputs
from winnow.execution.lanes import Lane
from winnow.execution.profile import Profile
from winnow.execution.reporting import Reporter
from winnow.models import build, initialize
from winnow.pruning import Mask
from winnow.seeds import generator
from winnow.steps import Content, Init, Train
from winnow.store import Failure, Making, Store
from winnow.training import (
    Batches,
    Choice,
    Curve,
    LaneRandomness,
    Rewiring,
    State,
    begun,
    draws,
    evaluated,
    exempt,
    learning_rate,
    optimizer,
    slot_names,
    train_,
)
from winnow.training.watch import Watch, first_not_finite


@dataclass
class Trainer:
    """What the trainings of one run share."""

    store: Store
    device: torch.device
    choice: Choice
    profile: Profile
    reporter: Reporter
    is_interrupted: Callable[[], bool]
    contents: Mapping[Train, Content] = field(default_factory=dict[Train, Content])
    """How much of each step's state to store."""

    def run(self, batch: Sequence[Lane]) -> None:
        """Train the lanes together. Those that begin at different iterations, after an interruption, in turn."""
        with self.profile.part("store"):
            started = [self._started(lane) for lane in batch]
        for iteration in sorted({lane.state.iteration for lane in started}):
            self._run_as_fits([lane for lane in started if lane.state.iteration == iteration])

    def _run_as_fits(self, started: list[_Started]) -> None:
        """Run lanes together; where memory runs out, half of them at a time."""
        try:
            _Batch(self, started).run()
        except (torch.OutOfMemoryError, RuntimeError) as error:
            if not isinstance(error, torch.OutOfMemoryError) and "allocate memory" not in str(error):
                raise
            if len(started) == 1:
                raise WinnowError(
                    f"a single training does not fit into the memory of {self.device}: {error}\n"
                    f"Use a smaller train.batch or a smaller network."
                ) from error
        else:
            return
        half = (len(started) + 1) // 2
        self.choice = replace(self.choice, width=half)
        self.reporter.noted(f"{len(started)} lanes do not fit into the memory of {self.device}: going on with {half}")
        for part in (started[:half], started[half:]):
            self._run_as_fits(part)

    def _started(self, lane: Lane) -> _Started:
        """The furthest state there is of a lane's training."""
        mask = self.store.mask(lane.last.mask) if lane.last.mask else None
        saved = progress.load(self.store.progress_file(lane.trajectory))
        if saved is not None and saved[0].iteration <= lane.last.stop:
            return _Started(lane, mask, *saved)
        waypoint = self.store.waypoint(lane.last, before=lane.steps[0].stop)
        if waypoint is not None:
            curve = self.store.curve(waypoint)
            return _Started(
                lane, mask, self.store.state(waypoint), curve.on_grid(lane.last.course.evaluate, lane.last.start)
            )
        return _Started(lane, mask, self._origin(lane.last, mask), Curve())

    def _origin(self, step: Train, mask: Mask | None) -> State:
        """The state a training begins with: its origin's, masked, with the optimizer's buffers it needs."""
        origin = step.origin
        state = initial_state(origin, self.store) if isinstance(origin, Init) else self.store.state(origin)
        state = replace(state.restarted(), iteration=step.start).with_slots(
            slot_names(step.course.updates), fresh=step.fresh_optimizer
        )
        if mask is not None:
            state.apply_(mask)
        return begun(state, step.dynamic, step.noise) if step.dynamic else state


@dataclass
class _Started:
    """A lane with where it stands."""

    lane: Lane
    mask: Mask | None
    state: State
    curve: Curve
    seconds: float = 0.0
    has_diverged: bool = False


class _Batch:
    """Lanes that stand at the same iteration, training together."""

    def __init__(self, trainer: Trainer, started: list[_Started]) -> None:
        self.trainer, self.started = trainer, started
        step = started[0].lane.last
        self.course: Course = step.course
        self.start = step.start
        with trainer.profile.part("data"):
            self.examples = splits(self.course.examples, trainer.device)
        self.clock = time.monotonic()

    def run(self) -> None:
        state = State.stacked([lane.state for lane in self.started], self.trainer.device)
        masks = state.masks or _stacked_masks([lane.mask for lane in self.started], self.trainer.device)
        network = self.course.network
        module = build(network.name, network.shape, network.classes)
        noises = [lane.lane.last.noise for lane in self.started]
        randomness = LaneRandomness(noises, state.device) if draws(module, trial_inputs(network)) else None
        self.engine = self.trainer.choice.build(
            module, state.lanes, masks, self.course.precision, randomness=randomness
        )
        updates = self.course.updates
        state, masks = self.engine.enter(state, masks)
        update = optimizer(updates, exempt(updates, module, state.parameters))
        schedules = [step.dynamic for step in self._steps() if step.dynamic]
        rewiring = Rewiring(schedules, noises) if schedules else None
        batches = Batches(self.examples.train, noises, self.course.batch, self.course.examples.augment)
        watch = Watch(window=state.window, save=self._save, tell=self._tell, is_interrupted=self.trainer.is_interrupted)
        if state.iteration == self.start and self.start not in self.started[0].curve.rows:
            self._evaluate(state, torch.empty(len(self.started), 0))
        for boundary in self._boundaries(state.iteration):
            with self.trainer.profile.part("training"):
                train_(
                    state,
                    boundary,
                    batches=batches,
                    engine=self.engine,
                    optimizer=update,
                    rate=lambda iteration: learning_rate(updates, iteration),
                    masks=masks,
                    clip=updates.clip,
                    rewiring=rewiring,
                    observers=[watch],
                )
            state.window = watch.window
            self._evaluate(state, state.window)
            self._end_diverged(state)
            if all(lane.has_diverged for lane in self.started):
                return
            if boundary % self.course.evaluate == 0:
                watch.reset()
                state.window = state.window[:, :0]
            with self.trainer.profile.part("store"):
                self._store(state)

    def _boundaries(self, iteration: int) -> list[int]:
        """The iterations to come at which something is evaluated or stored."""
        stops = [step.stop for step in self.started[0].lane.steps]
        every = self.course.evaluate
        grid = [every * n for n in range(iteration // every, stops[-1] // every + 1)]
        # A training that was saved just when something was due is looked at before it goes on.
        is_due = iteration > self.start and iteration not in self.started[0].curve.rows
        return sorted(due for due in {*grid, *stops} if due > iteration or (due == iteration and is_due))

    def _evaluate(self, state: State, window: Tensor) -> None:
        with self.trainer.profile.part("evaluation"):
            rows = evaluated(self.engine, state, self.examples.evaluated)
        for number, (lane, row) in enumerate(zip(self.started, rows, strict=True)):
            losses = {"train_loss": float(window[number].double().mean())} if window.shape[1] else {}
            lane.curve.add(state.iteration, losses | row)
        self.trainer.reporter.training(self._steps(), state.iteration, self.started[0].curve.rows[state.iteration])

    def _store(self, state: State) -> None:
        """Store the results due at this iteration, and drop from the curves what is not on the grid."""
        is_due = any(step.stop == state.iteration for step in self.started[0].lane.steps)
        state = self.engine.leave(state) if is_due else state
        for number, lane in self._alive():
            for step in lane.lane.steps:
                if step.stop == state.iteration:
                    content = self.trainer.contents.get(step, Content.METRICS)
                    making = Making(self._seconds(lane), {"lanes": len(self.started)})
                    self.trainer.store.put_state(step, state.lane(number), content, curve=lane.curve, making=making)
                    self.trainer.reporter.finished(step, making.seconds)
            lane.curve = lane.curve.on_grid(self.course.evaluate, self.start)
            if state.iteration == lane.lane.last.stop:
                self.trainer.store.progress_file(lane.lane.trajectory).unlink(missing_ok=True)

    def _save(self, state: State) -> None:
        with self.trainer.profile.part("store"):
            self._save_lanes(self.engine.leave(state))

    def _save_lanes(self, state: State) -> None:
        for number, lane in self._alive():
            path = self.trainer.store.progress_file(lane.lane.trajectory)
            progress.save(path, state.lane(number), lane.curve, self._seconds(lane))

    def _end_diverged(self, state: State) -> None:
        """Record lanes whose loss is no longer finite as failed. They stay in the batch, where they disturb none."""
        for number, position in enumerate(first_not_finite(state.window)):
            lane = self.started[number]
            is_finite = math.isfinite(lane.curve.rows[state.iteration]["validation_loss"])
            if lane.has_diverged or (position is None and is_finite):
                continue
            lane.has_diverged = True
            del lane.curve.rows[state.iteration]
            behind = 0 if position is None else state.window.shape[1] - position
            iteration = state.iteration - behind
            first_spoiled = iteration + (behind > 0)  # a loss is of the weights before the update
            failure = Failure("Diverged", _advice(self.course, iteration))
            for step in lane.lane.steps:
                if step.stop >= first_spoiled:
                    self.trainer.store.put_failure(step, failure, curve=lane.curve, making=Making(self._seconds(lane)))
                    self.trainer.reporter.failed(step, failure.message)
            self.trainer.store.progress_file(lane.lane.trajectory).unlink(missing_ok=True)

    def _tell(self, iteration: int) -> None:
        self.trainer.reporter.training(self._steps(), iteration)

    def _alive(self) -> list[tuple[int, _Started]]:
        return [(number, lane) for number, lane in enumerate(self.started) if not lane.has_diverged]

    def _steps(self) -> list[Train]:
        return [lane.lane.last for lane in self.started]

    def _seconds(self, lane: _Started) -> float:
        return lane.seconds + (time.monotonic() - self.clock) / len(self.started)


def initial_state(step: Init, store: Store) -> State:
    """The state before training: the stored one, else drawn from the step's seed."""
    if store.has(step, Content.WEIGHTS):
        return store.state(step)
    network = build(step.network.name, step.network.shape, step.network.classes)
    stream = generator(step.seed, step.replicate, "init", step.sample)
    values = initialize(network, step.network.init, stream)
    return State.of_values(values, [name for name, _ in network.named_parameters()])


def _stacked_masks(masks: Sequence[Mask | None], device: torch.device) -> dict[str, Tensor]:
    """Masks of several lanes as 0 and 1, (lanes, *shape); a lane without a mask has ones."""
    shapes = {name: kept.shape for mask in masks if mask for name, kept in mask.items()}

    def stacked(name: str, shape: torch.Size) -> Tensor:
        dense = torch.ones(shape, dtype=torch.bool)
        return torch.stack([mask[name] if mask and name in mask else dense for mask in masks]).to(device).float()

    return {name: stacked(name, shape) for name, shape in shapes.items()}


def _advice(course: Course, iteration: int) -> str:
    rate = learning_rate(course.updates, iteration)
    return (
        f"the loss is not finite at iteration {iteration} (learning rate {rate:g}).\n"
        f"Try a smaller optimizer.learning_rate, or a longer schedule.warmup."
    )
