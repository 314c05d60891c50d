"""A course of training: what a recipe says of training, with every amount in iterations.

All trainings of an experiment share one course. It holds just what a training's result depends on, so that two
recipes that differ only in name, or in how they write the same amount, share their stored results.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor, nn

from winnow.data.augment import Augmentation
from winnow.errors import RecipeError
from winnow.models import build, draw_own, initialize, plain
from winnow.models.drawing import ready
from winnow.models.foreign import is_fixed, is_here
from winnow.models.initialize import Scheme
from winnow.models.registry import Shape
from winnow.seeds import derive, generator


@dataclass(frozen=True, kw_only=True)
class Network:
    """A network by name, for examples of a shape in a number of classes."""

    name: str
    init: Scheme
    shape: Shape
    classes: int

    source: str | None = None
    """Of a network from elsewhere: the fingerprint of its code or config, or the version of its library."""

    place: str | None = field(default=None, compare=False, metadata={"is_in_key": False})
    """Of a network from elsewhere: its name as the recipe writes it, where it is found. In no key."""

    def build(self, device: torch.device | None = None) -> nn.Module:
        """The network without values (see `winnow.models.build`), to be trained on a device where one is given."""
        network = build(self.place or self.name, self.shape, self.classes)
        return network if device is None else ready(network, device)

    def plain(self) -> nn.Module:
        """The network as a module to be used elsewhere (see `winnow.models.plain`)."""
        return plain(self.place or self.name, self.shape, self.classes)

    @property
    def is_here(self) -> bool:
        """Whether it can be built: one that was handed over from Python cannot be in another process."""
        return is_here(self.place or self.name)

    @property
    def is_fixed(self) -> bool:
        """Whether it was handed over with its values, so that its own initialization is always the same."""
        return self.init == "own" and is_fixed(self.place or self.name)

    def initial_values(self, seed: int, replicate: int, sample: int = 0) -> dict[str, Tensor]:
        """Values drawn for a replicate, by their names in the state dict; `sample` tells independent draws apart.

        Raises RecipeError where a network that was handed over with its values would have to draw others.
        """
        if sample and self.is_fixed:
            raise RecipeError(
                "model: it was handed over as a module with values of its own, so they cannot be drawn anew.\n"
                "Hand over the function or class that builds it, or set model.init to 'kaiming-normal'."
            )
        if self.init == "own":
            drawn_from = derive(seed, replicate, "init", sample)
            return draw_own(self.place or self.name, self.shape, self.classes, drawn_from)
        return initialize(self.build(), self.init, generator(seed, replicate, "init", sample))


@dataclass(frozen=True, kw_only=True)
class Examples:
    """A data set by name and by the checksum of its arrays, split and normalized. The user's own is called `own`."""

    name: str
    checksum: str
    validation: int
    mean: tuple[float, ...] | None
    std: tuple[float, ...] | None
    seed: int
    augment: tuple[Augmentation, ...] | None = None
    """None where there is none."""

    size: int | None = None
    """The side to which images on disk are cut. None where they are not on disk."""

    corrupt: Literal["skip"] | None = None
    """None where a corrupt image is an error."""

    place: str | None = field(default=None, compare=False, metadata={"is_in_key": False})
    """Of the user's own data: its name as the recipe writes it, where it is found. In no key."""


@dataclass(frozen=True, kw_only=True)
class Objective:
    """The task of a training: what outputs are held against."""

    name: str
    """`regression`, `tokens`, or of one's own `own:NAME`."""

    source: str | None = None
    """Of one's own: the fingerprint of its code."""

    place: str | None = field(default=None, compare=False, metadata={"is_in_key": False})
    """Of one's own: where it is found, as the recipe writes it. In no key."""


@dataclass(frozen=True, kw_only=True)
class Updates:
    """How a batch's gradient changes the parameters, at every iteration. Amounts are in iterations."""

    optimizer: Literal["sgd", "adam", "rmsprop"]
    learning_rate: float
    momentum: float
    beta1: float
    beta2: float
    epsilon: float
    weight_decay: float
    warmup: int
    drops: tuple[int, ...]
    factor: float

    nesterov: Literal[True] | None = None
    """None where momentum does not look ahead."""

    smoothing: float | None = None
    """None where the optimizer is not RMSprop."""

    no_decay: tuple[str, ...] | None = None
    """None where weight decay is of every parameter."""

    clip: float | None = None
    """None where gradients are taken as they are."""

    decay: Literal["linear", "exponential", "cosine"] | None = None
    """None is by drops, which depend on no length."""

    final: float | None = None
    length: int | None = None
    """The iteration at which decay reaches `final`: T, the end of training. None where there are drops."""


@dataclass(frozen=True, kw_only=True)
class Course:
    """What all trainings of an experiment share: the network, the examples, the batch and the updates."""

    network: Network
    examples: Examples
    batch: int
    updates: Updates
    evaluate: int
    """Iterations between evaluations."""

    precision: Literal["bfloat16"] | None = None
    """None is float32."""

    task: Objective | None = None
    """None is classification."""

    label_smoothing: float | None = None
    """None where targets are as they are."""

    auxiliary: float | None = None
    """None where the network has no auxiliary classifier."""

    accumulate: int | None = None
    """None where a batch is not split."""

    batch_norm: Literal["local"] | None = None
    """None is over the whole batch, however many processes share it."""


@dataclass(frozen=True, kw_only=True)
class Noise:
    """SGD noise u: which data order and augmentation a training sees (SLTH, arXiv 1903.01611, §3)."""

    seed: int
    replicate: int
    sample: int = 0
