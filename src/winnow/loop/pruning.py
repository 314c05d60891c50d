"""One round of pruning on a model that somebody else trained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from fractions import Fraction
from numbers import Integral, Real
from typing import cast

from torch import nn

from winnow.errors import LayerCollapse, MaskError, RecipeError, UnknownName
from winnow.loop.targets import targets
from winnow.models.drawing import check_takes_values
from winnow.pruning import Context, Layer, Mask, kept_weights, prunable_layers
from winnow.pruning import prune as pruned
from winnow.pruning.layers import computed_kernels
from winnow.pruning.prune import Scope
from winnow.pruning.scores import Registered, Score, named_score
from winnow.recipe import Rates

_KINDS: tuple[str, ...] = ("linear", "conv", "output")


def prune(
    model: nn.Module,
    mask: Mask | None = None,
    *,
    rate: float | Mapping[str, float] | None = None,
    density: float | None = None,
    level: int | None = None,
    scope: Scope = "global",
    score: str | Score = "magnitude",
    include: Sequence[str] = (),
    exclude: Sequence[str] = (),
) -> Mask:
    """The mask after one round: of the weights that `mask` keeps, the lowest-scored go. The model is not changed.

    Give `rate`, the fraction of the remaining weights to remove, or `density`, the fraction of all to keep. A rate
    by kind of layer, {"conv": 0.2, "linear": 0.2, "output": 0.1}, is for scope "layerwise"; one left out stays whole.
    With `level` a rate counts from the dense network, N (1 - rate)^level, as a recipe does, so that roundings do not
    pile up; without it, from what remains. Exactly so many weights go, to the nearest; ties go by position.
    A score of one's own is a function from a `winnow.pruning.Context`, of which only the weights are known here.

    Prunable are the kernels of convolutions and linear layers, projections of attention among them, but not those that
    match a pattern in `exclude`, and every parameter that matches one in `include`. A mask given without patterns keeps
    to its own parameters.

    Raises RecipeError for amounts or patterns that cannot mean anything, MaskError where the mask does not fit, and
    LayerCollapse where a layer would be left without weights. Source: LTH (arXiv 1803.03635), §1; SLTH (arXiv
    1903.01611), Algorithm 1.

    >>> import torch
    >>> model = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 2))
    >>> first = prune(model, rate=0.25)
    >>> first
    Mask(18 of 24 weights, 2 layers)
    >>> prune(model, first, rate=0.25, level=2)
    Mask(14 of 24 weights, 2 layers)
    """
    if not isinstance(cast(object, model), nn.Module):
        raise RecipeError(f"model is a {_kind(model)}; expected the torch.nn.Module that is trained.")
    check_takes_values(model)
    include, exclude = ((patterns,) if isinstance(patterns, str) else patterns for patterns in (include, exclude))
    rates = _rates(rate, density, level, scope)
    layers = _layers(model, mask, rates, include, exclude)
    before = mask or Mask.ones({name: layer.shape for name, layer in layers.items()})
    weights = {name: parameter.detach().cpu() for name, parameter in targets(model, before).items()}
    groups = [[name] for name in layers] if scope == "layerwise" else [list(layers)]
    exact: dict[str, Layer] = {}
    for group in groups:
        size = sum(layers[name].size for name in group)
        alive = sum(int(before[name].sum()) for name in group)
        kept = _kept(size, alive, layers[group[0]].rate, density, level)
        if kept > alive:
            raise RecipeError(
                f"{'density' if density is not None else 'level'} {density if density is not None else level} would "
                f"keep {kept:,} weights of {', '.join(group)}, but the mask has only {alive:,} left: pruning brings "
                f"none back.\nGive a smaller density, a higher level, or the mask of an earlier round."
            )
        for name in group:  # one round of this rate keeps just so many
            exact[name] = replace(layers[name], rate=1 - Fraction(kept, size))
    ranking = named_score(score) if isinstance(score, str) else Registered(_callable(score), name="")
    try:
        return pruned(Context.of_weights(weights, before), layers=exact, level=1, scope=scope, score=ranking)
    except LayerCollapse as collapse:
        raise LayerCollapse(str(collapse).replace("level 1", "this round").replace("fewer levels", "less")) from None


def _kept(size: int, alive: int, rate: Fraction, density: float | None, level: int | None) -> int:
    """How many weights of a group remain: as many as asked for, to the nearest."""
    if density is not None:
        return int(size * Fraction(str(density)) + Fraction(1, 2))
    return kept_weights(alive, rate, 1) if level is None else kept_weights(size, rate, level)


def _rates(
    rate: float | Mapping[str, float] | None, density: float | None, level: int | None, scope: Scope
) -> dict[str, float]:
    """The rate of each kind of layer; raises RecipeError where the amounts cannot mean anything."""
    if scope not in ("global", "layerwise"):
        raise UnknownName("scope", scope, ("global", "layerwise"))
    if (rate is None) == (density is None):
        raise RecipeError("give either rate (the fraction of the remaining weights to remove) or density (to keep).")
    if level is not None and (density is not None or not isinstance(cast(object, level), Integral) or level < 1):
        raise RecipeError(f"level {level!r}: levels count from 1, and go with a rate; a density says it all.")
    if density is not None:
        if not (_is_number(density) and 0 < density <= 1):
            raise RecipeError(
                f"density is {density!r}; give the fraction of weights to keep, above 0 and at most 1"
                f"{_as_fraction(density)}."
            )
        return dict.fromkeys(_KINDS, 0.0)
    rates = dict(rate) if isinstance(rate, Mapping) else dict.fromkeys(_KINDS, cast(float, rate))
    for kind, value in rates.items():
        if kind not in _KINDS:
            raise UnknownName("kind of layer", kind, _KINDS)
        if not (_is_number(value) and 0 <= value < 1):
            raise RecipeError(
                f"rate {value!r} of {kind} layers: give the fraction to remove, at least 0 and below 1"
                f"{_as_fraction(value)}."
            )
    if scope == "global" and len(set(rates.values())) != 1:
        raise RecipeError(
            f"scope 'global' ranks all layers together, so they have one rate, but rate is {rates}.\n"
            f"Give one number, or scope='layerwise'."
        )
    return rates


def _is_number(value: object) -> bool:
    return isinstance(value, Real) and not isinstance(cast(object, value), bool)


def _as_fraction(value: object) -> str:
    """How a percentage is written as a fraction, for a message; empty for a number that is none.

    >>> _as_fraction("50%"), _as_fraction(20), _as_fraction("0.5"), _as_fraction(-1)
    (': 0.5 for 50 %', ': 0.2 for 20 %', ', as a number', '')
    """
    try:
        percent = float(str(value).removesuffix("%"))
    except ValueError:
        return ", as a number"
    if str(value).endswith("%") or (_is_number(value) and 1 < percent < 100):
        return f": {percent / 100:g} for {percent:g} %"
    return "" if _is_number(value) else ", as a number"


def _callable(score: Score) -> Score:
    if not callable(score):
        raise RecipeError(f"score is a {_kind(score)}; expected a name, or a function from a winnow.pruning.Context.")
    return score


def _kind(value: object) -> str:
    return type(value).__name__


def _layers(
    model: nn.Module, mask: Mask | None, rates: Mapping[str, float], include: Sequence[str], exclude: Sequence[str]
) -> dict[str, Layer]:
    """What is pruned, at which rate, in the model's order; a mask's own parameters where nothing else is said."""
    parameters = targets(model, mask) if mask is not None else {}
    kernels = _kernels(model)
    if mask is not None and not (include or exclude):
        chosen = {name: kernels.get(name) or _other(parameter) for name, parameter in parameters.items()}
    else:
        chosen = _matching(model, kernels, rates, include, exclude)
    chosen = {name: layer for name, layer in chosen.items() if layer.kind in rates}
    if mask is not None and set(chosen) != set(mask):
        odd = next(iter(set(chosen) ^ set(mask)))
        raise MaskError(
            f"'{odd}' is {'to be pruned, but not in the mask' if odd in chosen else 'in the mask, but not prunable'}: "
            f"an experiment prunes the same parameters in every round.\n"
            f"Give the same rate, include and exclude as in the first round; without patterns the mask decides."
        )
    if not chosen:
        raise RecipeError(
            f"nothing is left to prune: the model's kernels are {', '.join(kernels) or 'none'}.\n"
            f"Name parameters of other kinds with include=['pattern']."
        )
    ordered = mask if mask is not None else [name for name in _named(model) if name in chosen]
    return {name: replace(chosen[name], rate=Fraction(str(rates[chosen[name].kind]))) for name in ordered}


def _matching(
    model: nn.Module,
    kernels: Mapping[str, Layer],
    rates: Mapping[str, float],
    include: Sequence[str],
    exclude: Sequence[str],
) -> dict[str, Layer]:
    """The kernels without those excluded, and what is included; raises RecipeError for a pattern without effect."""
    own = _named(model)
    chosen = dict(kernels)
    without = computed_kernels(model, Rates(**dict.fromkeys(rates, 0.5)), exclude)
    for pattern in include:
        found = [name for name in own if fnmatchcase(name, pattern)]
        if not found:
            raise RecipeError(f"include: '{pattern}' matches none of the model's parameters: {', '.join(own)}.")
        chosen |= {name: chosen.get(name) or _other(own[name]) for name in found}
    for pattern in exclude:
        found = [name for name in chosen if fnmatchcase(name, pattern)]
        if not found and not any(fnmatchcase(name, pattern) for name in without):
            raise RecipeError(f"exclude: '{pattern}' matches none of what would be pruned: {', '.join(chosen)}.")
        chosen = {name: layer for name, layer in chosen.items() if name not in found}
    return chosen


def _kernels(model: nn.Module) -> dict[str, Layer]:
    """The kernels that are prunable by kind; a model may have none.

    One that is another module's parameter, as an output layer tied to an embedding, is left to `include`.
    """
    try:
        without = computed_kernels(model, Rates(), ())
        kernels = prunable_layers(model, Rates(conv=0.5, linear=0.5, output=0.5), exclude=without)
    except RecipeError:
        return {}
    as_linear = {name: replace(layer, kind="linear") for name, layer in kernels.items() if layer.kind == "attention"}
    return {name: layer for name, layer in (kernels | as_linear).items() if name in _named(model)}


def _other(parameter: nn.Parameter) -> Layer:
    """A parameter that is pruned because a pattern or a mask says so."""
    return Layer("linear", tuple(parameter.shape), Fraction(0))


def _named(model: nn.Module) -> dict[str, nn.Parameter]:
    return dict(model.named_parameters())
