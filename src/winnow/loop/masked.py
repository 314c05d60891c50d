"""Pruned weights, their gradients and their optimizer state, held at exactly zero in a loop that is not ours."""

from __future__ import annotations

import weakref
from collections.abc import Iterable, Iterator, Sequence
from types import TracebackType
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.utils.hooks import RemovableHandle

from winnow.errors import MaskError
from winnow.loop.targets import targets
from winnow.pruning import Mask


def masked(model: nn.Module, mask: Mask, optimizer: Optimizer | Iterable[Optimizer]) -> Masked:
    """Hold a model's pruned weights at exactly zero while any loop trains it with `optimizer`, or with several.

    At once, and after every `optimizer.step()`, pruned weights and all that the optimizer keeps for them (momentum,
    running means) are zero. Their gradients are zero as soon as they are there, so that clipping measures the
    weights that remain. Weight decay, Nesterov momentum, gradient accumulation, GradScaler, fused and foreach
    optimizers need no further thought, whatever the optimizer.

    Nothing is wrapped or renamed: the model stays as it is, with the same state dict. What holds the weights are hooks
    of the optimizer and of the parameters, which PyTorch leaves out of copies and pickles: a copy is a plain model
    whose pruned weights are zero, to be masked with an optimizer of its own. Use as a context manager, or call
    `remove()`. Raises MaskError where the mask does not fit the model, or the optimizer lacks a masked parameter.

    >>> model = nn.Linear(2, 1, bias=False)
    >>> optimizer = torch.optim.Adam(model.parameters(), weight_decay=0.1)
    >>> with masked(model, Mask({"weight": torch.tensor([[True, False]])}), optimizer):
    ...     model(torch.ones(4, 2)).sum().backward()
    ...     optimizer.step()
    >>> model.weight[0, 1].item(), optimizer.state[model.weight]["exp_avg"][0, 1].item()
    (0.0, 0.0)
    """
    optimizers = [optimizer] if isinstance(optimizer, Optimizer) else list(optimizer)
    parameters = targets(model, mask)
    _check_optimizers(parameters, optimizers)
    return Masked(mask, parameters, optimizers)


class Masked:
    """A mask that is being held; made by `masked`."""

    def __init__(self, mask: Mask, parameters: dict[str, nn.Parameter], optimizers: Sequence[Optimizer]) -> None:
        self.mask = mask
        self._held = {parameter: _Zeros(~mask[name]) for name, parameter in parameters.items()}
        self._optimizers = [weakref.ref(optimizer) for optimizer in optimizers]
        self._hooks: list[RemovableHandle] = []
        for name, parameter in parameters.items():
            if parameter.requires_grad:
                hook = _OfGradient(name, self._held[parameter])
                self._hooks.append(cast(RemovableHandle, parameter.register_post_accumulate_grad_hook(hook)))
        for optimizer in optimizers:
            self._hooks += [
                optimizer.register_step_pre_hook(self._before_step),
                optimizer.register_step_post_hook(self._after_step),
                optimizer.register_load_state_dict_post_hook(self._after_loading),
            ]
        self.apply_()

    @torch.no_grad()
    def apply_(self) -> None:
        """Set pruned weights, their gradients and their optimizer state to zero now.

        Needed by no loop; only after something has written into the model's weights past the optimizer, such as
        `model.load_state_dict`.
        """
        for parameter, zeros in self._held.items():
            zeros.in_(parameter)
            if parameter.grad is not None:
                zeros.in_(parameter.grad)
        for reference in self._optimizers:
            if (optimizer := reference()) is not None:
                self._of_optimizer_(optimizer)

    def remove(self) -> None:
        """Let go: from here on, pruned weights train like any other."""
        for hook in self._hooks:
            hook.remove()
        self._hooks.clear()

    def __enter__(self) -> Masked:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.remove()

    def __repr__(self) -> str:
        return f"Masked({self.mask!r}, {'held' if self._hooks else 'removed'})"

    @torch.no_grad()
    def _before_step(self, optimizer: Optimizer, args: Any, kwargs: Any) -> None:
        """Gradients that were put there without a backward pass are masked too, for what mixes them (LAMB, Muon)."""
        for parameter in self._of(optimizer):
            if parameter.grad is not None:
                self._held[parameter].in_(parameter.grad)

    @torch.no_grad()
    def _after_step(self, optimizer: Optimizer, args: Any, kwargs: Any) -> None:
        for parameter in self._of(optimizer):
            self._held[parameter].in_(parameter)
        self._of_optimizer_(optimizer)

    @torch.no_grad()
    def _after_loading(self, optimizer: Optimizer) -> None:
        self._of_optimizer_(optimizer)

    def _of_optimizer_(self, optimizer: Optimizer) -> None:
        """Zero what an optimizer keeps for each weight: the tensors of its state with the parameter's shape."""
        for parameter in self._of(optimizer):
            for name, value in optimizer.state.get(parameter, {}).items():
                if isinstance(value, Tensor) and value.shape == parameter.shape and name != "step":
                    self._held[parameter].in_(value)

    def _of(self, optimizer: Optimizer) -> Iterator[nn.Parameter]:
        return (parameter for parameter in parameters_of(optimizer) if parameter in self._held)


