"""A network tried on two examples and two lanes, on the CPU: whether it can be trained, and its lanes be stacked.

What vmap cannot vectorize, such as a branch on a tensor's value or a buffer that lanes would share, is known by trying.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from winnow.errors import RecipeError, WinnowError
from winnow.models.drawing import seeded, trained, unsaved_buffers, values_of
from winnow.named import told
from winnow.training.engines import Plain, Stacked
from winnow.training.outputs import KNOWN, check_outputs, outputs_of
from winnow.training.state import State, Tensors
from winnow.training.tasks import Task


@dataclass(frozen=True)
class Trial:
    """What is tried, and with which values and examples. Nothing given here is changed."""

    network: nn.Module
    values: Tensors
    """Parameters and saved buffers, by their names in the state dict."""

    task: Task
    inputs: Tensor
    """(2, ...)"""

    targets: Tensor
    """(2, ...)"""

    classes: int | None = None
    """How many classes or tokens there are; None where that is not known."""

    def check(self) -> None:
        """Raise RecipeError where the network cannot be trained on such examples for the task."""
        before = {name: buffer.clone() for name, buffer in unsaved_buffers(self.network).items()}
        check_outputs(self.network, self._outputs, self.targets, self.task, self.classes)
        lanes, batch, own = self._lanes(1), self._batch(1), _OwnTensors(self.network)
        try:
            with seeded(0), own:
                losses, _ = Plain(self.network, task=self.task).gradients(lanes, *batch)
        except WinnowError:
            raise
        except Exception as error:  # it is not our code that runs here
            own.check()
            raise RecipeError(
                f"the network does not train on inputs of shape {tuple(self.inputs.shape[1:])} ({self.inputs.dtype}) "
                f"with targets {tuple(self.targets.shape[1:])} ({self.targets.dtype}).\n"
                f"{type(error).__name__}: {_first_line(error)}\n{self._remedy(error)}"
            ) from error
        own.check()
        if losses.ndim != 1:
            raise RecipeError(f"the task {type(self.task).__name__} gives no loss for each example.")
        self._check_task()
        for name, buffer in unsaved_buffers(self.network).items():
            if not torch.equal(buffer, before[name]):
                raise RecipeError(
                    f"the network's buffer '{name}' changes in training, but is not saved, so neither a rewind nor a "
                    f"restart could restore it.\nRegister it with persistent=True."
                )

    def _check_task(self) -> None:
        """Raise RecipeError where a task of the user's own does not give a number for each example."""
        if self._outputs is None or isinstance(self.task, KNOWN):
            return
        for name in ("each", "losses", "scores"):
            try:
                given = getattr(self.task, name)(self._outputs, self.targets)
            except Exception as error:  # it is not our code that runs here
                raise RecipeError(f"the task {type(self.task).__name__}: `{name}` fails: {told(error)}.") from error
            expected, found = (len(self.targets),), tuple(given.shape) if isinstance(given, Tensor) else ()
            if found != expected:
                raise RecipeError(
                    f"the task {type(self.task).__name__}: `{name}` gives {_shaped(given)} for {len(self.targets)} "
                    f"examples; expected a tensor of shape {expected}, a number for each."
                )

    def check_alone(self) -> None:
        """Raise RecipeError where the network cannot be trained on one example at a time, as with batch norm it may be.

        That takes the variance of each channel, of which a linear layer gives one number for an example.
        """
        try:
            with seeded(0):
                inputs, targets = self._batch(1)
                Plain(self.network, task=self.task).gradients(self._lanes(1), inputs[:, :1], targets[:, :1])
        except WinnowError:
            raise
        except Exception as error:  # it is not our code that runs here
            raise RecipeError(
                f"the network does not train on one example at a time, as train.batch and train.accumulate ask for.\n"
                f"{type(error).__name__}: {_first_line(error)}\n"
                f"Give a batch, or parts of it, of 2 examples at least."
            ) from error

    def obstacle_to_stacking(self) -> str | None:
        """Why two lanes cannot be computed as one, or do not come out as they do one by one; None where they do."""
        plain, stacked = Plain(self.network, task=self.task), Stacked(self.network, task=self.task)
        states = [self._lanes(2), self._lanes(2)]
        try:
            with seeded(0), warnings.catch_warnings(record=True) as given:
                warnings.simplefilter("always")
                losses, gradients = plain.gradients(states[0], *self._batch(2))
                others, stacked_gradients = stacked.gradients(states[1], *self._batch(2))
        except Exception as error:  # whatever vmap makes of code that is not ours
            return _first_line(error).partition(". ")[0]
        for warning in given:
            if found := re.search(r"batching rule for (\S+?)\.? ", str(warning.message)):
                return f"vmap knows no rule for {found[1]} and would go through the lanes one by one"
        pairs = [(losses, others), *zip(gradients, stacked_gradients, strict=True)]
        pairs += [(buffer, states[1].buffers[name]) for name, buffer in states[0].buffers.items()]
        if all(torch.allclose(one.double(), other.double(), rtol=1e-3, atol=1e-4) for one, other in pairs):
            return None
        return "two lanes do not come out stacked as they do one by one"

    def _lanes(self, lanes: int) -> State:
        """Lanes that differ a little."""
        own = [State.of_values(self.values, trained(self.network)) for _ in range(lanes)]
        state = State.stacked(own, torch.device("cpu"))
        for parameter in state.parameters.values():
            scales = torch.linspace(1, 1.1, lanes).view(-1, *[1] * (parameter.ndim - 1))
            parameter.mul_(scales)
        return state

    def _batch(self, lanes: int) -> tuple[Tensor, Tensor]:
        return torch.stack([self.inputs] * lanes), torch.stack([self.targets] * lanes)

    @cached_property
    def _outputs(self) -> Any:
        return outputs_of(self.network, self.values, self.inputs)

    def _remedy(self, error: Exception) -> str:
        """What may be wrong, or what the network gives, for a message."""
        others = {p.dtype for p in self.network.parameters() if p.is_floating_point()} - {torch.float32}
        if isinstance(self.network, nn.DataParallel):
            return "Hand over the network inside: model.module."
        if others:
            return f"It has parameters of {others.pop()}, and is trained in torch.float32: model.float() makes it so."
        if self.inputs.dtype == torch.int64 and isinstance(error, IndexError):
            return f"Has it an embedding for each of the tokens 0 to {int(self.inputs.max())}?"
        if self.inputs.dtype == torch.int64:
            return (
                "Whole numbers come to it as they are, as tokens do. What are no tokens, make float: "
                "inputs.astype('float32')."
            )
        if self._outputs is None:
            return "Is it made for such inputs? It is called with a batch of them."
        outputs = self._outputs
        given = f"of shape {tuple(outputs.shape)}" if isinstance(outputs, Tensor) else f"a {type(outputs).__name__}"
        return f"For two examples its outputs are {given}, which the task must fit ({type(self.task).__name__})."


