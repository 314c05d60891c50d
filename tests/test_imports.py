"""Imports point one way, as the page on the architecture says."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "src" / "winnow"


def layers() -> list[list[str]]:
    """What the page says, from the first, which imports what comes after it, to the last."""
    page = (ROOT / "docs" / "architecture.md").read_text("utf-8")
    (line,) = re.findall(r"Imports point one way: `([^`]+)`", page)
    return [re.findall(r"\w+", group) for group in line.split("→")]


def part(module: str) -> str:
    """The package that a module belongs to, or the module itself where it belongs to none."""
    return module.split(".")[1] if "." in module else module


def imports() -> set[tuple[str, str]]:
    """Which part of Winnow imports which, at whatever place in a file."""
    found: set[tuple[str, str]] = set()
    for file in SOURCE.rglob("*.py"):
        importer = part(".".join(["winnow", *file.relative_to(SOURCE).with_suffix("").parts]))
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("winnow"):
                names = [alias.name for alias in node.names] if node.module == "winnow" else [""]
                found |= {(importer, part(f"{node.module}.{name}")) for name in names}
    return {(importer, imported) for importer, imported in found if importer != imported}


def test_imports_point_one_way() -> None:
    place = {name: number for number, group in enumerate(layers()) for name in group}
    assert all((SOURCE / name).is_dir() or (SOURCE / f"{name}.py").is_file() for name in place)
    backwards = {
        (importer, imported)
        for importer, imported in imports()
        if importer in place and imported in place and place[importer] >= place[imported]
    }
    assert not backwards
    assert {importer for importer, imported in imports() if imported == "cli"} == {"__main__"}
    assert not {imported for importer, imported in imports() if importer == "models"} & {"recipe", "recipes", "course"}