class _Zeros:
    """Where zeros belong in a parameter, wherever the parameter is."""

    def __init__(self, pruned: Tensor) -> None:
        self._pruned = pruned

    def in_(self, tensor: Tensor) -> None:
        """Put them there. Not by a product, in which an infinite gradient would become NaN."""
        if self._pruned.device != tensor.device:
            self._pruned = self._pruned.to(tensor.device)
        tensor.masked_fill_(self._pruned, 0)


class _OfGradient:
    """Masks a parameter's gradient whenever a backward pass has added to it. It holds no reference to the parameter."""

    def __init__(self, name: str, zeros: _Zeros) -> None:
        self._name, self._zeros = name, zeros

    @torch.no_grad()
    def __call__(self, parameter: Tensor) -> None:
        gradient = parameter.grad
        if gradient is None:
            return
        if gradient.layout != torch.strided:
            raise MaskError(
                f"mask '{self._name}': the gradient of this parameter is sparse, and pruned weights cannot be told "
                f"from those without a gradient.\nBuild the layer with sparse=False."
            )
        self._zeros.in_(gradient)


def parameters_of(optimizer: Optimizer) -> Iterator[nn.Parameter]:
    """An optimizer's parameters, in the order of its groups."""
    return (parameter for group in optimizer.param_groups for parameter in cast("list[nn.Parameter]", group["params"]))


def _check_optimizers(parameters: dict[str, nn.Parameter], optimizers: Sequence[object]) -> None:
    """Raise MaskError unless every masked parameter that is trained belongs to one of the optimizers."""
    owned: set[nn.Parameter] = set()
    for optimizer in optimizers:
        # A wrapper that is an Optimizer in name alone (Accelerate's) has no hooks of its own.
        if not isinstance(optimizer, Optimizer) or "_optimizer_step_post_hooks" not in vars(optimizer):
            raise MaskError(
                f"{type(optimizer).__name__} is no torch.optim.Optimizer whose steps can be followed.\n"
                f"Give the optimizer itself; a wrapper keeps it, mostly as `.optimizer`."
            )
        owned.update(parameters_of(optimizer))
    for name, parameter in parameters.items():
        if parameter not in owned and parameter.requires_grad:
            raise MaskError(
                f"mask '{name}', of shape {tuple(parameter.shape)}: the optimizer does not train this parameter, so "
                f"it cannot be held at zero.\nBuild the optimizer from this model's parameters, after the model is "
                f"where it is to be; with several optimizers, give all of them: masked(model, mask, [first, second])."
            )
