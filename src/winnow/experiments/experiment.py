"""An experiment: the trainings that were asked for, each with what it is in the experiment."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from winnow.experiments.retraining import switches
from winnow.from_recipe import timeline
from winnow.recipe import Recipe
from winnow.steps import Alter, Content, Draw, Init, Prune, Step, Train

Keep = Literal["all", "weights", "last"]
"""Which final states a store keeps: `all` with the optimizer's buffers, `weights` without, or of each replicate only
the dense network's and the `last` level's, from which a run can go deeper."""

TICKET = "ticket"
"""What `control` says of the tickets themselves, and of the dense network, which is level 0."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One training of an experiment, and what it is there."""

    control: str
    """`ticket`, or the control's or rival's name."""

    replicate: int
    level: int
    trained: Train

    @property
    def mask(self) -> Prune | Draw | Train | None:
        """The step that makes the mask: the training itself where that changes it; none for the dense network."""
        return self.trained if self.trained.dynamic else self.trained.mask

    def is_cut(self, recipe: Recipe) -> bool:
        """Whether it was trained only as far as the next level needs, to rank its weights (`prune.at`)."""
        chosen = recipe.prune.train_levels
        is_chosen = chosen is None or self.level in chosen
        return self.level > 0 and not is_chosen and self.trained.stop < switches(recipe.retrain, timeline(recipe)).stop


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """What a recipe asks for, as steps."""

    name: str
    recipe: Recipe
    rows: tuple[Row, ...]
    """In the order in which they are trained: level by level."""

    rewind_points: Mapping[int, Init | Train]
    """By replicate: the training state at iteration k that tickets restart from; W_0 where they do so from there."""

    def targets(self, keep: Keep = "weights") -> dict[Step, Content]:
        """The steps whose results are wanted and how much of each is kept: masks and rewind points always, in full.

        So is the dense network's end where tickets go on from there.
        """
        wanted: dict[Step, Content] = dict.fromkeys(self.rewind_points.values(), Content.FULL)
        origins = {row.trained.origin for row in self.rows}
        deepest = max(row.level for row in self.rows)
        for row in self.rows:
            is_an_end = row.level in (0, deepest) and row.control == TICKET
            kept = {
                "all": Content.FULL,
                "weights": Content.WEIGHTS,
                "last": Content.WEIGHTS if is_an_end else Content.METRICS,
            }[keep]
            if row.level == 0 and row.trained in origins:  # fine-tuning and its kin restart from it, each anew
                kept = Content.FULL
            wanted[row.trained] = max(kept, wanted.get(row.trained, kept))
            if row.mask is not None:  # wanted for itself: a result without its density says nothing
                wanted.setdefault(row.mask, Content.METRICS)
        return wanted

    def labels(self) -> dict[Step, str]:
        """What each step is in the experiment, in words; of several parts, the tickets', or else the first.

        A replicate's mask is thus its own, though another's control (`swap`) needs it sooner.
        """
        labels: dict[Step, str] = {}
        for row in sorted(self.rows, key=lambda row: row.control != TICKET):
            place = "dense" if row.level == 0 else f"{row.control}, level {row.level}"
            labels.setdefault(row.trained, f"{place}, replicate {row.replicate}")
            if isinstance(row.mask, Prune):
                labels.setdefault(row.mask, f"prune to level {row.level}, replicate {row.replicate}")
            elif row.mask is not None:
                labels.setdefault(row.mask, f"mask of {place}, replicate {row.replicate}")
            if isinstance(row.trained.origin, Alter):
                labels.setdefault(row.trained.origin, f"weights of {place}, replicate {row.replicate}")
        for replicate, point in self.rewind_points.items():
            labels.setdefault(point, f"rewind point, replicate {replicate}")
        return labels

    def steps(self) -> list[Step]:
        """Every step behind the experiment, each after those it is made from."""
        return behind([*self.rewind_points.values(), *(row.trained for row in self.rows)])


def behind(targets: Iterable[Step]) -> list[Step]:
    """The steps and all that they are made from, each after those it is made from."""
    found: dict[Step, None] = {}
    stack: list[tuple[Step, bool]] = [(step, False) for step in reversed(list(targets))]
    while stack:
        step, is_entered = stack.pop()
        if is_entered:
            found[step] = None
        elif step not in found:
            stack.append((step, True))
            stack += [(source, False) for source in step.inputs.values()]
    return list(found)
