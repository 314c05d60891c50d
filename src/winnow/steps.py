"""The steps an experiment is made of: frozen values whose key is a hash of all that their result depends on.

    Init         a network's starting values
    Train        those values (or an earlier training's), trained from one iteration to another, under a mask
    Prune        a mask, from a trained network and the mask it was trained under
    Draw         a random mask, made after the densities of another
    Alter        a training's starting values, changed under a mask
    Compare      how far two trained networks are from each other
    Interpolate  error and loss on the straight line between two trained networks

A step holds its inputs, so a step is the whole graph behind it. It computes nothing: winnow.execution does.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Mapping
from enum import IntEnum
from functools import cached_property
from typing import Any, ClassVar, Literal, final

from winnow.course import Course, Network, Noise
from winnow.dynamic import Dynamic
from winnow.pruning.prune import Scope
from winnow.recipe import Rates


class Content(IntEnum):
    """How much of a result is kept. Each content includes those before it."""

    METRICS = 0
    """What was measured; for a Prune step, its mask."""

    WEIGHTS = 1
    """The parameters and buffers as well."""

    FULL = 2
    """The optimizer's buffers as well: training can go on from here."""


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class Step(ABC):
    """One node of the graph. Steps with the same key are the same step, and equal."""

    SCHEMA: ClassVar[int]
    """Raised whenever the same fields come to mean another result, so that stored ones are not mistaken for it."""

    @property
    @abstractmethod
    def inputs(self) -> Mapping[str, Step]:
        """The steps whose results this one needs, by the part they play."""

    @property
    @abstractmethod
    def needs(self) -> Mapping[Step, Content]:
        """How much of each input's result this one needs."""

    @property
    def kind(self) -> str:
        """The step's kind, as manifests name it."""
        return type(self).__name__.lower()

    @property
    def fields(self) -> dict[str, Any]:
        """The step's own fields, without its inputs, as JSON can hold them."""
        own = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        return {name: plain(value) for name, value in own.items() if name not in self.inputs and value is not None}

    @cached_property
    def key(self) -> str:
        """A hash of all that the result depends on: 40 hexadecimal digits."""
        described = {
            "kind": self.kind,
            "schema": self.SCHEMA,
            "fields": self.fields,
            "inputs": {part: step.key for part, step in self.inputs.items()},
        }
        return hashlib.sha256(json.dumps(described, sort_keys=True).encode()).hexdigest()[:40]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Step) and self.key == other.key

    def __hash__(self) -> int:
        return hash(self.key)


@final
@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class Init(Step):
    """W_0: a network's values before training."""

    SCHEMA: ClassVar[int] = 1

    network: Network
    seed: int
    replicate: int
    sample: int = 0
    """0 is the replicate's own; the others are independent draws, for reinitialized controls."""

    @property
    def inputs(self) -> Mapping[str, Step]:
        return {}

    @property
    def needs(self) -> Mapping[Step, Content]:
        return {}


@final
@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class Train(Step):
    """The training state after iteration `stop`, of a training that began with `origin` at iteration `start`.

    Where to look on the way, at which earlier iterations to stop as well, and whether it was interrupted do
    not change the result, so they are no part of it: trainings that differ in `stop` alone are one training,
    looked at twice (`trajectory`).
    """

    SCHEMA: ClassVar[int] = 1

    course: Course
    origin: Init | Train | Alter
    mask: Prune | Draw | None = None
    """Which weights there are; none for the dense network."""

    noise: Noise
    start: int = 0
    stop: int
    fresh_optimizer: bool = False
    """Whether the optimizer's buffers start as zeros where `origin` has them saved."""

    deterministic: bool = False
    """Whether the result is to be the same to the bit every time it is computed on one machine."""

    dynamic: Dynamic | None = None
    """How the mask changes while training; the one it ends with is part of the result. None where masks stay."""

    def __post_init__(self) -> None:
        if self.dynamic is not None and self.mask is not None:
            raise ValueError("a training's mask changes, or it is another step's; it cannot be both")
        if not 0 <= self.start < self.stop:
            raise ValueError(f"a training from iteration {self.start} to {self.stop} has no length")

    @property
    def inputs(self) -> Mapping[str, Step]:
        return {"origin": self.origin} | ({"mask": self.mask} if self.mask else {})

    @property
    def needs(self) -> Mapping[Step, Content]:
        needs: dict[Step, Content] = {self.mask: Content.METRICS} if self.mask else {}
        origin = self.origin
        if isinstance(origin, Alter):  # altered values are made again more easily than they are read
            needs[origin.mask] = Content.METRICS
            origin = origin.origin
        if isinstance(origin, Train):  # and so are initial ones
            needs[origin] = Content.WEIGHTS if self.fresh_optimizer else Content.FULL
        return needs

    @cached_property
    def age(self) -> int:
        """How many updates the optimizer's buffers have behind them when this training starts."""
        origin = self.origin.origin if isinstance(self.origin, Alter) else self.origin
        return 0 if self.fresh_optimizer or isinstance(origin, Init) else origin.age + origin.length

    @cached_property
    def trajectory(self) -> str:
        """The key of the training whatever its end: the same for all trainings that differ in `stop` alone."""
        return dataclasses.replace(self, stop=self.start + 1).key

    @property
    def length(self) -> int:
        """Iterations from start to stop."""
        return self.stop - self.start


