"""Sets of results by the names that people write: `digits`, `imp-1a2b3c4d`, `mine.toml`, `STORE:digits@reinit`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from winnow.cli import say
from winnow.comparison import Side
from winnow.errors import MissingResult, RecipeError
from winnow.experiments import imp
from winnow.experiments.experiment import TICKET
from winnow.recipe import Recipe
from winnow.recipes import read, to_toml
from winnow.results import collect
from winnow.store import Store
from winnow.store.experiments import identity, recorded, widened
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
    recipe = _recipe(name, word, opened, _followed(opened, {} if held is None else held))
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


def _recipe(name: str, word: str, store: Store, recipes: Sequence[tuple[str, Recipe]]) -> Recipe:
    """The recorded recipe of a name, an identity or a file.

    What is recorded under several names is one experiment to an identity: as wide as all of them together.
    """
    if not name:
        raise RecipeError(f"'{word}' names no recipe. Write RECIPE, RECIPE@CONTROL, or STORE:RECIPE.")
    if name.endswith(".toml"):
        file = read(name)
        same = [(each, recipe) for each, recipe in recipes if each == identity(file)]
        wanted = [(each, recipe) for each, recipe in same if recipe.name == file.name] or same
    else:
        wanted = [(each, recipe) for each, recipe in recipes if recipe.name == name]
        wanted = wanted or [(e, recipe) for e, recipe in recipes if e.startswith(name) and name.startswith("imp-")]
    found: dict[str, Recipe] = {}
    for each, recipe in sorted(wanted, key=lambda of: (of[1].levels, of[1].replicates), reverse=True):
        found[each] = widened(found[each], recipe) if each in found else recipe
    if len(found) > 1:
        listed = "\n".join(f"  {each}: {_told_apart(recipe, list(found.values()))}" for each, recipe in found.items())
        raise RecipeError(
            f"the store {store.root} holds {len(found)} experiments '{name}'. Name one of them:\n{listed}"
        )
    if not found:
        has = ", ".join(f"{recipe.name} ({each})" for each, recipe in recipes)
        raise MissingResult(
            f"the store {store.root} holds no experiment '{name}'. It holds {has or 'none'}.\n"
            f"`winnow run` makes one; results of another store are named STORE:RECIPE."
        )
    return next(iter(found.values()))


_SCOPE = ("levels", "replicates", "control", "rival")
"""What widens an experiment and makes no other."""


def _told_apart(recipe: Recipe, others: Sequence[Recipe]) -> str:
    """The settings of a recipe that not all of the others share."""
    tables = [_settings(other) for other in others]
    differing = {
        path: value
        for path, value in _settings(recipe).items()
        if path not in _SCOPE and any(table.get(path) != value for table in tables)
    }
    return ", ".join(f"{path} = {value}" for path, value in differing.items())


def _settings(recipe: Recipe) -> dict[str, str]:
    """A recipe's fields by path, as TOML writes them."""
    settings: dict[str, str] = {}
    section = ""
    for line in to_toml(recipe).splitlines():
        name, is_setting, value = line.partition(" = ")
        if is_setting:
            settings[section + name] = value
        elif line.startswith("["):
            section = line.strip("[]") + "."
    return settings
