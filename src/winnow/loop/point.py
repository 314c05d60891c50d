"""A rewind point of anybody's training: all that must go back to iteration k for a true rewind."""

from __future__ import annotations

import copy
import json
from collections import OrderedDict, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor, nn
from torch.optim import Optimizer

from winnow.errors import RewindError
from winnow.loop.masked import masked
from winnow.loop.packing import packed, unpacked
from winnow.loop.random import order_state, random_state, set_order_, set_random_
from winnow.loop.targets import targets
from winnow.pruning import Mask
from winnow.store.files import write_file

FORMAT = 1
"""The version of the file: safetensors, and in its metadata the JSON that winnow.loop.packing describes."""

_PARTS = ("optimizer", "scheduler", "data_order", "scaler")


@dataclass(frozen=True, eq=False)
class RewindPoint:
    """A training as it stood at one iteration; made by `rewind_point`, restored by `rewind`. Tensors are on the CPU."""

    model: Mapping[str, Any]
    """The model's state dict: weights, and buffers such as batch normalization's running statistics."""

    parts: Mapping[str, Sequence[Any]]
    """The state of every optimizer, scheduler, data order and scaler that was given."""

    random: Mapping[str, Any]
    """The state of the process's own random numbers, from which dropout and augmentation draw."""

    iteration: int | None = None
    """Iterations that are behind, where it was given."""

    def save(self, path: Path | str) -> None:
        """Write the rewind point to a file, whole or not at all, without pickle.

        Raises RewindError where a part keeps something that cannot be stored so.
        """
        content = {"model": dict(self.model), "parts": dict(self.parts), "random": dict(self.random)}
        structure, tensors = packed(content, "the rewind point")
        header = {"format": FORMAT, "iteration": self.iteration, "content": structure}
        write_file(Path(path), save(tensors, metadata={"winnow": json.dumps(header)}), option="another path")

    @classmethod
    def read(cls, path: Path | str) -> RewindPoint:
        """Read a rewind point from a file; raises RewindError where it is none."""
        try:
            content = Path(path).read_bytes()
            length = int.from_bytes(content[:8], "little")
            header = json.loads(json.loads(content[8 : 8 + length])["__metadata__"]["winnow"])
            if header["format"] != FORMAT:
                raise RewindError(
                    f"'{path}' is a rewind point of format {header['format']}; this Winnow reads {FORMAT}."
                )
            found = unpacked(header["content"], load(content))
            return cls(found["model"], found["parts"], found["random"], header["iteration"])
        except FileNotFoundError:
            raise RewindError(f"there is no file '{path}'.") from None
        except (OSError, SafetensorError, AttributeError, KeyError, ValueError, TypeError) as error:
            raise RewindError(f"'{path}' is not a rewind point: {error}.") from None


def rewind_point(
    model: nn.Module,
    optimizer: Optimizer | Sequence[Optimizer],
    scheduler: Any = None,
    *,
    data_order: Any = None,
    scaler: Any = None,
    iteration: int | None = None,
) -> RewindPoint:
    """Save a training as it stands, to return to with `rewind`: the rewind point W_k of IMP, and all that goes with it.

    That is the weights and the running statistics of batch normalization, the optimizer's state, the scheduler's, the
    GradScaler's where there is one, the random numbers of PyTorch, NumPy and Python, and the data order. For each, give
    one object or a list. `data_order` is what decides the order: a DataLoader's generator, a sampler with a state, or
    a `winnow.DataOrder`. A generator knows the orders to come, not the rest of one under way: save once the loader has
    come to its end, not after its last batch, since samplers draw in between. A `DataOrder` can go on from any
    iteration. A DataLoader without a generator of its own draws from PyTorch's whenever it begins, which in mid-epoch
    would shift the dropout that follows: give it one. What its worker processes draw, as for augmentation, is theirs
    and new every epoch, unless a `DataOrder` or a `winnow.RewindableLoader` sends them their batches: then they draw
    the same for a batch whenever it comes.

    Nothing is shared with the training, which can go on. Raises RewindError for a data order that cannot be saved.
    Source: SLTH (arXiv 1903.01611), Algorithm 1.

    >>> import torch
    >>> model = nn.Linear(2, 1)
    >>> optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    >>> point = rewind_point(model, optimizer, iteration=0)
    >>> before = model.weight.tolist()
    >>> model(torch.ones(1, 2)).sum().backward(); optimizer.step()
    >>> rewind(point, model, optimizer)
    >>> model.weight.tolist() == before
    True
    """
    given = {"optimizer": optimizer, "scheduler": scheduler, "scaler": scaler}
    parts: dict[str, list[Any]] = {
        name: [_copied(each.state_dict()) for each in _several(value)] for name, value in given.items()
    }
    parts["data_order"] = [_copied(order_state(each, iteration)) for each in _several(data_order)]
    return RewindPoint(_copied(model.state_dict()), parts, _copied(random_state()), iteration)


