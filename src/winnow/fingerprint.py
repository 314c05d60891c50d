"""What tells an object that was handed over from Python from another: hashes of its code, settings and tensors."""

from __future__ import annotations

import ast
import functools
import hashlib
import inspect
import json
import sys
import textwrap
from collections.abc import Callable, Iterator, Mapping
from enum import Enum
from pathlib import Path
from types import CodeType, FunctionType, MethodType, ModuleType
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn

from winnow.errors import RecipeError
from winnow.named import code

_BY_PYTORCH = frozenset(vars(nn.Module()))
"""The attributes that every module has. What they hold is told by its structure, its tensors and its hooks."""


def of_module(network: nn.Module) -> str:
    """The fingerprint of a network as it stands: its structure, its classes' code, its settings and its values."""
    return _Teller(strict=False).module(network)


def of_callable(function: Callable[..., Any]) -> str:
    """The fingerprint of a function or class: of its code, and of what it has captured.

    Raises RecipeError where it has captured something whose content cannot be told.
    """
    return hashlib.sha256(json.dumps(_Teller(strict=True).told(function)).encode()).hexdigest()


class _Teller:
    """Tells values as JSON that is the same for the same content, in every process.

    `strict` raises RecipeError for one whose content cannot be told; otherwise that counts by its class alone.
    """

    def __init__(self, *, strict: bool) -> None:
        self.strict = strict
        self._within: set[int] = set()  # what is being told: a part may lead back to the whole
        self._known: dict[int, tuple[Any, Any]] = {}  # what has been told, kept so that its id stays its own
        self._codes: dict[Any, str] = {}

    def told(self, value: Any) -> Any:
        """A value, whatever it is."""
        if value is None or isinstance(value, (bool, int, float, str, bytes)):
            return [type(value).__name__, repr(value)]
        if id(value) in self._within:
            return "within itself"
        if id(value) not in self._known:
            self._within.add(id(value))
            try:
                self._known[id(value)] = value, self._told(value)
            finally:
                self._within.discard(id(value))
        return self._known[id(value)][1]

    def _told(self, value: Any) -> Any:
        kind = type(value).__qualname__
        if isinstance(value, Enum):
            return [kind, value.name]
        if isinstance(value, (list, tuple)):
            return [kind, [self.told(entry) for entry in cast("list[Any]", value)]]
        if isinstance(value, (set, frozenset)):
            return [kind, sorted((self.told(entry) for entry in cast("set[Any]", value)), key=repr)]
        if isinstance(value, Mapping):
            return {str(key): self.told(entry) for key, entry in cast("Mapping[Any, Any]", value).items()}
        if isinstance(value, nn.Module):
            return self.module(value)
        if isinstance(value, np.ndarray) and value.dtype.kind not in "biufc":  # words, objects
            return [kind, self.told(value.tolist())]
        if isinstance(value, (Tensor, np.ndarray)):
            return _of_tensor(torch.as_tensor(cast(Any, value)))
        if isinstance(value, (ModuleType, torch.dtype, torch.device)):
            return str(getattr(value, "__name__", value))
        if isinstance(value, functools.partial):
            parts = cast("functools.partial[Any]", value)
            return [self.told(part) for part in (parts.func, parts.args, parts.keywords)]
        if isinstance(value, MethodType):
            return [self.told(value.__func__), self.told(value.__self__)]
        if inspect.isfunction(value) or inspect.isclass(value) or inspect.isbuiltin(value):
            return [self.code(value), *(self.told(entry) for entry in _captured(value))]
        if hasattr(value, "__dict__") and not _is_of_python(value.__class__):
            # Configurations of transformers leave out of theirs what differs from process to process.
            held = value.to_dict() if callable(getattr(value, "to_dict", None)) else {**value.__dict__}
            return [self.code(value.__class__), self.told(held)]
        if self.strict:
            raise RecipeError(
                f"the network's function holds a {type(value).__name__}, and nothing tells one of these from another, "
                f"so its results could be taken for another's.\n"
                f"Write the function in a file, and name it: 'file.py:function'."
            )
        return kind

    def module(self, network: nn.Module) -> str:
        """A network: of every module its class's code and its settings, and all tensors."""
        digest = hashlib.sha256(repr(network).encode())
        parts = dict(cast("Iterator[tuple[str, nn.Module]]", network.named_modules()))
        entered = {id(part) for part in parts.values()} - self._within
        self._within |= entered  # a setting that leads to another part of the network adds nothing
        for path, part in parts.items():
            kind = type(part)
            is_pytorchs = kind.__module__.startswith("torch.")
            settings = {name: value for name, value in vars(part).items() if name not in _BY_PYTORCH}
            if is_pytorchs:  # what it keeps to itself follows from the rest
                settings = {name: value for name, value in settings.items() if not name.startswith("_")}
            hooks = [list(value.values()) for name, value in sorted(vars(part).items()) if name.endswith("_hooks")]
            told = {name: self.told(value) for name, value in sorted(settings.items())}
            digest.update(json.dumps([path, kind.__qualname__, told, self.told(hooks)]).encode())
            if not is_pytorchs:
                digest.update(self.code(kind).encode())
        self._within -= entered
        for name, tensor in {**network.state_dict(), **dict(network.named_buffers())}.items():
            if isinstance(tensor, Tensor):  # a module may save anything else beside
                digest.update(f"{name} {_of_tensor(tensor)}\n".encode())
        digest.update(str([parameter.requires_grad for parameter in network.parameters()]).encode())
        return digest.hexdigest()

    def code(self, value: Any) -> str:
        """The code of a function or class, wherever it was written: in a file, or at a prompt.

        Of a file all of it counts. At a prompt there is none: what the code names counts, as it is now. Of a class, so
        do those that it derives from.
        """
        if value not in self._codes:
            bases = value.__mro__[1:] if inspect.isclass(value) else ()
            parts = [value, *(base for base in bases if not _is_of_python(base))]
            told = [(_own_code(part), self._named(part)) for part in parts]
            self._codes[value] = hashlib.sha256(json.dumps(told).encode()).hexdigest()[:16]
        return self._codes[value]

    def _named(self, value: Any) -> Any:
        """The globals that code from a prompt names."""
        if _is_of_a_file(value):
            return []
        found = {
            name: function.__globals__[name]
            for function in _functions(value)
            for name in sorted(_names(function.__code__))
            if name in function.__globals__
        }
        return {name: self.told(entry) for name, entry in sorted(found.items())}


