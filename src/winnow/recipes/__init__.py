"""The bundled recipes, one TOML file per experiment of the papers, and the way to read one's own."""

from __future__ import annotations

import re
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path

from winnow.errors import RecipeError, UnknownName
from winnow.recipe import Recipe
from winnow.recipes.toml import from_toml, to_toml

__all__ = ["IDENTITY", "from_toml", "names", "read", "to_toml"]

IDENTITY = re.compile(r"(?:.+-)?imp-[0-9a-f]{1,8}")
"""How an experiment that a store holds is written in a recipe's place: as its files, with or without its name."""


def names() -> list[str]:
    """The bundled recipes' names, the default first."""
    found = sorted(file.name.removesuffix(".toml") for file in _folder().iterdir() if file.name.endswith(".toml"))
    return sorted(found, key=lambda name: name != "digits")


def read(name_or_path: str | Path) -> Recipe:
    """A bundled recipe by name, or one's own by the path of its TOML file.

    >>> read("lenet-mnist").train.batch
    60
    """
    written = str(name_or_path)
    if written.endswith(".toml") or "/" in written:
        path = Path(written)
        try:
            return from_toml(path.read_text("utf-8"), source=path.name)
        except FileNotFoundError:
            raise RecipeError(
                f"no recipe file '{path}'. `winnow show digits > {path.name}` makes one to start from."
            ) from None
        except (OSError, UnicodeDecodeError) as error:
            raise RecipeError(f"recipe file '{path}' cannot be read: {error}") from None
    if written not in names():
        raise UnknownName("recipe", written, names())
    return from_toml((_folder() / f"{written}.toml").read_text("utf-8"), source=f"{written}.toml")


def _folder() -> Traversable:
    return resources.files("winnow.recipes")
