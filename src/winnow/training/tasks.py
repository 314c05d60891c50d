"""Tasks: what a network's outputs are held against, as a loss to train by and a score to tell.

An engine computes outputs; a task makes numbers of them, one for each example, so that engines may batch lanes and
average as they like.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol, cast

import torch.nn.functional as F
from torch import Tensor


class Task(Protocol):
    """Losses and scores of examples, from a network's outputs for them and their targets.

    Outputs are what the network gives, with the examples in front: a tensor (examples, ...), or a tuple of such.
    """

    def each(self, outputs: Any, targets: Tensor) -> Tensor:
        """The loss that training lowers, of each example: (examples,), differentiable."""
        ...

    def losses(self, outputs: Any, targets: Tensor) -> Tensor:
        """The loss that evaluation tells, of each example: (examples,)."""
        ...

    def scores(self, outputs: Any, targets: Tensor) -> Tensor:
        """How right each example is, (examples,): the mean over a split is its accuracy, 1 where all is right."""
        ...


@dataclass(frozen=True)
class Classification:
    """One class for each example: cross-entropy in nats, and the fraction of right predictions.

    >>> import torch
    >>> Classification().scores(torch.tensor([[2.0, 1.0], [0.0, 3.0]]), torch.tensor([0, 0]))
    tensor([1., 0.])
    """

    def each(self, outputs: Any, targets: Tensor) -> Tensor:
        """See Task."""
        return F.cross_entropy(cast(Tensor, outputs), targets, reduction="none")

    def losses(self, outputs: Any, targets: Tensor) -> Tensor:
        """See Task."""
        return self.each(outputs, targets)

    def scores(self, outputs: Any, targets: Tensor) -> Tensor:
        """See Task."""
        return (outputs.argmax(1) == targets).float()
