from __future__ import annotations

import inspect
import re

import pytest

from winnow import errors
from winnow.errors import MissingExtra, RecipeError, UnknownName, WinnowError


def test_the_tree_in_the_docstring_is_the_tree_of_the_classes() -> None:
    drawn: dict[str, str] = {}
    path: list[str] = []
    for line in (errors.__doc__ or "").splitlines():
        found = re.match(r"    (?P<branches>[│├└─ ]*)(?P<name>[A-Z]\w+)(  |$)", line)
        if found:
            depth = len(found["branches"]) // 4
            path[depth:] = [found["name"]]
            drawn[found["name"]] = path[depth - 1] if depth else "Exception"
    classes = {
        name: kind for name, kind in inspect.getmembers(errors, inspect.isclass) if kind.__module__ == errors.__name__
    }
    assert drawn == {name: kind.__bases__[0].__name__ for name, kind in classes.items()}


def test_every_error_says_what_it_is_for() -> None:
    for _, kind in inspect.getmembers(errors, inspect.isclass):
        assert not issubclass(kind, WinnowError) or (kind.__doc__ or "").endswith((".", ".\n    "))


@pytest.mark.parametrize(
    "name, message",
    [
        (
            "fasion-mnist",
            "unknown data set 'fasion-mnist'. Did you mean 'fashion-mnist'?\nValid: cifar10, fashion-mnist, mnist.",
        ),
        ("mist", "unknown data set 'mist'. Did you mean 'mnist'?\nValid: cifar10, fashion-mnist, mnist."),
        ("zzz", "unknown data set 'zzz'.\nValid: cifar10, fashion-mnist, mnist."),
        ("", "unknown data set ''.\nValid: cifar10, fashion-mnist, mnist."),
    ],
)
def test_an_unknown_name_lists_the_valid_ones_and_suggests_the_nearest(name: str, message: str) -> None:
    error = UnknownName("data set", name, iter(["mnist", "fashion-mnist", "cifar10"]))
    assert str(error) == message
    assert (error.name, error.valid) == (name, ["cifar10", "fashion-mnist", "mnist"])


def test_a_wrong_recipe_can_be_caught_as_a_wrong_value() -> None:
    assert issubclass(RecipeError, ValueError)


def test_a_missing_package_is_told_with_the_command_that_installs_it() -> None:
    assert str(MissingExtra("pyarrow", "parquet", "Writing Parquet")) == (
        "Writing Parquet needs the package 'pyarrow', which is not installed.\n"
        'Install it with: pip install "winnow-lth[parquet]"'
    )
