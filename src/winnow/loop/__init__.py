"""Bring your own loop: masks, pruning rounds and rewind points for a training that Winnow does not run."""

from winnow.loop.masked import Masked, masked
from winnow.loop.order import DataOrder, RewindableLoader
from winnow.loop.point import RewindPoint, rewind, rewind_point
from winnow.loop.pruning import prune

__all__ = ["DataOrder", "Masked", "RewindPoint", "RewindableLoader", "masked", "prune", "rewind", "rewind_point"]
