"""What a score may look at to tell which weights matter."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Generator, Tensor, nn
from torch.func import functional_call
from torch.nn import functional

from winnow.errors import RecipeError
from winnow.pruning.mask import Mask

Images = Callable[[int, bool], tuple[Tensor, Tensor]]
"""How many, and whether of each class, -> so many training inputs and targets, (n, ...) both."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Context:
    """A network when it is pruned, where it came from, and its training examples.

    A score is a function from this to a number for every prunable weight. It reads; nothing here is to be changed.
    Without examples or a network, only scores of the weights alone can be taken (`of_weights`).
    """

    values: Mapping[str, Tensor]
    """All parameters and buffers, as trained; pruned weights are zero."""

    initial: Mapping[str, Tensor]
    """All parameters and buffers at iteration 0, W_0, unmasked."""

    mask: Mask
    """Which weights are alive before this round."""

    network: nn.Module | None = None
    """The network as a module, without values of its own: `outputs` calls it."""

    loss: Callable[[Any, Tensor], Tensor] = functional.cross_entropy
    """Outputs and targets of some examples -> the mean loss that training lowers."""

    images: Images | None = None
    """Where `examples` come from."""

    batch: int = 0
    """How many examples an iteration of training sees."""

    shape: tuple[int, ...] = ()
    """Of an example: (channels, height, width) of an image."""

    tokens: bool = False
    """Whether examples are tokens, whole numbers that stand for something, and none to compute with."""

    generator: Generator = field(default_factory=Generator)
    """Where a score that needs chance gets it: seeded by the recipe's seed, the replicate and the level."""

    randomness: Callable[[], AbstractContextManager[object]] = nullcontext
    """Within what the network is called in training mode, so that dropout draws from a stream of its own."""

    @classmethod
    def of_weights(cls, weights: Mapping[str, Tensor], mask: Mask) -> Context:
        """The context of weights alone.

        >>> mask = Mask({"w": torch.tensor([True, False])})
        >>> Context.of_weights({"w": torch.tensor([2.0, 0.0])}, mask).weights
        {'w': tensor([2., 0.])}
        """
        return cls(values=weights, initial=weights, mask=mask)

    @property
    def weights(self) -> dict[str, Tensor]:
        """The prunable weights, zero where they are pruned."""
        return {name: self.values[name] for name in self.mask}

    @property
    def initial_weights(self) -> dict[str, Tensor]:
        """The prunable weights at iteration 0, zero where they are pruned."""
        return {name: self.initial[name] * self.kept(name) for name in self.mask}

    def kept(self, name: str) -> Tensor:
        """A layer's mask as 0 and 1 beside its weights."""
        return self.mask[name].to(self.values[name])

    def under(self, mask: Mask) -> Context:
        """The same network with only these weights."""
        masked = {name: self.values[name] * kept.to(self.values[name]) for name, kept in mask.items()}
        return dataclasses.replace(self, mask=mask, values={**self.values, **masked})

    def examples(self, count: int | None = None, *, per_class: bool = False) -> tuple[Tensor, Tensor]:
        """Training inputs, without augmentation, and their targets, drawn at random.

        Of images these are (n, channels, height, width), and labels (n,). So many in all, or of each class; without a
        count, a batch of training. The same of one replicate whenever they are asked for.
        """
        if self.images is None:
            raise RecipeError(_ALONE)
        return self.images(count or self.batch, per_class)

    def outputs(self, images: Tensor, values: Mapping[str, Tensor] | None = None, *, training: bool = True) -> Any:
        """The network's outputs, (n, classes) or several such, with some of its values given instead.

        They are differentiable in those. In training mode batches are normalized by themselves, in evaluation mode by
        running statistics, which stay as they are in either.
        """
        if self.network is None:
            raise RecipeError(_ALONE)
        given = values or {}
        call = {name: given.get(name, value) for name, value in self.values.items()}
        buffers = {name for name, _ in self.network.named_buffers()}
        call = {name: value.clone() if name in buffers else value for name, value in call.items()}
        self.network.train(training)
        with self.randomness() if training else nullcontext():
            return functional_call(self.network, call, (images,))

    def gradients(self, images: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """The gradient of the mean loss of some examples in each prunable weight, in training mode."""
        weights = {name: weight.detach().clone().requires_grad_() for name, weight in self.weights.items()}
        loss = self.loss(self.outputs(images, weights), labels)
        return dict(zip(weights, torch.autograd.grad(loss, list(weights.values())), strict=True))


_ALONE = (
    "the score looks at the network and its examples, and here only weights are known.\n"
    "Choose a score of the weights alone, such as 'magnitude', or prune by a recipe."
)
