"""What is measured on networks that are trained already: how far apart two are, and what lies between them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import cast

import torch
from torch import Tensor, nn
from torch.func import functional_call

from winnow.course import Course
from winnow.data import Streamed
from winnow.data.table import InMemory
from winnow.execution.examples import splits
from winnow.models.drawing import STATISTICS
from winnow.models.normalization import BATCH_NORM
from winnow.pruning import Mask
from winnow.training import Plain, State, evaluated
from winnow.training.engines import computing_in

Row = dict[str, float | str]
"""One line of a table of measurements: a value for each column."""

_STATISTICS_BATCH = 500


def distances(first: Mapping[str, Tensor], second: Mapping[str, Tensor], mask: Mask) -> list[Row]:
    """How far apart the weights that a mask keeps are: of each layer, and before those of all together (layer "").

    `l2` is the Euclidean distance of the masked weights as one vector, `angle` the angle between the two vectors, in
    degrees; nan where one of them is zero. Source: SLTH (arXiv 1903.01611), §3.

    >>> first, second = {"w": torch.tensor([3.0, 0.0, 9.0])}, {"w": torch.tensor([0.0, 4.0, 7.0])}
    >>> distances(first, second, Mask({"w": torch.tensor([True, True, False])}))[0]
    {'layer': '', 'weights': 2.0, 'l2': 5.0, 'angle': 90.0}
    """
    layers = {name: (first[name][kept].double(), second[name][kept].double()) for name, kept in mask.items()}
    ones, others = zip(*layers.values(), strict=True)
    together = {"": (torch.cat(ones), torch.cat(others))}
    return [
        {"layer": layer, "weights": float(len(a)), "l2": _length(a - b), "angle": _angle(a, b)}
        for layer, (a, b) in (together | layers).items()
    ]


def _angle(a: Tensor, b: Tensor) -> float:
    """Between two vectors in degrees; from their unit vectors' sum and difference, exact for small angles too."""
    if not (a.any() and b.any()):
        return math.nan
    one, other = a / _length(a), b / _length(b)
    return math.degrees(2 * math.atan2(_length(one - other), _length(one + other)))


def _length(vector: Tensor) -> float:
    return math.sqrt(torch.dot(vector, vector))


def along_the_line(
    first: State, second: State, course: Course, device: torch.device, *, points: int, examples: int
) -> list[Row]:
    """Loss and error (a fraction) on training and test examples at evenly spaced points between two networks.

    `position` goes from 0, the first, to 1, the second. Training examples are `examples` of the split, drawn once
    for all lines, without augmentation. In between, the running statistics of batch normalization would be those of no
    network: they are taken anew at every point, from the same training examples. What else a network remembers lies on
    the line, as weights do. Source: LMC (arXiv 1912.05671), §2.
    """
    network = course.network.build(device)
    data = splits(course.examples, device)
    train = _Some(data.train, examples)
    engine = Plain(network, course.precision, data.task(course))
    rows: list[Row] = []
    for number in range(points):
        position = number / (points - 1)
        state, _ = engine.enter(State.stacked([_between(first, second, position)], device), {})
        _recalibrate_(network, state, train, course)
        row = evaluated(engine, state, {"train": train, "test": data.test})[0]
        errors = {f"{split}_error": 1 - row[f"{split}_accuracy"] for split in ("train", "test")}
        losses = {f"{split}_loss": row[f"{split}_loss"] for split in ("train", "test")}
        rows.append({"position": position, **losses, **errors})
    return rows


def _between(first: State, second: State, position: float) -> State:
    parameters = {name: torch.lerp(p, second.parameters[name], position) for name, p in first.parameters.items()}
    buffers = {
        name: torch.lerp(buffer, second.buffers[name], position) if buffer.is_floating_point() else buffer.clone()
        for name, buffer in first.buffers.items()
    }
    return State(first.iteration, 0, parameters, buffers)


@torch.no_grad()
def _recalibrate_(network: nn.Module, state: State, train: _Some, course: Course) -> None:
    """Take the running statistics of batch normalization anew: the plain mean over batches of the examples.

    Those that a network's own `train` leaves in evaluation mode are no statistics of its batches, and stay.
    """
    network.train()
    modules = cast("Iterator[tuple[str, nn.Module]]", network.named_modules())
    named = {path: module for path, module in modules if isinstance(module, BATCH_NORM) and module.training}
    norms = list(named.values())
    if not norms:
        return
    for name, buffer in state.buffers.items():
        owner, _, kind = name.rpartition(".")
        if owner in named and kind in STATISTICS:
            buffer.fill_(1 if kind == "running_var" else 0)
    network.eval()
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.train()
        norm.momentum = None  # PyTorch's way of asking for the mean over all batches
    values = {name: tensor[0] for name, tensor in (state.parameters | state.buffers).items()}
    for images, _ in train.chunks(min(_STATISTICS_BATCH, train.at_once)):
        with computing_in(course.precision, images.device):
            functional_call(network, values, (images,))
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum


class _Some:
    """So many training examples, at most: the same ones in the same order for every line, and of every class.

    A split may be in order of its classes, as a folder's images are: the first of it would be of few classes, and
    statistics over batches of one class each those of no batch that was trained on.
    """

    def __init__(self, split: InMemory | Streamed, most: int) -> None:
        self.split = split
        self._index = torch.randperm(len(split), generator=torch.Generator().manual_seed(0))[:most]

    def __len__(self) -> int:
        return len(self._index)

    @property
    def at_once(self) -> int:
        """See Resident."""
        return self.split.at_once

    def chunks(self, size: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Their inputs and targets, in parts of one size but for an example, which is `size` at most."""
        for part in torch.tensor_split(self._index, math.ceil(len(self) / size)):
            yield self.split.images_at(part), self.split.labels_at(part)
