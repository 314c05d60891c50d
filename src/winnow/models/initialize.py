"""A network's starting values, all from one generator."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Literal, cast

import torch
from torch import Tensor, nn

from winnow.errors import RecipeError

Scheme = Literal["glorot-normal", "kaiming-normal"]

_NORMS = (nn.modules.batchnorm._BatchNorm, nn.LayerNorm, nn.GroupNorm)  # pyright: ignore[reportPrivateUsage]


def initialize(network: nn.Module, scheme: Scheme, generator: torch.Generator) -> dict[str, Tensor]:
    """Fresh values for every parameter and buffer of a network, by their names in its state dict.

    Kernels are Gaussian: with variance 2 / (fan_in + fan_out) (Glorot & Bengio 2010; the small networks of LTH,
    Fig. 2) or 2 / fan_in (He et al. 2015). Biases are zero, normalizations the identity. The network itself is
    not touched, and may lie on the meta device.
    """
    values: dict[str, Tensor] = {}
    persistent = set(network.state_dict())
    modules = cast("Iterator[tuple[str, nn.Module]]", network.named_modules())
    for module_name, module in modules:
        for name, parameter in module.named_parameters(recurse=False):
            path = f"{module_name}.{name}" if module_name else name
            if name == "bias":
                values[path] = torch.zeros(parameter.shape)
            elif isinstance(module, _NORMS):
                values[path] = torch.ones(parameter.shape)
            elif parameter.ndim >= 2:
                std = _standard_deviation(parameter, scheme)
                values[path] = torch.empty(parameter.shape).normal_(0.0, std, generator=generator)
            else:
                raise RecipeError(
                    f"no rule initializes '{path}' of shape {tuple(parameter.shape)} in a {type(module).__name__}."
                )
        for name, buffer in module.named_buffers(recurse=False):
            path = f"{module_name}.{name}" if module_name else name
            if path in persistent:
                values[path] = _buffer(name, path, buffer)
    return values


def _standard_deviation(kernel: Tensor, scheme: Scheme) -> float:
    receptive_field = math.prod(kernel.shape[2:])
    fan_in, fan_out = kernel.shape[1] * receptive_field, kernel.shape[0] * receptive_field
    return math.sqrt(2 / (fan_in + fan_out)) if scheme == "glorot-normal" else math.sqrt(2 / fan_in)


def _buffer(name: str, path: str, buffer: Tensor) -> Tensor:
    if name in ("running_mean", "num_batches_tracked"):
        return torch.zeros(buffer.shape, dtype=buffer.dtype)
    if name == "running_var":
        return torch.ones(buffer.shape, dtype=buffer.dtype)
    raise RecipeError(f"no rule initializes the buffer '{path}' of shape {tuple(buffer.shape)}.")
