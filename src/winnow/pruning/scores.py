"""What ranks weights: a score is one function from the trained weights to a number for each, the lowest going first."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from torch import Tensor

from winnow.errors import UnknownName

Score = Callable[[Mapping[str, Tensor]], Mapping[str, Tensor]]
"""The weights of the prunable layers by name -> a score of the same shape for each."""

_SCORES: dict[str, Score] = {}


def register_score(name: str) -> Callable[[Score], Score]:
    """Add a score under the name by which a recipe's `prune.score` finds it."""

    def add(score: Score) -> Score:
        _SCORES[name] = score
        return score

    return add


def scores() -> dict[str, Score]:
    """The scores by name."""
    return dict(_SCORES)


def named_score(name: str) -> Score:
    """The score of that name; raises UnknownName with the valid ones."""
    if name not in _SCORES:
        raise UnknownName("score", name, _SCORES)
    return _SCORES[name]


@register_score("magnitude")
def magnitude(weights: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    """The absolute value of each weight after training. Source: LTH (arXiv 1803.03635), §1."""
    return {name: weight.abs() for name, weight in weights.items()}
