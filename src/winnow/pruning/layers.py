"""Which of a network's parameters can be pruned, and as what kind of layer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from fractions import Fraction
from typing import cast

from torch import nn

from winnow.errors import RecipeError
from winnow.recipe import LayerKind, Rates

CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)


@dataclass(frozen=True)
class Layer:
    """A prunable layer: its kernel's kind, shape and rate of pruning."""

    kind: LayerKind
    shape: tuple[int, ...]
    rate: Fraction
    """The fraction of the remaining weights removed per round, exactly as written: 0.2 is 1/5."""

    @property
    def size(self) -> int:
        """How many weights the kernel has."""
        size = 1
        for length in self.shape:
            size *= length
        return size


def prunable_layers(network: nn.Module, rates: Rates, exclude: Sequence[str] = ()) -> dict[str, Layer]:
    """The prunable parameters of a network by name, in the network's order.

    Kernels of convolutions and linear layers alone, never biases or normalizations. The last linear layer is
    the `output`. Parameters whose kind has no rate, or whose name matches a pattern in `exclude`, are left out.
    Raises RecipeError for a pattern that matches nothing, or when nothing is left.
    """
    modules = cast("Iterator[tuple[str, nn.Module]]", network.named_modules())
    kernels = {
        f"{name}.weight".removeprefix("."): module
        for name, module in modules
        if isinstance(module, (nn.Linear, *CONVOLUTIONS))
    }
    for pattern in exclude:
        if not any(fnmatchcase(name, pattern) for name in kernels):
            raise RecipeError(
                f"prune.exclude: '{pattern}' matches none of the network's kernels: {', '.join(kernels)}."
            )
    last_linear = next((name for name, module in reversed(kernels.items()) if isinstance(module, nn.Linear)), None)
    layers: dict[str, Layer] = {}
    for name, module in kernels.items():
        kind: LayerKind = "conv" if isinstance(module, CONVOLUTIONS) else "output" if name == last_linear else "linear"
        rate: float | None = getattr(rates, kind)
        if rate is not None and not any(fnmatchcase(name, pattern) for pattern in exclude):
            layers[name] = Layer(kind, tuple(module.get_parameter("weight").shape), Fraction(str(rate)))
    if not layers:
        raise RecipeError(
            f"prune.rate gives no rate for any kernel of the network ({', '.join(kernels) or 'it has none'}), "
            f"so nothing would be pruned."
        )
    return layers