class _OwnTensors(TorchDispatchMode):
    """Within, it is noted which parameters and saved buffers of its own a network computes with.

    Values are lent to it for a forward pass alone. What takes its own instead, as an activation checkpoint that
    computes anew in the backward pass, would give gradients of another network, and nothing would tell.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self._names = {id(tensor): name for name, tensor in values_of(network).items()}
        self._used: list[str] = []

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """See LaneRandomness."""
        return False

    def __torch_dispatch__(
        self, func: Callable[..., Any], types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        self._used += [self._names[id(each)] for each in tree_leaves((args, kwargs)) if id(each) in self._names]
        return func(*args, **(kwargs or {}))

    def check(self) -> None:
        """Raise RecipeError where there were any."""
        if self._used:
            raise RecipeError(
                f"the network computes with its own '{self._used[0]}' in place of the values that are trained, as it "
                f"does where torch.utils.checkpoint computes anew in the backward pass.\n"
                f"Leave checkpoints out; where memory is short, train.accumulate splits batches. A parameter that is "
                f"kept elsewhere too, as in a list, is taken from the module instead."
            )


def _shaped(given: object) -> str:
    return f"a tensor of shape {tuple(given.shape)}" if isinstance(given, Tensor) else f"a {type(given).__name__}"


def _first_line(error: BaseException) -> str:
    return str(error).strip().partition("\n")[0] or type(error).__name__
