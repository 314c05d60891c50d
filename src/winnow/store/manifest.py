"""A result's manifest: what it is, what it was made from, by what, and the checksums of its files."""

from __future__ import annotations

import json
import os
import platform
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import torch

from winnow.errors import CorruptResult
from winnow.steps import Content, Step

NAME = "manifest.json"


@dataclass(frozen=True)
class Failure:
    """Why a step has no result: it will not go away by trying again."""

    error: str
    """The exception's name: "Diverged" or "LayerCollapse"."""

    message: str


@dataclass(frozen=True, kw_only=True)
class File:
    """One of a result's files."""

    bytes: int
    sha256: str


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """What `manifest.json` says. It is written last, so a result with a manifest is whole."""

    key: str
    kind: str
    schema: int
    content: str
    """"metrics", "weights" or "full": how much of the result is kept."""

    step: Mapping[str, Any]
    """The step's own fields."""

    inputs: Mapping[str, str]
    """The keys of the steps it was made from."""

    files: Mapping[str, File]
    made: Mapping[str, Any]
    """When, how long it took, and by what: versions and hardware."""

    failure: Failure | None = None

    asked: str = ""
    """As `content`, of how much was asked for: more is there only until what needs it is done. Empty: all of it."""

    writing: str = ""
    """Another in each writing, so that a reader tells a result that was replaced from one that is damaged."""

    @property
    def kept(self) -> Content:
        """How much of the result is kept."""
        return Content[self.content.upper()]

    @property
    def wanted(self) -> Content:
        """How much of the result is to stay."""
        return min(self.kept, Content[self.asked.upper()]) if self.asked else self.kept

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.bytes for file in self.files.values())

    @property
    def seconds(self) -> float:
        """How long the step took."""
        return float(self.made.get("seconds", 0.0))

    def to_bytes(self) -> bytes:
        """The manifest as JSON that people can read."""
        return (json.dumps(asdict(self), indent=2) + "\n").encode()

    @classmethod
    def from_bytes(cls, content: bytes, key: str) -> Manifest:
        """Read what `to_bytes` wrote of a result; raises CorruptResult where it is damaged, or another result's."""
        try:
            table: dict[str, Any] = json.loads(content)
            failure: dict[str, str] | None = table.pop("failure")
            files: dict[str, dict[str, Any]] = table.pop("files")
            # A newer Winnow may have written more.
            known = {name: table[name] for name in cls.__dataclass_fields__ if name in table}
            if bad := next((name for name in ("step", "inputs", "made") if not isinstance(table[name], dict)), ""):
                raise TypeError(f"'{bad}' is no table")
            manifest = cls(
                **known,
                files={name: File(**file) for name, file in files.items()},
                failure=Failure(**failure) if failure else None,
            )
            manifest._check()
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise CorruptResult(f"its manifest cannot be read ({error})") from None
        if manifest.key != key:
            raise CorruptResult(f"its manifest is that of {manifest.key}")
        return manifest

    def _check(self) -> None:
        """Raise one of what Python raises where a value is none that can be in its place."""
        if not self.files and self.kept > Content.METRICS:
            raise ValueError("it lists no file")
        _ = self.wanted, self.size, self.seconds


@dataclass(frozen=True)
class Making:
    """How a result came about, for its manifest."""

    seconds: float = 0.0
    notes: Mapping[str, Any] = field(default_factory=dict[str, Any])
    asked: Content | None = None
    """How much of the result was asked for, where it is not all that is stored."""


def manifest_of(
    step: Step, content: Content, files: Mapping[str, File], making: Making, failure: Failure | None = None
) -> Manifest:
    """The manifest of a step's result, made here and now."""
    return Manifest(
        key=step.key,
        kind=step.kind,
        schema=step.SCHEMA,
        content=content.name.lower(),
        step=step.fields,
        inputs={part: source.key for part, source in step.inputs.items()},
        files=files,
        made={
            "finished": datetime.now(UTC).isoformat(timespec="seconds"),
            "seconds": round(making.seconds, 3),
            **making.notes,
            **_provenance(),
        },
        failure=failure,
        asked=making.asked.name.lower() if making.asked is not None else "",
        writing=new_writing(),
    )


def new_writing() -> str:
    """What no other writing of a manifest is called."""
    return secrets.token_hex(8)


@cache
def winnow_version() -> str:
    """The installed version, or "unknown" when run from a source tree that is not installed."""
    try:
        return version("winnow-lth")
    except PackageNotFoundError:
        return "unknown"


def hardware() -> dict[str, Any]:
    """What decides how fast results are made here."""
    return {
        "system": f"{platform.system()} {platform.machine()}",
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
    }


def _provenance() -> dict[str, Any]:
    return {
        "winnow": winnow_version(),
        "torch": torch.__version__,
        "python": platform.python_version(),
        **hardware(),
    }
