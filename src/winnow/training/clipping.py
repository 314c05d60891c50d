"""Clipping: a gradient that is too long is scaled, as a whole."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor


def clipped(gradients: Sequence[Tensor], greatest: float) -> list[Tensor]:
    """The gradients, each (lanes, *shape), with every lane's L2 norm over all of them at most `greatest`.

    A lane's longer gradient is scaled to that norm, in its direction; a shorter one stays as it is, to the bit. Norms
    are taken in float64, where the squares of any float32 are finite, and nothing waits for the device. A lane whose
    gradient is not finite becomes NaN somewhere, and its training is found to have diverged.

    Source: Pascanu et al. 2013 (arXiv 1211.5063), Algorithm 1.

    >>> clipped([torch.tensor([[3.0], [0.3]]), torch.tensor([[4.0], [0.4]])], 1.0)
    [tensor([[0.6000],
            [0.3000]]), tensor([[0.8000],
            [0.4000]])]
    """
    lanes = len(gradients[0])
    if any(len(gradient) != lanes for gradient in gradients):
        raise ValueError("clipping needs every gradient with its lanes in front; this engine packs lanes together")
    norm = _norms(torch.stack([_norms(gradient.reshape(lanes, -1)) for gradient in gradients], dim=1))  # (lanes,)
    scale = greatest / norm.clamp(min=greatest)
    return [gradient * scale.to(gradient.dtype).view(lanes, *[1] * (gradient.ndim - 1)) for gradient in gradients]


def _norms(rows: Tensor) -> Tensor:
    """The L2 norm of each row, in float64: (rows, columns) -> (rows,)."""
    return cast(Tensor, torch.linalg.vector_norm(rows, dim=1, dtype=torch.float64))
