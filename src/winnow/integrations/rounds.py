"""What the integrations share: what a level is told to prune, and what comes of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from torch import nn

from winnow.errors import RecipeError
from winnow.loop import Masked, prune
from winnow.pruning import Mask
from winnow.pruning.prune import Scope
from winnow.pruning.scores import Score


@dataclass(frozen=True)
class Level:
    """What became of one level. The masks of all levels are nested; weights are the trainer's, of the last level."""

    level: int
    mask: Mask | None
    """None at level 0, the dense network."""

    metrics: Mapping[str, float] = field(default_factory=dict[str, float])
    """What the trainer measured at the end."""

    @property
    def density(self) -> float:
        """The fraction of prunable weights that remains."""
        return 1.0 if self.mask is None else self.mask.density


@dataclass(frozen=True, kw_only=True)
class Rounds:
    """How many times to prune, what, by how much, and where to go back to."""

    levels: int
    rate: float | Mapping[str, float]
    rewind: int
    scope: Scope = "global"
    score: str | Score = "magnitude"
    include: Sequence[str] = ()
    exclude: Sequence[str] = ()

    def __post_init__(self) -> None:
        if self.levels < 1:
            raise RecipeError(f"levels is {self.levels}; give at least 1, the number of times to prune.")
        if self.rewind < 0:
            raise RecipeError(f"rewind is {self.rewind}; give the iteration k to rewind to, 0 for initialization.")

    def pruned(self, model: nn.Module, mask: Mask | None, level: int) -> Mask:
        """The mask of a level, from the weights at the end of the level before."""
        return prune(
            model,
            mask,
            rate=self.rate,
            level=level,
            scope=self.scope,
            score=self.score,
            include=self.include,
            exclude=self.exclude,
        )

    def check_was_reached(self, saved: bool, reached: int) -> None:
        """Raise RecipeError where the dense training ended without passing iteration k."""
        if not saved and reached > self.rewind:
            raise RecipeError(
                f"rewind is {self.rewind}, and training passed it without being there: it took several steps at once, "
                f"of several optimizers, and ended at {reached}.\nGive a multiple of how many there are."
            )
        if not saved:
            raise RecipeError(
                f"rewind is {self.rewind}, but training ended at {reached} optimizer steps.\n"
                f"Choose k below the length of training; the papers use at most 7 % of it."
            )


class Rewinding:
    """What both callbacks are made of: the rounds, the level under way, and the mask that is held meanwhile."""

    def __init__(
        self,
        *,
        levels: int,
        rate: float | Mapping[str, float],
        rewind: int,
        scope: Scope = "global",
        score: str | Score = "magnitude",
        include: Sequence[str] = (),
        exclude: Sequence[str] = (),
    ) -> None:
        self.rounds = Rounds(
            levels=levels, rate=rate, rewind=rewind, scope=scope, score=score, include=include, exclude=exclude
        )
        self.level = 0
        self.mask: Mask | None = None
        self._held: Masked | None = None

    def _let_go(self) -> None:
        """Hold no mask any more; the pruned weights stay zero until something trains them."""
        if self._held is not None:
            self._held.remove()
            self._held = None
