"""Matrix products by the faster of the libraries that PyTorch brings along.

On a CPU `torch.mm` goes to MKL, which is Intel's and leaves half of an AMD processor with AVX-512 unused: there oneDNN
multiplies float32 matrices twice as fast, and on Intel's own processors no faster (benchmarks/products.py). PyTorch
reaches oneDNN through the operator behind its own fused linear layers, which computes the same product. One that is
small, of another type, or elsewhere stays with `torch.mm`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import torch
from torch import Tensor

from winnow.training.processor import processor

_LARGE = 1_500_000
"""Multiplications from which on one call for all lanes is not the fastest."""

_linear = cast(
    Callable[..., Tensor] | None,
    getattr(torch.ops.mkldnn, "_linear_pointwise", None)
    if processor().is_amd and torch.backends.mkldnn.is_available()
    else None,
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
    if not _is_large(left, right):
        return torch.bmm(left, right)
    if _linear is not None:
        return torch.stack([product(one, other) for one, other in zip(left, right, strict=True)])
    threads = torch.get_num_threads()
    if len(left) % threads == 0:
        return torch.bmm(left, right)
    out = left.new_empty(len(left), left.shape[1], right.shape[2])
    even = len(left) // threads * threads
    for lanes in _in_turn(len(left), max(even, 1)):
        _multiply(left[lanes], right[lanes], out[lanes])
    return out


def masked_products(left: Tensor, right: Tensor, mask: Tensor, out: Tensor) -> Tensor:
    """`products` times a mask of their shape, into `out`, masked while it is in the cache."""
    if not _is_large(left, right):
        return torch.bmm(left, right, out=out).mul_(mask)
    if _linear is not None:
        for lane, (one, other) in enumerate(zip(left, right, strict=True)):
            torch.mul(product(one, other), mask[lane], out=out[lane])
        return out
    for lanes in _in_turn(len(out), torch.get_num_threads()):
        _multiply(left[lanes], right[lanes], out[lanes]).mul_(mask[lanes])
    return out


def _in_turn(lanes: int, size: int) -> list[slice]:
    """The lanes in groups of a size; those that make no whole group one by one."""
    even = lanes // size * size
    return [slice(at, at + size) for at in range(0, even, size)] + [slice(at, at + 1) for at in range(even, lanes)]


def _multiply(left: Tensor, right: Tensor, out: Tensor) -> Tensor:
    """The products of a group of lanes, into `out`; a single lane's rows are divided among the threads.

    MKL gives each thread whole matrices of a batch, and divides a single one worse than we do (benchmarks/products.py).
    `baddbmm_` with `beta=0` writes over what is there; `bmm` with `out=` would make a copy first.
    """
    threads = torch.get_num_threads()
    if len(out) > 1 or out.shape[1] % threads:
        return out.baddbmm_(left, right, beta=0)
    _by_rows(out, threads).baddbmm_(_by_rows(left, threads), right.expand(threads, -1, -1), beta=0)
    return out


def _by_rows(matrix: Tensor, parts: int) -> Tensor:
    """A view of a single matrix (1, rows, columns) as parts of its rows, (parts, rows / parts, columns)."""
    return matrix[0].unfold(0, matrix.shape[1] // parts, matrix.shape[1] // parts).mT


def _is_large(left: Tensor, right: Tensor) -> bool:
    """Whether one lane's product is large enough, and of the type that is multiplied so."""
    multiplications = left.shape[-2] * left.shape[-1] * right.shape[-1]
    return multiplications >= _LARGE and left.dtype == torch.float32 and left.device.type == "cpu"