@final
@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class Prune(Step):
    """The mask of a level: the weights of a network ranked, and the lowest of those alive removed."""

    SCHEMA: ClassVar[int] = 1

    trained: Init | Train
    """The network whose weights are ranked: trained, or as it was drawn."""

    level: int
    rate: Rates
    scope: Scope
    score: str
    exclude: tuple[str, ...] = ()
    granularity: str | None = None
    """None is single weights; else `unit`, or a pattern such as `2:4`."""

    code: str | None = None
    """A fingerprint of the user's own score. None where the score is Winnow's."""

    untrained: Course | None = None
    """What the network is to be trained on, where `trained` is an Init, which does not say."""

    include: tuple[str, ...] | None = None
    """None where nothing is pruned but by its kind."""

    at_once: Literal[True] | None = None
    """Whether `rate` is what the level removes in all, not per round. None where it is per round."""

    biases: Literal[2] | None = None
    """Raised whenever masks of biases come to mean other trainings, which are then made anew. 2: pruned biases stay at
    zero under the perceptron engine too. None where only kernels are pruned."""

    @property
    def inputs(self) -> Mapping[str, Step]:
        return {"trained": self.trained}

    @property
    def needs(self) -> Mapping[Step, Content]:
        if isinstance(self.trained, Init):
            return {}
        needs: dict[Step, Content] = {self.trained: Content.WEIGHTS}
        if self.trained.mask:
            needs[self.trained.mask] = Content.METRICS
        return needs

    @property
    def init(self) -> Init:
        """Where the network began, before any training."""
        step = self.trained
        while not isinstance(step, Init):
            step = step.origin
        return step

    @property
    def course(self) -> Course:
        """What the network is trained on."""
        course = self.trained.course if isinstance(self.trained, Train) else self.untrained
        assert course is not None, "a mask made at initialization says what the network is to be trained on"
        return course


@final
@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class Draw(Step):
    """A random mask made after another one: as many weights, chosen by chance."""

    SCHEMA: ClassVar[int] = 1

    like: Prune
    how: str
    """What is kept of the other mask; `layerwise`: how many weights remain in each layer."""

    seed: int
    replicate: int
    sample: int = 0

    @property
    def inputs(self) -> Mapping[str, Step]:
        return {"like": self.like}

    @property
    def needs(self) -> Mapping[Step, Content]:
        return {self.like: Content.METRICS}


@final
@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class Alter(Step):
    """The values that a training would start from, altered. It has no result of its own: trainings make it anew."""

    SCHEMA: ClassVar[int] = 1

    origin: Init | Train
    mask: Prune | Draw
    """Which weights there are, for what is told by them; those it does not name stay as they are."""

    how: str
    """`signs`, `signs-shuffled`: see winnow.pruning.signs."""

    seed: int
    replicate: int
    sample: int = 0

    @property
    def inputs(self) -> Mapping[str, Step]:
        return {"origin": self.origin, "mask": self.mask}

    @property
    def needs(self) -> Mapping[Step, Content]:
        needs: dict[Step, Content] = {self.mask: Content.METRICS}
        return needs | ({self.origin: Content.FULL} if isinstance(self.origin, Train) else {})


@final
@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class Compare(Step):
    """The L2 distance of two trained networks and the angle between them, of the weights that a mask keeps.

    Source: SLTH (arXiv 1903.01611), §3.
    """

    SCHEMA: ClassVar[int] = 1

    first: Train
    second: Train
    mask: Prune | Draw

    @property
    def inputs(self) -> Mapping[str, Step]:
        return {"first": self.first, "second": self.second, "mask": self.mask}

    @property
    def needs(self) -> Mapping[Step, Content]:
        return {self.mask: Content.METRICS, self.first: Content.WEIGHTS, self.second: Content.WEIGHTS}


@final
@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class Interpolate(Step):
    """Loss and error at evenly spaced points of the straight line between two trained networks.

    Source: LMC (arXiv 1912.05671), §2.
    """

    SCHEMA: ClassVar[int] = 2

    first: Train
    second: Train
    points: int
    """Points on the line, both ends among them."""

    examples: int
    """Of how many training examples, at most, loss and error are taken; and, where the network has batch
    normalization, its statistics."""

    @property
    def inputs(self) -> Mapping[str, Step]:
        return {"first": self.first, "second": self.second}

    @property
    def needs(self) -> Mapping[Step, Content]:
        return {self.first: Content.WEIGHTS, self.second: Content.WEIGHTS}


def plain(value: Any) -> Any:
    """A value as JSON holds it. Fields that are left out stay out, so that a new optional one changes no key.

    So do those that say where something is found, not what it is.
    """
    if dataclasses.is_dataclass(value):
        fields = (field for field in dataclasses.fields(value) if field.metadata.get("is_in_key", True))
        own = {field.name: getattr(value, field.name) for field in fields}
        return {name: plain(entry) for name, entry in own.items() if entry is not None}
    if isinstance(value, tuple):
        return [plain(entry) for entry in value]  # pyright: ignore[reportUnknownVariableType]
    return value
