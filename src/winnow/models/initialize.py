"""A network's starting values, all from one generator."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Literal, cast

import torch
from torch import Tensor, nn

from winnow.errors import RecipeError
from winnow.models.normalization import BATCH_NORM

Rule = Literal["glorot-normal", "kaiming-normal"]
"""How Winnow draws a network's kernels."""

Scheme = Literal[Rule, "own"]
"""By a rule, or as the network's own code initializes it."""

_NORMS = (BATCH_NORM, nn.LayerNorm, nn.GroupNorm, nn.RMSNorm)


def initialize(network: nn.Module, scheme: Rule, generator: torch.Generator) -> dict[str, Tensor]:
    """Fresh values for every parameter and buffer of a network, by their names in its state dict.

    Kernels, which are called `weight` and have two dimensions or more, are Gaussian: with variance
    2 / (fan_in + fan_out) (Glorot & Bengio 2010; the small networks of LTH, Fig. 2) or 2 / fan_in (He et al. 2015).
    Biases are zero, normalizations the identity; buffers that are not statistics of batch normalization are as they
    are. Of names that are tied to one tensor the first has the value. The network itself is not touched, and may lie on
    the meta device. Raises RecipeError for a parameter that no rule fits.
    """
    values: dict[str, Tensor] = {}
    saved, seen = network.state_dict(), set[int]()
    modules = cast("Iterator[tuple[str, nn.Module]]", network.named_modules())
    for module_name, module in modules:
        for name, parameter in module.named_parameters(recurse=False):
            path = f"{module_name}.{name}" if module_name else name
            if id(parameter) in seen:
                continue
            seen.add(id(parameter))
            if is_bias(name):
                values[path] = torch.zeros(parameter.shape)
            elif isinstance(module, _NORMS):
                values[path] = torch.ones(parameter.shape)
            elif parameter.ndim >= 2 and name.endswith("weight") and not isinstance(module, nn.Embedding):
                std = _standard_deviation(module, parameter, scheme)
                values[path] = torch.empty(parameter.shape).normal_(0.0, std, generator=generator)
            else:
                raise RecipeError(
                    f"no rule initializes '{path}' of shape {tuple(parameter.shape)} in a {type(module).__name__}.\n"
                    f'Let the network initialize itself: model.init = "own".'
                )
        for name, buffer in module.named_buffers(recurse=False):
            path = f"{module_name}.{name}" if module_name else name
            if path in saved and id(buffer) not in seen:
                seen.add(id(buffer))
                values[path] = _buffer(name, path, buffer)
    return values


def is_bias(name: str) -> bool:
    """Whether a parameter, by its name in its module, is a bias: `bias`, `in_proj_bias`, `bias_ih_l0`."""
    return name == "bias" or name.endswith("_bias") or name.startswith("bias_")


def _standard_deviation(module: nn.Module, kernel: Tensor, scheme: Rule) -> float:
    receptive_field = math.prod(kernel.shape[2:])
    fan_in, fan_out = kernel.shape[1] * receptive_field, kernel.shape[0] * receptive_field
    if type(module).__name__ == "Conv1D":  # the linear layer of transformers, which lies transposed
        fan_in, fan_out = fan_out, fan_in
    return math.sqrt(2 / (fan_in + fan_out)) if scheme == "glorot-normal" else math.sqrt(2 / fan_in)


def _buffer(name: str, path: str, buffer: Tensor) -> Tensor:
    if name in ("running_mean", "num_batches_tracked"):
        return torch.zeros(buffer.shape, dtype=buffer.dtype)
    if name == "running_var":
        return torch.ones(buffer.shape, dtype=buffer.dtype)
    if not buffer.is_meta:
        return buffer.detach().clone()
    raise RecipeError(f"no rule initializes the buffer '{path}' of shape {tuple(buffer.shape)}.")
