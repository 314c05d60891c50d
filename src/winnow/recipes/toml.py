"""Recipes to and from TOML, with errors that name the file, the field and what was expected."""

from __future__ import annotations

import dataclasses
import difflib
import json
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, get_type_hints

from pydantic import TypeAdapter, ValidationError

from winnow.errors import RecipeError
from winnow.recipe import Recipe
from winnow.timeline import Amount

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
        raise RecipeError("\n".join(_sentences(source, error.errors()))) from None


def to_toml(recipe: Recipe) -> str:
    """Write a recipe as TOML that `from_toml` reads back to an equal one. Fields left out stay out."""
    lines = list(_lines(_table(recipe), ()))
    return "\n".join(lines).strip() + "\n"


def edited(recipe: Recipe, changes: Mapping[str, Any]) -> Recipe:
    """The recipe with the fields at the given paths changed; None leaves a field out."""
    table = _table(recipe)
    for path, value in changes.items():
        *sections, name = path.split(".")
        inner = table
        for section in sections:
            inner = inner.setdefault(section, {})
        inner[name] = value
    return from_table(table, source=recipe.name)


def _table(value: Any) -> dict[str, Any]:
    """A recipe's fields as nested tables of what TOML can hold, and None where a field is left out."""
    table: dict[str, Any] = {}
    for field in dataclasses.fields(value):
        entry = getattr(value, field.name)
        if dataclasses.is_dataclass(entry) and not isinstance(entry, Amount):
            entry = _table(entry)
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
        return json.dumps(value, ensure_ascii=False)
    return repr(value)


def _sentences(source: str, problems: Sequence[Mapping[str, Any]]) -> list[str]:
    """Validation errors as sentences for the person who wrote the recipe, one for each field at fault."""
    by_field: dict[str, list[Mapping[str, Any]]] = {}
    for problem in problems:
        by_field.setdefault(_field(problem), []).append(problem)
    return [_sentence(source, path, among) for path, among in by_field.items()]


def _sentence(source: str, path: str, problems: Sequence[Mapping[str, Any]]) -> str:
    first = problems[0]
    place = f"{source}, field {path}" if path else source
    if first["type"] == "unexpected_keyword_argument":
        return f"{place}: there is no such field.{_nearest_field(path)}"
    if first["type"] == "value_error":
        return f"{place}: {first['ctx']['error']}"
    if first["type"] in ("dataclass_type", "dataclass_exact_type"):
        return f"{place}: expected a table of fields, given {first.get('input')!r}."
    expected = " or ".join(_expectation(problem["msg"]) for problem in problems)
    return f"{place}: expected {expected}, given {first.get('input')!r}."


def _expectation(message: str) -> str:
    return message.removeprefix("Input should be ").partition(",")[0]


def _field(problem: Mapping[str, Any]) -> str:
    """The path of the field at fault: the validator's location without the names of types it tried."""
    known = set(_field_paths(Recipe, ()))
    path = ""
    for part in problem["loc"]:
        further = f"{path}.{part}" if path else str(part)
        if further in known or problem["type"] == "unexpected_keyword_argument":
            path = further
        elif isinstance(part, int):
            path = f"{path}[{part}]"
    return path


def _nearest_field(wanted: str) -> str:
    """The valid fields beside a wrong one, and the likeliest, wherever in the recipe it stands."""
    paths = list(_field_paths(Recipe, ()))
    section, _, name = wanted.rpartition(".")
    same_name = [path for path in paths if path.rpartition(".")[2] == name]
    nearest = same_name[:1] or difflib.get_close_matches(wanted, paths, n=1, cutoff=0.6)
    beside = [path.rpartition(".")[2] for path in paths if path.rpartition(".")[0] == section]
    suggestion = f" Did you mean '{nearest[0]}'?" if nearest else ""
    return f"{suggestion}\nFields of {section or 'a recipe'}: {', '.join(beside)}."


def _field_paths(kind: type, path: tuple[str, ...]) -> Iterator[str]:
    hints = get_type_hints(kind)
    for field in dataclasses.fields(kind):
        inner = hints[field.name]
        yield ".".join((*path, field.name))
        if dataclasses.is_dataclass(inner) and inner is not Amount:
            yield from _field_paths(inner, (*path, field.name))  # pyright: ignore[reportArgumentType]
