"""Studies: what training from a rewind point comes to, compared between noises, and with and without pruning."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from winnow.errors import RecipeError
from winnow.experiments.experiment import TICKET, Experiment, Keep, behind
from winnow.experiments.imp import imp
from winnow.facts import prunable
from winnow.from_recipe import course, timeline
from winnow.pattern import UNIT
from winnow.pruning.distribution import kept_in_all
from winnow.recipe import Recipe, Retrain
from winnow.steps import Compare, Content, Draw, Init, Interpolate, Prune, Step, Train
from winnow.timeline import Amount

Subnetwork = Literal["dense", "ticket", "random"]
"""What is trained from W_k: the whole network, it under IMP's mask, or under a random mask of the same densities."""

Quantity = Literal["pruning", "data-order", "instability"]
"""SLTH's stability to pruning and to data order; LMC's instability."""


_DEEPEST = 100
"""The last level that is looked at for the one nearest to a density: at a fifth a round, 2e-10 of the weights."""


@dataclass(frozen=True, kw_only=True)
class Child:
    """A training of a study, and what it is there."""

    network: Subnetwork
    k: int
    replicate: int
    sample: int
    trained: Train


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """A measurement of a study, and what it is there."""

    quantity: Quantity
    network: Subnetwork
    k: int
    replicate: int
    samples: tuple[int, int]
    """The noise samples of the two trainings that are compared: the same twice for stability to pruning."""

    stop: int
    """The iteration at which they are compared; the end, but for early signals."""

    step: Compare | Interpolate


@dataclass(frozen=True, kw_only=True)
class Place:
    """A rewind point of one replicate, with what was found from there."""

    k: int
    replicate: int
    point: Init | Train
    """W_k."""

    dense: Train
    ticket: Train | None = None
    """Trained from W_k under IMP's mask of the level; none where only the dense network is studied."""

    @property
    def mask(self) -> Prune:
        """IMP's mask of the level, found with rewinding to this k."""
        assert self.ticket is not None and isinstance(self.ticket.mask, Prune)
        return self.ticket.mask

    @property
    def random(self) -> Draw:
        """A random mask with the same density in every layer."""
        init = self.dense.origin
        assert isinstance(init, Init)
        return Draw(like=self.mask, how="layerwise", seed=init.seed, replicate=self.replicate)

    def child(self, network: Subnetwork, sample: int, stop: int | None = None) -> Train:
        """The training of a network from W_k under a sample of noise, to an iteration or to the end.

        Sample 0 is the noise of the replicate's own trunk, going on. The dense network's child of it is the dense
        training itself, so it is never trained twice.
        """
        stop = stop or self.dense.stop
        noise = replace(self.dense.noise, sample=sample)
        if network != "dense":
            assert self.ticket is not None
            mask = self.mask if network == TICKET else self.random
            return replace(self.ticket, mask=mask, noise=noise, stop=stop)
        fresh = self.ticket is not None and self.ticket.fresh_optimizer and self.k > 0
        if sample == 0 and not fresh:
            return replace(self.dense, stop=stop)
        start = replace(self.dense, origin=self.point, start=self.k, noise=noise, stop=stop)
        return replace(start, fresh_optimizer=True) if fresh else start  # both must begin alike but for the mask

    def children(self, network: Subnetwork, samples: int) -> list[Child]:
        """The trainings of a network to the end, under the first so many samples of noise."""
        return [
            Child(network=network, k=self.k, replicate=self.replicate, sample=n, trained=self.child(network, n))
            for n in range(samples)
        ]

    def comparison(
        self, quantity: Quantity, network: Subnetwork, samples: tuple[int, int], stop: int, step: Compare | Interpolate
    ) -> Comparison:
        """A comparison made here."""
        return Comparison(
            quantity=quantity,
            network=network,
            k=self.k,
            replicate=self.replicate,
            samples=samples,
            stop=stop,
            step=step,
        )


