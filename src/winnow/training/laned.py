"""Linear layers of many lanes as one batched product, with gradients laid out as the optimizer reads them.

PyTorch's own rule for `F.linear` under vmap gives the weights' gradients transposed; the optimizer and the mask
then pay for strided reads and copies. These few lines compute each gradient the other way round instead.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode


class LanedLinear(TorchFunctionMode):
    """Within this mode, `F.linear` under vmap is one batched product over the lanes."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        if func is F.linear and not kwargs and len(args) == 3 and args[2] is not None:
            device = args[0].device.type
            if torch.is_autocast_enabled(device):  # it stops at custom functions
                args = [tensor.to(torch.get_autocast_dtype(device)) for tensor in args]
            return cast(Tensor, _Linear.apply(*args))
        return func(*args, **(kwargs or {}))


class _Linear(torch.autograd.Function):
    """`F.linear` for one lane; vmap sends it to `_Laned` for all."""

    @staticmethod
    def forward(inputs: Tensor, weight: Tensor, bias: Tensor) -> Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
        return F.linear(inputs, weight, bias)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
        ctx.save_for_backward(inputs[0], inputs[1])

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        inputs, weight = ctx.saved_tensors
        flat = grad_outputs[0].flatten(0, -2)
        return grad_outputs[0] @ weight, flat.mT @ inputs.flatten(0, -2), flat.sum(0)

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int | None, ...], *arguments: Tensor) -> tuple[Tensor, int]:
        lanes = [
            tensor.expand(info.batch_size, *tensor.shape) if dim is None else tensor.movedim(dim, 0)
            for tensor, dim in zip(arguments, in_dims, strict=True)
        ]
        inputs, weight, bias = lanes
        outputs = cast(Tensor, _Laned.apply(inputs.flatten(1, -2), weight, bias))  # (lanes, examples, out)
        return outputs.view(*inputs.shape[:-1], -1), 0


class _Laned(torch.autograd.Function):
    """All lanes' linear layers: inputs (lanes, examples, in), weight (lanes, out, in), bias (lanes, out)."""

    @staticmethod
    def forward(ctx: Any, inputs: Tensor, weight: Tensor, bias: Tensor) -> Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx.save_for_backward(inputs, weight)
        return torch.baddbmm(bias.unsqueeze(1), inputs, weight.mT)  # (lanes, examples, out)

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor | None, Tensor, Tensor]:
        inputs, weight = ctx.saved_tensors
        gradient = grad_outputs[0]
        of_inputs = torch.bmm(gradient, weight) if ctx.needs_input_grad[0] else None
        return of_inputs, torch.bmm(gradient.mT, inputs), gradient.sum(1)
