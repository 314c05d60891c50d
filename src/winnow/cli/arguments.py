"""Command-line arguments: typed, documented options from dataclasses, and recipes with every field by its path."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, is_dataclass
from pathlib import Path
from typing import Annotated, Literal, TypeVar, get_type_hints

import tyro

from winnow.cli import say
from winnow.cli.wording import REGISTRY, description
from winnow.errors import RecipeError
from winnow.recipe import Recipe
from winnow.recipes import names, read
from winnow.timeline import Amount
from winnow.validation import Refused, refusals

_Options = TypeVar("_Options")

RecipeFields = Annotated[Recipe, tyro.conf.arg(name="")]
"""A recipe whose fields are options without a prefix: `--levels 3`, `--train.length 2ep`."""


@dataclass(frozen=True, kw_only=True)
class WithRecipe:
    """The options of a command about a recipe. Those that a command adds have defaults."""

    recipe: RecipeFields


_WithRecipe = TypeVar("_WithRecipe", bound=WithRecipe)

RecipeNames = Annotated[tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(name="recipe", metavar="[RECIPE ...]")]

StoreOption = Annotated[Path | None, tyro.conf.arg(metavar="DIR")]


@dataclass(frozen=True, kw_only=True)
class WithExecution(WithRecipe):
    """The options of a command that trains what the store lacks."""

    store: StoreOption = None
    """Where results lie: made if it is not there. Left out: $WINNOW_STORE, else ./winnow-store."""

    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where to train; auto is the GPU where there is one."""

    keep: Literal["all", "weights", "last"] = "weights"
    """Which final states to keep: all with the optimizer's buffers, weights without, or the last level's only.
    What was stored before stays as it is."""

    progress: Literal["auto", "live", "plain", "quiet"] = "auto"
    """How to tell what happens: a live display, plain lines for logs, or nothing but the result. Auto is live in a
    terminal, plain elsewhere."""

    engine: Literal["auto", "plain", "stacked", "perceptron", "compiled", "graphed"] = "auto"
    """How lanes are trained: plain, one by one; stacked into one batched computation; perceptron, the same written out
    for fully connected networks, on the remaining weights alone; compiled, one by one by torch.compile; graphed, side
    by side in a CUDA graph. Auto chooses and says why."""

    lanes: Annotated[int | None, tyro.conf.arg(metavar="N")] = None
    """How many lanes to train together, at most. Left out: what suits the network and the device."""


def parse(
    options: type[_Options], words: Sequence[str], *, command: str, default: _Options | None = None, about: str = ""
) -> _Options:
    """Read the options of a command; wrong ones end the program with a message and exit code 2.

    `about` is one more paragraph of its help. Raises RecipeError, naming the option, where a recipe refuses a value.
    """
    try:
        with refusals():
            return tyro.cli(
                options,
                args=list(words),
                prog=f"winnow {command}",
                description=description(options, about),
                registry=REGISTRY,
                default=default if default is not None else tyro.MISSING_NONPROP,
            )
    except Refused as refused:
        raise RecipeError(_with_options(str(refused))) from None


def _with_options(message: str) -> str:
    """A message about a part of a recipe, with each field as the option that it is.

    >>> _with_options("Rates, field linear: expected less than 1, given 1.5.")
    '--prune.rate.linear: expected less than 1, given 1.5.'
    """
    parts = dict(_parts(Recipe, ""))
    kinds = "|".join(parts)
    named = re.sub(
        rf"^({kinds}), field ([\w.]+)",
        lambda found: f"--{parts[found[1]]}{found[2]}".replace("_", "-"),
        message,
        flags=re.MULTILINE,
    )
    return re.sub(rf"^({kinds}): ", "", named, flags=re.MULTILINE)


def _parts(kind: type[object], prefix: str) -> Iterator[tuple[str, str]]:
    """The classes that a recipe is made of, by name, and what their options begin with."""
    yield kind.__name__, prefix
    for name, inner in get_type_hints(kind).items():
        if inner is not Amount and isinstance(inner, type) and is_dataclass(inner):
            yield from _parts(inner, f"{prefix}{name}.")


def parse_with_recipe(options: type[_WithRecipe], words: Sequence[str], *, command: str) -> _WithRecipe:
    """Read a recipe's name and then options, whose `recipe` begins as that recipe: `digits --levels 3`.

    Without a name it is the default recipe, `digits`, which a command that trains tells.
    """
    is_named = bool(words) and not words[0].startswith("-")
    name, rest = (words[0], words[1:]) if is_named else ("digits", words)
    is_file = name.endswith(".toml") or "/" in name
    base = read(name) if is_file or name in names() else _recorded(name, _store_in(rest))
    found = parse(
        options,
        rest,
        command=f"{command} {name if is_named else '[RECIPE]'}",
        default=options(recipe=base),
        about=_RECIPES,
    )
    if isinstance(found, WithExecution) and not is_named:
        say("no recipe was named, so this is 'digits'. `winnow list` tells which there are.")
    return found


def _recorded(name: str, store: Path | None) -> Recipe:
    from winnow.store.lookup import recipe_called

    return recipe_called(name, store)


_RECIPES = (
    "RECIPE is a bundled recipe's name (`winnow list` has them), a TOML file, or an experiment in the store by its "
    "identity, such as imp-1a2b3c4d; left out, it is digits. The options below change it."
)


def options_in(words: Sequence[str]) -> set[str]:
    """The names of the options among a command's words.

    >>> sorted(options_in(["digits", "--levels=3", "--store", "here"]))
    ['levels', 'store']
    """
    return {word.removeprefix("--").partition("=")[0] for word in words if word.startswith("--")}


def _store_in(words: Sequence[str]) -> Path | None:
    """What --store names among a command's words."""
    for at, word in enumerate(words):
        if word == "--store" and len(words) > at + 1:
            return Path(words[at + 1])
        if word.startswith("--store="):
            return Path(word.removeprefix("--store="))
    return None
