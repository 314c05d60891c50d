"""The optimizers: buffers and gradients of all parameters -> an update in place.

Each works on lists of tensors at once, whatever their shapes, so lanes in front are trained independently.
A pruned weight whose value, buffers and gradient are zero stays at zero under each of them: every update is a
multiple of the buffers, and weight decay a multiple of the value. The loop therefore masks gradients alone.
"""
# PyTorch documents its foreach functions under these names.
# pyright: reportPrivateUsage=false, reportPrivateImportUsage=false

from __future__ import annotations

import math
from typing import Protocol

import torch
from torch import Tensor

from winnow.course import Updates
from winnow.errors import UnknownName


class Optimizer(Protocol):
    """An optimizer: the names of its buffers, and the update."""

    @property
    def slots(self) -> tuple[str, ...]:
        """The buffers it keeps for each parameter, all zero at first."""
        ...

    def update_(
        self, parameters: list[Tensor], gradients: list[Tensor], slots: dict[str, list[Tensor]], rate: float, age: int
    ) -> None:
        """Change `parameters` and `slots` in place, using up `gradients`; `age` counts the updates before this one."""
        ...


class SGD:
    """Stochastic gradient descent with heavy-ball momentum: b <- mu b + g, w <- w - rate b."""

    def __init__(self, updates: Updates) -> None:
        self.momentum, self.weight_decay = updates.momentum, updates.weight_decay
        self.slots = ("momentum",) if updates.momentum else ()

    def update_(
        self, parameters: list[Tensor], gradients: list[Tensor], slots: dict[str, list[Tensor]], rate: float, age: int
    ) -> None:
        """w <- w - rate (mu b + g + decay w)."""
        if self.weight_decay:
            torch._foreach_add_(gradients, parameters, alpha=self.weight_decay)
        if self.slots:
            torch._foreach_mul_(slots["momentum"], self.momentum)
            torch._foreach_add_(slots["momentum"], gradients)
            gradients = slots["momentum"]
        torch._foreach_add_(parameters, gradients, alpha=-rate)


class Adam:
    """Adam with bias correction. Source: Kingma & Ba 2015 (arXiv 1412.6980), Algorithm 1."""

    slots = ("mean", "square")

    def __init__(self, updates: Updates) -> None:
        self.beta1, self.beta2 = updates.beta1, updates.beta2
        self.epsilon, self.weight_decay = updates.epsilon, updates.weight_decay

    def update_(
        self, parameters: list[Tensor], gradients: list[Tensor], slots: dict[str, list[Tensor]], rate: float, age: int
    ) -> None:
        """w <- w - rate m̂ / (√v̂ + ε), with m and v the running means of g and g²."""
        if self.weight_decay:
            torch._foreach_add_(gradients, parameters, alpha=self.weight_decay)
        mean, square = slots["mean"], slots["square"]
        torch._foreach_lerp_(mean, gradients, 1 - self.beta1)
        torch._foreach_mul_(square, self.beta2)
        torch._foreach_addcmul_(square, gradients, gradients, 1 - self.beta2)
        correction1, correction2 = 1 - self.beta1 ** (age + 1), 1 - self.beta2 ** (age + 1)
        denominator = torch._foreach_sqrt(square)
        torch._foreach_div_(denominator, math.sqrt(correction2))
        torch._foreach_add_(denominator, self.epsilon)
        torch._foreach_addcdiv_(parameters, mean, denominator, -rate / correction1)


_OPTIMIZERS: dict[str, type[SGD] | type[Adam]] = {"sgd": SGD, "adam": Adam}


def optimizer(updates: Updates) -> Optimizer:
    """The optimizer that a course of training names."""
    if updates.optimizer not in _OPTIMIZERS:
        raise UnknownName("optimizer", updates.optimizer, _OPTIMIZERS)
    return _OPTIMIZERS[updates.optimizer](updates)
