"""How the command line's library reads and tells options: with types, defaults and errors as people write them."""

from __future__ import annotations

import re
import shutil
import textwrap
from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import is_dataclass, replace
from typing import Annotated, Any, Literal, Union, cast, get_args, get_origin

import tyro
from tyro.constructors import (
    ConstructorRegistry,
    PrimitiveConstructorSpec,
    PrimitiveTypeInfo,
    StructConstructorSpec,
    StructTypeInfo,
)

from winnow.timeline import Amount

REGISTRY = ConstructorRegistry()
"""The rules below, for `tyro.cli`."""


@REGISTRY.primitive_rule
def _amount(kind: PrimitiveTypeInfo) -> PrimitiveConstructorSpec[Any] | None:
    """How an amount of training is written on the command line, or a word such as "auto" that may stand for one."""
    instead = [word for choice in get_args(kind.type) if get_origin(choice) is Literal for word in get_args(choice)]
    if kind.type is not Amount and not (Amount in get_args(kind.type) and instead):
        return None
    return PrimitiveConstructorSpec(
        nargs=1,
        metavar="|".join(["500it|2ep|1.7%", *instead]),
        instance_from_str=lambda words: words[0] if words[0] in instead else Amount.parse(words[0]),
        is_instance=lambda value: isinstance(value, Amount) or value in instead,
        str_from_instance=lambda value: [str(value)],
    )


@REGISTRY.primitive_rule
def _in_words(kind: PrimitiveTypeInfo) -> PrimitiveConstructorSpec[Any] | None:
    """What one option is read by: as tyro's own, with types and what was expected told as people would.

    tyro tells an option that may be left out as `{None}|INT`, and of a wrong one what each of its types made of it.
    """
    if kind.type is bool or _READING.get():
        return None
    choices: list[Any] = [choice for choice in get_args(kind.type) if choice is not type(None)]
    is_optional = type(None) in get_args(kind.type)
    within = cast(Any, Union[tuple(choices)] if is_optional else kind.type)  # noqa: UP007
    with _as_tyro_reads():
        own = cast(Any, ConstructorRegistry.get_primitive_spec(PrimitiveTypeInfo.make(within, set(kind.markers))))
    if not isinstance(own, PrimitiveConstructorSpec):
        return None
    spec = cast(PrimitiveConstructorSpec[Any], own)
    expected = _expected(within)

    def read(words: list[str]) -> Any:
        if is_optional and words == ["None"]:
            return None
        try:
            return spec.instance_from_str(words)
        except ValueError:
            if expected is None:
                raise
            raise ValueError(f"expected {expected}, given '{' '.join(words)}'") from None

    return PrimitiveConstructorSpec(
        nargs=spec.nargs,
        metavar=_SEQUENCE.sub(r"\1 ...", spec.metavar),
        instance_from_str=read,
        is_instance=lambda value: (is_optional and value is None) or spec.is_instance(value),
        str_from_instance=lambda value: ["None"] if value is None else spec.str_from_instance(value),
        choices=(*spec.choices, "None") if is_optional and spec.choices else spec.choices,
    )


_SEQUENCE = re.compile(r"\[(\S+) \[\1 \.\.\.\]\]")
"""How tyro writes an option that takes several values."""


def _expected(kind: Any) -> str | None:
    """What an option of a type takes, in words; None where the type's own message tells it."""
    if get_origin(kind) is Annotated:
        return _expected(get_args(kind)[0])
    if get_origin(kind) is Literal:
        return " or ".join(f"'{word}'" for word in get_args(kind))
    if get_origin(kind) is tuple:
        return {"a whole number": "whole numbers", "a number": "numbers"}.get(_expected(get_args(kind)[0]) or "")
    if get_args(kind):
        parts = [_expected(choice) for choice in get_args(kind)]
        return None if None in parts else " or ".join(filter(None, parts))
    return {int: "a whole number", float: "a number"}.get(kind)


@REGISTRY.struct_rule
def _without_empty_defaults(info: StructTypeInfo) -> StructConstructorSpec | None:
    """A class of options, as tyro reads it, but that help tells no default where it is None or nothing."""
    if not is_dataclass(cast(Any, info).type) or _READING.get():
        return None
    with _as_tyro_reads():
        own = ConstructorRegistry.get_struct_spec(info)
    if not isinstance(own, StructConstructorSpec):
        return None
    fields = [replace(field, type=_hinted(cast(Any, field).type)) for field in own.fields]
    return replace(own, fields=tuple(fields))


def _hinted(kind: Any) -> Any:
    base, *metadata = get_args(kind) if get_origin(kind) is Annotated else (kind,)
    return kind if is_dataclass(base) else Annotated[(base, tyro.conf.arg(help_behavior_hint=_told_default), *metadata)]


def _told_default(default: str) -> str:
    return "" if default in ("", "''", "None") else f"(default: {default})"


_READING: ContextVar[bool] = ContextVar("_READING", default=False)


@contextmanager
def _as_tyro_reads() -> Generator[None]:
    """Within, the rules here are out of force."""
    token = _READING.set(True)
    try:
        yield
    finally:
        _READING.reset(token)


class _Filled(str):
    """Text whose lines are broken already."""


def _flowing(text: str) -> str:
    """Documentation with a line for each paragraph: a terminal breaks lines, and blank lines alone are kept.

    >>> _flowing("One sentence (and" + chr(10) + "    its end).")
    'One sentence (and its end).'
    """
    if isinstance(text, _Filled):
        return text
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in re.split(r"\n\s*\n", text.strip()))


# tyro breaks help where a line of a docstring does not begin with a letter, and an indented line never does.
setattr(tyro._strings, "remove_single_line_breaks", _flowing)  # noqa: B010 # pyright: ignore[reportPrivateUsage]


def description(options: type[object], more: str = "") -> str:
    """What a command does, broken to the terminal's width, which tyro leaves to the terminal, in mid-word."""
    width = min(shutil.get_terminal_size().columns, 100)
    paragraphs = [*_flowing(options.__doc__ or "").split("\n\n"), *filter(None, [more])]
    return _Filled("\n\n".join(textwrap.fill(paragraph, width) for paragraph in paragraphs))
