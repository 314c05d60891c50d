"""What a run would train, from what is stored, and what it would keep on disk. Nothing is computed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from winnow.course import Network
from winnow.errors import CorruptResult
from winnow.execution import progress
from winnow.execution.executor import Executor, Plan, Targets
from winnow.execution.lanes import Lane, lanes
from winnow.execution.reporting import Reporter, Silent
from winnow.experiments import Experiment, Row
from winnow.models.drawing import trained, values_of
from winnow.pruning import prunable_layers
from winnow.recipe import Rates
from winnow.steps import Content, Draw, Init, Prune, Step, Train
from winnow.store import Store
from winnow.training import slot_names

REWIND = "rewind point"
"""What `control` says of the trainings to iteration k, which the dense trainings pass."""

_MANIFEST, _ROW, _HEADER, _TENSOR = 1_500, 110, 400, 110
"""About how many bytes a manifest takes, a line of metrics, a state's header, and a tensor's entry in it."""


@dataclass(frozen=True, kw_only=True)
class Line:
    """The trainings of one control at one level."""

    control: str
    level: int
    stored: int
    to_train: int
    failed: int
    """Those that ended without a result before, and those that cannot run since what they need did."""

    iterations: int
    """How many there are to train, of all replicates."""


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """What there is to do, to train and to keep."""

    plan: Plan
    lines: tuple[Line, ...]
    remaining: Mapping[Train, int]
    """The iterations left of each training to run, by its last step."""

    bytes: int
    """What the results will take on disk, beside those that are stored."""

    @property
    def iterations(self) -> int:
        """The iterations to train in all."""
        return sum(self.remaining.values())


def estimate(experiment: Experiment, targets: Targets, store: Store, reporter: Reporter | None = None) -> Estimate:
    """What running the experiment would do. Damaged results count as missing, and the reporter is told of them."""
    plan = Executor(store, reporter=reporter or Silent()).plan(targets)
    left = remaining(plan, store)
    return Estimate(
        plan=plan,
        lines=tuple(_lines(experiment, plan, left)),
        remaining=left,
        bytes=sum(_bytes(step, targets.get(step, Content.METRICS)) for step in plan.missing),
    )


def remaining(plan: Plan, store: Store) -> dict[Train, int]:
    """The iterations left of each training that a plan runs, by its last step."""
    return {
        lane.last: lane.last.stop - _reached(lane, store)
        for lane in lanes(step for step in plan.missing if isinstance(step, Train))
    }


def _reached(lane: Lane, store: Store) -> int:
    """The iteration that a training goes on from: where it was interrupted, or an earlier result of its own."""
    try:
        waypoint = store.waypoint(lane.last, before=lane.steps[0].stop)
    except CorruptResult:
        waypoint = None
    stored = [waypoint.stop] if waypoint else []
    saved = progress.load(store.progress_file(lane.trajectory))
    under_way = [saved.state.iteration] if saved and saved.state.iteration <= lane.last.stop else []
    return max([lane.last.start, *stored, *under_way])


def _lines(experiment: Experiment, plan: Plan, remaining: Mapping[Train, int]) -> list[Line]:
    rows = list(experiment.rows)
    for replicate, point in experiment.rewind_points.items():
        if isinstance(point, Train):
            rows.append(Row(control=REWIND, replicate=replicate, level=0, trained=point))
    grouped: dict[tuple[str, int], list[Train]] = {}
    for row in sorted(rows, key=lambda row: row.level):
        grouped.setdefault((row.control, row.level), []).append(row.trained)
    unfit = {*plan.failed, *plan.blocked}
    return [
        Line(
            control=control,
            level=level,
            stored=sum(step not in plan.missing and step not in unfit for step in steps),
            to_train=sum(step in plan.missing for step in steps),
            failed=sum(step in unfit for step in steps),
            iterations=sum(remaining.get(step, 0) for step in steps),
        )
        for (control, level), steps in grouped.items()
    ]


def _bytes(step: Step, content: Content) -> int:
    """What a result takes on disk: its tensors to the byte, the text around them about."""
    if isinstance(step, Draw):
        step = step.like
    if isinstance(step, Prune):
        network = step.course.network
        return _mask_bytes(network, step.rate, step.exclude, step.include or ()) + _MANIFEST
    if isinstance(step, Init):
        return _state_bytes(step.network, 0) + _MANIFEST
    if not isinstance(step, Train):
        return _MANIFEST
    course = step.course
    metrics = _ROW * (step.length // course.evaluate + 2)
    if content is Content.METRICS:
        return metrics + _MANIFEST
    slots = len(slot_names(course.updates)) if content is Content.FULL else 0
    window = 4 * (step.stop % course.evaluate)
    return _state_bytes(course.network, slots) + window + metrics + _MANIFEST


@lru_cache(maxsize=16)
def _state_bytes(network: Network, slots: int) -> int:
    module = network.build()
    names, values = set(trained(module)), values_of(module)
    parameters = [tensor for name, tensor in values.items() if name in names]
    buffers = [tensor for name, tensor in values.items() if name not in names]
    size = (1 + slots) * sum(4 * tensor.numel() for tensor in parameters)
    size += sum(tensor.numel() * tensor.element_size() for tensor in buffers)
    return size + _HEADER + _TENSOR * ((1 + slots) * len(parameters) + len(buffers))


@lru_cache(maxsize=16)
def _mask_bytes(network: Network, rate: Rates, exclude: tuple[str, ...], include: tuple[str, ...]) -> int:
    layers = prunable_layers(network.build(), rate, exclude, include)
    return sum(-(-layer.size // 8) for layer in layers.values()) + _HEADER + _TENSOR * len(layers)
