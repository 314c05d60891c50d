"""Networks that initialize themselves: built under a seed, and without values where that is enough."""

from __future__ import annotations

import random
import warnings
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from winnow.errors import RecipeError

Construct = Callable[[], nn.Module]

STATISTICS = ("running_mean", "running_var", "num_batches_tracked")
"""The buffers of batch normalization, which have a rule."""


@contextmanager
def default_type() -> Generator[None]:
    """Within, new tensors are float32, whatever the program around has set."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float32)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


@contextmanager
def seeded(seed: int) -> Generator[None]:
    """Within, code that draws from global generators draws from `seed`; afterwards they stand as they stood.

    A module's own initialization takes no generator: this is the one place where the global ones are touched.
    PyTorch's on the CPU, Python's and NumPy's; on a GPU nothing is built. New tensors are float32.

    >>> with seeded(1): first = torch.rand(1)
    >>> with seeded(1): again = torch.rand(1)
    >>> bool(first == again)
    True
    """
    python, numpy = random.getstate(), np.random.get_state()
    with torch.random.fork_rng(devices=[]), default_type():
        torch.default_generator.manual_seed(seed)
        random.seed(seed)
        np.random.seed(seed & 0xFFFF_FFFF)
        try:
            yield
        finally:
            random.setstate(python)
            np.random.set_state(numpy)


def without_values(construct: Construct) -> nn.Module:
    """The network on the meta device, if it can lie there: else built on the CPU, under a seed that says nothing.

    Kept on the CPU are networks that cannot be built otherwise, and those that compute with tensors which no training
    state holds: buffers that are not saved, or plain attributes. Their values are then the module's own.
    """
    with seeded(0), warnings.catch_warnings():
        # A pretrained network's code loads values, which the meta device does not take; they are read when drawn.
        warnings.filterwarnings("ignore", r"for .*: copying from a non-meta parameter .* is a no-op")
        try:
            with torch.device("meta"):
                network = construct()
        except Exception:  # whatever is wrong, the CPU will tell better
            network = None
    return network if network is not None and not _holds_values(network) else with_values(construct)


def with_values(construct: Construct) -> nn.Module:
    """The network on the CPU, drawn under a seed that says nothing."""
    with seeded(0), torch.device("cpu"):
        return construct()


def own_values(construct: Construct, seed: int) -> dict[str, Tensor]:
    """A network's own initialization, drawn under a seed: every parameter and saved buffer by its first name."""
    with seeded(seed), torch.device("cpu"):
        network = construct()
    return {name: tensor.detach().clone() for name, tensor in values_of(network).items()}


def values_of(network: nn.Module) -> dict[str, Tensor]:
    """Parameters and saved buffers by name, each once: of names that are tied to one tensor the first."""
    saved = network.state_dict()
    tensors: dict[str, Tensor] = dict(network.named_parameters())
    return tensors | {name: buffer for name, buffer in network.named_buffers() if name in saved}


def trained(network: nn.Module) -> list[str]:
    """The names of the parameters that training changes: those that are not frozen, each once."""
    return [name for name, parameter in network.named_parameters() if parameter.requires_grad]


def tied(network: nn.Module) -> dict[str, str]:
    """The further names of tensors that a network uses in several places, with the first name of each.

    >>> network = nn.Sequential(nn.Linear(2, 2, bias=False), nn.Linear(2, 2, bias=False))
    >>> network[1].weight = network[0].weight
    >>> tied(network)
    {'1.weight': '0.weight'}
    """
    first: dict[int, str] = {}
    others: dict[str, str] = {}
    every = [*network.named_parameters(remove_duplicate=False), *network.named_buffers(remove_duplicate=False)]
    for name, tensor in every:
        if first.setdefault(id(tensor), name) != name:
            others[name] = first[id(tensor)]
    saved = network.state_dict()
    return {name: known for name, known in others.items() if name in saved}


def check_takes_values(network: nn.Module) -> None:
    """Raise RecipeError for a network that cannot be given values: one with lazy modules, or one of TorchScript."""
    if isinstance(network, torch.jit.ScriptModule):
        raise RecipeError(
            "the network is a ScriptModule, which computes with its own values alone.\n"
            "Give the module that it was made of; --engine compiled records one, where that is faster."
        )
    waiting = [name for name, tensor in (*network.named_parameters(), *network.named_buffers()) if is_lazy(tensor)]
    if waiting:
        names = ", ".join(waiting[:5]) + " ..." * (len(waiting) > 5)
        raise RecipeError(
            f"the network's {names} have no shape until it is first called (lazy modules).\n"
            f"Give the layers their sizes, or call it once where it is built: network(torch.zeros(1, *shape))."
        )


def unsaved_buffers(network: nn.Module) -> dict[str, Tensor]:
    """The buffers that a state dict leaves out."""
    saved = network.state_dict()
    return {name: buffer for name, buffer in network.named_buffers() if name not in saved}


def ready(network: nn.Module, device: torch.device) -> nn.Module:
    """The network with the buffers that no state holds on a device, changed in place; its values come with a state."""
    for path in unsaved_buffers(network):
        owner, _, name = path.rpartition(".")
        module = network.get_submodule(owner)
        setattr(module, name, getattr(module, name).to(device))
    return network


def _holds_values(network: nn.Module) -> bool:
    """Whether a network computes with tensors that are neither parameters nor statistics of batch normalization."""
    attributes = (
        value for module in network.modules() for name, value in vars(module).items() if name not in _REGISTERED
    )
    return any(name.rpartition(".")[2] not in STATISTICS for name, _ in network.named_buffers()) or any(
        isinstance(entry, Tensor) for value in attributes for entry in _within(value)
    )


_REGISTERED = ("_parameters", "_buffers", "_modules")


def _within(value: Any) -> list[Any]:
    if isinstance(value, (list, tuple)):
        return list(cast("list[Any]", value))
    return list(cast("dict[Any, Any]", value).values()) if isinstance(value, dict) else [value]
