"""What must be known of a network to tell its experiments from others: what settings have an effect on it."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

from winnow.course import Network
from winnow.given import noted
from winnow.models.normalization import has_batch_norm
from winnow.pruning.layers import kinds


@dataclass(frozen=True, kw_only=True)
class Facts:
    """The facts of one network."""

    kinds: tuple[str, ...]
    """The kinds of kernels that it has, in alphabetical order."""

    has_batch_norm: bool


def facts(network: Network) -> Facts:
    """The facts of a network; of one that was handed over and is not here, as they were noted when it was run.

    Raises RecipeError where it is not here and nothing was noted.
    """
    known = None if network.is_here else noted(network.place or network.name)
    if known is not None:
        with suppress(KeyError, TypeError):
            return Facts(kinds=tuple(known["kinds"]), has_batch_norm=bool(known["has_batch_norm"]))
    module = network.build()
    return Facts(kinds=tuple(sorted(kinds(module))), has_batch_norm=has_batch_norm(module))
