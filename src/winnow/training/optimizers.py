"""The optimizers: buffers and gradients of all parameters -> an update in place.

Each works on lists of tensors at once, whatever their shapes, so lanes in front are trained independently.
A pruned weight whose value, buffers and gradient are zero stays at zero under each of them: every update is a
multiple of the buffers, and weight decay a multiple of the value. The loop therefore masks gradients alone.
"""
# The kernels behind torch.optim's `fused=True`, which has no way to take a rate and buffers from outside.
# pyright: reportPrivateUsage=false, reportPrivateImportUsage=false

from __future__ import annotations

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
        """w <- w - rate (mu b + g + decay w), in one pass over memory."""
        torch._fused_sgd_(
            parameters,
            _contiguous(gradients),
            slots.get("momentum", []),
            weight_decay=self.weight_decay,
            momentum=self.momentum,
            lr=rate,
            dampening=0.0,
            nesterov=False,
            maximize=False,
            is_first_step=False,
        )


class Adam:
    """Adam with bias correction. Source: Kingma & Ba 2015 (arXiv 1412.6980), Algorithm 1."""

    slots = ("mean", "square")

    def __init__(self, updates: Updates) -> None:
        self.beta1, self.beta2 = updates.beta1, updates.beta2
        self.epsilon, self.weight_decay = updates.epsilon, updates.weight_decay
        self._step = torch.zeros(())

    def update_(
        self, parameters: list[Tensor], gradients: list[Tensor], slots: dict[str, list[Tensor]], rate: float, age: int
    ) -> None:
        """w <- w - rate m̂ / (√v̂ + ε), with m and v the running means of g and g², in one pass over memory."""
        self._step = self._step.to(parameters[0].device).fill_(age + 1)
        torch._fused_adam_(
            parameters,
            _contiguous(gradients),
            slots["mean"],
            slots["square"],
            [],
            [self._step] * len(parameters),
            lr=rate,
            beta1=self.beta1,
            beta2=self.beta2,
            weight_decay=self.weight_decay,
            eps=self.epsilon,
            amsgrad=False,
            maximize=False,
        )


def _contiguous(gradients: list[Tensor]) -> list[Tensor]:
    """The fused kernels walk memory, and take a gradient in channels-last order for another one, silently."""
    return [gradient.contiguous() for gradient in gradients]


_OPTIMIZERS: dict[str, type[SGD] | type[Adam]] = {"sgd": SGD, "adam": Adam}


def optimizer(updates: Updates) -> Optimizer:
    """The optimizer that a course of training names."""
    if updates.optimizer not in _OPTIMIZERS:
        raise UnknownName("optimizer", updates.optimizer, _OPTIMIZERS)
    return _OPTIMIZERS[updates.optimizer](updates)
