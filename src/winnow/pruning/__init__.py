"""Masks, and how they are made: which layers are prunable, what ranks their weights, how many go."""

from winnow.pruning import gradients, magnitudes  # which register their scores
from winnow.pruning.context import Context
from winnow.pruning.granularity import kept_weights
from winnow.pruning.layers import Layer, prunable_layers
from winnow.pruning.mask import Mask
from winnow.pruning.prune import prune
from winnow.pruning.scores import register_score, scores
from winnow.pruning.selection import keep_largest

__all__ = [
    "Context",
    "Layer",
    "Mask",
    "gradients",
    "keep_largest",
    "kept_weights",
    "magnitudes",
    "prunable_layers",
    "prune",
    "register_score",
    "scores",
]