@dataclass(frozen=True, kw_only=True)
class Study:
    """What a study asks for, as steps."""

    name: str
    recipe: Recipe
    level: int
    density: float
    """Of IMP's masks, as a fraction of the prunable weights; 1 where only the dense network is studied."""

    children: tuple[Child, ...]
    comparisons: tuple[Comparison, ...]
    experiments: Mapping[int, Experiment] = field(default_factory=dict[int, Experiment])
    """By k: IMP with rewinding to it, down to the level."""

    settings: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """What it was asked for with, beside the recipe: arguments of the function that made it, as TOML can hold them. A
    study without them is not recorded in a store, since nobody could make it again."""

    def targets(self, keep: Keep = "weights") -> dict[Step, Content]:
        """The steps whose results are wanted and how much of each is kept: W_k in full, so that tickets can go back."""
        points = (child.trained.origin for child in self.children)
        wanted: dict[Step, Content] = {point: Content.FULL for point in points if isinstance(point, Train)}
        kept = {"all": Content.FULL, "weights": Content.WEIGHTS, "last": Content.METRICS}[keep]
        for child in self.children:
            wanted[child.trained] = max(kept, wanted.get(child.trained, kept))
        for experiment in self.experiments.values():
            for step, content in experiment.targets(keep).items():
                wanted[step] = max(content, wanted.get(step, content))
        return wanted | {comparison.step: Content.FULL for comparison in self.comparisons}

    def steps(self) -> list[Step]:
        """Every step behind the study, each after those it is made from."""
        return behind(self.targets())

    def labels(self) -> dict[Step, str]:
        """What each step is in the study, in words; steps that play several parts go by the first."""
        labels: dict[Step, str] = {}
        for child in self.children:
            name = f"{child.network}, k = {child.k}, noise {child.sample}, replicate {child.replicate}"
            labels.setdefault(child.trained, name)
        for comparison in self.comparisons:
            labels.setdefault(comparison.step, f"{comparison.quantity} of {comparison.network}, k = {comparison.k}")
        for k, experiment in self.experiments.items():
            for step, label in experiment.labels().items():
                labels.setdefault(step, f"{label}, k = {k}")
        return labels


def places(recipe: Recipe, at: Sequence[Amount], level: int) -> tuple[list[Place], dict[int, Experiment]]:
    """Every rewind point of every replicate, with IMP from there down to the level; in order of k.

    Raises RecipeError where a k is not before the end of training, or two are the same iteration.
    """
    found: list[Place] = []
    experiments: dict[int, Experiment] = {}
    if recipe.retrain != Retrain():
        raise RecipeError(
            "a study looks at what trainings from W_k come to, so its tickets are rewound to k, and retrain asks for "
            "another way.\nLeave retrain out."
        )
    for written in at:
        down_to = {"levels": max(level, 1), "prune.train_levels": None}
        rewound = recipe.edited({"rewind": str(written), "control": [], "rival": [], **down_to})
        k = timeline(rewound).rewind
        if k in experiments:
            raise RecipeError(f"{written} is iteration {k}, which is asked for twice. Leave one of the two out.")
        experiments[k] = imp(rewound)
    for k, experiment in sorted(experiments.items()):
        trained = {(row.level, row.replicate): row.trained for row in experiment.rows if row.control == TICKET}
        for replicate, point in experiment.rewind_points.items():
            ticket = trained[level, replicate] if level else None
            dense = trained[0, replicate]
            found.append(Place(k=k, replicate=replicate, point=point, dense=dense, ticket=ticket))
    return found, dict(sorted(experiments.items())) if level else {}


def nearest_level(recipe: Recipe, density: float) -> tuple[int, float]:
    """The level of the recipe's ladder whose density is nearest, at least 1, and that density.

    Raises RecipeError for a density outside (0, 1), and where what a level keeps is known only once it is made.
    """
    if not 0 < density < 1:
        raise RecipeError(f"density {density:g} is not between 0 and 1. Write a percentage such as 10.7%.")
    if recipe.prune.granularity == UNIT and recipe.prune.scope == "global":
        raise RecipeError(
            "a study is of the level nearest to a density, and which density a level has is known only once whole "
            "units of all layers together are ranked.\nGive prune.scope = 'layerwise', or another prune.granularity."
        )
    shared = course(recipe).network
    layers = prunable(shared, recipe.prune.rate_at(1), recipe.prune.exclude, recipe.prune.include)
    size = sum(layer.size for layer in layers.values())
    densities = (
        dict(enumerate(recipe.prune.densities, start=1))
        if recipe.prune.densities
        else {
            level: kept_in_all(layers, level, recipe.prune.scope, recipe.prune.granularity) / size
            for level in range(1, _DEEPEST + 1)
        }
    )
    level = min(densities, key=lambda level: abs(densities[level] - density))
    return level, densities[level]
