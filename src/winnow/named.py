"""What a recipe names in the user's own code: `package.module:function`, or `path/to/file.py:function`."""

from __future__ import annotations

import ast
import hashlib
import importlib
import importlib.util
import inspect
import logging
import sys
import traceback
from contextlib import suppress
from functools import cache, lru_cache
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any
from weakref import WeakKeyDictionary

from winnow.errors import RecipeError, UnknownName

_log = logging.getLogger(__name__)


def is_own(name: str) -> bool:
    """Whether a name points into the user's code.

    >>> is_own("my_networks:small"), is_own("nets/mine.py:small"), is_own("lenet-300-100")
    (True, True, False)
    """
    module, colon, attribute = name.rpartition(":")
    return bool(colon) and attribute.isidentifier() and (module.endswith(".py") or _is_dotted(module))


def named(name: str, *, field: str) -> Any:
    """What `package.module:function` or `file.py:function` stands for; `field` is where the name was written.

    Modules are looked for where Python looks, and in the working directory. The code runs, as any import does.
    Raises RecipeError where there is no such module, or it has no such function.

    >>> named("math:sqrt", field="prune.score")(9.0)
    3.0
    """
    place, _, attribute = name.rpartition(":")
    if place.endswith(".py"):
        path = Path(place).resolve()
        module = _from_file(path, field)
        _tell_of_edits(path, module)
    else:
        module = _imported(place, field)
    if not hasattr(module, attribute):
        here = [key for key, value in vars(module).items() if callable(value) and not key.startswith("_")]
        raise RecipeError(f"field {field}: {UnknownName(f'name in {place}', attribute, here)}")
    return getattr(module, attribute)


def code(value: Any) -> str:
    """A fingerprint of the code that defines a function or class: 16 hexadecimal digits.

    It is of the whole module's syntax tree, so that a helper that is edited counts, and a comment does not. Modules
    that this one imports are not looked into; those without source give their name. An edit counts once the module is
    loaded anew: until then it is the old code that runs.

    >>> code(is_own) == code(named)
    True
    """
    if not isinstance(value, (FunctionType, type)):
        return _code(value)
    if value not in _SEEN:
        _SEEN[value] = _code(value)
    return _SEEN[value]


_SEEN: WeakKeyDictionary[Any, str] = WeakKeyDictionary()
"""Fingerprints of functions and classes as they were first seen; those of a module that is loaded anew are others."""

_LOADED: dict[str, bytes] = {}
"""What was in files when they were loaded, by their module's name."""


def _code(value: Any) -> str:
    module = inspect.getmodule(value)
    try:
        if module and module.__name__ in _LOADED:
            return _of_text(importlib.util.decode_source(_LOADED[module.__name__]))
        return _of_text(inspect.getsource(module) if module else inspect.getsource(value))
    except (OSError, TypeError, SyntaxError):
        name = f"{getattr(module, '__name__', '')}:{getattr(value, '__qualname__', type(value).__qualname__)}"
        return hashlib.sha256(name.encode()).hexdigest()[:16]


@lru_cache(maxsize=64)
def _of_text(text: str) -> str:
    """Of a long module the syntax tree takes a second."""
    return hashlib.sha256(ast.dump(ast.parse(text)).encode()).hexdigest()[:16]


def told(error: BaseException) -> str:
    """An error of code that is not ours: what it says, and where it arose."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__}: {error} ({Path(last.filename).name}, line {last.lineno})"


def _is_dotted(module: str) -> bool:
    return all(part.isidentifier() for part in module.split("."))


def _imported(place: str, field: str) -> ModuleType:
    here = _looked_for_in(Path.cwd())  # the installed command does not look where the user stands
    try:
        return importlib.import_module(place)
    except ModuleNotFoundError as error:
        if error.name and (place == error.name or place.startswith(f"{error.name}.")):
            raise RecipeError(
                f"field {field}: there is no module '{place}', neither installed nor in {here}.\n"
                f"Name a file instead: 'path/to/file.py:function'."
            ) from None
        raise RecipeError(f"field {field}: '{place}' cannot be imported: {error}.") from error


def _looked_for_in(folder: Path) -> str:
    """Have Python look for modules in a folder too, after all other places; gives the folder as it is looked for."""
    if str(folder) not in sys.path:
        sys.path.append(str(folder))
    return str(folder)


def _from_file(path: Path, field: str) -> ModuleType:
    """The module in a file, run once a process, under a name that no other module has."""
    name = f"winnow_own_{path.stem}_{hashlib.sha256(str(path).encode()).hexdigest()[:8]}"
    if name in _LOADED:
        return sys.modules[name]
    if not path.is_file():
        raise RecipeError(f"field {field}: there is no file '{path}'.")
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise RecipeError(f"field {field}: '{path}' is no Python module.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses and pickling look a class's module up there
    _looked_for_in(path.parent)  # what lies beside it, as where Python runs the file
    try:
        _LOADED[name] = path.read_bytes()
        spec.loader.exec_module(module)
    except Exception as error:
        del sys.modules[name]
        _LOADED.pop(name, None)
        raise RecipeError(f"field {field}: '{path}' cannot be run: {type(error).__name__}: {error}.") from error
    return module


def _tell_of_edits(path: Path, module: ModuleType) -> None:
    with suppress(OSError):
        if path.read_bytes() != _LOADED[module.__name__]:
            _warned(path)


@cache
def _warned(path: Path) -> None:
    _log.warning(
        "'%s' has been edited since this process loaded it, and is used as it was; a new process uses it as it is", path
    )
