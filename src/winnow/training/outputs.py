"""How many outputs a network has, and how many a task needs: one for each class, or for each number to learn."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

import torch
from torch import Tensor, nn

from winnow.errors import RecipeError
from winnow.models.drawing import seeded
from winnow.training.objective import Regression, TokenPrediction
from winnow.training.state import Tensors
from winnow.training.tasks import Classification, Task

KNOWN = (Classification, Regression, TokenPrediction)
"""Winnow's own tasks, which hold one tensor of outputs against the targets."""


def outputs_of(network: nn.Module, values: Tensors, inputs: Tensor) -> Any:
    """What a network gives for a batch in evaluation mode; None where it fails, which training tells better."""
    try:
        with seeded(0), torch.no_grad():
            network.eval()  # a network's own may give nothing back
            return torch.func.functional_call(network, values, (inputs,))
    except Exception:
        return None


def check_outputs(network: nn.Module, outputs: Any, targets: Tensor, task: Task, classes: int | None) -> None:
    """Raise RecipeError where outputs for a batch are too few for the task, or have other axes than it needs.

    `classes` is how many classes or tokens there are; None where that is not known. Other tasks' outputs are their own.
    """
    if isinstance(task, KNOWN) and outputs is not None and not isinstance(outputs, Tensor):
        raise RecipeError(
            f"the network {type(network).__name__} gives a {type(outputs).__name__}; expected a tensor, or something "
            f"whose .logits is one.\nWhat several outputs are held against is a task of your own: train.task = "
            f"'file.py:function'."
        )
    if not isinstance(outputs, Tensor) or classes is None:
        return
    if isinstance(task, Classification) and outputs.ndim != 2:
        raise RecipeError(
            f"the network's outputs for {len(targets)} examples have shape {tuple(outputs.shape)}; expected "
            f"{(len(targets), classes)}, a number for each class.\n{_axes(outputs)}"
        )
    if isinstance(task, Regression) and outputs.numel() != targets.numel():
        numbers, wanted = outputs.numel() // len(targets), targets[0].numel()
        raise RecipeError(
            f"the network gives {_counted(numbers, 'number')} for an example, and its targets are {wanted}: of shape "
            f"{tuple(targets.shape[1:])}.\nGive its last layer{_last_layer(network, numbers)} as many outputs as there "
            f"are numbers to learn."
        )
    if isinstance(task, Classification) or (isinstance(task, TokenPrediction) and outputs.ndim == 3):
        found, what = outputs.shape[-1], "class" if isinstance(task, Classification) else "token"
        if found < classes:
            one = "Each class has an output of its own, also where there are two.\n" if found == 1 else ""
            layer = _last_layer(network, found)
            raise RecipeError(
                f"the network has {_counted(found, 'output')}, too few for the {classes} "
                f"{'classes' if what == 'class' else 'tokens'} of the data (0 to {classes - 1}).\n{one}"
                f"Give its last layer{layer} {classes} outputs; a function that builds it is told how many, where "
                f"it has a parameter `classes`."
            )


def _counted(number: int, what: str) -> str:
    return f"{number} {what}{'s' * (number != 1)}"


def _axes(outputs: Tensor) -> str:
    if outputs.ndim > 2 and outputs[0].numel() == outputs.shape[1]:
        return "Take off the axes behind, as nn.Flatten() at its end does."
    return "It is called with a batch of examples: keep the batch in front, and one output for each class behind it."


def _last_layer(network: nn.Module, outputs: int) -> str:
    """The last layer with so many outputs, in brackets; empty where there is none."""
    modules = cast("Iterator[tuple[str, nn.Module]]", network.named_modules())
    names = [
        f" ('{name}', {type(module).__name__})" if name else f" ({type(module).__name__})"
        for name, module in modules
        if outputs in (getattr(module, "out_features", None), getattr(module, "out_channels", None))
    ]
    return names[-1] if names else ""
