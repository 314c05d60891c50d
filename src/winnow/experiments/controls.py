"""Controls: what a ticket is compared with. A control is one function from a ticket's place to a training."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from winnow.errors import UnknownName
from winnow.steps import Init, Prune, Train


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a ticket stands: all that a control may be made from."""

    ticket: Train
    """The ticket's own training, from the rewind point to the end, under its mask."""

    mask: Prune
    init: Init
    """The replicate's initialization."""

    replicates: int = 1
    """How many replicates the experiment has."""


Control = Callable[[Place], Train]

_CONTROLS: dict[str, Control] = {}


def register_control(name: str) -> Callable[[Control], Control]:
    """Add a control under the name by which a recipe's `control` finds it."""

    def add(control: Control) -> Control:
        _CONTROLS[name] = control
        return control

    return add


def controls() -> dict[str, Control]:
    """The controls by name."""
    return dict(_CONTROLS)


def named_control(name: str) -> Control:
    """The control of that name; raises UnknownName with the valid ones."""
    if name not in _CONTROLS:
        raise UnknownName("control", name, _CONTROLS)
    return _CONTROLS[name]


@register_control("reinit")
def reinit(place: Place) -> Train:
    """The ticket's mask on weights drawn anew, trained from iteration 0 on the whole schedule.

    With a rewind point k > 0 it thus trains k iterations longer than the ticket. Each level draws its own
    weights. Source: LTH (arXiv 1803.03635), §2, "random reinitialization".
    """
    drawn_anew = replace(place.init, sample=place.mask.level)
    return replace(place.ticket, origin=drawn_anew, start=0, fresh_optimizer=False)
