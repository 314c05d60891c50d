"""Scores of the weights alone."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from winnow.pruning.context import Context
from winnow.pruning.scores import register_score


@register_score("magnitude")
def magnitude(context: Context) -> Mapping[str, Tensor]:
    """The absolute value of each weight. Source: LTH (arXiv 1803.03635), §1."""
    return {name: weight.abs() for name, weight in context.weights.items()}


@register_score("magnitude-change")
def magnitude_change(context: Context) -> Mapping[str, Tensor]:
    """How much each weight's absolute value has grown since iteration 0: |W_T| - |W_0|, below zero where it shrank.

    Source: "magnitude increase", Zhou et al. 2019 (arXiv 1905.01067), §2.
    """
    initial = context.initial_weights
    return {name: weight.abs() - initial[name].abs() for name, weight in context.weights.items()}


@register_score("movement")
def movement(context: Context) -> Mapping[str, Tensor]:
    """How far each weight has moved since iteration 0: |W_T - W_0|.

    Source: "movement", Zhou et al. 2019 (arXiv 1905.01067), §2.
    """
    initial = context.initial_weights
    return {name: (weight - initial[name]).abs() for name, weight in context.weights.items()}


@register_score("random")
def random(context: Context) -> Mapping[str, Tensor]:
    """Chance: each weight as likely to go as any other. Source: PAI (arXiv 2009.08576), §3."""
    return {name: torch.rand(weight.shape, generator=context.generator) for name, weight in context.weights.items()}
