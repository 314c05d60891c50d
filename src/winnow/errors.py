"""What Winnow raises when something outside it is wrong.

    WinnowError
    ├── RecipeError          a recipe, or a field of one, cannot mean anything
    │   └── UnknownName      a name is not among the valid ones; the nearest is suggested
    ├── DataError            a data set cannot be found, fetched or decoded, or is not what it claims
    ├── MaskError            a mask does not fit the network it is applied to
    ├── TicketError          a ticket file is not one, or does not fit
    ├── RewindError          a rewind point cannot be taken, stored or restored
    ├── MissingExtra         an optional dependency is not installed
    ├── StoreError           the store cannot be read or written
    │   ├── MissingResult    a result, or the part of it asked for, is not stored
    │   └── CorruptResult    a stored result fails its checksum
    └── StepFailure          a step ended without a result; other replicates go on
        ├── Diverged         the loss is not finite
        └── LayerCollapse    a level would leave a layer without weights

Each message says what was given, where, what was expected and how to mend it. A bug in Winnow itself
shows as an ordinary exception with its traceback, never as one of these.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class WinnowError(Exception):
    """The base of everything Winnow raises on purpose."""


class RecipeError(WinnowError, ValueError):
    """A recipe, or a field of one, cannot mean anything."""


class UnknownName(RecipeError):
    """A name is not among the valid ones; the message lists them and suggests the nearest."""

    def __init__(self, what: str, name: str, valid: Iterable[str]) -> None:
        self.name = name
        self.valid = sorted(valid)
        nearest = difflib.get_close_matches(name, self.valid, n=1, cutoff=0.5)
        suggestion = f" Did you mean '{nearest[0]}'?" if nearest else ""
        super().__init__(f"unknown {what} '{name}'.{suggestion}\nValid: {', '.join(self.valid)}.")


class DataError(WinnowError):
    """A data set cannot be found, fetched or decoded, or is not what it claims to be."""


class MaskError(WinnowError):
    """A mask does not fit the network it is applied to."""


class TicketError(WinnowError):
    """A ticket file is not one, or does not fit the network it is applied to."""


class RewindError(WinnowError):
    """A rewind point of a user's own loop cannot be taken, stored or restored."""


class MissingExtra(WinnowError):
    """An optional dependency is not installed."""

    def __init__(self, package: str, extra: str, purpose: str) -> None:
        super().__init__(
            f"{purpose} needs the package '{package}', which is not installed.\n"
            f'Install it with: pip install "winnow-lth[{extra}]"'
        )


class StoreError(WinnowError):
    """The store cannot be read or written."""


class MissingResult(StoreError):
    """A result, or the part of it that was asked for, is not stored."""


class CorruptResult(StoreError):
    """A stored result fails its checksum, or part of it is missing."""


class StepFailure(WinnowError):
    """A step ended without a result, for a reason that will not go away by trying again.

    The executor records it, skips what depends on it, and goes on with the rest.
    """


class Diverged(StepFailure):
    """The loss became infinite or not a number."""


class LayerCollapse(StepFailure):
    """A level would leave a layer without weights, so no signal could pass."""
