"""Recipes by the names that people write: a bundled one's, a file's, or the identity of an experiment in a store."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path

from winnow.errors import MissingResult, RecipeError, UnknownName
from winnow.recipe import Recipe
from winnow.recipes import IDENTITY, read, to_toml
from winnow.store.experiments import identity, recipe_files, recorded, widened
from winnow.store.files import file_name
from winnow.store.maintenance import existing
from winnow.store.store import Store
from winnow.store.studies import study_files


def recipe_called(written: str | Path, store: Store | Path | str | None = None) -> Recipe:
    """A bundled recipe by its name, one's own by its file, or that of an experiment in a store by its identity.

    Raises RecipeError where there is none, and MissingResult where the store holds no such experiment.

    >>> recipe_called("lenet-mnist").train.batch
    60
    """
    if not IDENTITY.fullmatch(str(written)):
        try:
            return read(written)
        except UnknownName as unknown:
            if found := _identities(str(written), store):
                raise RecipeError(f"{unknown}\nThe store has '{written}' as {', '.join(found)}: name that.") from None
            raise
    opened = store if isinstance(store, Store) else existing(store)
    recipes, problems = recorded(opened)
    return chosen(str(written), opened, recipes, problems)


def _identities(name: str, store: Store | Path | str | None) -> list[str]:
    """The identities of the experiments of that name in a store, if there is one."""
    opened = store if isinstance(store, Store) else Store(store, make=False)
    called = [_parts(path) for path in recipe_files(opened)]
    return [identity for known, identity in called if known == file_name(name)]


def is_called(written: str, name: str, identity: str) -> bool:
    """Whether what people write stands for an experiment: its recipe's name, its identity, or how its files begin.

    >>> [is_called(word, "digits", "imp-1a2b3c4d") for word in ("digits", "imp-1a2", "digits-imp-1a2b3c4d", "imp")]
    [True, True, True, False]
    """
    begins_its_identity = "-" in written and identity.startswith(written)
    return written == name or begins_its_identity or written == f"{file_name(name)}-{identity}"


def is_among(names: Collection[str], name: str, identity: str) -> bool:
    """Whether an experiment is one of those that are named; all are where none is."""
    return not names or any(is_called(written, name, identity) for written in names)


def unknown(names: Iterable[str], experiments: Collection[tuple[str, str]]) -> list[str]:
    """Which of the names stand for none of the experiments, given as their recipes' names and identities."""
    return [written for written in names if not any(is_called(written, *each) for each in experiments)]


def chosen(written: str, store: Store, recipes: Sequence[tuple[str, Recipe]], problems: Sequence[str] = ()) -> Recipe:
    """The one recipe, of those recorded in a store with their identities, that a name, an identity or a file is.

    What is recorded under several names is one experiment to an identity: as wide as all of them together.
    """
    if written.endswith(".toml"):
        file = read(written)
        same = [(each, recipe) for each, recipe in recipes if each == identity(file)]
        wanted = [(each, recipe) for each, recipe in same if recipe.name == file.name] or same
    else:
        wanted = [(each, recipe) for each, recipe in recipes if is_called(written, recipe.name, each)]
    found: dict[str, Recipe] = {}
    for each, recipe in sorted(wanted, key=lambda of: (of[1].levels, of[1].replicates), reverse=True):
        found[each] = widened(found[each], recipe) if each in found else recipe
    if len(found) > 1:
        raise RecipeError(
            f"the store {store.root} holds {len(found)} experiments '{written}'. Name one of them:\n{listed(found)}"
        )
    if not found:
        has = ", ".join(f"{recipe.name} ({each})" for each, recipe in recipes)
        told = "".join(f"\n{problem}" for problem in problems)
        raise MissingResult(
            f"the store {store.root} holds no experiment '{written}'. It holds {has or 'none'}.{told}\n"
            f"`winnow run` makes one; `--store DIR` names another store."
        )
    return next(iter(found.values()))


def shown(record: Path) -> str:
    """An experiment or study by the file that records it: `digits (imp-1a2b3c4d)`."""
    name, identity = _parts(record)
    return f"{name} ({identity})" if identity else name


def _parts(record: Path) -> tuple[str, str]:
    """A recipe's name, as files have it, and the identity behind it."""
    name, *identity = record.stem.rsplit("-", 2)
    return name, "-".join(identity)


def records_called(written: str, store: Store) -> list[Path]:
    """The files that record the experiments and studies of a name or an identity."""
    files = [*recipe_files(store), *study_files(store)]
    return [path for path in files if is_called(written, *_parts(path))]


def as_run(recipe: Recipe, store: Store, *, given: Collection[str] = ()) -> Recipe:
    """A recipe with the levels, replicates and so on that it was run with in a store, but for those that are `given`.

    So a command that only reads takes what there is where nothing else is asked for.
    """
    for each, other in recorded(store)[0]:
        if each == identity(recipe) and other.name == recipe.name:
            return dataclasses.replace(recipe, **{name: getattr(other, name) for name in _SCOPE if name not in given})
    return recipe


def namesakes(recipe: Recipe, store: Store) -> str:
    """The experiments that a store holds of a recipe's name where the recipe itself is not among them, in words."""
    others = {each: other for each, other in recorded(store)[0] if other.name == recipe.name}
    if not others or identity(recipe) in others:
        return ""
    return f"The store holds these experiments '{recipe.name}', to be named so:\n{listed(others, recipe)}"


def listed(recipes: Mapping[str, Recipe], *beside: Recipe) -> str:
    """Experiments of one name, one a line: with the settings that not all of them, and of those beside, share.

    >>> one, other = read("digits"), read("digits").edited({"seed": 3, "levels": 2, "train.batch": 30})
    >>> print(listed({"imp-1a2b3c4d": one, "imp-5e6f7a8b": other}))
      imp-1a2b3c4d: seed = 0, train.batch = 60
      imp-5e6f7a8b: seed = 3, train.batch = 30
    """
    others = [*recipes.values(), *beside]
    return "\n".join(f"  {each}: {_told_apart(recipe, others)}" for each, recipe in recipes.items())


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
