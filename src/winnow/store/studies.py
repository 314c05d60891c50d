"""Which studies a store holds: what was asked for, as TOML files, so that reports and cleaning know of them."""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from winnow.errors import RecipeError, UnknownName
from winnow.experiments import Study, instability, stability
from winnow.from_recipe import timeline
from winnow.recipe import Recipe
from winnow.recipes.toml import from_table, table_to_toml, to_table
from winnow.store.experiments import check_unchanged, identity, keep_given, remember_given
from winnow.store.files import file_name, storing, write_file
from winnow.store.store import Store
from winnow.timeline import Amount

STUDIES: dict[str, Callable[..., Study]] = {"stability": stability, "instability": instability}
"""The functions that make studies, by name."""


def study_identity(study: Study) -> str:
    """What tells a study from others of its name, as `stability-1a2b3c4d`.

    Asking for more rewind points or replicates widens a study; any other setting makes it another.
    """
    scope = {
        name: value for name, value in study.settings.items() if name not in ("at", "density") and value is not None
    }
    scope |= {"level": study.level, "recipe": identity(study.recipe)}
    digest = hashlib.sha256(json.dumps(scope, sort_keys=True).encode()).hexdigest()
    return f"{study.name}-{digest[:8]}"


def record_study(store: Store, study: Study) -> None:
    """Note that a study was asked for. One that differs in rewind points and replicates alone is widened."""
    if not study.settings:
        return
    keep_given(store.root, study.recipe)
    path = store.root / "studies" / f"{file_name(study.recipe.name)}-{study_identity(study)}.toml"
    with storing(path), store.waiting_for(path.stem):  # another process may be widening it too
        before = read_study(path) if path.exists() else study
        ks = sorted({*_ks(before), *_ks(study)})
        replicates = max(before.recipe.replicates, study.recipe.replicates)
        settings = dict(study.settings) | {"at": [f"{k}it" for k in ks]}
        recipe = study.recipe.edited({"replicates": replicates})
        content = table_to_toml({"study": study.name, **settings, "recipe": to_table(recipe)}).encode()
        if not path.exists() or path.read_bytes() != content:
            write_file(path, content)


def study_files(store: Store) -> list[Path]:
    """Where the studies that were asked for in a store are recorded, in the order of their names."""
    return sorted((store.root / "studies").glob("*.toml"))


def read_study(path: Path) -> Study:
    """A study from its file; raises RecipeError where it cannot be made again."""
    try:
        table: dict[str, Any] = tomllib.loads(path.read_text("utf-8"))
        name, recipe_table = table.pop("study"), table.pop("recipe")
        table["at"] = [Amount.parse(k) for k in table["at"]]
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, KeyError, TypeError) as error:
        raise RecipeError(f"{path} is not the record of a study: {error}. It may be deleted.") from None
    if name not in STUDIES:
        raise UnknownName("study", str(name), STUDIES)
    recipe: Recipe = from_table(recipe_table, source=path.name)
    remember_given(path.parent.parent, recipe)
    try:
        study = STUDIES[name](recipe, **table)
    except TypeError as error:
        raise RecipeError(f"{path} has a setting that '{name}' does not know: {error}.") from None
    check_unchanged(path, study_identity(study))
    return study


def _ks(study: Study) -> list[int]:
    return [timeline(study.recipe.edited({"rewind": str(written)})).rewind for written in study.settings["at"]]
