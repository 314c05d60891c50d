"""Which experiments a store holds: the recipes that were run in it, as TOML files."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
from collections.abc import Iterator
from pathlib import Path

from winnow.course import Timeline, course, timeline
from winnow.recipe import Dynamic, Recipe
from winnow.recipes import from_toml, to_toml
from winnow.steps import plain
from winnow.store.files import storing, write_file
from winnow.store.store import Store


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
        "prune": plain(recipe.prune),
        "deterministic": recipe.deterministic,
    }
    dynamic = _in_iterations(recipe.dynamic, amounts)
    if dynamic != _in_iterations(Dynamic(), amounts):  # whichever rivals there are: asking for more widens too
        scope["dynamic"] = dynamic
    return f"imp-{hashlib.sha256(json.dumps(scope, sort_keys=True).encode()).hexdigest()[:8]}"


def _in_iterations(settings: Dynamic, amounts: Timeline) -> dict[str, object]:
    """How masks of rivals change, with the same amounts the same however they are written."""
    written = {"every": settings.every, "start": settings.start, "end": settings.end}
    spans = {name: a.iterations(per_epoch=amounts.per_epoch, total=amounts.length) for name, a in written.items()}
    return {**spans, "drop": settings.drop, "distribution": settings.distribution}


def record(store: Store, recipe: Recipe) -> None:
    """Note that a recipe was run. One that differs in its scope alone is widened to hold both."""
    path = _path(store, recipe)
    with storing(path), store.waiting_for(path.stem):  # another process may be widening it too
        before = from_toml(path.read_text("utf-8"), source=path.name) if path.exists() else recipe
        both = dataclasses.replace(
            recipe,
            levels=max(before.levels, recipe.levels),
            replicates=max(before.replicates, recipe.replicates),
            control=tuple(dict.fromkeys((*before.control, *recipe.control))),
            rival=tuple(dict.fromkeys((*before.rival, *recipe.rival))),
        )
        if both != before or not path.exists():
            write_file(path, to_toml(both).encode())


def recipe_files(store: Store) -> list[Path]:
    """Where the recipes that were run in a store are recorded, in the order of their names."""
    return sorted((store.root / "experiments").glob("*.toml"))


def recorded(store: Store) -> Iterator[Recipe]:
    """The recipes that were run in a store, in the order of their names."""
    for path in recipe_files(store):
        yield from_toml(path.read_text("utf-8"), source=path.name)


def _path(store: Store, recipe: Recipe) -> Path:
    name = re.sub(r"[^\w.-]+", "-", recipe.name)
    return store.root / "experiments" / f"{name}-{identity(recipe)}.toml"
