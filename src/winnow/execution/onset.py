"""Find the onset of stability: the least k from which training is stable, by bisection on a log scale."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from winnow.errors import RecipeError, StepFailure
from winnow.execution.estimate import remaining
from winnow.execution.executor import Executor
from winnow.execution.studies import run_study
from winnow.experiments import Study, instability, stability
from winnow.experiments.experiment import Keep
from winnow.experiments.search import Judgement, bisect, candidates
from winnow.findings import Findings
from winnow.from_recipe import timeline
from winnow.recipe import Recipe
from winnow.timeline import Amount


@dataclass(frozen=True)
class Cost:
    """What is to be trained."""

    trainings: int = 0
    """Trainings to the end. What is only trained on to another W_k counts in iterations alone."""

    iterations: int = 0

    def __add__(self, other: Cost) -> Cost:
        return Cost(self.trainings + other.trainings, self.iterations + other.iterations)


@dataclass(frozen=True)
class Onset:
    """Where stability sets in, and how that is known."""

    recipe: Recipe
    k: int | None
    """The least k of those that may be tried from which training is stable; None where even the last is not."""

    grid: tuple[int, ...]
    """The k that may be tried."""

    judgements: tuple[Judgement, ...]
    """Those that were, in the order of the search."""

    spent: Cost
    """What the search trained."""

    grid_cost: Cost
    """What trying every k of the grid would have trained, from the same store."""

    @property
    def rewound(self) -> Recipe:
        """The recipe with this rewind point. Raises RecipeError where there is none."""
        if self.k is None:
            last = self.judgements[-1]
            raise RecipeError(
                f"no k up to {self.recipe.onset.until} of training ({self.grid[-1]}it) is stable: "
                f"{shown(self.recipe, last)} at {last.k}it.\n"
                f"Allow a later one with onset.until, another threshold, or give k: --rewind 500it."
            )
        return self.recipe.edited({"rewind": f"{self.k}it"})


def find_onset(recipe: Recipe, executor: Executor, *, keep: Keep = "weights") -> Onset:
    """The least k that is stable, as the recipe's `onset` section defines it.

    Candidates lie on a log scale below `until`; bisection tries about log2 of them, all replicates' trainings of one
    k together. Where the confidence interval over the replicates is not clear of the threshold, replicates are added
    up to `most_replicates`. Where trainings diverge, k is judged by the others (`Judgement.missing`). Every training is
    stored, and shared with tickets, studies and later searches. Source: the onset of LMC (arXiv 1912.05671), §3-4,
    which looks at every k of a grid.

    Raises RecipeError for settings that mean nothing, StepFailure where every training from some k diverges.
    """
    base = recipe.edited({"rewind": "0it"})
    grid = grid_of(base)
    grid_cost = _cost(study_at(base, grid), executor)
    spent = Cost()

    def judge(k: int) -> Judgement:
        nonlocal spent
        replicates = recipe.replicates
        while True:
            study = study_at(base.edited({"replicates": replicates}), [k])
            spent += _cost(study, executor)
            studied = run_study(study, executor, keep=keep)
            judgement = _judged(studied.findings, k, recipe.onset.limit)
            if judgement is None:
                reasons = " ".join(dict.fromkeys(studied.failures.values()))
                raise StepFailure(f"nothing could be measured at k = {k}: {reasons}")
            most = recipe.onset.most_replicates or 0
            if judgement.is_clear or replicates >= most:
                return judgement
            replicates = min(most, 2 * replicates)

    k, tried = bisect(grid, judge)
    return Onset(recipe, k, tuple(grid), tuple(tried), spent, grid_cost)


def grid_of(recipe: Recipe) -> list[int]:
    """The k that may be tried; raises RecipeError where `until` is not within training."""
    amounts = timeline(recipe.edited({"rewind": "0it"}))
    until = recipe.onset.until.iterations(per_epoch=amounts.per_epoch, total=amounts.length)
    if not 0 < until < amounts.length:
        raise RecipeError(
            f"onset.until is {recipe.onset.until}, iteration {until}; k lies between 0 and {amounts.length}it, the end."
        )
    return candidates(until, recipe.onset.resolution)


def study_at(recipe: Recipe, ks: Sequence[int]) -> Study:
    """The study that the recipe's onset is judged by, at some k."""
    onset = recipe.onset
    at = [Amount.parse(f"{k}it") for k in ks]
    if onset.by == "instability":
        return instability(
            recipe,
            at=at,
            density=onset.density,
            samples=onset.samples,
            points=onset.points,
            examples=onset.examples,
        )
    assert onset.density is not None
    make = partial(stability, recipe, density=onset.density, at=at, with_random=False)
    return make(samples=2) if onset.by == "pruning" else make(samples=onset.samples)


def shown(recipe: Recipe, judgement: Judgement) -> str:
    """What was measured, in words."""
    if recipe.onset.by == "instability":
        return f"the error barrier is {100 * judgement.mean:.2f} points"
    return f"the angle of stability to {recipe.onset.by.replace('-', ' ')} is {judgement.mean:.1f} degrees"


def _judged(findings: Findings, k: int, limit: float) -> Judgement | None:
    """The quantity that the recipe asks for at a k, of each replicate; None where nothing could be measured."""
    onset = findings.study.recipe.onset
    metric = "test_barrier" if onset.by == "instability" else "angle"
    network = "dense" if onset.density is None else "ticket"
    found = findings.finding(onset.by, network, k, metric)
    if found is None:
        return None
    stored, asked = findings.compared(onset.by, network, k)
    return Judgement(k, found.spread.values, limit, asked, asked - stored)


def _cost(study: Study, executor: Executor) -> Cost:
    """What of a study is to be trained yet."""
    left = remaining(executor.plan(study.targets()), executor.store)
    end = timeline(study.recipe).length
    return Cost(sum(step.stop == end for step in left), sum(left.values()))
