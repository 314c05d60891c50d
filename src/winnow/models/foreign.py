"""Networks from elsewhere, by name: the user's own code, timm, torchvision, or the config of a transformers model.

    package.module:function       nets/mine.py:function      called with what it takes of shape and classes
    timm:NAME                     torchvision:NAME           without weights
    transformers:PATH.json        the class that the config names, without weights; nothing is fetched

Settings follow in parentheses: `timm:vit_tiny_patch16_224(img_size=32, patch_size=4)`, `nets/mine.py:vit(depth=4)`.
"""

from __future__ import annotations

import ast
import hashlib
import inspect
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from importlib import import_module, metadata
from pathlib import Path
from typing import Any, Literal, cast

from torch import Tensor, nn

from winnow.errors import MissingExtra, RecipeError, UnknownName, WinnowError
from winnow.given import PREFIX, given, was_given
from winnow.models.drawing import check_takes_values
from winnow.named import code, is_own, named, told

Kind = Literal["own", "given", "timm", "torchvision", "transformers"]

_LIBRARIES: tuple[Kind, ...] = ("timm", "torchvision", "transformers")

FIELD = "model.name"


@dataclass(frozen=True)
class Foreign:
    """A network's name, taken apart."""

    kind: Kind
    target: str
    """A function, a library's name for it, or a file; as written."""

    options: Mapping[str, Any]
    """The settings in parentheses."""

    def construct(self, shape: tuple[int, ...], classes: int) -> nn.Module:
        """The network, where PyTorch now makes tensors. Raises RecipeError or MissingExtra."""
        try:
            network = _MAKERS[self.kind](self, shape, classes)
        except WinnowError:
            raise
        except Exception as error:  # it is not our code that runs here
            raise RecipeError(f"network '{self}' cannot be built: {told(error)}.") from error
        if not isinstance(network, nn.Module):
            raise RecipeError(f"field {FIELD}: '{self}' gives a {type(network).__name__}; expected a torch.nn.Module.")
        check_takes_values(network)
        network.register_forward_hook(_logits_alone)
        return network

    @property
    def identity(self) -> tuple[str, str]:
        """What keys hold of it: its name without the place it lies at, and what its code or config was."""
        settings = f"({', '.join(f'{name}={value!r}' for name, value in sorted(self.options.items()))})"
        settings = settings if self.options else ""
        if self.kind == "own":
            return f"own:{self.target.rpartition(':')[2]}{settings}", code(named(self.target, field=FIELD))
        if self.kind == "given":
            return f"{self.target}{settings}", self.target.rpartition("-")[2]
        version = f"{self.kind} {metadata.version(_library(self.kind).__name__)}"
        if self.kind == "transformers":
            content = json.dumps(_config(self.target), sort_keys=True)
            return f"transformers{settings}", f"{hashlib.sha256(content.encode()).hexdigest()[:16]}, {version}"
        return f"{self.kind}:{self.target}{settings}", version

    def __str__(self) -> str:
        return f"{'' if self.kind in ('own', 'given') else f'{self.kind}:'}{self.target}"


def foreign(name: str) -> Foreign | None:
    """A network's name taken apart; None for one of Winnow's own. Raises RecipeError for settings that are none.

    >>> foreign("timm:vit_tiny_patch16_224(img_size=32)")
    Foreign(kind='timm', target='vit_tiny_patch16_224', options={'img_size': 32})
    >>> foreign("nets/mine.py:small").target, foreign("lenet-300-100")
    ('nets/mine.py:small', None)
    """
    head, parenthesis, rest = name.partition("(")
    options = _options(name, rest) if parenthesis else {}
    library, _, target = head.partition(":")
    if library in _LIBRARIES and target:
        return Foreign(library, target, options)
    if head.startswith(PREFIX):
        return Foreign("given", head, options)
    return Foreign("own", head, options) if is_own(head) else None


def called(
    function: Callable[..., Any], offered: Mapping[str, object], options: Mapping[str, Any], *, name: str
) -> Any:
    """What a function gives for those of `offered` that its signature takes, and for all `options`.

    >>> called(lambda classes, depth: (classes, depth), {"shape": (3,), "classes": 10}, {"depth": 2}, name="small")
    (10, 2)
    """
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):  # some of C's
        return function(**options)
    taken = {key: value for key, value in offered.items() if key in signature.parameters} | dict(options)
    try:
        signature.bind(**taken)
    except TypeError as error:
        rest = "nothing else; functools.partial(function, depth=2) gives it the rest"
        further = rest if name.startswith(PREFIX) else f"the settings in parentheses: '{name}(depth=2)'"
        raise RecipeError(
            f"'{name}' takes {signature}, which does not fit: {error}.\n"
            f"It is called with {' and '.join(offered)} if it has parameters of these names, and with {further}."
        ) from None
    return function(**taken)


def _own(each: Foreign, shape: tuple[int, ...], classes: int) -> Any:
    function = named(each.target, field=FIELD)
    return called(function, {"shape": shape, "classes": classes}, each.options, name=each.target)


def _given(each: Foreign, shape: tuple[int, ...], classes: int) -> Any:
    factory = given(each.target, field=FIELD)
    return called(factory, {"shape": shape, "classes": classes}, each.options, name=each.target)


