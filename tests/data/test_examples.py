from __future__ import annotations

import doctest
import importlib
import pkgutil

import pytest

import winnow.data

MODULES = [
    "winnow.data",
    *(f"winnow.data.{module.name}" for module in pkgutil.iter_modules(winnow.data.__path__)),
]


@pytest.mark.parametrize("module", MODULES)
def test_the_examples_in_docstrings_hold(module: str) -> None:
    assert doctest.testmod(importlib.import_module(module)).failed == 0


def test_the_public_names_are_exact() -> None:
    public = {
        name for name, value in vars(winnow.data).items() if getattr(value, "__module__", "").startswith("winnow.")
    }
    assert public == set(winnow.data.__all__)
