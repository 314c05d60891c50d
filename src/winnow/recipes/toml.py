"""Recipes to and from TOML, with errors that name the file, the field and what was expected."""

from __future__ import annotations

import dataclasses
import json
import tomllib
from collections.abc import Iterator, Mapping
from typing import Any, cast

from pydantic import TypeAdapter, ValidationError

from winnow.errors import RecipeError
from winnow.recipe import Recipe
from winnow.timeline import Amount
from winnow.validation import sentences

_ADAPTER = TypeAdapter(Recipe)


def from_toml(text: str, *, source: str = "recipe") -> Recipe:
    """Read a recipe; `source` is what errors call it. Raises RecipeError naming every field at fault."""
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise RecipeError(f"{source} is not TOML: {error}.") from None
    return from_table(table, source=source)


def from_table(table: Mapping[str, Any], *, source: str = "recipe") -> Recipe:
    """Build a recipe from nested tables, as TOML or a program gives them."""
    try:
        return _ADAPTER.validate_python(table)
    except ValidationError as error:
        raise RecipeError(sentences(source, error.errors(), Recipe)) from None


def to_toml(recipe: Recipe) -> str:
    """Write a recipe as TOML that `from_toml` reads back to an equal one. Fields left out stay out."""
    return table_to_toml(to_table(recipe))


def table_to_toml(table: Mapping[str, Any]) -> str:
    """Write nested tables as TOML; what is None stays out."""
    return "\n".join(_lines(table, ())).strip() + "\n"


def edited(recipe: Recipe, changes: Mapping[str, Any]) -> Recipe:
    """The recipe with the fields at the given paths changed; None leaves a field out."""
    table = to_table(recipe)
    for path, value in changes.items():
        *sections, name = path.split(".")
        inner = table
        for section in sections:
            within = inner.setdefault(section, {})
            if not isinstance(within, dict):
                raise RecipeError(f"{recipe.name}, field {path}: there is no such field; '{section}' is a value.")
            inner = cast("dict[str, Any]", within)
        inner[name] = value
    return from_table(table, source=recipe.name)


def to_table(value: Any) -> dict[str, Any]:
    """A recipe's fields as nested tables of what TOML can hold, and None where a field is left out."""
    table: dict[str, Any] = {}
    for field in dataclasses.fields(value):
        entry = getattr(value, field.name)
        if dataclasses.is_dataclass(entry) and not isinstance(entry, Amount):
            entry = to_table(entry)
        elif isinstance(entry, Amount):
            entry = str(entry)
        elif isinstance(entry, tuple):
            entry = [str(item) if isinstance(item, Amount) else item for item in entry]  # pyright: ignore[reportUnknownVariableType]
        table[field.name] = entry
    return table


def _lines(table: Mapping[str, Any], path: tuple[str, ...]) -> Iterator[str]:
    values = {name: value for name, value in table.items() if not isinstance(value, Mapping)}
    if path and values:
        yield ""
        yield f"[{'.'.join(path)}]"
    for name, value in values.items():
        if value is not None:
            yield f"{name} = {_written(value)}"
    for name, value in table.items():
        if isinstance(value, Mapping):
            yield from _lines(value, (*path, name))  # pyright: ignore[reportUnknownArgumentType]


def _written(value: object) -> str:
    if isinstance(value, list):
        return "[" + ", ".join(_written(item) for item in value) + "]"  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")  # TOML escapes one more than JSON
    return repr(value)
