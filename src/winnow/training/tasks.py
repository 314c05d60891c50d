"""Tasks: what a network's outputs are held against, as a loss to train by and a score to tell.

An engine computes outputs; a task makes numbers of them, one for each example, so that engines may batch lanes and
average as they like.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol, cast

import torch.nn.functional as F
from torch import Tensor

from winnow.errors import RecipeError


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

    A network with an auxiliary classifier gives the logits of both in training, as a tuple.

    >>> import torch
    >>> Classification().scores(torch.tensor([[2.0, 1.0], [0.0, 3.0]]), torch.tensor([0, 0]))
    tensor([1., 0.])
    """

    smoothing: float = 0.0
    """How much of each target is spread evenly over all classes, in `each` alone (Szegedy et al. 2016, arXiv
    1512.00567, §7)."""

    auxiliary: float | None = None
    """What the auxiliary classifier's loss counts, in `each` alone. None where the network has no such classifier."""

    def each(self, outputs: Any, targets: Tensor) -> Tensor:
        """See Task. Raises RecipeError where `auxiliary` does not fit the outputs."""
        if isinstance(outputs, tuple) != (self.auxiliary is not None):
            raise RecipeError(_misfit(self.auxiliary))
        if self.auxiliary is None:
            return F.cross_entropy(cast(Tensor, outputs), targets, reduction="none", label_smoothing=self.smoothing)
        whole, side = (
            F.cross_entropy(logits, targets, reduction="none", label_smoothing=self.smoothing)
            for logits in cast("tuple[Tensor, Tensor]", outputs)
        )
        return whole + self.auxiliary * side

    def losses(self, outputs: Any, targets: Tensor) -> Tensor:
        """See Task."""
        return F.cross_entropy(cast(Tensor, outputs), targets, reduction="none")

    def scores(self, outputs: Any, targets: Tensor) -> Tensor:
        """See Task. The first of equals is the prediction, as in `argmax`, which takes ten times as long on a CPU."""
        return (outputs.max(1).indices == targets).float()


def _misfit(auxiliary: float | None) -> str:
    if auxiliary is None:
        return (
            "the network has an auxiliary classifier, which train.auxiliary gives no weight.\n"
            "Give one, such as train.auxiliary = 0.4."
        )
    return f"train.auxiliary is {auxiliary:g}, and the network has no auxiliary classifier. Leave it out."
