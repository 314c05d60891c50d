"""Which experiments a store holds: the recipes that were run in it, as TOML files."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from winnow.data import described
from winnow.errors import RecipeError, StoreError, WinnowError
from winnow.facts import facts
from winnow.from_recipe import Timeline, course, timeline
from winnow.given import PREFIX, note, was_given
from winnow.recipe import Dynamic, Pruning, Recipe, Retrain
from winnow.recipes import read, to_toml
from winnow.steps import plain
from winnow.store.files import file_name, storing, write_file
from winnow.store.store import Store
from winnow.timeline import Amount


def identity(recipe: Recipe) -> str:
    """What tells an experiment from others of its name, as `imp-1a2b3c4d`: a hash of all that its tickets depend on.

    Asking for more levels, replicates or controls widens an experiment, and another tolerance judges it anew; any
    other setting makes it another.
    """
    amounts = timeline(recipe)
    scope = {
        "course": plain(course(recipe)),
        "length": amounts.length,
        "rewind": amounts.rewind,
        "at_rewind": recipe.optimizer.at_rewind if amounts.rewind else None,
        "prune": _asked(recipe.prune, ("at", "granularity", "include"), amounts),
        "deterministic": recipe.deterministic,
    } | ({} if recipe.retrain == Retrain() else {"retrain": _asked(recipe.retrain, (), amounts)})
    dynamic = _in_iterations(recipe.dynamic, amounts)
    if dynamic != _in_iterations(Dynamic(), amounts):  # whichever rivals there are: asking for more widens too
        scope["dynamic"] = dynamic
    return f"imp-{hashlib.sha256(json.dumps(scope, sort_keys=True).encode()).hexdigest()[:8]}"


def _asked(section: Pruning | Retrain, later: Sequence[str], amounts: Timeline) -> dict[str, object]:
    """A section's fields; those that came later than identities only where they are not as they are by default."""
    usual = type(section)()
    fields = {field.name: getattr(section, field.name) for field in dataclasses.fields(section)}

    def told(value: object) -> object:
        if isinstance(value, Amount):
            return f"{value.iterations(per_epoch=amounts.per_epoch, total=amounts.length)}it"
        return plain(value)

    return {
        name: told(value)
        for name, value in fields.items()
        if value is not None and not (name in later and value == getattr(usual, name))
    }


def _in_iterations(settings: Dynamic, amounts: Timeline) -> dict[str, object]:
    """How masks of rivals change, with the same amounts the same however they are written."""
    written = {"every": settings.every, "start": settings.start, "end": settings.end}
    spans = {name: a.iterations(per_epoch=amounts.per_epoch, total=amounts.length) for name, a in written.items()}
    return {**spans, "drop": settings.drop, "distribution": settings.distribution}


def record(store: Store, recipe: Recipe) -> Recipe | None:
    """Note that a recipe was run; gives what was noted before, which it widens where the two differ in scope alone."""
    path = _path(store, recipe)
    keep_given(store.root, recipe)
    with storing(path), store.waiting_for(path.stem):  # another process may be widening it too
        before = _before(path) if path.exists() else None
        both = widened(recipe, before) if before else recipe
        if both != before:
            write_file(path, to_toml(both).encode())
    return before


def withdraw(store: Store, recipe: Recipe, before: Recipe | None) -> None:
    """Take back the note that a recipe was run: what was noted `before` stands again."""
    path = _path(store, recipe)
    with storing(path), store.waiting_for(path.stem):
        if before is None:
            path.unlink(missing_ok=True)
        elif path.exists() and _before(path) == widened(recipe, before):  # and no other process has widened it since
            write_file(path, to_toml(before).encode())


def read_record(path: Path) -> tuple[str, Recipe]:
    """The recipe in a record of a store, with its identity. Data that were handed over are known from then on.

    Raises RecipeError, also where the recipe has come to mean another experiment, since what it names has changed.
    """
    recipe = read(path)
    remember_given(path.parent.parent, recipe)
    now = identity(recipe)
    check_unchanged(path, now)
    return now, recipe


def check_unchanged(path: Path, now: str) -> None:
    """Raise RecipeError where a record is not named by what its experiment's identity is now."""
    was = "-".join(path.stem.rsplit("-", 2)[1:])
    if was and was != now:
        raise RecipeError(
            f"what it names (a network, data or a function of one's own, a library), or Winnow, has changed since it "
            f"was run as {was}: now it would be {now}.\n"
            f"Its results are stored still, and are read when that is as it was."
        )


def keep_given(root: Path, recipe: Recipe) -> None:
    """Note in a store what is known of a recipe's network and data, where they were handed over from Python.

    They go by their content, so that is true wherever the store is read.
    """
    for name, path in _notes(root, recipe):
        if was_given(name):
            known = described(name) if name == recipe.data.name else facts(course(recipe).network)
            content = json.dumps(dataclasses.asdict(known), indent=1).encode()
            if not path.exists() or path.read_bytes() != content:
                write_file(path, content)


def remember_given(root: Path, recipe: Recipe) -> None:
    """Let this process know what a store has noted of them. What is damaged is as if it were not there."""
    for name, path in _notes(root, recipe):
        if not was_given(name):
            with suppress(OSError, ValueError):
                note(name, json.loads(path.read_text("utf-8")))


def _notes(root: Path, recipe: Recipe) -> list[tuple[str, Path]]:
    """The names of objects in a recipe, with the files for what is known of them."""
    names = (recipe.data.name, recipe.model.name)
    return [(name, root / "experiments" / f"{file_name(name)}.json") for name in names if name.startswith(PREFIX)]


def _before(path: Path) -> Recipe:
    try:
        return read_record(path)[1]
    except RecipeError as problem:
        raise StoreError(
            f"{problem}\nIt notes which levels, replicates and controls were run. Mend it, or move it away: then "
            f"the same command notes it anew."
        ) from None


def widened(recipe: Recipe, other: Recipe) -> Recipe:
    """A recipe with the scope of another beside its own: the more levels and replicates, and all that stands beside."""
    return dataclasses.replace(
        recipe,
        levels=max(other.levels, recipe.levels),
        replicates=max(other.replicates, recipe.replicates),
        control=tuple(dict.fromkeys((*other.control, *recipe.control))),
        rival=tuple(dict.fromkeys((*other.rival, *recipe.rival))),
    )


def recipe_files(store: Store) -> list[Path]:
    """Where the recipes that were run in a store are recorded, in the order of their names."""
    return sorted((store.root / "experiments").glob("*.toml"))


def recorded(store: Store) -> tuple[list[tuple[str, Recipe]], list[str]]:
    """The recipes that were run in a store, with their identities, by name; and what cannot be followed."""
    found: list[tuple[str, Recipe]] = []
    problems: list[str] = []
    for path in recipe_files(store):
        try:
            found.append(read_record(path))
        except WinnowError as problem:
            problems.append(f"experiment {path.stem} cannot be followed, and is left out: {problem}")
    return found, problems


def _path(store: Store, recipe: Recipe) -> Path:
    return store.root / "experiments" / f"{file_name(recipe.name)}-{identity(recipe)}.toml"
