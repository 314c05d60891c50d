"""What tells an object that was handed over from Python from another: hashes of its code, settings and tensors."""

from __future__ import annotations

import ast
import functools
import hashlib
import inspect
import json
import textwrap
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any, cast

import torch
from torch import Tensor, nn

from winnow.errors import RecipeError
from winnow.named import code


def of_module(network: nn.Module) -> str:
    """The fingerprint of a network as it stands: its structure, its classes' code, its settings and its values."""
    digest = hashlib.sha256(repr(network).encode())
    for path, module in cast("Iterator[tuple[str, nn.Module]]", network.named_modules()):
        kind = type(module)
        settings = {name: value for name, value in vars(module).items() if not name.startswith("_")}
        settings.pop("training", None)
        told = {name: _told(value, strict=False) for name, value in sorted(settings.items())}
        digest.update(json.dumps([path, kind.__qualname__, told]).encode())
        if not kind.__module__.startswith("torch."):
            digest.update(of_code(kind).encode())
    for name, tensor in network.state_dict().items():
        if isinstance(tensor, Tensor):  # a module may save anything else beside
            digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
            digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
    digest.update(str([parameter.requires_grad for parameter in network.parameters()]).encode())
    return digest.hexdigest()


def of_callable(function: Callable[..., Any]) -> str:
    """The fingerprint of a function or class: of its code, and of what it has captured.

    Raises RecipeError where it has captured something whose content cannot be told.
    """
    return hashlib.sha256(json.dumps(_told(function, strict=True)).encode()).hexdigest()


def of_code(value: Any) -> str:
    """The fingerprint of the code of a function or class, wherever it was written: in a file, or at a prompt."""
    if _is_of_a_file(value):
        return code(value)
    try:
        described = ast.dump(ast.parse(textwrap.dedent(inspect.getsource(value))))
    except (OSError, TypeError, SyntaxError):
        described = json.dumps(_bytecode(value))
    return hashlib.sha256(described.encode()).hexdigest()[:16]


def _is_of_a_file(value: Any) -> bool:
    """Whether a function or class was written in its module's file, and not at a prompt or by another program."""
    file = getattr(inspect.getmodule(value), "__file__", None)
    inner = value.__dict__.values() if inspect.isclass(value) else [value]
    written = {entry.__code__.co_filename for entry in inner if inspect.isfunction(entry)}
    return file is not None and all(Path(each).resolve() == Path(file).resolve() for each in written)


def _bytecode(value: Any) -> list[Any]:
    if isinstance(value, type):
        return [value.__qualname__, *(_bytecode(entry) for entry in vars(value).values() if inspect.isfunction(entry))]
    compiled: CodeType | None = getattr(value, "__code__", None)
    return [getattr(value, "__qualname__", type(value).__qualname__)] + (_compiled(compiled) if compiled else [])


def _compiled(compiled: CodeType) -> list[Any]:
    constants = [_compiled(entry) if isinstance(entry, CodeType) else repr(entry) for entry in compiled.co_consts]
    return [compiled.co_code.hex(), list(compiled.co_names), constants]


def _told(value: Any, *, strict: bool) -> Any:
    """A value as JSON that is the same for the same content, in every process."""
    if value is None or isinstance(value, (bool, int, float, str)):
        return [type(value).__name__, repr(value)]
    if isinstance(value, (list, tuple, set, frozenset)):
        entries = [_told(entry, strict=strict) for entry in cast("list[Any]", value)]
        return [
            type(cast("object", value)).__name__,
            sorted(entries, key=repr) if isinstance(value, (set, frozenset)) else entries,
        ]
    if isinstance(value, Mapping):
        return {str(key): _told(entry, strict=strict) for key, entry in cast("Mapping[Any, Any]", value).items()}
    if isinstance(value, nn.Module):
        return of_module(value)
    if isinstance(value, Tensor):
        return [str(value.dtype), value.detach().cpu().tolist()]
    if isinstance(value, (ModuleType, torch.dtype, torch.device)):
        return str(getattr(value, "__name__", value))
    if isinstance(value, functools.partial):
        parts = cast("functools.partial[Any]", value)
        return [_told(part, strict=strict) for part in (parts.func, parts.args, parts.keywords)]
    if inspect.isfunction(value) or inspect.isclass(value) or inspect.isbuiltin(value):
        return [of_code(value), *(_told(entry, strict=strict) for entry in _captured(value))]
    if strict:
        raise RecipeError(
            f"the network's function holds a {type(value).__name__}, and nothing tells one of these from another, so "
            f"its results could be taken for another's.\nWrite the function in a file, and name it: 'file.py:function'."
        )
    return type(value).__qualname__


def _captured(function: Any) -> list[Any]:
    """What a function has from its surroundings and as defaults."""
    cells = [cell.cell_contents for cell in getattr(function, "__closure__", None) or ()]
    kept = [entry for entry in cells if entry is not function]
    return [*kept, *(getattr(function, "__defaults__", None) or ()), getattr(function, "__kwdefaults__", None)]
