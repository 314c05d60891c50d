"""Dead units: neurons and channels that a mask leaves without an incoming or without an outgoing weight."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.utils.hooks import RemovableHandle

from winnow.models.initialize import is_bias
from winnow.models.normalization import is_normalization
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


def units(network: nn.Module, values: Mapping[str, Tensor], mask: Mask, example: Tensor) -> dict[str, Units]:
    """By kernel, the units that it computes. `values` are any values of the network, `example` is a batch of one.

    Which layer reads which is found by asking the network itself, so shortcuts count. An example passes through it
    with kernels above 0 where weights remain and 0 where not, every layer's outputs set anew, above 0 too, and cut from
    what came before: the gradient of the sum of all layers' outputs is then, at each unit, not zero just where a layer
    reads it. Numbers are drawn, since some functions, such as attention, are flat where all are equal; units that seem
    unread are looked at again with others. Normalizations hand on what they get: their statistics read every unit.
    """
    read: dict[str, Tensor] = {}
    stream = torch.Generator().manual_seed(0)
    for _ in range(_DRAWS):
        for name, outgoing in _read(network, values, mask, example, stream).items():
            read[name] = read.get(name, outgoing) | outgoing
        if all(bool(outgoing.all()) for outgoing in read.values()):
            break
    found: dict[str, Units] = {}
    for name, outgoing in read.items():
        module = network.get_submodule(name.rpartition(".")[0])
        shape = cast(Tensor, module.weight).shape
        rows = _by_output(module, mask.get(name, torch.ones(shape, dtype=torch.bool)))
        found[name] = Units(rows.any(1), outgoing, int(rows.sum()))
    return found


_DRAWS = 3


def _read(
    network: nn.Module, values: Mapping[str, Tensor], mask: Mask, example: Tensor, stream: torch.Generator
) -> dict[str, Tensor]:
    """By kernel, which of its units are read; what is not a number counts as read."""
    names: dict[nn.Module, str] = {}
    cut: list[tuple[str, Tensor]] = []
    sums: list[Tensor] = []

    def look(module: nn.Module, inputs: Any, output: Tensor) -> Tensor:
        sums.append(output.sum())
        drawn = torch.rand(output.shape, generator=stream).to(output).requires_grad_()
        cut.append((names[module], drawn))  # a layer that is called twice is read where either is
        return drawn.clone()

    def hand_on(module: nn.Module, inputs: Any, output: Any) -> Any:
        is_same = isinstance(output, Tensor) and inputs and inputs[0].shape == output.shape
        return inputs[0] if is_same else output

    hooks: list[RemovableHandle] = []
    for path, module in cast("Iterator[tuple[str, nn.Module]]", network.named_modules()):
        if isinstance(module, (nn.Linear, CONVOLUTIONS)):
            names[module] = f"{path}.weight".removeprefix(".")
            hooks.append(module.register_forward_hook(look))
        elif is_normalization(module) and not any(module.children()):
            hooks.append(module.register_forward_hook(hand_on))
    was_training = network.training
    try:
        network.eval()  # a network's own may give nothing back
        logits = functional_call(network, _connections(network, values, mask, stream), (example,))
        of = [drawn for _, drawn in cut]
        gradients = torch.autograd.grad(sum(sums, logits.sum()), of, materialize_grads=True)
    finally:
        network.train(was_training)
        for hook in hooks:
            hook.remove()
    modules = {name: module for module, name in names.items()}
    found: dict[str, Tensor] = {}
    for (name, output), gradient in zip(cut, gradients, strict=True):
        axis = 1 if isinstance(modules[name], CONVOLUTIONS) else output.ndim - 1
        outgoing = (gradient != 0).movedim(axis, 0).flatten(1).any(1)
        found[name] = found.get(name, outgoing) | outgoing
    return found


def _by_output(module: nn.Module, kept: Tensor) -> Tensor:
    """A kernel's mask with a row for each unit, (units, ...); transposed convolutions have theirs by input."""
    if isinstance(module, CONVOLUTIONS) and module.transposed:
        in_groups = torch.stack(kept.chunk(module.groups))  # (groups, inputs, units, ...)
        return in_groups.movedim(2, 1).flatten(0, 1).flatten(1)
    return kept.flatten(1)


def _connections(
    network: nn.Module, values: Mapping[str, Tensor], mask: Mask, stream: torch.Generator
) -> dict[str, Tensor]:
    """The network's values with every kernel above 0 where weights remain; biases 0, vectors 1, buffers as they are.

    A kernel is the smaller the more inputs it has, so that nothing between the layers is driven to where it is flat.
    """
    connections = dict(values)
    for name, parameter in network.named_parameters():
        shape, kept = tuple(parameter.shape), mask.get(name)
        if len(shape) < 2:
            connections[name] = torch.full(shape, 0.0 if is_bias(name.rpartition(".")[2]) else 1.0)
        else:
            connections[name] = (0.5 + torch.rand(shape, generator=stream)) * shape[0] / parameter.numel()
        if kept is not None:
            connections[name] = connections[name] * kept
    return connections
