"""An engine for fully connected networks: all lanes at once, gradients written out, and only the weights that remain.

A layer with few weights left is kept as a sparse matrix, one block for each lane: its products, its gradient and its
optimizer buffers are of the remaining weights alone. That is exact: what is left out is zero and stays zero.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from winnow.training.products import masked_products, product, products
from winnow.training.state import State, Tensors

SPARSE_BELOW = 0.18
"""The density below which a layer is kept sparse: where benchmarks/sparse.py finds sparse products faster."""


@dataclass(frozen=True)
class Pattern:
    """Where the remaining weights of one layer lie, as one block-diagonal matrix over the lanes."""

    shape: tuple[int, int, int]
    """(lanes, outputs, inputs)"""

    positions: Tensor
    """int64 (alive,): of the remaining weights of all lanes, among (lanes x outputs x inputs) in order."""

    rows: Tensor
    columns: Tensor
    """int32 compressed rows (lanes x outputs + 1,) and columns (alive,)."""

    columns_shared: Tensor
    """int32 (alive,): the columns where all lanes have the same inputs."""

    order: Tensor
    """int64 (alive,): the weights in the order of the transposed matrix."""

    rows_t: Tensor
    columns_t: Tensor
    """As `rows` and `columns`, of the transposed matrix."""

    @classmethod
    def of(cls, mask: Tensor) -> Pattern:
        """The pattern of a mask (lanes, outputs, inputs) of 0 and 1."""
        lanes, outputs, inputs = mask.shape
        lane, row, column = mask.nonzero().unbind(1)
        rows, columns = lane * outputs + row, lane * inputs + column
        order = (columns * (lanes * outputs) + rows).argsort()
        return cls(
            (lanes, outputs, inputs),
            mask.flatten().nonzero().squeeze(1),
            _compressed(rows, lanes * outputs),
            columns.int(),
            column.int(),
            order,
            _compressed(columns[order], lanes * inputs),
            rows[order].int(),
        )

    def matrix(self, values: Tensor) -> Tensor:
        """The layer of all lanes: CSR (lanes x outputs, lanes x inputs)."""
        lanes, outputs, inputs = self.shape
        return _csr(self.rows, self.columns, values, (lanes * outputs, lanes * inputs))

    def shared(self, values: Tensor) -> Tensor:
        """The layer of all lanes for inputs that they share: CSR (lanes x outputs, inputs)."""
        lanes, outputs, inputs = self.shape
        return _csr(self.rows, self.columns_shared, values, (lanes * outputs, inputs))

    def transposed(self, values: Tensor) -> Tensor:
        """Its transpose: CSR (lanes x inputs, lanes x outputs)."""
        lanes, outputs, inputs = self.shape
        return _csr(self.rows_t, self.columns_t, values[self.order], (lanes * inputs, lanes * outputs))

    def dense(self, values: Tensor) -> Tensor:
        """The layer as it is without this: (lanes, outputs, inputs), zero where weights are pruned."""
        dense = values.new_zeros(self.shape)
        dense.view(-1)[self.positions] = values
        return dense


class Perceptron:
    """Lanes of a fully connected network (`nn.Sequential` of flatten, linear and ReLU) in products of its layers."""

    def __init__(self, network: nn.Module, masks: Mapping[str, Tensor]) -> None:
        names = linear_layers(network)
        if names is None:
            raise ValueError("this engine trains sequences of linear layers and ReLU alone")
        self.names = names
        _accept_warnings()
        self.patterns = {
            name: Pattern.of(mask)
            for name, mask in masks.items()
            if mask.ndim == 3 and float(mask.mean()) < SPARSE_BELOW  # biases stay as they are
        }
        self.masks = {name: mask.float() for name, mask in masks.items() if name not in self.patterns}
        self._gradients: Tensors = {}  # written over by every iteration: new memory each time costs page faults

    def enter(self, state: State, masks: Mapping[str, Tensor]) -> tuple[State, Mapping[str, Tensor]]:
        """See Engine. Sparse layers become vectors of their remaining weights; the gradients come masked."""

        def packed(tensors: Tensors) -> Tensors:
            return {
                name: tensor.flatten()[self.patterns[name].positions] if name in self.patterns else tensor
                for name, tensor in tensors.items()
            }

        slots = {slot: packed(tensors) for slot, tensors in state.slots.items()}
        return replace(state, parameters=packed(state.parameters), slots=slots), {}

    def leave(self, state: State) -> State:
        """See Engine."""

        def unpacked(tensors: Tensors) -> Tensors:
            return {
                name: self.patterns[name].dense(tensor) if name in self.patterns else tensor
                for name, tensor in tensors.items()
            }

        slots = {slot: unpacked(tensors) for slot, tensors in state.slots.items()}
        return replace(state, parameters=unpacked(state.parameters), slots=slots)

    @torch.no_grad()
    def gradients(self, state: State, images: Tensor, labels: Tensor) -> tuple[Tensor, list[Tensor]]:
        """See Engine. Backpropagation by hand; activations are (lanes, features, batch)."""
        inputs = images.flatten(2).mT
        hidden = [inputs.contiguous() if f"{self.names[0]}.weight" in self.patterns else inputs]
        for name in self.names[:-1]:
            hidden.append(self._layer(state.parameters, name, hidden[-1]).relu_())
        logits = self._layer(state.parameters, self.names[-1], hidden[-1])  # (lanes, classes, batch)

        log_probabilities = F.log_softmax(logits, dim=1)
        chosen = labels.unsqueeze(1)  # (lanes, 1, batch)
        losses = -log_probabilities.gather(1, chosen).mean((1, 2))
        gradient = log_probabilities.exp_()
        gradient.scatter_add_(1, chosen, gradient.new_full((), -1.0).expand(chosen.shape))
        gradient /= labels.shape[1]  # (lanes, classes, batch): of the mean loss, by the logits

        by_name: Tensors = {}
        for depth in reversed(range(len(self.names))):
            name = self.names[depth]
            by_name[f"{name}.bias"] = self._masked(f"{name}.bias", gradient.sum(2))
            by_name[f"{name}.weight"] = self._weight_gradient(f"{name}.weight", gradient, hidden[depth])
            if depth:
                gradient = self._input_gradient(state.parameters, f"{name}.weight", gradient)
                torch.ops.aten.threshold_backward(gradient, hidden[depth], 0.0, grad_input=gradient)
        return losses, [by_name[name] for name in state.parameters]

    @torch.no_grad()
    def evaluate(self, state: State, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """See Engine."""
        hidden = self._first_layer(state.parameters, images.flatten(1))
        for name in self.names[1:]:
            hidden = self._layer(state.parameters, name, hidden.relu_())
        targets = labels.expand(len(hidden), -1)  # of logits (lanes, classes, examples)
        losses = F.cross_entropy(hidden, targets, reduction="none")
        return losses.sum(1), (hidden.max(1).indices == targets).sum(1)

    def _first_layer(self, parameters: Tensors, images: Tensor) -> Tensor:
        """The first layer of all lanes on the same inputs, as one product: (lanes, outputs, examples)."""
        weight, bias = (parameters[f"{self.names[0]}.{part}"] for part in ("weight", "bias"))
        pattern = self.patterns.get(f"{self.names[0]}.weight")
        if pattern is None:
            flat = product(weight.flatten(0, 1), images.mT)
        else:
            flat = pattern.shared(weight) @ images.mT.contiguous()
        return flat.view(*bias.shape, -1).add_(bias.unsqueeze(2))

    def _layer(self, parameters: Tensors, name: str, inputs: Tensor) -> Tensor:
        """A layer's outputs (lanes, outputs, batch) from its inputs (lanes, inputs, batch)."""
        weight, bias = parameters[f"{name}.weight"], parameters[f"{name}.bias"]
        pattern = self.patterns.get(f"{name}.weight")
        if pattern is None:
            return products(weight, inputs).add_(bias.unsqueeze(2))
        flat = torch.addmm(bias.view(-1, 1).expand(-1, inputs.shape[2]), pattern.matrix(weight), inputs.flatten(0, 1))
        return flat.view(*bias.shape, -1)

    def _weight_gradient(self, name: str, gradient: Tensor, inputs: Tensor) -> Tensor:
        """By a layer's kernel, zero where weights are pruned: from the gradient by its outputs and its inputs."""
        pattern = self.patterns.get(name)
        if pattern is None:
            if name not in self.masks:
                return products(gradient, inputs.mT)
            if name not in self._gradients:
                self._gradients[name] = torch.empty_like(self.masks[name], dtype=gradient.dtype)
            return masked_products(gradient, inputs.mT, self.masks[name], self._gradients[name])
        zeros = pattern.matrix(gradient.new_zeros(len(pattern.positions)))
        flat, flat_inputs = gradient.flatten(0, 1), inputs.flatten(0, 1)
        return cast(Tensor, torch.sparse.sampled_addmm(zeros, flat, flat_inputs.mT, beta=0.0)).values()

    def _masked(self, name: str, gradient: Tensor) -> Tensor:
        return gradient.mul_(self.masks[name]) if name in self.masks else gradient

    def _input_gradient(self, parameters: Tensors, name: str, gradient: Tensor) -> Tensor:
        pattern = self.patterns.get(name)
        if pattern is None:
            return products(parameters[name].mT, gradient)
        lanes, _, inputs = pattern.shape
        return (pattern.transposed(parameters[name]) @ gradient.flatten(0, 1)).view(lanes, inputs, -1)


