"""The parameters that a mask is for, in a model that somebody else built."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import cast

from torch import Tensor, nn

from winnow.errors import MaskError
from winnow.pruning import Mask
from winnow.pruning.computed import computed
from winnow.pruning.mask import WRAPPERS


def targets(model: nn.Module, mask: Mask) -> dict[str, nn.Parameter]:
    """The masked parameters of a model by name; raises MaskError where the mask does not fit it.

    A parameter that two modules share can be called by either name, but cannot have two masks.
    """
    parameters = dict(model.named_parameters(remove_duplicate=False))
    for name in mask:
        if name not in parameters:
            _explain(model, name, parameters)
    mask.check_fits(parameters)
    names: dict[nn.Parameter, str] = {}
    for name in mask:
        other = names.setdefault(parameters[name], name)
        if not bool((mask[other] == mask[name]).all()):
            raise MaskError(
                f"masks '{other}' and '{name}' differ, but the model has one parameter under both names.\n"
                f"Leave one of the two out of the mask."
            )
    return {name: parameters[name] for name in mask}


def _explain(model: nn.Module, name: str, parameters: Mapping[str, Tensor]) -> None:
    """Raise MaskError where it can be told why the model has no such parameter."""
    path, _, attribute = name.rpartition(".")
    module = dict(cast("Iterator[tuple[str, nn.Module]]", model.named_modules())).get(path)
    how = None if module is None else computed(module, attribute)
    if how is not None:
        raise MaskError(
            f"mask '{name}': the model computes '{name}' by {how.by} from other parameters, so it is none that could "
            f"be held at zero.\nMake it one before pruning: {how.remedy}."
        )
    for prefix, inside in WRAPPERS.items():
        if f"{prefix}{name}" in parameters:
            raise MaskError(
                f"mask '{name}': the model is wrapped, and calls this parameter '{prefix}{name}'.\n"
                f"Give the model inside, model.{inside}: the two share their parameters."
            )
