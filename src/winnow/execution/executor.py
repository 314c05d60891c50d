"""The executor: of the steps asked for, run those whose result the store lacks, in order of dependence."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import torch

from winnow.course import Course
from winnow.errors import CorruptResult, LayerCollapse, MissingResult
from winnow.execution.choosing import chosen
from winnow.execution.doubts import Doubts
from winnow.execution.environment import Interruption, deterministic_mode, undisturbed
from winnow.execution.lanes import Lane, batches, lanes
from winnow.execution.masking import drawn_mask, pruned
from winnow.execution.measuring import along_the_line, distances
from winnow.execution.profile import Profile
from winnow.execution.reporting import Reporter, Silent
from winnow.execution.training import Trainer, initial_state
from winnow.steps import Compare, Content, Draw, Init, Interpolate, Prune, Step, Train
from winnow.store import Failure, Making, Manifest, Store
from winnow.training import Choice, EngineName

_PARTS = {
    "init": "store",
    "prune": "pruning",
    "draw": "pruning",
    "compare": "comparison",
    "interpolate": "comparison",
}
"""Under which name the time of a step that trains nothing is told."""

Targets = Mapping[Step, Content]
"""The steps whose results are wanted, and how much of each is to be kept."""


@dataclass(frozen=True)
class Plan:
    """What there is to do."""

    missing: dict[Step, Content]
    """Steps to run, each after those it needs, with how much of its result is needed."""

    stored: dict[Step, Content]
    """Steps that are wanted and stored already."""

    failed: dict[Step, Failure]
    """Steps that ended without a result, in this run or before."""

    blocked: list[Step]
    """Steps that cannot run since one they need has failed."""

    @property
    def ready(self) -> list[Step]:
        """The missing steps that need no other missing one."""
        return [step for step in self.missing if not any(source in self.missing for source in step.needs)]


@dataclass
class Executor:
    """Runs steps, on one device, into one store."""

    store: Store
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    reporter: Reporter = field(default_factory=Silent)
    engine: EngineName = "auto"
    """Which engine trains; auto for what suits the network and the device."""

    width: int | None = None
    """How many lanes to train together; None for what suits."""

    keep_all: bool = False
    """Whether to keep every state that was needed on the way, whatever the targets say."""

    profile: Profile = field(default_factory=Profile)
    """Where the time goes."""

    _known: dict[Step, Content] = field(default_factory=dict[Step, Content])
    """Results that were found stored, so that each is looked up once."""

    _choices: dict[tuple[Course, bool], Choice] = field(default_factory=dict[tuple[Course, bool], Choice])
    """By course, and by whether masks change."""

    _doubts: Doubts = field(default_factory=Doubts)

    def plan(self, targets: Targets) -> Plan:
        """What running the targets would do, from what is stored now. Damaged results count as missing."""
        origins = {step.origin for step in targets if isinstance(step, Train)}
        plan = Plan({}, {}, {}, [])
        unfit: set[Step] = set()
        for target, content in targets.items():
            # What was kept of a result before is enough, unless trainings asked for later start from it.
            enough = content if target in origins and content is Content.FULL else Content.METRICS
            self._visit(target, enough, plan, unfit)
        return plan

    def forget(self) -> None:
        """Look results up again: what was stored has turned out to be damaged."""
        self._known.clear()

    def _start_over(self, damage: CorruptResult | MissingResult) -> None:
        self.reporter.noted(str(damage))
        self.forget()

    def _manifest(self, step: Step) -> Manifest | None:
        """The manifest of a step's result; one that is damaged is told of, and none."""
        try:
            return self.store.manifest(step)
        except CorruptResult as damage:
            self._start_over(damage)
            return None

    def _visit(self, target: Step, content: Content, plan: Plan, unfit: set[Step]) -> None:
        """Add a step and, before it, what it needs, to the plan. Depth first, without recursion."""
        stack: list[tuple[Step, Content, bool]] = [(target, content, False)]
        while stack:
            step, wanted, is_entered = stack.pop()
            if is_entered:
                if any(source in unfit for source in step.needs):
                    unfit.add(step)
                    plan.blocked.append(step)
                else:
                    plan.missing[step] = max(wanted, plan.missing.get(step, wanted))
                continue
            if step in unfit or plan.missing.get(step, Content.METRICS - 1) >= wanted:
                continue
            if step in plan.missing:
                plan.missing[step] = wanted
                continue
            if self._known.get(step, Content.METRICS - 1) < wanted:
                manifest = self._manifest(step)
                if manifest is not None and manifest.failure is not None:
                    plan.failed[step] = manifest.failure
                    unfit.add(step)
                    continue
                if manifest is not None and manifest.kept >= wanted:
                    self._known[step] = manifest.kept
            if self._known.get(step, Content.METRICS - 1) >= wanted:
                plan.stored[step] = max(wanted, plan.stored.get(step, wanted))
            else:
                plan.stored.pop(step, None)
                stack.append((step, wanted, True))
                stack += [(source, needed, False) for source, needed in step.needs.items()]

    def run(self, targets: Targets) -> Plan:
        """Run what is missing; gives the plan as it stands afterwards, with what failed and nothing missing.

        Raises KeyboardInterrupt after saving what is under way, when interrupted.
        """
        with self.profile.part("planning"):
            return self._run(targets)

    def _run(self, targets: Targets) -> Plan:
        is_deterministic = any(isinstance(step, Train) and step.deterministic for step in targets)
        plan = self.plan(targets)
        before = self._kept_before(plan)
        self.reporter.planned(list(plan.missing))
        self._doubts.tell_of_masks(plan.missing)
        self._doubts.tell_of_weights(plan.missing)
        with Interruption() as interruption, undisturbed(), deterministic_mode(is_deterministic):
            while plan.missing:
                if interruption.is_requested():
                    raise KeyboardInterrupt
                try:
                    made = self._advance(plan, targets, interruption)
                    self._tidy(made, plan, targets, before)
                except (CorruptResult, MissingResult) as damage:
                    self._start_over(damage)
                plan = self.plan(targets)
        return plan

    def _advance(self, plan: Plan, targets: Targets, interruption: Interruption) -> list[Step]:
        """Run the steps that are ready and need no training, or else one batch of lanes; gives what was run."""
        quick = [step for step in plan.ready if not isinstance(step, Train)]
        if quick:
            return self._run_quick(quick, plan)
        trainings = lanes(step for step in plan.ready if isinstance(step, Train))
        for whole in batches(trainings, self._choice(trainings[0].last).width):
            choice = self._choice(whole[0].last)
            batch = whole[: choice.width]
            with self.store.locked([lane.trajectory for lane in batch]) as held:
                mine = [lane for lane in batch if lane.trajectory in held]
                unfinished = [lane for lane in mine if self._is_unfinished(lane, plan)]
                if unfinished:
                    trainer = self._trainer(choice, plan, targets, interruption)
                    trainer.run(unfinished)
                    self._choices[_kind(batch[0].last)] = trainer.choice
                if mine:
                    return [step for lane in mine for step in lane.steps]
        with self.profile.part("waiting"):
            time.sleep(0.2)  # all that is ready is being computed by other processes
        return []

    def _choice(self, step: Train) -> Choice:
        """The engine for a training, told once."""
        if _kind(step) not in self._choices:
            choice = chosen(step, self.device, engine=self.engine, width=self.width)
            self._choices[_kind(step)] = choice
            self.reporter.noted(f"engine {choice.name}: {choice.reason}")
            with self.profile.part("data"):
                self._doubts.tell_of_data(step.course, self.device)
        return self._choices[_kind(step)]

    def _trainer(self, choice: Choice, plan: Plan, targets: Targets, interruption: Interruption) -> Trainer:
        trainings = {step: needed for step, needed in plan.missing.items() if isinstance(step, Train)}
        contents = {step: max(needed, targets.get(step, needed)) for step, needed in trainings.items()}
        return Trainer(
            store=self.store,
            device=self.device,
            choice=choice,
            profile=self.profile,
            reporter=self.reporter,
            is_interrupted=interruption.is_requested,
            contents=contents,
            targets=contents if self.keep_all else {step: targets[step] for step in trainings if step in targets},
        )

    def _is_unfinished(self, lane: Lane, plan: Plan) -> bool:
        """Whether a lane's results are still missing now that its lock is held."""
        return not all(self.store.has(step, plan.missing[step]) or self.store.failure(step) for step in lane.steps)

    def _run_quick(self, steps: Sequence[Step], plan: Plan) -> list[Step]:
        done: list[Step] = []
        for step in steps:
            with self.store.locked([step.key]) as held:
                if not held:
                    continue
                done.append(step)
                if not self.store.has(step, plan.missing[step]) and not self.store.failure(step):
                    with self.profile.part(_PARTS[step.kind]):
                        self._compute(step)
        if not done:
            with self.profile.part("waiting"):
                time.sleep(0.05)
        return done

    def _compute(self, step: Step) -> None:
        """Run a step that trains nothing."""
        began = time.monotonic()
        if isinstance(step, Init):
            self.store.put_state(step, initial_state(step, self.store), Content.FULL, making=Making())
        elif isinstance(step, Prune | Draw):
            try:
                mask = (
                    pruned(step, self.store, self.device) if isinstance(step, Prune) else drawn_mask(step, self.store)
                )
            except LayerCollapse as collapse:
                self.store.put_failure(step, Failure("LayerCollapse", str(collapse)), making=Making())
                self.reporter.failed(step, str(collapse))
                return
            self.store.put_mask(step, mask, Making(time.monotonic() - began))
        elif isinstance(step, Compare):
            first, second = (self.store.state(source).values() for source in (step.first, step.second))
            rows = distances(first, second, self.store.mask(step.mask))
            self.store.put_measured(step, rows, Making(time.monotonic() - began))
        elif isinstance(step, Interpolate):
            first, second = (self.store.state(source) for source in (step.first, step.second))
            course = step.first.course
            rows = along_the_line(first, second, course, self.device, points=step.points, examples=step.examples)
            self.store.put_measured(step, rows, Making(time.monotonic() - began))
        self.reporter.finished(step, time.monotonic() - began)

    def _kept_before(self, plan: Plan) -> Targets:
        """How much the store held to stay, before anything was run, of what the missing steps need."""
        sources = {source for step in plan.missing for source in step.needs if isinstance(source, Train)}
        manifests = ((source, self.store.manifest(source)) for source in sources)
        return {source: manifest.wanted for source, manifest in manifests if manifest and manifest.failure is None}

    def _tidy(self, made: Iterable[Step], plan: Plan, targets: Targets, before: Targets) -> None:
        """Once what needed a state is done, keep no more of it than the targets ask for, or was there before.

        What an earlier run has kept is that run's: this one's targets do not know of it.
        """
        if self.keep_all:
            return
        done = set(made)
        waiting = {source for step in plan.missing if step not in done for source in step.needs}
        for step in done:
            for source in step.needs:
                manifest = self.store.manifest(source) if isinstance(source, Train) and source not in waiting else None
                if manifest is not None:  # another process may have stored it meanwhile, to keep more of it
                    kept = max(manifest.wanted, *(known.get(source, Content.METRICS) for known in (targets, before)))
                    self.store.reduce(source.key, kept)
                    self._known.pop(source, None)


def _kind(step: Train) -> tuple[Course, bool]:
    """What trainings must agree in to have the same engine."""
    return step.course, step.dynamic is not None
