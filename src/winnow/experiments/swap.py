"""The swap test: whether a mask serves the weights of another replicate."""

from __future__ import annotations

import dataclasses
from functools import lru_cache
from typing import TypeVar, cast

from winnow.course import Noise
from winnow.errors import RecipeError
from winnow.experiments.controls import Place, register_control
from winnow.steps import Step, Train

_Step = TypeVar("_Step", bound=Step)


@register_control("swap", of_several=True, on_whole=True)
def swap(place: Place) -> Train:
    """The mask of another replicate on this replicate's W_k, trained as the ticket is.

    A mask found from one initialization meets the weights of another. If it trains as well as the ticket, masks
    transfer; if only as well as a random mask, a mask and its initialization belong together. Replicate 0 takes the
    mask of replicate 1, every other that of the one before it, so that more replicates change no swap. Raises
    RecipeError where there is but one replicate.
    """
    if place.replicates < 2:
        raise RecipeError(
            "the control 'swap' takes the mask of another replicate, and replicates is 1. Give at least 2."
        )
    other = 1 if place.init.replicate == 0 else place.init.replicate - 1
    return dataclasses.replace(place.ticket, mask=of_replicate(place.mask, other))


def of_replicate(step: _Step, replicate: int) -> _Step:
    """What a step is in another replicate: the same, with that replicate's initialization and noise behind it.

    >>> from winnow.experiments import imp
    >>> from winnow.recipes import read
    >>> first, second = (row.trained for row in imp(read("digits").edited({"levels": 1})).rows[:2])
    >>> of_replicate(first, 1) == second
    True
    """
    return cast(_Step, _moved(step, replicate))


@lru_cache(maxsize=8192)  # each level is made from the one before it, so that a run needs each step once
def _moved(step: Step, replicate: int) -> Step:
    changes: dict[str, object] = {}
    for field in dataclasses.fields(step):
        value = getattr(step, field.name)
        if isinstance(value, Step):
            changes[field.name] = _moved(value, replicate)
        elif isinstance(value, Noise):
            changes[field.name] = dataclasses.replace(value, replicate=replicate)
        elif field.name == "replicate":
            changes[field.name] = replicate
    return dataclasses.replace(step, **changes)
