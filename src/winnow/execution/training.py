"""Run a batch of lanes: from where each is to where each ends, storing every result they pass."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import torch
from torch import Tensor

from winnow.course import Course, Noise
from winnow.dynamic import Dynamic
from winnow.errors import MissingResult, WinnowError
from winnow.execution import progress
from winnow.execution.examples import splits
from winnow.execution.follow import Done, Go, Look, Work
from winnow.execution.lanes import Lane
from winnow.execution.part import part
from winnow.execution.profile import Profile
from winnow.execution.reporting import Reporter
from winnow.execution.team import Team, current
from winnow.models import trained
from winnow.pruning import Mask
from winnow.pruning.signs import altered
from winnow.seeds import generator
from winnow.steps import Alter, Content, Init, Train
from winnow.store import Failure, Making, Store
from winnow.training import Choice, Curve, State, begun, learning_rate, slot_names
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

    targets: Mapping[Train, Content] = field(default_factory=dict[Train, Content])
    """How much of it is to stay once what needs it is done; of a step that is not here, its metrics."""

    def run(self, batch: Sequence[Lane]) -> None:
        """Train the lanes together. Those that begin at different places, after an interruption, in turn."""
        with self.profile.part("store"):
            started = [self._started(lane) for lane in batch]
        for place in sorted({lane.place for lane in started}):
            self._run_as_fits([lane for lane in started if lane.place == place])

    def _run_as_fits(self, started: list[_Started]) -> None:
        """Run lanes together; where memory runs out, half of them at a time."""
        try:
            _Batch(self, started).run()
        except (torch.OutOfMemoryError, RuntimeError) as error:
            if not isinstance(error, torch.OutOfMemoryError) and "allocate memory" not in str(error):
                raise
            if len(started) == 1 or current() is not None:
                these = "a single training does" if len(started) == 1 else f"{len(started)} trainings together do"
                raise WinnowError(
                    f"{these} not fit into the memory of {self.device}: {error}\n"
                    f"Use {'fewer --lanes' if len(started) > 1 else 'a smaller train.batch or a smaller network'}."
                ) from error
        else:
            return
        half = (len(started) + 1) // 2
        self.choice = replace(self.choice, width=half)
        self.reporter.noted(f"{len(started)} lanes do not fit into the memory of {self.device}: going on with {half}")
        lanes = [each.lane for each in started if not each.has_diverged]
        for fewer in (lanes[:half], lanes[half:]):
            self.run(fewer)

    def _started(self, lane: Lane) -> _Started:
        """Where a lane's training can go on from: the furthest state there is."""
        mask = self.store.mask(lane.last.mask) if lane.last.mask else None
        file = self.store.progress_file(lane.trajectory)
        saved = progress.load(file)
        is_longer_saved = saved is not None and saved.state.iteration > lane.last.stop
        waypoint = self.store.waypoint(lane.last, before=lane.steps[0].stop)
        if saved is not None and not is_longer_saved:
            iteration = saved.state.iteration
            if waypoint is None or waypoint.stop <= iteration:  # it may have been killed after a stop and before a save
                return _Started(lane, mask, iteration, partial(progress.state, file), saved.curve, saved.seconds)
        if waypoint is None:
            state = partial(self._origin, lane.last, mask)
            return _Started(lane, mask, lane.last.start, state, Curve(), is_longer_saved=is_longer_saved)
        curve = self.store.curve(waypoint).on_grid(lane.last.course.evaluate, lane.last.start)
        manifest = self.store.manifest(waypoint)
        seconds = manifest.seconds if manifest else 0.0
        state = partial(self.store.state, waypoint)
        return _Started(lane, mask, waypoint.stop, state, curve, seconds, is_longer_saved=is_longer_saved)

    def _origin(self, step: Train, mask: Mask | None) -> State:
        """The state a training begins with: its origin's, masked, with the optimizer's buffers it needs.

        Raises MissingResult where the buffers are gone, since another process has finished what it kept them for.
        """
        state = starting_state(step.origin, self.store)
        state = replace(state.restarted(), iteration=step.start).with_slots(
            slot_names(step.course.updates), fresh=step.fresh_optimizer
        )
        if state.age != step.age:
            raise MissingResult(f"result {step.origin.key} has no optimizer buffers any more in {self.store.root}")
        if mask is not None:
            state.apply_(mask)
        return begun(state, step.dynamic, step.noise) if step.dynamic else state


@dataclass
class _Started:
    """A lane with where it stands."""

    lane: Lane
    mask: Mask | None
    iteration: int
    state: Callable[[], State]
    """Reads or draws the state there. It is not kept: many lanes' would take as much memory again as their training."""

    curve: Curve
    seconds: float = 0.0
    """What it took to get there."""

    has_diverged: bool = False
    is_longer_saved: bool = False
    """Whether what is saved under way is the same training further on, which ends later: that stays for it."""

    @property
    def place(self) -> tuple[int, bool]:
        """The iteration, and whether it was evaluated there: lanes of which one was would have different windows."""
        return self.iteration, self.iteration in self.curve.rows


