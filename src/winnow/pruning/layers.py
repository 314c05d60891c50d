"""Which of a network's parameters can be pruned, and as what kind of layer."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from fnmatch import fnmatchcase
from fractions import Fraction
from typing import cast

from torch import nn

from winnow.errors import RecipeError
from winnow.models.initialize import is_bias
from winnow.models.normalization import is_normalization
from winnow.pruning.computed import computed
from winnow.recipe import LayerKind, Rates

CONVOLUTIONS = nn.modules.conv._ConvNd  # pyright: ignore[reportPrivateUsage]
_PROJECTIONS = ("in_proj_weight", "q_proj_weight", "k_proj_weight", "v_proj_weight")


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
        return math.prod(self.shape)


@dataclass(frozen=True)
class Parameter:
    """A parameter of a network, and whether it is pruned."""

    name: str
    """Its first name, where several modules share it."""

    shape: tuple[int, ...]
    kind: LayerKind | None
    """None where it is no kernel."""

    rate: Fraction | None
    """None where it is not pruned."""

    reason: str
    """Why it is not pruned, or why though it would not be by its kind; else empty."""

    @property
    def size(self) -> int:
        """How many weights it has."""
        return math.prod(self.shape)


@dataclass(frozen=True, kw_only=True)
class Use:
    """A parameter as its module uses it."""

    kind: LayerKind | None
    """None where it is no kernel."""

    shape: tuple[int, ...]
    is_frozen: bool
    what: str
    """What it is, where it is no kernel."""


def prunable_layers(
    network: nn.Module, rates: Rates, exclude: Sequence[str] = (), include: Sequence[str] = ()
) -> dict[str, Layer]:
    """The prunable parameters of a network by name, in the network's order; see `parameters`.

    Raises RecipeError for a pattern that matches nothing, or when nothing is left.
    """
    return _prunable(parameters(network, rates, exclude, include))


def prunable_of(
    uses: Mapping[str, Use], rates: Rates, exclude: Sequence[str] = (), include: Sequence[str] = ()
) -> dict[str, Layer]:
    """The same of a network that is not here, by what is known of its parameters."""
    return _prunable([_decided(name, use, rates, exclude, include) for name, use in uses.items()])


def _prunable(every: Sequence[Parameter]) -> dict[str, Layer]:
    layers = {each.name: Layer(each.kind or "linear", each.shape, each.rate) for each in every if each.rate is not None}
    if not layers:
        kernels = ", ".join(f"{each.name}: {each.reason}" for each in every if each.kind)
        raise RecipeError(
            f"prune.rate gives no rate for any kernel of the network ({kernels or 'it has none'}), "
            f"so nothing would be pruned."
        )
    return layers


def parameters(
    network: nn.Module, rates: Rates, exclude: Sequence[str] = (), include: Sequence[str] = ()
) -> list[Parameter]:
    """Every parameter of a network, in its order, with its kind, its rate of pruning, or why it is not pruned.

    Pruned are the kernels of convolutions, of linear layers (transformers' `Conv1D` among them), and the projections of
    attention: its in_proj_weight, and linear layers inside a module whose class has "attention" in its name. The last
    linear layer is the `output`. Biases, normalizations and frozen parameters never are; embeddings, and what is tied
    to one, where they have a rate. Patterns of names in `include` add parameters, at the rate of their kind or of
    linear layers; those in `exclude` have the last word.

    Raises RecipeError for a pattern that matches nothing, and for kernels with a rate that are no parameters, since
    their modules compute them (`winnow.pruning.computed`), unless they are excluded.

    >>> network = nn.Sequential(nn.Embedding(7, 4), nn.Linear(4, 4), nn.Linear(4, 7, bias=False))
    >>> [(each.name, each.kind, str(each.rate)) for each in parameters(network, Rates(linear=0.2, output=0.1))]
    [('0.weight', 'embedding', 'None'), ('1.weight', 'linear', '1/5'), ('1.bias', None, 'None'),
     ('2.weight', 'output', '1/10')]
    """
    found, without = used(network), computed_kernels(network, rates, exclude)
    kernels = [name for name, use in found.items() if use.kind]
    for pattern in exclude:
        if not any(fnmatchcase(name, pattern) for name in (*kernels, *without, *_matching(found, include))):
            raise RecipeError(
                f"prune.exclude: '{pattern}' matches none of the network's kernels: {', '.join(kernels)}."
            )
    for pattern in include:
        if not _matching(found, [pattern]):
            names = ", ".join(found)
            raise RecipeError(f"prune.include: '{pattern}' matches none of the network's parameters: {names}.")
    return [_decided(name, use, rates, exclude, include) for name, use in found.items()]


def with_effect(kinds: Collection[str], rates: Rates, include: Sequence[str] = ()) -> Rates:
    """The rates without those of kinds that a network has none of, which so are in no key.

    >>> with_effect(("linear", "output"), Rates(conv=0.1, linear=0.2, output=0.1))
    Rates(conv=None, linear=0.2, output=0.1, attention=None, embedding=None)
    """
    if include or "attention" in kinds:  # which go by the rate of linear layers where they have none
        kinds = {*kinds, "linear"}
    return replace(rates, **{each.name: None for each in fields(rates) if each.name not in kinds})


def computed_kernels(network: nn.Module, rates: Rates, exclude: Sequence[str]) -> list[str]:
    """The names of kernels that are no parameters, since their modules compute them, and that are not to be pruned.

    Raises RecipeError for one that is.
    """
    modules = dict(cast("Iterator[tuple[str, nn.Module]]", network.named_modules()))
    names: list[str] = []
    for path, module in modules.items():
        for attribute in ("weight", *_PROJECTIONS):
            kind, how = _kind(modules, path, attribute), computed(module, attribute)
            if kind is None or how is None:
                continue
            names.append(name := f"{path}.{attribute}".removeprefix("."))
            if _rate(kind, rates) and not _fits(name, exclude):
                raise RecipeError(
                    f"the network computes '{name}' by {how.by} from other parameters, so it is none that could be "
                    f"pruned.\nMake it one: {how.remedy}. Or name it in exclude, where it is to stay whole."
                )
    return names


def check_outputs_lie_first(network: nn.Module, layers: Mapping[str, Layer], what: str) -> None:
    """Raise RecipeError where what is prunable has its outputs in another dimension than the first, or no inputs.

    `what` is what takes the first for them: units, patterns along the inputs, shuffling within units.
    """
    flat = [name for name, layer in layers.items() if len(layer.shape) < 2]
    if flat:
        raise RecipeError(
            f"{what} goes by the inputs of every output, and '{flat[0]}', of shape {layers[flat[0]].shape}, has none.\n"
            f"Leave it out (prune.include, prune.exclude), or prune single weights."
        )
    for path, module in cast("Iterator[tuple[str, nn.Module]]", network.named_modules()):
        name = f"{path}.weight".removeprefix(".")
        is_transposed = type(module).__name__ == "Conv1D" or getattr(module, "transposed", False) is True
        if name in layers and is_transposed:
            raise RecipeError(
                f"{what} goes by a kernel's outputs as its first dimension, and '{name}' ({type(module).__name__}) has "
                f"them in its second.\nLeave such layers out (prune.exclude), or prune single weights."
            )


def used(network: nn.Module) -> dict[str, Use]:
    """Every parameter by its first name. One that an embedding uses too is an embedding.

    >>> [use.kind for use in used(nn.Sequential(nn.Linear(4, 4, bias=False), nn.Linear(4, 2, bias=False))).values()]
    ['linear', 'output']
    """
    modules = dict(cast("Iterator[tuple[str, nn.Module]]", network.named_modules(remove_duplicate=False)))
    first: dict[int, str] = {}
    found: dict[str, Use] = {}
    last_linear = ""
    for path, parameter in network.named_parameters(remove_duplicate=False):
        owner, _, name = path.rpartition(".")
        kind = _kind(modules, owner, name)
        known = first.setdefault(id(parameter), path)
        if kind == "linear":
            last_linear = known
        if known == path or (kind == "embedding" and found[known].kind != "embedding"):
            shape, is_frozen = tuple(parameter.shape), not parameter.requires_grad
            found[known] = Use(kind=kind, shape=shape, is_frozen=is_frozen, what=_what(modules[owner], name))
    if last_linear and found[last_linear].kind == "linear":
        found[last_linear] = replace(found[last_linear], kind="output", what="")
    return found


def _kind(modules: dict[str, nn.Module], owner: str, name: str) -> LayerKind | None:
    module = modules[owner]
    if isinstance(module, nn.MultiheadAttention) and name in _PROJECTIONS:
        return "attention"
    if name != "weight":
        return None
    if isinstance(module, CONVOLUTIONS):
        return "conv"
    if isinstance(module, (nn.Embedding, nn.EmbeddingBag)):
        return "embedding"
    if isinstance(module, (nn.Linear, nn.Bilinear)) or type(module).__name__ == "Conv1D":
        return "attention" if _is_in_attention(modules, owner) else "linear"
    return None


def _is_in_attention(modules: dict[str, nn.Module], owner: str) -> bool:
    """Whether a module lies within one of attention, by the names of the classes around it but the whole network's."""
    parts = owner.split(".")
    around = (type(modules[".".join(parts[:depth])]).__name__.lower() for depth in range(1, len(parts)))
    return any("attention" in name or "attn" in name for name in around)


def _what(module: nn.Module, name: str) -> str:
    if is_bias(name):
        return "bias"
    if is_normalization(module):
        return "normalization"
    return f"no kernel ({type(module).__name__})"


def _matching(found: dict[str, Use], patterns: Sequence[str]) -> list[str]:
    return [name for name in found if _fits(name, patterns)]


def _decided(name: str, use: Use, rates: Rates, exclude: Sequence[str], include: Sequence[str]) -> Parameter:
    """Whether a parameter is pruned, at which rate, or why not."""
    rate = _rate(use.kind, rates)
    reason = "" if use.kind and rate else f"no rate for {use.kind}" if use.kind else use.what
    if _fits(name, include) and use.is_frozen:
        raise RecipeError(f"prune.include: '{name}' is frozen (requires_grad is False), so it is never trained.")
    if _fits(name, include) and rate is None:
        if rates.linear is None:
            raise RecipeError(f"prune.include: '{name}' has the rate of linear layers. Give prune.rate.linear.")
        rate, reason = rates.linear, "prune.include"
    if use.is_frozen:
        rate, reason = None, "frozen"
    if _fits(name, exclude):
        rate, reason = None, "prune.exclude"
    exact = None if rate is None else Fraction(str(rate))
    return Parameter(name, use.shape, use.kind, exact, reason)


def _fits(name: str, patterns: Sequence[str]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def _rate(kind: LayerKind | None, rates: Rates) -> float | None:
    if kind is None:
        return None
    rate: float | None = getattr(rates, kind)
    return rates.linear if kind == "attention" and rate is None else rate
