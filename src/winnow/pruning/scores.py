"""What ranks weights: a score is one function from a `Context` to a number for each weight, the lowest going first.

The scores themselves are in `magnitudes.py` and `gradients.py`; this is how they are found by name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor

from winnow.errors import RecipeError, UnknownName, WinnowError
from winnow.named import code, is_own, named, told
from winnow.pruning.context import Context

Score = Callable[[Context], Mapping[str, Tensor]]
"""A network when it is pruned -> for each prunable parameter a score of its shape."""


@dataclass(frozen=True)
class Registered:
    """A score and how it is used."""

    function: Score

    passes: int = 1
    """In how many passes a round removes weights, the score being taken anew before each; after pass i of n, the
    fraction of the round's weights that remains is its density to the power i / n."""

    code: str | None = None
    """A fingerprint of the user's code, where it is the user's own."""

    name: str = "score"
    """What errors call it; empty where it has no name."""


_SCORES: dict[str, Registered] = {}


def register_score(name: str, *, passes: int = 1) -> Callable[[Score], Score]:
    """Add a score under the name by which a recipe's `prune.score` finds it."""

    def add(score: Score) -> Score:
        _SCORES[name] = Registered(score, passes, name=name)
        return score

    return add


def scores() -> dict[str, Score]:
    """The scores by name."""
    return {name: registered.function for name, registered in _SCORES.items()}


def named_score(name: str) -> Registered:
    """The score of that name, or the user's own where the name points into code (`file.py:function`).

    Raises UnknownName with the valid ones, RecipeError where the user's code has no such function.
    """
    if name in _SCORES:
        return _SCORES[name]
    if not is_own(name):
        raise UnknownName("score", name, (*_SCORES, "path/to/file.py:function"))
    function: Any = named(name, field="prune.score")
    if not callable(function):
        raise RecipeError(
            f"field prune.score: '{name}' is no function but {type(function).__name__}.\n"
            f"A score is a function of one argument, the context, to a score for each weight."
        )
    return Registered(cast(Score, function), code=code(function), name=name)


def taken(score: Registered, context: Context) -> dict[str, Tensor]:
    """A score's numbers on the CPU, by layer. Raises RecipeError where they do not fit the weights or are not numbers.

    >>> import torch
    >>> from winnow.pruning.mask import Mask
    >>> alone = Context.of_weights({"w": torch.tensor([-2.0, 1.0])}, Mask.ones({"w": (2,)}))
    >>> taken(named_score("magnitude"), alone)
    {'w': tensor([2., 1.])}
    """
    where = f"field prune.score: '{score.name}'" if score.name else "the score"
    try:
        found = score.function(context)
    except (WinnowError, torch.OutOfMemoryError):
        raise
    except Exception as error:  # it may not be our code that runs here, nor our network
        raise RecipeError(f"{where} cannot be taken of this network: {told(error)}.") from error
    numbers: dict[str, Tensor] = {}
    for name, kept in context.mask.items():
        given = found.get(name) if isinstance(found, Mapping) else None  # pyright: ignore[reportUnnecessaryIsInstance]
        if not isinstance(given, Tensor):
            raise RecipeError(f"{where} gives no score for '{name}'. It must give one for {', '.join(context.mask)}.")
        if given.shape != kept.shape:
            raise RecipeError(f"{where} gives '{name}' scores of shape {tuple(given.shape)}, not {tuple(kept.shape)}.")
        if given[kept.to(given.device)].isnan().any():
            raise RecipeError(f"{where} gives weights of '{name}' scores that are no numbers (nan).")
        numbers[name] = given.detach().cpu()
    return numbers
