"""Frozen dataclasses that refuse what cannot mean anything, in sentences for the person who wrote it."""

from __future__ import annotations

import dataclasses
import difflib
import functools
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypeVar, cast, dataclass_transform, get_type_hints

from pydantic import ConfigDict, ValidationError
from pydantic.dataclasses import dataclass

from winnow.errors import RecipeError
from winnow.timeline import Amount

_Class = TypeVar("_Class")


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(dataclasses.field,))
def validated(kind: type[_Class]) -> type[_Class]:
    """Make a class a frozen dataclass with keywords alone, whose fields are checked against their annotations.

    Building one with a wrong or unknown field raises RecipeError.
    """
    made = dataclass(frozen=True, kw_only=True, config=ConfigDict(extra="forbid", allow_inf_nan=False))(kind)
    check = made.__init__

    @functools.wraps(check)
    def build(self: Any, **values: Any) -> None:
        try:
            check(self, **values)
        except ValidationError as error:
            raise _raised.get()(sentences(kind.__name__, error.errors(), made)) from None

    made.__init__ = build
    return cast("type[_Class]", made)


class Refused(Exception):
    """A refused field within `refusals`."""


_raised: ContextVar[type[Exception]] = ContextVar("raised", default=RecipeError)


@contextmanager
def refusals() -> Generator[None]:
    """Within, a class that refuses its fields raises Refused: parsers of command lines take a ValueError for theirs."""
    token = _raised.set(Refused)
    try:
        yield
    finally:
        _raised.reset(token)


def sentences(source: str, problems: Sequence[Mapping[str, Any]], kind: type) -> str:
    """Pydantic's errors about a value of a kind, one sentence for each field at fault; `source` is where it stands."""
    by_field: dict[str, list[Mapping[str, Any]]] = {}
    for problem in problems:
        by_field.setdefault(_field(problem, kind), []).append(problem)
    return "\n".join(_sentence(source, path, among, kind) for path, among in by_field.items())


def _sentence(source: str, path: str, problems: Sequence[Mapping[str, Any]], kind: type) -> str:
    first = problems[0]
    place = f"{source}, field {path}" if path else source
    if first["type"] == "unexpected_keyword_argument":
        return f"{place}: there is no such field.{_nearest_field(path, kind)}"
    if first["type"] == "value_error":
        return f"{place}: {first['ctx']['error']}"
    if first["type"] in ("dataclass_type", "dataclass_exact_type"):
        return f"{place}: expected a table of fields, given {first.get('input')!r}."
    expected = " or ".join(map(_expectation, problems))
    return f"{place}: expected {expected}, given {first.get('input')!r}."


def _expectation(problem: Mapping[str, Any]) -> str:
    return problem["msg"].removeprefix("Input should be ").replace("a valid tuple", "a list")


def _field(problem: Mapping[str, Any], kind: type) -> str:
    """The path of the field at fault: the validator's location without the names of types it tried."""
    known = set(_field_paths(kind, ()))
    path = ""
    for part in problem["loc"]:
        further = f"{path}.{part}" if path else str(part)
        if further in known or problem["type"] == "unexpected_keyword_argument":
            path = further
        elif isinstance(part, int):
            path = f"{path}[{part}]"
    return path


def _nearest_field(wanted: str, kind: type) -> str:
    """The valid fields beside a wrong one, and the likeliest, wherever in the recipe it stands."""
    paths = list(_field_paths(kind, ()))
    section, _, name = wanted.rpartition(".")
    same_name = [path for path in paths if path.rpartition(".")[2] == name]
    nearest = same_name[:1] or difflib.get_close_matches(wanted, paths, n=1, cutoff=0.6)
    beside = [path.rpartition(".")[2] for path in paths if path.rpartition(".")[0] == section]
    suggestion = f" Did you mean '{nearest[0]}'?" if nearest else ""
    return f"{suggestion}\nFields of {section or kind.__name__}: {', '.join(beside)}."


def _field_paths(kind: type, path: tuple[str, ...]) -> Iterator[str]:
    hints = get_type_hints(kind)
    for field in dataclasses.fields(kind):
        inner = hints[field.name]
        yield ".".join((*path, field.name))
        if inner is not Amount and isinstance(inner, type) and dataclasses.is_dataclass(inner):
            yield from _field_paths(inner, (*path, field.name))
