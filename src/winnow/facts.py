"""What must be known of a network to tell its experiments from others: what settings have an effect on it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from winnow.course import Network
from winnow.given import noted
from winnow.models import tied
from winnow.models.normalization import has_batch_norm
from winnow.pruning.layers import Layer, Use, prunable_layers, prunable_of, used
from winnow.recipe import Rates


@dataclass(frozen=True, kw_only=True)
class Facts:
    """The facts of one network."""

    kinds: tuple[str, ...]
    """The kinds of kernels that it has, in alphabetical order."""

    has_batch_norm: bool

    parameters: Mapping[str, Use] | None
    """Its parameters; None where that was noted by a Winnow that did not note them."""

    tied: Mapping[str, str] | None
    """The further names of shared tensors, with the first of each; None as above."""


def facts(network: Network) -> Facts:
    """The facts of a network; of one that was handed over and is not here, as they were noted when it was run.

    Raises RecipeError where it is not here and nothing was noted.
    """
    known = None if network.is_here else noted(network.place or network.name)
    if known is not None:
        with suppress(KeyError, TypeError, ValueError, AttributeError):
            return _read(known)
    module = network.build()
    parameters = used(module)
    return Facts(
        kinds=tuple(sorted({use.kind for use in parameters.values() if use.kind is not None})),
        has_batch_norm=has_batch_norm(module),
        parameters=parameters,
        tied=tied(module),
    )


def _read(known: Mapping[str, Any]) -> Facts:
    uses, shared = known.get("parameters"), known.get("tied")
    return Facts(
        kinds=tuple(known["kinds"]),
        has_batch_norm=bool(known["has_batch_norm"]),
        parameters=None if uses is None else {name: _use(use) for name, use in uses.items()},
        tied=None if shared is None else dict(shared),
    )


def _use(known: Mapping[str, Any]) -> Use:
    return Use(kind=known["kind"], shape=tuple(known["shape"]), is_frozen=known["is_frozen"], what=known["what"])


def parameters(network: Network) -> Mapping[str, Use]:
    """A network's parameters, wherever it is. Raises RecipeError where they are not known."""
    known = facts(network).parameters
    return used(network.build()) if known is None else known


def prunable(network: Network, rates: Rates, exclude: Sequence[str], include: Sequence[str]) -> dict[str, Layer]:
    """Those that can be pruned; of a network that is here, rates and patterns are checked too."""
    if network.is_here:
        return prunable_layers(network.build(), rates, exclude, include)
    return prunable_of(parameters(network), rates, exclude, include)


def further_names(network: Network) -> Mapping[str, str]:
    """The further names of tensors that a network shares, with the first of each."""
    known = facts(network).tied
    return tied(network.build()) if known is None else known
