"""An integration without its package says which extra has it."""

from __future__ import annotations

import importlib
import sys

import pytest

from winnow.errors import MissingExtra


@pytest.mark.parametrize("package", ["lightning", "transformers"])
def test_a_missing_package_names_its_extra(package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == package]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.delitem(sys.modules, f"winnow.integrations.{package}", raising=False)
    monkeypatch.setattr(sys, "meta_path", [Without(package), *sys.meta_path])
    with pytest.raises(MissingExtra, match=rf"needs the package '{package}'.*\n.*winnow-lth\[{package}\]"):
        importlib.import_module(f"winnow.integrations.{package}")


class Without:
    """An import system that does not find a package."""

    def __init__(self, package: str) -> None:
        self.package = package

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        if name.partition(".")[0] == self.package:
            raise ModuleNotFoundError(f"No module named '{name}'", name=self.package)
