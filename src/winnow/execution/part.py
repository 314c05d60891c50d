"""A batch of lanes in training, or one process's part of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor

from winnow.course import Course, Noise
from winnow.data import WHOLE, Shard, Streamed
from winnow.data.table import InMemory
from winnow.dynamic import Dynamic
from winnow.errors import RecipeError
from winnow.execution.examples import Splits, trial_batch
from winnow.execution.team import Team
from winnow.models.drawing import ready
from winnow.models.normalization import has_batch_norm
from winnow.training import (
    Choice,
    Engine,
    LaneRandomness,
    Observer,
    Rewiring,
    State,
    Stream,
    draws,
    evaluated,
    exempt,
    learning_rate,
    optimizer,
    train_,
)
from winnow.training.optimizers import Optimizer
from winnow.training.together import Together, synchronize_


@dataclass
class Part:
    """What trains the lanes of a state on a shard of every batch, and evaluates them on a shard of the examples."""

    course: Course
    state: State
    masks: Mapping[str, Tensor]
    engine: Engine
    update: Optimizer
    batches: Stream
    examples: Splits
    team: Team | None
    rewiring: Rewiring | None = None
    """What changes the masks, where they change; they are then the state's own."""

    def train(self, stop: int, observers: Sequence[Observer] = ()) -> None:
        """Train to an iteration. In a team, all must."""
        updates = self.course.updates
        train_(
            self.state,
            stop,
            batches=self.batches,
            engine=self.engine,
            optimizer=self.update,
            rate=lambda iteration: learning_rate(updates, iteration),
            masks=self.masks,
            clip=updates.clip,
            rewiring=self.rewiring,
            observers=observers,
        )

    def evaluate(self) -> list[dict[str, float]]:
        """Each lane's metrics. In a team, all must ask, and get the same: with the first one's running statistics."""
        if self.team is None:
            return evaluated(self.engine, self.state, self.examples.evaluated)
        for buffer in self.state.buffers.values():
            self.team.share_(buffer)
        shares = {name: _Share(split, self.team.shard) for name, split in self.examples.evaluated.items()}
        return evaluated(self.engine, self.state, shares, together=self.team.sum_)


@dataclass(frozen=True)
class _Share:
    """A shard of a split, which tells the size of the whole."""

    split: InMemory | Streamed
    shard: Shard

    def __len__(self) -> int:
        return len(self.split)

    @property
    def at_once(self) -> int:
        """See Evaluable."""
        return self.split.at_once

    def chunks(self, size: int) -> Iterator[tuple[Tensor, Tensor]]:
        """See Evaluable."""
        return self.split.chunks(size, self.shard)


def part(
    course: Course,
    noises: Sequence[Noise],
    state: State,
    masks: Mapping[str, Tensor],
    *,
    choice: Choice,
    schedules: Sequence[Dynamic] = (),
    examples: Splits,
    team: Team | None = None,
) -> Part:
    """The part of this process, or the whole where it trains alone. `state` lies on the device already.

    Raises RecipeError for an engine, or a batch, that several processes cannot share.
    """
    module = ready(course.network.build(), state.device)
    shard = team.shard if team else WHOLE
    is_random = draws(module, trial_batch(course)[0])
    randomness = LaneRandomness(noises, state.device, shard) if is_random else None
    if team is not None:
        is_synchronized = course.batch_norm is None and has_batch_norm(module)
        _check(course, choice, team, is_by_parts=is_random or is_synchronized)
        if is_synchronized:
            synchronize_(module, team)
            choice = Choice("plain", 1, "batch normalization over several processes is computed lane by lane")
    masks = state.masks or masks
    engine = choice.build(
        module,
        state.lanes,
        masks,
        course.precision,
        task=examples.task(course),
        randomness=randomness,
        accumulate=course.accumulate,
    )
    engine = Together(engine, team) if team else engine
    state, masks = engine.enter(state, masks)
    update = optimizer(course.updates, exempt(course.updates, module, state.parameters))
    rewiring = Rewiring(schedules, noises) if schedules else None
    return Part(course, state, masks, engine, update, examples.batches(noises, course, shard), examples, team, rewiring)


def _check(course: Course, choice: Choice, team: Team, *, is_by_parts: bool) -> None:
    """`is_by_parts` is whether it matters which examples share a part of the batch: then each part must be shared."""
    if course.batch % team.size:
        raise RecipeError(
            f"train.batch is {course.batch}, which {team.size} processes cannot share evenly.\n"
            f"Choose a multiple of {team.size}, or another --nproc-per-node."
        )
    share, parts = course.batch // team.size, course.accumulate or 1
    if parts > share or (is_by_parts and share % parts):
        raise RecipeError(
            f"train.batch is {course.batch} in {parts} parts (train.accumulate), of which {team.size} processes cannot "
            f"share each evenly.\nChoose a multiple of {parts * team.size}, another train.accumulate, or another "
            f"--nproc-per-node."
        )
    if choice.name in ("compiled", "graphed"):
        raise RecipeError(
            f"the engine '{choice.name}' records what a single process does, and this run has {team.size}.\n"
            f"Use --engine auto."
        )