def linear_layers(network: nn.Module) -> list[str] | None:
    """The names of the linear layers of a network that is linear layers with ReLU between them and nothing else.

    That is certain of PyTorch's own modules alone, as they come: not of a class derived from one, nor of one with hooks
    or another `forward`, which may compute anything; and all of their parameters are trained.
    """
    named = list(network.named_children())
    if type(network) is not nn.Sequential or not all(_is_as_it_comes(module) for module in network.modules()):
        return None
    if named and isinstance(named[0][1], nn.Flatten):
        flatten = named.pop(0)[1]
        if (flatten.start_dim, flatten.end_dim) != (1, -1):
            return None
    linear, between = named[::2], named[1::2]
    if len(linear) != len(between) + 1 or any(type(module) is not nn.ReLU for _, module in between):
        return None
    if any(type(module) is not nn.Linear or module.bias is None for _, module in linear):  # pyright: ignore[reportUnnecessaryComparison]
        return None
    if not all(parameter.requires_grad for parameter in network.parameters()):
        return None
    return [name for name, _ in linear]


def _is_as_it_comes(module: nn.Module) -> bool:
    """Whether calling a module does what its class does: no hooks, and no `forward` of its own."""
    own = vars(module)
    hooks = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
    return not any(own[name] for name in hooks) and "forward" not in own


def _compressed(rows: Tensor, count: int) -> Tensor:
    starts = torch.zeros(count + 1, dtype=torch.int64, device=rows.device)
    starts[1:] = torch.bincount(rows, minlength=count).cumsum(0)
    return starts.int()


def _accept_warnings() -> None:
    """Take what PyTorch says once of its CSR tensors, which is nothing to our users: beta, and (2.11) unchecked."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Sparse (CSR tensor support is in beta|invariant checks)")
        _csr(torch.tensor([0, 0]), torch.tensor([], dtype=torch.int64), torch.tensor([]), (1, 1))


def _csr(rows: Tensor, columns: Tensor, values: Tensor, size: tuple[int, int]) -> Tensor:
    return torch.sparse_csr_tensor(rows, columns, values, size, check_invariants=False)
