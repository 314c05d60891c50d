"""Winnow finds, verifies and ships winning lottery tickets.

>>> import winnow
>>> recipe = winnow.read("lenet-mnist")
>>> recipe.optimizer.learning_rate
0.0012
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from winnow.errors import WinnowError
    from winnow.execution.run import Run, run
    from winnow.experiments import register_control
    from winnow.loop import DataOrder, Masked, RewindableLoader, RewindPoint, masked, prune, rewind, rewind_point
    from winnow.models import register
    from winnow.pruning import Mask, register_score
    from winnow.recipe import Recipe
    from winnow.recipes import names, read
    from winnow.store import Store
    from winnow.ticket import Ticket

__all__ = [
    "DataOrder",
    "Mask",
    "Masked",
    "Recipe",
    "RewindPoint",
    "RewindableLoader",
    "Run",
    "Store",
    "Ticket",
    "WinnowError",
    "masked",
    "names",
    "prune",
    "read",
    "register",
    "register_control",
    "register_score",
    "rewind",
    "rewind_point",
    "run",
]

_HOMES = {
    "DataOrder": "winnow.loop",
    "Mask": "winnow.pruning",
    "Masked": "winnow.loop",
    "Recipe": "winnow.recipe",
    "RewindPoint": "winnow.loop",
    "RewindableLoader": "winnow.loop",
    "Run": "winnow.execution.run",
    "Store": "winnow.store",
    "Ticket": "winnow.ticket",
    "WinnowError": "winnow.errors",
    "masked": "winnow.loop",
    "names": "winnow.recipes",
    "prune": "winnow.loop",
    "read": "winnow.recipes",
    "register": "winnow.models",
    "register_control": "winnow.experiments",
    "register_score": "winnow.pruning",
    "rewind": "winnow.loop",
    "rewind_point": "winnow.loop",
    "run": "winnow.execution.run",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used: `winnow list` need not wait for PyTorch."""
    if name not in _HOMES:
        raise AttributeError(f"module 'winnow' has no attribute '{name}'")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
