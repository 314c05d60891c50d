"""What was handed over from Python as an object: networks and data that no name of a file or module stands for.

A recipe is text, so an object goes by a name with a fingerprint of its content, `given:small-1a2b3c4d5e6f`, and this
process remembers what the name means. Keys depend on the fingerprint, so the same object handed over again, in another
process, finds the results of the first.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from winnow.errors import RecipeError

PREFIX = "given:"

_OBJECTS: dict[str, Any] = {}


def give(word: str, fingerprint: str, value: Any) -> str:
    """Remember an object; gives the name by which a recipe refers to it.

    >>> give("small net", "0123456789abcdef", abs)
    'given:small-net-0123456789ab'
    """
    plain = "".join(letter if letter.isalnum() or letter == "_" else "-" for letter in word)
    name = f"{PREFIX}{plain}-{fingerprint[:12]}"
    _OBJECTS[name] = value
    return name


_NOTES: dict[str, Mapping[str, Any]] = {}


def note(name: str, facts: Mapping[str, Any]) -> None:
    """Remember what is known of an object that this process was not given: names hold a fingerprint of the content."""
    _NOTES[name] = facts


def noted(name: str) -> Mapping[str, Any] | None:
    """What is known of an object of that name."""
    return _NOTES.get(name)


def was_given(name: str) -> bool:
    """Whether this process was given the object of that name."""
    return name in _OBJECTS


def in_words(name: str) -> str:
    """What messages call data of that name.

    >>> in_words("mnist"), in_words("given:data-0123456789ab")
    ('mnist', 'your data set')
    """
    return "your data set" if name.startswith(PREFIX) else name


def given(name: str, *, field: str) -> Any:
    """The object of that name; raises RecipeError where this process was not given it."""
    if name not in _OBJECTS:
        what = field.rpartition(".")[0]
        raise RecipeError(
            f"field {field}: '{name}' was handed over from Python as an object, which this process does not have.\n"
            f"Hand it over again, winnow.run({what}=...), or name it: 'file.py:function' works from anywhere."
        )
    return _OBJECTS[name]
