"""`winnow show`: a recipe as TOML."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass

from winnow.cli.arguments import WithRecipe, parse_with_recipe
from winnow.recipes import to_toml


@dataclass(frozen=True, kw_only=True)
class Options(WithRecipe):
    """Print a recipe as TOML that `winnow run FILE.toml` accepts, with whatever fields are changed here."""


def main(words: Sequence[str]) -> int:
    """Run the command; gives the exit code."""
    sys.stdout.write(to_toml(parse_with_recipe(Options, words, command="show").recipe))
    return 0