def rewind(
    point: RewindPoint,
    model: nn.Module,
    optimizer: Optimizer | Sequence[Optimizer],
    scheduler: Any = None,
    mask: Mask | None = None,
    *,
    data_order: Any = None,
    scaler: Any = None,
) -> None:
    """Put a training back to its rewind point, under a mask where one is given; then `masked` holds the mask.

    Every part that the point holds must be given, in the order in which `rewind_point` was given them: a rewind that
    left out the schedule would be another experiment. Pruned weights and their optimizer state become zero. Raises
    RewindError, before anything has changed, where the point does not fit.

    Source: SLTH (arXiv 1903.01611), Algorithm 1; Renda et al. 2020 (arXiv 2003.02389), §2, for what must go back.
    """
    given = {"optimizer": optimizer, "scheduler": scheduler, "data_order": data_order, "scaler": scaler}
    parts = {name: _several(value) for name, value in given.items()}
    _check_parts(point, parts)
    _check_model(point, model)
    _check_optimizers(point, parts["optimizer"])
    if mask is not None:
        targets(model, mask)
    model.load_state_dict(dict(point.model))
    for name in _PARTS:
        for each, state in zip(parts[name], point.parts[name], strict=True):
            own = copy.deepcopy(state)  # loaded states are kept, and changed, by those that load them
            if name == "data_order":
                set_order_(each, own)
            else:
                each.load_state_dict(own)
    if mask is not None:
        masked(model, mask, parts["optimizer"]).remove()
    set_random_(point.random)


def _several(value: Any) -> list[Any]:
    """One object, several, or none, as a list."""
    if value is None:
        return []
    return list(cast("Sequence[Any]", value)) if isinstance(value, list | tuple) else [value]


def _copied(state: Any) -> Any:
    """A state that shares nothing with the training, its tensors on the CPU."""
    if isinstance(state, Tensor):
        return state.detach().cpu().clone()
    if type(state) in (dict, OrderedDict, defaultdict):
        return {key: _copied(value) for key, value in state.items()}
    if type(state) in (list, tuple):
        return type(state)(_copied(value) for value in state)
    return copy.deepcopy(state)


def _check_parts(point: RewindPoint, parts: Mapping[str, list[Any]]) -> None:
    """Raise RewindError unless just those parts are given that the point holds."""
    for name in _PARTS:
        saved, given = len(point.parts[name]), len(parts[name])
        what = name.replace("_", " ")
        if saved > given:
            raise RewindError(
                f"the rewind point holds the state of {saved} {what}{'s' * (saved > 1)}, but {given or 'none'} "
                f"{'are' if given > 1 else 'is'} given to restore it to.\nGive rewind(..., {name}=...) what "
                f"rewind_point was given. For the weights alone: model.load_state_dict(point.model)."
            )
        if given > saved:
            raise RewindError(
                f"{given} {what}{'s' * (given > 1)} to restore, but the rewind point holds the state of "
                f"{saved or 'none'}.\nGive it to rewind_point too: rewind_point(..., {name}=...)."
            )


def _check_model(point: RewindPoint, model: nn.Module) -> None:
    own = model.state_dict()
    for name in own:
        if name not in point.model:
            raise RewindError(f"the model's '{name}' is not in the rewind point; it has {', '.join(point.model)}.")
    for name, value in point.model.items():
        if name not in own:
            raise RewindError(f"the rewind point holds '{name}'; the model has {', '.join(own)}.")
        if isinstance(value, Tensor) and value.shape != own[name].shape:
            raise RewindError(
                f"the rewind point's '{name}' has shape {tuple(value.shape)}; the model's has {tuple(own[name].shape)}."
            )


def _check_optimizers(point: RewindPoint, optimizers: Sequence[Optimizer]) -> None:
    for state, optimizer in zip(point.parts["optimizer"], optimizers, strict=True):
        saved = [len(group["params"]) for group in state["param_groups"]]
        own = [len(group["params"]) for group in optimizer.param_groups]
        if saved != own:
            raise RewindError(
                f"the rewind point's optimizer has groups of {', '.join(map(str, saved))} parameters; this "
                f"{type(optimizer).__name__} has {', '.join(map(str, own))}.\n"
                f"Build it as the one that rewind_point was given."
            )