class _Batch:
    """Lanes that stand at the same place, training together."""

    def __init__(self, trainer: Trainer, started: list[_Started]) -> None:
        self.trainer, self.started, self.team = trainer, started, current()
        step = started[0].lane.last
        self.course: Course = step.course
        self.start = step.start
        with trainer.profile.part("data"):
            self.examples = splits(self.course.examples, trainer.device)
        self.clock = time.monotonic()

    def run(self) -> None:
        self._begin()
        try:
            self._train()
        finally:
            self.part.batches.close()

    def _train(self) -> None:
        state = self.part.state
        watch = Watch(window=state.window, save=self._save, tell=self._tell, is_interrupted=self.trainer.is_interrupted)
        if state.iteration == self.start and self.start not in self.started[0].curve.rows:
            self._evaluate(state, torch.empty(len(self.started), 0))
        for boundary in self._boundaries(state.iteration):
            with self.trainer.profile.part("training"):
                self._tell_team(Go(boundary))
                self.part.train(boundary, [watch])
            state.window = watch.window
            self._evaluate(state, state.window)
            self._end_diverged(state)
            if all(lane.has_diverged for lane in self.started):
                break
            if boundary % self.course.evaluate == 0:
                watch.reset()
                state.window = state.window[:, :0]
            with self.trainer.profile.part("store"):
                self._store(state)
        if self.team is not None:
            self.team.tell(Done())
            self.team.is_training = False

    def _begin(self) -> None:
        """Put the lanes side by side, in every process of the run."""
        masks = _stacked_masks([lane.mask for lane in self.started], self.trainer.device)
        noises = [lane.lane.last.noise for lane in self.started]
        self.part = part(
            self.course,
            noises,
            self._stacked_state(self.trainer.device),
            masks,
            choice=self.trainer.choice,
            schedules=self._schedules(),
            examples=self.examples,
            team=self.team,
        )
        if self.team is not None:
            self._tell_of_work(noises, masks, self.team)

    def _stacked_state(self, device: torch.device) -> State:
        return State.filled((lane.state() for lane in self.started), len(self.started), device)

    def _tell_of_work(self, noises: Sequence[Noise], masks: Mapping[str, Tensor], team: Team) -> None:
        """Have the other processes of the run begin the same batch of lanes."""
        work = Work(
            course=self.course,
            noises=noises,
            state=self._stacked_state(torch.device("cpu")),
            masks={name: mask.cpu() for name, mask in masks.items()},
            choice=self.trainer.choice,
            schedules=self._schedules(),
            device=self.trainer.device.type,
            is_deterministic=self.started[0].lane.last.deterministic,
        )
        team.tell(work)
        team.is_training = True

    def _schedules(self) -> list[Dynamic]:
        """How the lanes' masks change, where they do."""
        return [step.dynamic for step in self._steps() if step.dynamic]

    def _tell_team(self, word: Go | Look) -> None:
        if self.team is not None:
            self.team.tell(word)

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
            self._tell_team(Look())
            rows = self.part.evaluate()
        for number, (lane, row) in enumerate(zip(self.started, rows, strict=True)):
            losses = {"train_loss": float(window[number].double().mean())} if window.shape[1] else {}
            lane.curve.add(state.iteration, losses | row)
        self.trainer.reporter.training(self._steps(), state.iteration, self.started[0].curve.rows[state.iteration])

    def _store(self, state: State) -> None:
        """Store the results due at this iteration, and drop from the curves what is not on the grid."""
        is_due = any(step.stop == state.iteration for step in self.started[0].lane.steps)
        state = self.part.engine.leave(state) if is_due else state
        for number, lane in self._alive():
            for step in lane.lane.steps:
                if step.stop == state.iteration:
                    content = self.trainer.contents.get(step, Content.METRICS)
                    asked = self.trainer.targets.get(step, Content.METRICS)
                    making = Making(self._seconds(lane), {"lanes": len(self.started)} | self._processes(), asked)
                    self.trainer.store.put_state(step, state.lane(number), content, curve=lane.curve, making=making)
                    self.trainer.reporter.finished(step, making.seconds)
            lane.curve = lane.curve.on_grid(self.course.evaluate, self.start)
            if state.iteration == lane.lane.last.stop:
                self._forget_progress(lane)

    def _save(self, state: State) -> None:
        with self.trainer.profile.part("store"):
            self._save_lanes(self.part.engine.leave(state))

    def _save_lanes(self, state: State) -> None:
        for number, lane in self._alive():
            if not lane.is_longer_saved:
                path = self.trainer.store.progress_file(lane.lane.trajectory)
                progress.save(path, state.lane(number), lane.curve, self._seconds(lane))

    def _forget_progress(self, lane: _Started) -> None:
        if not lane.is_longer_saved:
            self.trainer.store.progress_file(lane.lane.trajectory).unlink(missing_ok=True)

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
            self._forget_progress(lane)

    def _processes(self) -> dict[str, int]:
        """How many processes trained together: of no effect on the result but rounding, so it is a note."""
        return {"processes": self.team.size} if self.team is not None else {}

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
    values = step.network.initial_values(step.seed, step.replicate, step.sample)
    return State.of_values(values, trained(step.network.build()))


def starting_state(step: Init | Train | Alter, store: Store) -> State:
    """The state that a training starts from: drawn, stored, or made from either."""
    if isinstance(step, Init):
        return initial_state(step, store)
    if isinstance(step, Train):
        return store.state(step)
    state = starting_state(step.origin, store)
    stream = generator(step.seed, step.replicate, "mask", step.sample, 1)
    weights = {name: tensor[0] for name, tensor in state.parameters.items()}
    weights = altered(weights, store.mask(step.mask), step.how, stream)
    return replace(state, parameters={name: tensor.unsqueeze(0) for name, tensor in weights.items()})


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
