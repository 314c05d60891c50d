"""Which modules normalize, and which of them over a batch."""

from __future__ import annotations

from torch import nn

BATCH_NORM = nn.modules.batchnorm._BatchNorm  # pyright: ignore[reportPrivateUsage]

_NORMS = (nn.modules.batchnorm._NormBase, nn.LayerNorm, nn.GroupNorm, nn.RMSNorm)  # pyright: ignore[reportPrivateUsage]


def is_normalization(module: nn.Module) -> bool:
    """Whether a module is one of PyTorch's normalizations, or its class has "norm" in its name.

    >>> is_normalization(nn.LayerNorm(2)), is_normalization(nn.Linear(2, 2))
    (True, False)
    """
    return isinstance(module, _NORMS) or "norm" in type(module).__name__.lower()


def has_batch_norm(network: nn.Module) -> bool:
    """Whether examples of a batch depend on each other through its statistics.

    >>> has_batch_norm(nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2)))
    True
    """
    return any(isinstance(module, BATCH_NORM) for module in network.modules())
