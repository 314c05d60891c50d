"""Matrix products by the faster of the libraries that PyTorch brings along.

On a CPU `torch.mm` goes to MKL, which leaves half of some processors unused: benchmarks/products.py sees oneDNN
multiply float32 matrices twice as fast on an AMD processor with AVX-512. PyTorch reaches oneDNN through the operator
behind its own fused linear layers, which computes the same product. One that is small, of another type, or elsewhere
stays with `torch.mm`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import torch
from torch import Tensor

_LARGE = 1_500_000
"""Multiplications from which on one call for each lane is faster than one call for all."""

_linear = cast(
    Callable[..., Tensor] | None,
    getattr(torch.ops.mkldnn, "_linear_pointwise", None) if torch.backends.mkldnn.is_available() else None,
)


def product(left: Tensor, right: Tensor) -> Tensor:
    """(rows, inner) times (inner, columns).

    >>> product(torch.tensor([[1.0, 2.0]]), torch.tensor([[3.0], [4.0]]))
    tensor([[11.]])
    """
    if _linear is not None and _is_large(left, right):
        return _linear(left, right.mT, None, "none", [], "")
    return left @ right


def products(left: Tensor, right: Tensor) -> Tensor:
    """The same for every lane: (lanes, rows, inner) times (lanes, inner, columns)."""
    if _linear is not None and _is_large(left, right):
        return torch.stack([product(one, other) for one, other in zip(left, right, strict=True)])
    return torch.bmm(left, right)


def masked_products(left: Tensor, right: Tensor, mask: Tensor, out: Tensor) -> Tensor:
    """`products` times a mask of their shape, into `out`, in one pass over memory for both."""
    if _linear is None or not _is_large(left, right):
        return torch.bmm(left, right, out=out).mul_(mask)
    for lane, (one, other) in enumerate(zip(left, right, strict=True)):
        torch.mul(product(one, other), mask[lane], out=out[lane])
    return out


def _is_large(left: Tensor, right: Tensor) -> bool:
    """Whether one lane's product is large enough, and of the type that oneDNN multiplies faster."""
    multiplications = left.shape[-2] * left.shape[-1] * right.shape[-1]
    return multiplications >= _LARGE and left.dtype == torch.float32 and left.device.type == "cpu"
