"""What is allowed of a network and its data, and yet seldom meant: told as warnings, each once a run."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import cast

import torch
from torch import Tensor, nn

from winnow.course import Course, Network
from winnow.data import Described
from winnow.execution.examples import Splits, known_of, splits, trial_batch
from winnow.pruning.layers import Parameter, parameters, used
from winnow.steps import Init, Prune, Step, Train
from winnow.training.outputs import outputs_of

_log = logging.getLogger(__name__)

_SHOWN = 6
"""The most classes, or ranges of such, that are named."""


@dataclass
class Doubts:
    """What a run has been told already."""

    _told: set[str] = field(default_factory=set[str])

    def tell_of_data(self, course: Course, device: torch.device) -> None:
        """Warn of classes that are not in all parts of the data, or not in the network's outputs; of axes exchanged."""
        self._tell(of_axes(known_of(course.examples), course.network))
        if course.task is None:
            self._tell(of_data(splits(course.examples, device), outputs(course)))

    def tell_of_masks(self, missing: Iterable[Step]) -> None:
        """Warn where what the masks of a run are of is the smaller part of the network."""
        if step := next((step for step in missing if isinstance(step, Prune)), None):
            network = step.course.network.build()
            self._tell(of_masks(parameters(network, step.rate, step.exclude, step.include or ())))

    def tell_of_weights(self, missing: Iterable[Step]) -> None:
        """Warn where weights are to be drawn anew and come out as they were."""
        origins = (step.origin for step in missing if isinstance(step, Train))
        if drawn := next((origin for origin in origins if isinstance(origin, Init) and origin.sample), None):
            self._tell(of_draws(drawn))

    def _tell(self, sentences: Iterable[str]) -> None:
        for sentence in sentences:
            if sentence not in self._told:
                self._told.add(sentence)
                _log.warning("%s", sentence)


def of_data(found: Splits, outputs: int) -> Iterator[str]:
    """Sentences about the classes of a data set, for a network that tells so many apart."""
    train, validation, test = (part.targets.cpu() for part in (found.train, found.validation, found.test))
    trained, tested = _classes(train), _classes(test)
    if len(trained) == 1:
        yield f"all {len(train)} training examples are in {_told(trained)}, so that there is nothing to tell apart"
    elif absent := set(range(outputs)) - trained - tested:
        held = _held_out(validation, absent)
        yield (
            f"none of the {len(train)} training examples is in {_told(absent)}, and the network has {outputs} "
            f"outputs{held}"
        )
    if unseen := tested - trained:
        held = _held_out(validation, unseen)
        count = _count(test, unseen)
        yield (
            f"{count} of the {len(test)} test examples {'are' if count > 1 else 'is'} in {_told(unseen)}, of which no "
            f"training example is, so that nothing can learn to predict them{held}"
        )


def of_axes(known: Described, network: Network) -> Iterator[str]:
    """A sentence where numbers look like images with their channels last, and the network takes the first axis."""
    shape = known.shape
    if known.inputs != "numbers" or len(shape) != 3 or shape[2] not in (1, 3, 4) or min(shape[:2]) <= 4:
        return
    modules = cast("Iterator[tuple[str, nn.Module]]", network.build().named_modules())
    first = next(((name, module) for name, module in modules if isinstance(module, nn.Conv2d)), None)
    if first is not None and first[1].in_channels == shape[0]:
        yield (
            f"inputs are numbers of shape {shape}, and the network's '{first[0]}' takes the first axis for {shape[0]} "
            f"channels: of images that have them last, inputs.transpose(0, 3, 1, 2) puts them first"
        )


def of_draws(drawn: Init) -> Iterator[str]:
    """A sentence where weights drawn anew are those that the replicate began with, as of pretrained networks."""
    network = drawn.network
    if network.init != "own" or network.source is None:
        return
    first, again = (network.initial_values(drawn.seed, drawn.replicate, sample) for sample in (0, drawn.sample))
    if all(torch.equal(first[name], again[name]) for name in used(network.build())):
        yield (
            "the control 'reinit' draws weights anew, and the network's own code gives the same whenever it is called, "
            "as of a pretrained one: the control begins with the weights that the dense network began with"
        )


def of_masks(every: Sequence[Parameter]) -> Iterator[str]:
    """A sentence where less than half of a network's weights, in `every` parameter, can be pruned."""
    size, prunable = sum(each.size for each in every), sum(each.size for each in every if each.rate is not None)
    if 2 * prunable < size:
        yield (
            f"prunable are {prunable:,} of the network's {size:,} weights ({100 * prunable / size:.2g} %): densities "
            f"are of those alone, and the others stay"
        )


def outputs(course: Course) -> int:
    """How many classes the network of a course tells apart: as many as the data have, where it cannot be known."""
    network = course.network
    if network.source is None:
        return network.classes
    module = network.build()
    first = next(module.parameters(), None)
    inputs = trial_batch(course)[0].to(first.device if first is not None else "cpu")
    given = outputs_of(module, {}, inputs)
    return given.shape[1] if isinstance(given, Tensor) and given.ndim == 2 else network.classes


def _classes(targets: Tensor) -> set[int]:
    return set(cast("list[int]", targets.unique().tolist()))


def _count(targets: Tensor, classes: set[int]) -> int:
    return int(torch.isin(targets, torch.tensor(sorted(classes))).sum())


def _held_out(validation: Tensor, classes: set[int]) -> str:
    held = _count(validation, classes)
    return f" ({held} {'are' if held > 1 else 'is'} held out for validation)" if held else ""


def _told(classes: set[int]) -> str:
    """Classes in words, those that follow each other as a range.

    >>> _told({4}), _told({3, 4}), _told({0, 3, 4, 5, 9})
    ('class 4', 'classes 3 and 4', 'classes 0, 3 to 5 and 9')
    """
    runs: list[list[int]] = []
    for each in sorted(classes):
        if runs and runs[-1][-1] == each - 1:
            runs[-1].append(each)
        else:
            runs.append([each])
    words = [word for run in runs for word in ([f"{run[0]} to {run[-1]}"] if len(run) > 2 else map(str, run))]
    shown = words if len(words) <= _SHOWN else [*words[:_SHOWN], "others"]
    listed = " and ".join([", ".join(shown[:-1]), shown[-1]] if len(shown) > 1 else shown)
    return f"class{'es' * (len(classes) > 1)} {listed}"
