"""What the papers report of the bundled recipes, as data: one TOML file for each reproduction."""

from __future__ import annotations

import tomllib
from importlib import resources
from importlib.resources.abc import Traversable

from pydantic import TypeAdapter

from winnow.errors import UnknownName
from winnow.reproductions.claims import Claim, Reproduction

__all__ = ["Claim", "Reproduction", "names", "published"]

_ADAPTER = TypeAdapter(Reproduction)


def names() -> list[str]:
    """The reproductions' names."""
    return sorted(file.name.removesuffix(".toml") for file in _folder().iterdir() if file.name.endswith(".toml"))


def published(name: str) -> Reproduction:
    """What the papers report, by the reproduction's name; raises UnknownName.

    >>> published("lenet-mnist").claims[0].paper
    98.0
    """
    if name not in names():
        raise UnknownName("reproduction", name, names())
    table = tomllib.loads((_folder() / f"{name}.toml").read_text("utf-8"))
    return _ADAPTER.validate_python(table | {"name": name, "claims": table.pop("claim")})


def _folder() -> Traversable:
    return resources.files("winnow.reproductions")
