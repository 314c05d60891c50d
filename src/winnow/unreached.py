"""Settings that training ends too early for: they mean nothing then, and are told rather than refused.

A recipe that is shortened to try it keeps its schedule, whose drops may come after the end.
"""

from __future__ import annotations

import logging
from functools import cache

from winnow.from_recipe import timeline
from winnow.recipe import Recipe

_log = logging.getLogger(__name__)


def unreached(recipe: Recipe) -> list[str]:
    """What of a recipe's settings training does not reach, a sentence each.

    >>> from winnow.recipes import read
    >>> unreached(read("digits").edited({"train.length": "10it"}))
    ['train.evaluate is 20it and training has 10it: it is evaluated where it starts and ends, and nowhere between.']
    """
    amounts = timeline(recipe)
    late = [drop for drop in amounts.drops if drop >= amounts.length]
    told: list[str] = []
    if late:
        listed = ", ".join(f"{drop}it" for drop in late)
        told.append(
            f"schedule.drops: {listed} {'come' if len(late) > 1 else 'comes'} when training has ended "
            f"({amounts.length}it), and the rate does not fall there."
        )
    if amounts.evaluate > amounts.length:
        told.append(
            f"train.evaluate is {amounts.evaluate}it and training has {amounts.length}it: it is evaluated where it "
            f"starts and ends, and nowhere between."
        )
    return told


def tell_unreached(recipe: Recipe) -> None:
    """Warn of each, once in a process."""
    for sentence in unreached(recipe):
        _warned(sentence)


@cache
def _warned(sentence: str) -> None:
    _log.warning("%s", sentence)
