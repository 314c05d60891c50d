"""Sets of results by the names that people write: `digits`, `imp-1a2b3c4d`, `mine.toml`, `STORE:digits@reinit`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from winnow.cli import say
from winnow.comparison import Side
from winnow.errors import RecipeError
from winnow.experiments import imp
from winnow.experiments.experiment import TICKET
from winnow.recipe import Recipe
from winnow.results import collect
from winnow.store import Store
from winnow.store.experiments import identity, recorded
from winnow.store.lookup import chosen
from winnow.store.maintenance import existing

_Held = dict[Path, list[tuple[str, Recipe]]]
"""The recipes that were run in each store, with their identities."""


def sides(words: Sequence[str], store: Path | None) -> tuple[Side, ...]:
    """The sets that the words name; raises RecipeError or MissingResult for one that does not stand for any."""
    for word in words:
        if words.count(word) > 1:
            raise RecipeError(f"'{word}' is given twice, and would be compared with itself. Leave one of the two out.")
    held: _Held = {}
    return tuple(side(word, store, held) for word in words)


def side(word: str, store: Path | None, held: _Held | None = None) -> Side:
    """The set that `[STORE:]RECIPE[@CONTROL]` names; `held` is what is known of stores already."""
    place, _, rest = word.rpartition(":")
    name, _, control = rest.partition("@")
    opened = existing(Path(place) if place else store)
    if not name:
        raise RecipeError(f"'{word}' names no recipe. Write RECIPE, RECIPE@CONTROL, or STORE:RECIPE.")
    recipe = chosen(name, opened, _followed(opened, {} if held is None else held))
    experiment, control = imp(recipe), control or TICKET
    has = dict.fromkeys((TICKET, *(row.control for row in experiment.rows)))
    if control not in has:
        of = f"{recipe.name} ({identity(recipe)})"
        raise RecipeError(f"'{word}': {of} was run with no control '{control}'. It has {', '.join(has)}.")
    return Side(word, collect(experiment, opened, identity=identity(recipe)), opened, control)


def _followed(store: Store, held: _Held) -> list[tuple[str, Recipe]]:
    """The recipes recorded in a store. What cannot be followed is told once, and left out."""
    if store.root not in held:
        held[store.root], problems = recorded(store)
        for problem in problems:
            say(problem)
    return held[store.root]
