"""Which part of every batch one process of several takes."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Shard:
    """Part number `part` of `parts`: every `parts`-th example, so that all parts together are the whole batch.

    >>> import torch
    >>> Shard(1, 2).of(torch.arange(6))
    tensor([1, 3, 5])
    """

    part: int = 0
    parts: int = 1

    def of(self, index: Tensor) -> Tensor:
        """This part of positions (..., examples)."""
        return index if self.parts == 1 else index[..., self.part :: self.parts]


WHOLE = Shard()
