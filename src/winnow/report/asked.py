"""What was asked: a recipe beside the bundled one that it was made from, and the one line that asks for it again."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from inspect import signature
from typing import Any, cast

from winnow.experiments import Study
from winnow.from_recipe import timeline
from winnow.handed import has_objects
from winnow.recipe import Recipe
from winnow.recipes import names, read
from winnow.recipes.toml import to_table
from winnow.store.experiments import identity
from winnow.store.studies import STUDIES

_JUDGED = ("name", "about", "control", "rival", "matching", "onset", "seed", "deterministic")
"""Fields that change no training, or none that matters: another seed is another draw of the same experiment."""


@dataclass(frozen=True)
class Departures:
    """How a recipe differs from the bundled one that it was made from."""

    base: str
    """The bundled recipe's name."""

    shortened: tuple[str, ...]
    """What there is less of, in words: `train.length 6000it instead of 50000it`."""

    changed: tuple[str, ...]
    """What else is different and makes it another experiment."""

    @property
    def are_none(self) -> bool:
        """Whether it is the bundled recipe, or more of it."""
        return not self.shortened and not self.changed


def bundled(recipe: Recipe) -> Recipe | None:
    """The bundled recipe that one was made from: of its name, or, where it was renamed, of what it says it is about.

    >>> found = bundled(read("lenet-mnist").edited({"name": "mine"}))
    >>> found.name if found else ""
    'lenet-mnist'
    """
    name = recipe.name if recipe.name in names() else _by_about().get(recipe.about)
    return None if name is None else read(name)


@cache
def _by_about() -> dict[str, str]:
    """The names of the bundled recipes, by what they say they are about."""
    return {about: name for name in names() if (about := read(name).about)}


def departures(recipe: Recipe, base: Recipe | None = None) -> Departures | None:
    """How a recipe departs from another, or from the bundled one it was made from; None where there is none.

    >>> departures(read("lenet-mnist").edited({"train.length": "6000it", "levels": 20})).shortened
    ('train.length 6000it instead of 50000it',)
    """
    base = base or bundled(recipe)
    if base is None:
        return None
    ours, theirs = flat(recipe), flat(base)
    shortened: list[str] = []
    changed: list[str] = []
    for path in sorted({*ours, *theirs}, key=lambda path: (path.count("."), path)):
        given, stated = ours.get(path), theirs.get(path)
        if given == stated or path.split(".")[0] in _JUDGED:
            continue
        if path in ("levels", "replicates"):
            if given is not None and stated is not None and given < stated:
                shortened.append(f"{path} {given} instead of {stated}")
        elif path == "train.length":
            lengths = timeline(_from_start(recipe)).length, timeline(_from_start(base)).length
            if lengths[0] < lengths[1]:
                shortened.append(f"{path} {given} instead of {stated}")
            elif lengths[0] > lengths[1]:
                changed.append(f"{path} {given} instead of {stated}")
        else:
            changed.append(f"{path} {_shown(given)} instead of {_shown(stated)}")
    return Departures(base.name, tuple(shortened), tuple(changed))


def _from_start(recipe: Recipe) -> Recipe:
    return recipe.edited({"rewind": "0it"}) if recipe.rewind == "auto" else recipe


def run_command(recipe: Recipe) -> str:
    """The line that runs a recipe: the bundled recipe that it was made from with what differs, or a file of one's own.

    >>> run_command(read("digits").edited({"levels": 3, "control": []}))
    'winnow run digits --levels 3 --control'
    """
    return " ".join(["winnow run", *_recipe_words(recipe)])


def study_command(study: Study) -> str:
    """The line that asks for a study."""
    words = ["winnow", study.name]
    recipe, base = study.recipe, bundled(study.recipe)
    words += _recipe_words(recipe.edited({"rewind": str(base.rewind)}) if base else recipe)
    usual = signature(STUDIES[study.name]).parameters
    for name, value in study.settings.items():
        if _listed(value) == _listed(usual[name].default):
            continue
        if name == "with_random":
            words.append("--random" if value else "--no-random")
        elif name == "at":
            words.append(f"--at {','.join(value)}")
        elif name == "density":
            words += [f"--density {100 * value:g}%"] if value is not None else []
        else:
            words.append(_option(name.replace("_", "-"), value))
    return " ".join(words)


def _listed(value: object) -> list[object]:
    return list(cast("Sequence[object]", value)) if isinstance(value, (list, tuple)) else [value]


def _recipe_words(recipe: Recipe) -> list[str]:
    if has_objects(recipe):
        return [identity(recipe)]
    made_from = bundled(recipe)
    if made_from is None:
        return [shlex.quote(own_file(recipe))]
    base, ours = flat(made_from), flat(recipe)
    different = [
        path for path in {**base, **ours} if path not in ("name", "about") and ours.get(path) != base.get(path)
    ]
    different += ["name"] * (recipe.name != made_from.name)
    return [made_from.name, *(_option(path, ours.get(path)) for path in different)]


def own_file(recipe: Recipe) -> str:
    """The file that a recipe made from no bundled one is run from."""
    return f"{recipe.name}.toml"


def _option(path: str, value: object) -> str:
    if isinstance(value, bool):
        *section, name = path.split(".")
        return "--" + ".".join([*section, name if value else f"no-{name}"])
    if isinstance(value, (list, tuple)):
        return " ".join([f"--{path}", *(shlex.quote(str(each)) for each in _listed(cast("object", value)))])
    return f"--{path} {shlex.quote(str(value))}"


def flat(recipe: Recipe) -> dict[str, Any]:
    """A recipe's fields by path."""
    found: dict[str, Any] = {}

    def visit(table: Mapping[str, Any], before: str) -> None:
        for name, value in table.items():
            if isinstance(value, Mapping):
                visit(value, f"{before}{name}.")  # pyright: ignore[reportUnknownArgumentType]
            else:
                found[before + name] = value

    visit(to_table(recipe), "")
    return found


def _shown(value: object) -> str:
    if value is None:
        return "left out"
    return ", ".join(str(each) for each in _listed(value)) or "none"
