"""Kernels that a module computes from other parameters whenever it is called, so that none could be held at zero."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn
from torch.nn.utils import parametrize


@dataclass(frozen=True)
class Computed:
    """By what a kernel is computed, and what makes it a parameter."""

    by: str
    remedy: str


def computed(module: nn.Module, name: str) -> Computed | None:
    """How a module computes its tensor of that name from others; None where it does not, as far as PyTorch's ways go.

    >>> from torch.nn.utils import parametrizations
    >>> computed(parametrizations.weight_norm(nn.Linear(2, 2)), "weight").by
    'torch.nn.utils.parametrize'
    """
    if parametrize.is_parametrized(module, name):
        by = "torch.nn.utils.parametrize"
        return Computed(by, f"{by}.remove_parametrizations(module, '{name}')")
    parameters, buffers = dict(module.named_parameters(recurse=False)), dict(module.named_buffers(recurse=False))
    if f"{name}_g" in parameters:
        return Computed("torch.nn.utils.weight_norm", "torch.nn.utils.remove_weight_norm(module)")
    if f"{name}_orig" not in parameters:
        return None
    if f"{name}_u" in buffers:
        return Computed("torch.nn.utils.spectral_norm", "torch.nn.utils.remove_spectral_norm(module)")
    return Computed("torch.nn.utils.prune", f"torch.nn.utils.prune.remove(module, '{name}')")
