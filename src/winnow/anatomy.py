"""What the masks of a run say: overlap, densities, dead units, signs; one tidy table, and questions to ask it."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, NamedTuple

from winnow.experiments import Experiment
from winnow.experiments.experiment import TICKET

Relation = Literal["replicates", "levels", "controls", "noise"]
"""What two masks differ in: the replicate; the level; how they were made at the same level of one replicate; or the
noise under which the network was trained that the mask was pruned from."""


class MaskRecord(NamedTuple):
    """One line of the tidy table of masks."""

    experiment: str
    recipe: str
    relation: str
    """For what is of two masks, what they differ in; empty for what is of one."""

    control: str
    replicate: int
    level: int
    density: float
    """Of the mask, or of the first of two, all layers together."""

    other_control: str
    other_replicate: int | None
    other_level: int | None
    other_sample: int | None
    """The noise sample of the second mask; the first's is 0."""

    layer: str
    """Empty: all of them together."""

    metric: str
    """`jaccard`, `chance_jaccard`, `chance_std`; `density`, `units`, `no_incoming`, `no_outgoing`, `dead`,
    `weights_per_unit`; `sign_agreement`."""

    value: float


@dataclass(frozen=True)
class Limits:
    """When a layer counts as collapsing."""

    weights_per_unit: float = 1.0
    """A layer with fewer remaining weights for each of its units than this."""

    relative_density: float = 0.1
    """A layer whose density is less than this fraction of the whole mask's."""


@dataclass(frozen=True)
class Collapse:
    """A layer of a mask that is close to letting no signal pass."""

    control: str
    level: int
    layer: str
    replicates: int
    """In how many of the replicates."""

    weights_per_unit: float
    relative_density: float
    """Both are the least of the replicates."""


@dataclass(frozen=True)
class Anatomy:
    """What was measured of a run's masks, as far as they are stored."""

    experiment: Experiment
    identity: str
    records: tuple[MaskRecord, ...]
    missing: int
    """How many of the masks that the recipe asks for are not stored."""

    without_states: int
    """Of how many trainings the final weights were not kept, so that their signs are not known."""

    same: frozenset[str]
    """The controls that are trained under tickets' masks, of which there is nothing to compare."""

    is_network_here: bool = True
    """Whether the network can be looked at, as one that was handed over from Python cannot be elsewhere: without it
    units are not known, nor signs where W_0 is not stored."""

    @cached_property
    def _index(self) -> dict[tuple[str, str, str, str, str], list[MaskRecord]]:
        index: dict[tuple[str, str, str, str, str], list[MaskRecord]] = {}
        for record in self.records:
            key = (record.relation, record.control, record.other_control, record.layer, record.metric)
            index.setdefault(key, []).append(record)
        return index

    def levels(self, control: str = TICKET) -> dict[int, float]:
        """The levels with masks, and their mean densities."""
        found: dict[int, list[float]] = {}
        for record in self._index.get(("", control, "", "", "density"), []):
            found.setdefault(record.level, []).append(record.value)
        return {level: statistics.fmean(values) for level, values in sorted(found.items())}

    @cached_property
    def controls(self) -> list[str]:
        """The tickets and the controls that have masks of their own."""
        return list(dict.fromkeys(record.control for record in self._of("density")))

    @cached_property
    def layers(self) -> list[str]:
        """The prunable layers, in the network's order."""
        return list(dict.fromkeys(record.layer for record in self.records if record.layer))

    def values(
        self, metric: str, level: int, *, relation: str = "", control: str = TICKET, other: str = "", layer: str = ""
    ) -> list[float]:
        """The values of a metric at a level, of all replicates or pairs; between levels, those with the one before."""
        return [
            record.value
            for record in self._index.get((relation, control, other, layer, metric), [])
            if record.level == level and (relation != "levels" or record.other_level == level - 1)
        ]

    def mean(self, metric: str, level: int, **named: str) -> float:
        """The mean of `values`; nan where there are none."""
        values = self.values(metric, level, **named)
        return statistics.fmean(values) if values else math.nan

    def comparisons(self) -> list[tuple[str, str, str]]:
        """What pairs of masks there are: relation, control, and the other's control."""
        return [
            (relation, control, other)
            for relation, control, other, layer, metric in self._index
            if relation and not layer and metric == "jaccard"
        ]

    def collapsing(self, limits: Limits) -> list[Collapse]:
        """The layers that come close to letting no signal pass, by control and level."""
        grouped: dict[tuple[str, int, str], list[tuple[float, float]]] = {}
        for per_unit, density in self._pairs():
            relative = density.value / density.density
            if per_unit < limits.weights_per_unit or relative < limits.relative_density:
                key = (density.control, density.level, density.layer)
                grouped.setdefault(key, []).append((per_unit, relative))
        return [
            Collapse(*key, len(found), min(each for each, _ in found), min(each for _, each in found))
            for key, found in grouped.items()
        ]

    def _pairs(self) -> Iterator[tuple[float, MaskRecord]]:
        """The weights per unit and the density of each layer of each mask that computes units."""
        per_unit = {_place(record): record.value for record in self._of("weights_per_unit")}
        for record in self._of("density"):
            if _place(record) in per_unit:
                yield per_unit[_place(record)], record

    def _of(self, metric: str) -> Iterable[MaskRecord]:
        return (record for record in self.records if record.metric == metric and record.layer)


def _place(record: MaskRecord) -> tuple[str, int, int, str]:
    return record.control, record.replicate, record.level, record.layer
