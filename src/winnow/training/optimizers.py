"""The optimizers: buffers and gradients of all parameters -> an update in place.

Each works on lists of tensors at once, whatever their shapes, so lanes in front are trained independently.
A pruned weight whose value, buffers and gradient are zero stays at zero under each of them: every update is a
multiple of the buffers, and weight decay a multiple of the value. The loop therefore masks gradients alone.
"""
# The kernels behind torch.optim's `fused=True`, which has no way to take a rate and buffers from outside.
# pyright: reportPrivateUsage=false, reportPrivateImportUsage=false

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace
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
    """Stochastic gradient descent with heavy-ball momentum: b <- mu b + g, w <- w - rate b.

    With `nesterov` the momentum looks ahead: w <- w - rate (g + mu b), with b as it is after its own update. Source:
    Sutskever et al. 2013 (Proceedings of ICML 28), §2, in the form that takes the gradient where the weights are.
    """

    def __init__(self, updates: Updates) -> None:
        self.momentum, self.weight_decay = updates.momentum, updates.weight_decay
        self.is_nesterov = updates.nesterov is True
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
            nesterov=self.is_nesterov,
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


class RMSprop:
    """The gradient over the root of its running mean square, with momentum where there is any.

    v <- s v + (1 - s) g², then w <- w - rate g / (√v + ε). With momentum b <- mu b + g / (√v + ε), w <- w - rate b.

    There are two RMSprops: in PyTorch's, ε is added after the root; in TensorFlow's, before it, and v starts at one.
    This is PyTorch's, for two reasons: v starts at zero, which a pruned weight's must stay; and ε means what it means
    in Adam. Where v is far above ε they are the same. Source: Tieleman & Hinton 2012 (Neural Networks for Machine
    Learning, lecture 6.5).
    """

    def __init__(self, updates: Updates) -> None:
        assert updates.smoothing is not None, "a course of RMSprop has a smoothing"
        self.smoothing, self.epsilon = updates.smoothing, updates.epsilon
        self.momentum, self.weight_decay = updates.momentum, updates.weight_decay
        self.slots = ("square", "momentum") if updates.momentum else ("square",)

    def update_(
        self, parameters: list[Tensor], gradients: list[Tensor], slots: dict[str, list[Tensor]], rate: float, age: int
    ) -> None:
        """v <- s v + (1 - s) (g + decay w)², and the step that it divides."""
        if self.weight_decay:
            gradients = list(torch._foreach_add(gradients, parameters, alpha=self.weight_decay))
        torch._foreach_mul_(slots["square"], self.smoothing)
        torch._foreach_addcmul_(slots["square"], gradients, gradients, value=1 - self.smoothing)
        roots = list(torch._foreach_sqrt(slots["square"]))
        torch._foreach_add_(roots, self.epsilon)
        if not self.momentum:
            torch._foreach_addcdiv_(parameters, gradients, roots, value=-rate)
            return
        torch._foreach_mul_(slots["momentum"], self.momentum)
        torch._foreach_addcdiv_(slots["momentum"], gradients, roots)
        torch._foreach_add_(parameters, slots["momentum"], alpha=-rate)


class Exempting:
    """An optimizer with weight decay for most parameters, and the same without it for those at some positions."""

    def __init__(self, decayed: Optimizer, left_alone: Optimizer, exempt: Collection[int]) -> None:
        self.slots = decayed.slots
        self._groups = ((decayed, False), (left_alone, True))
        self._exempt = frozenset(exempt)

    def update_(
        self, parameters: list[Tensor], gradients: list[Tensor], slots: dict[str, list[Tensor]], rate: float, age: int
    ) -> None:
        """One group after the other; parameters share nothing, so the order does not matter."""
        for inner, is_exempt in self._groups:
            group = [position for position in range(len(parameters)) if (position in self._exempt) == is_exempt]
            inner.update_(
                [parameters[position] for position in group],
                [gradients[position] for position in group],
                {slot: [tensors[position] for position in group] for slot, tensors in slots.items()},
                rate,
                age,
            )


def _contiguous(gradients: list[Tensor]) -> list[Tensor]:
    """The fused kernels walk memory, and take a gradient in channels-last order for another one, silently."""
    return [gradient.contiguous() for gradient in gradients]


_OPTIMIZERS: dict[str, Callable[[Updates], Optimizer]] = {"sgd": SGD, "adam": Adam, "rmsprop": RMSprop}


def optimizer(updates: Updates, exempt: Collection[int] | None = None) -> Optimizer:
    """The optimizer that a course of training names.

    Weight decay leaves the parameters at the positions `exempt` alone; they must be given where the course has some
    (winnow.training.decay finds them). The buffers' names alone need no positions: `slot_names`.
    """
    if not updates.no_decay:
        return _made(updates)
    if not exempt:
        raise ValueError(f"weight decay leaves out {updates.no_decay}: say at which positions these parameters are")
    return Exempting(_made(updates), _made(replace(updates, weight_decay=0.0)), exempt)


def slot_names(updates: Updates) -> tuple[str, ...]:
    """The names of the buffers that the course's optimizer keeps for each parameter."""
    return _made(updates).slots


def _made(updates: Updates) -> Optimizer:
    if updates.optimizer not in _OPTIMIZERS:
        raise UnknownName("optimizer", updates.optimizer, _OPTIMIZERS)
    return _OPTIMIZERS[updates.optimizer](updates)