def _timm(each: Foreign, shape: tuple[int, ...], classes: int) -> nn.Module:
    timm: Any = _library("timm")
    if not timm.is_model(each.target):
        raise UnknownName("network of timm", each.target, timm.list_models())
    settings = {"num_classes": classes, "in_chans": shape[0]} | dict(each.options)
    return timm.create_model(each.target, pretrained=False, **settings)


def _torchvision(each: Foreign, shape: tuple[int, ...], classes: int) -> nn.Module:
    models: Any = import_module("torchvision.models") if _library("torchvision") else None
    known = models.list_models(module=models)
    if each.target not in known:
        raise UnknownName("network of torchvision", each.target, known)
    settings = {"num_classes": classes} | dict(each.options)
    return models.get_model(each.target, weights=None, **settings)


def _transformers(each: Foreign, shape: tuple[int, ...], classes: int) -> nn.Module:
    transformers: Any = _library("transformers")
    config = {**_config(each.target), **each.options}
    architectures: list[str] = [str(name) for name in config.get("architectures") or ()]
    if "model_type" not in config or not architectures or not hasattr(transformers, architectures[0]):
        raise RecipeError(
            f"field {FIELD}: the config '{each.target}' must say which model it is of: model_type, such as 'gpt2', and "
            f"architectures, such as ['GPT2LMHeadModel']. It has {config.get('model_type')!r} and {architectures!r}."
        )
    if not {"num_labels", "id2label"} & set(config):
        config["num_labels"] = classes
    made = transformers.AutoConfig.for_model(**config)
    made.use_cache = False
    return getattr(transformers, architectures[0])._from_config(made)


_MAKERS: dict[Kind, Callable[[Foreign, tuple[int, ...], int], Any]] = {
    "own": _own,
    "given": _given,
    "timm": _timm,
    "torchvision": _torchvision,
    "transformers": _transformers,
}


def _library(name: str) -> Any:
    """A library of networks; raises MissingExtra where it is not installed, RecipeError where it does not load."""
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        if error.name == name:
            raise MissingExtra(name, name, f"a network by the name '{name}:...'") from None
        raise RecipeError(f"field {FIELD}: '{name}' cannot be imported: {error}.") from error
    except Exception as error:
        raise RecipeError(
            f"field {FIELD}: '{name}' is installed but does not load: {told(error)}.\n"
            f"Its build must be for the PyTorch that is installed here."
        ) from error


def _config(path: str) -> dict[str, Any]:
    """A transformers config: a JSON file, or the folder that has it as config.json."""
    place = Path(path) / "config.json" if Path(path).is_dir() else Path(path)
    try:
        content = json.loads(place.read_text("utf-8"))
    except FileNotFoundError:
        raise RecipeError(
            f"field {FIELD}: there is no config file '{place}'. Write the path of a model's config.json; nothing is "
            f"fetched."
        ) from None
    except (OSError, ValueError) as error:
        raise RecipeError(f"field {FIELD}: '{place}' is no JSON file: {error}.") from None
    if not isinstance(content, dict):
        raise RecipeError(f"field {FIELD}: '{place}' holds no config, which is a JSON object.")
    return cast("dict[str, Any]", content)


def _options(name: str, rest: str) -> dict[str, Any]:
    try:
        call = ast.parse(f"f({rest}", mode="eval").body
        if not isinstance(call, ast.Call) or call.args or not isinstance(call.func, ast.Name):
            raise ValueError("expected settings by name")
        return {str(keyword.arg): ast.literal_eval(keyword.value) for keyword in call.keywords if keyword.arg}
    except (SyntaxError, ValueError):
        raise RecipeError(
            f"field {FIELD}: '{name}': in parentheses come settings by name, such as '(depth=4, width=64)'."
        ) from None


def _logits_alone(network: nn.Module, inputs: Any, output: Any) -> Any:
    """What a network gives as one tensor: libraries wrap it in a record, with its logits under that name.

    What has none stays as it is: several outputs are for tasks of the user's own.
    """
    logits = output if isinstance(output, Tensor) else getattr(output, "logits", None)
    if logits is None and isinstance(output, Mapping):
        logits = cast("Mapping[str, Any]", output).get("logits")
    return logits if isinstance(logits, Tensor) else cast(Any, output)


def as_written(network: nn.Module) -> nn.Module:
    """A network without what Winnow has added to it, changed in place: it gives again what its own code gives."""
    hooks = cast("dict[int, Any]", network._forward_hooks)  # pyright: ignore[reportPrivateUsage]
    for handle in [handle for handle, hook in hooks.items() if hook is _logits_alone]:
        del hooks[handle]
    return network


def is_here(name: str) -> bool:
    """Whether a network can be built: one that was handed over as an object cannot be in another process."""
    found = foreign(name)
    return found is None or found.kind != "given" or was_given(found.target)


def is_fixed(name: str) -> bool:
    """Whether a name stands for a module that was handed over with its values, which building it does not draw."""
    found = foreign(name)
    return (
        found is not None
        and found.kind == "given"
        and bool(getattr(given(found.target, field=FIELD), "is_fixed", False))
    )


def constructor(name: str, shape: tuple[int, ...], classes: int) -> Callable[[], nn.Module] | None:
    """What builds the network of that name whenever it is called; None for one of Winnow's own."""
    found = foreign(name)
    return None if found is None else partial(found.construct, shape, classes)
