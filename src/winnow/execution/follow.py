"""What the processes of a run do that do not lead it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from winnow.course import Course, Noise
from winnow.dynamic import Dynamic
from winnow.execution.environment import deterministic_mode, undisturbed
from winnow.execution.examples import splits
from winnow.execution.part import part
from winnow.execution.team import Team
from winnow.training import Choice, State


@dataclass(frozen=True, kw_only=True)
class Work:
    """A batch of lanes to train with the leader: all that a part is made from, but the examples, on the CPU."""

    course: Course
    noises: Sequence[Noise]
    state: State
    masks: Mapping[str, Tensor]
    choice: Choice
    schedules: Sequence[Dynamic]
    device: str
    is_deterministic: bool


@dataclass(frozen=True)
class Go:
    """Train to an iteration."""

    stop: int


@dataclass(frozen=True)
class Look:
    """Evaluate."""


@dataclass(frozen=True)
class Done:
    """The batch of lanes is done."""


def follow(team: Team) -> None:
    """Train what the leader says, until it says that there is nothing more."""
    while (work := team.hear()) is not None:
        with undisturbed(), deterministic_mode(work.is_deterministic):
            _train(work, team)


def _train(work: Work, team: Team) -> None:
    device = torch.device(work.device)
    lanes = work.state.lanes
    state = State.filled((work.state.lane(number) for number in range(lanes)), lanes, device)
    masks = {name: mask.to(device) for name, mask in work.masks.items()}
    mine = part(
        work.course,
        work.noises,
        state,
        masks,
        choice=work.choice,
        schedules=work.schedules,
        examples=splits(work.course.examples, device),
        team=team,
    )
    while not isinstance(word := team.hear(), Done):
        if isinstance(word, Go):
            mine.train(word.stop)
        else:
            mine.evaluate()