def _of_tensor(tensor: Tensor) -> str:
    """Type, shape and content."""
    plain = tensor.detach().cpu().contiguous().flatten()
    content = hashlib.sha256(plain.view(torch.uint8).numpy().tobytes()) if plain.numel() else hashlib.sha256()
    return f"{tensor.dtype} {tuple(tensor.shape)} {content.hexdigest()}"


def _is_of_python(kind: type) -> bool:
    """Whether a class is Python's or PyTorch's own."""
    return kind.__module__.partition(".")[0] in {"torch", *sys.stdlib_module_names} - {"__main__"}


def _own_code(value: Any) -> str:
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


def _functions(value: Any) -> list[FunctionType]:
    """A function itself, or those of a class."""
    entries = vars(value).values() if inspect.isclass(value) else [value]
    within = (getattr(entry, "__func__", getattr(entry, "fget", entry)) for entry in entries)
    return [entry for entry in within if isinstance(entry, FunctionType)]


def _names(compiled: CodeType) -> set[str]:
    """What code names, and code within it."""
    inner = [_names(entry) for entry in compiled.co_consts if isinstance(entry, CodeType)]
    return set(compiled.co_names).union(*inner)


def _captured(function: Any) -> list[Any]:
    """What a function has from its surroundings and as defaults."""
    cells = [cell.cell_contents for cell in getattr(function, "__closure__", None) or ()]
    kept = [entry for entry in cells if entry is not function]
    return [*kept, *(getattr(function, "__defaults__", None) or ()), getattr(function, "__kwdefaults__", None)]
