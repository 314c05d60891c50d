"""Dead units: neurons and channels that a mask leaves without an incoming or without an outgoing weight."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.func import functional_call

from winnow.pruning.layers import CONVOLUTIONS
from winnow.pruning.mask import Mask


@dataclass(frozen=True)
class Units:
    """The units of one layer, one boolean for each."""

    incoming: Tensor
    """Which have a remaining weight from the layer before."""

    outgoing: Tensor
    """Which have a remaining weight to a layer that reads them. The network's outputs have one."""

    weights: int
    """How many weights remain in the layer."""

    @property
    def count(self) -> int:
        """How many units there are."""
        return len(self.incoming)

    @property
    def dead(self) -> int:
        """How many lack one or the other."""
        return int((~(self.incoming & self.outgoing)).sum())


def units(network: nn.Module, values: Mapping[str, Tensor], mask: Mask, shape: tuple[int, ...]) -> dict[str, Units]:
    """By kernel, the units that it computes. `values` are any values of the network, `shape` is of one example.

    Which layer reads which is found by asking the network itself, so shortcuts count. An example passes through it
    with kernels of 1 where weights remain and 0 where not, every layer's outputs set to 1 and cut from what came
    before: the gradient of the sum of all layers' outputs is then, at each unit, not zero just where a layer reads
    it. In a network with normalizations, these are at their start: they change nothing.
    """
    kernels = {
        f"{name}.weight".removeprefix("."): module
        for name, module in cast("Iterator[tuple[str, nn.Module]]", network.named_modules())
        if isinstance(module, (nn.Linear, CONVOLUTIONS))
    }
    names = {id(module): name for name, module in kernels.items()}
    cut: dict[str, Tensor] = {}
    sums: list[Tensor] = []

    def look(module: nn.Module, inputs: Any, output: Tensor) -> Tensor:
        sums.append(output.sum())
        cut[names[id(module)]] = ones = torch.ones_like(output).requires_grad_()
        return ones.clone()

    hooks = [module.register_forward_hook(look) for module in kernels.values()]
    was_training = network.training
    try:
        example = torch.ones(1, *shape, dtype=torch.float64)
        network.eval()  # a network's own may give nothing back
        logits = functional_call(network, _connections(network, values, mask), (example,))
        gradients = torch.autograd.grad(sum(sums, logits.sum()), list(cut.values()), materialize_grads=True)
    finally:
        network.train(was_training)
        for hook in hooks:
            hook.remove()
    found: dict[str, Units] = {}
    for (name, output), gradient in zip(cut.items(), gradients, strict=True):
        kept = mask.get(name)
        rows = torch.ones(kernels[name].get_parameter("weight").shape) if kept is None else kept
        rows = (rows.movedim(1, 0) if getattr(kernels[name], "transposed", False) else rows).flatten(1)
        axis = 1 if isinstance(kernels[name], CONVOLUTIONS) else output.ndim - 1
        others = [each for each in range(output.ndim) if each != axis]
        found[name] = Units(rows.any(1), gradient.abs().sum(others) > 0, int(rows.sum()))
    return found


def _connections(network: nn.Module, values: Mapping[str, Tensor], mask: Mask) -> dict[str, Tensor]:
    """The network's values with every kernel 1 where weights remain; biases 0, scales 1, buffers as they are."""
    connections = {name: value.double() if value.is_floating_point() else value for name, value in values.items()}
    for name, parameter in network.named_parameters():
        shape = tuple(parameter.shape)
        if name in mask:
            connections[name] = mask[name].double()
        else:
            connections[name] = torch.full(shape, 0.0 if name.endswith("bias") else 1.0, dtype=torch.float64)
    return connections
