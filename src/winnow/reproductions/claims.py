"""A published number, what of ours it is compared with, and how near is near enough."""

from __future__ import annotations

from dataclasses import field
from typing import Any, Literal

from winnow.experiments import Study, instability, stability
from winnow.recipe import Recipe
from winnow.recipes import read
from winnow.timeline import Amount
from winnow.validation import validated


@validated
class Claim:
    """One number of a paper."""

    what: str
    """What it is of, in words."""

    where: str
    """The paper and the place in it."""

    measure: str
    """What of ours is compared: a name in `measures.MEASURES`."""

    paper: float
    """The published number."""

    unit: str
    """Of the number, and of the tolerance: `%`, `points`, `times`, `it`, `°`."""

    must_be: Literal["near", "at least", "at most", "within levels"] = "near"
    """How ours must lie: near the paper's; at least or at most that; or, where the number is a density of the ladder,
    within so many levels of it."""

    tolerance: float = 0.0
    """How far ours may lie from that. For `within levels`, in levels."""

    density: float | None = None
    """Of the level that is meant: the nearest of the ladder's."""

    control: str | None = None
    """The control that tickets are compared with, or that is meant itself."""

    at: Literal["end", "early-stop"] = "end"
    """Whether accuracies are those at the end of training or at early stopping."""

    quantity: Literal["pruning", "data-order", "instability"] | None = None
    network: Literal["dense", "ticket", "random"] | None = None
    metric: Literal["l2", "angle", "test_barrier", "train_barrier"] | None = None
    k: int | None = None
    """Of a study: what was measured, of which network, and from which rewind point."""


@validated
class Reproduction:
    """A table or figure of a paper: the recipe or study behind it, and what it says."""

    name: str
    title: str
    source: str
    """The paper, in full."""

    recipe: str
    """The bundled recipe."""

    claims: tuple[Claim, ...]
    edits: dict[str, Any] = field(default_factory=dict[str, Any])
    """Fields of the recipe that this experiment changes, by path."""

    study: Literal["stability", "instability"] | None = None
    """Left out: a run of the recipe."""

    settings: dict[str, Any] = field(default_factory=dict[str, Any])
    """Of the study."""

    about: str = ""
    """What a reader must know of how this was set up, such as what the paper leaves open."""

    @property
    def whole_recipe(self) -> Recipe:
        """The recipe with which the paper's numbers can be compared."""
        return read(self.recipe).edited(self.edits)

    def study_of(self, recipe: Recipe) -> Study:
        """The study, of a recipe."""
        make = stability if self.study == "stability" else instability
        at = [Amount.parse(k) for k in self.settings["at"]]
        arguments: dict[str, Any] = {**self.settings, "at": at}
        return make(recipe.edited({"rewind": "0it"}), **arguments)
