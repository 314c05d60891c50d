"""A training under way, saved: its state and its metrics so far, in one file that is whole or absent."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from winnow.errors import CorruptResult
from winnow.steps import Content
from winnow.store import codec
from winnow.store.files import checksum, write_file
from winnow.training.metrics import Curve
from winnow.training.state import State


def save(path: Path, state: State, curve: Curve, seconds: float) -> None:
    """Save one lane; whatever was saved before stays until this is whole."""
    described = json.dumps({"curve": curve.to_csv(), "seconds": seconds})
    content = described.encode() + b"\n" + codec.encode(state, Content.FULL)
    write_file(path, checksum(content).encode() + b"\n" + content)


@dataclass(frozen=True)
class Saved:
    """What was saved of a lane."""

    state: State
    curve: Curve
    seconds: float
    """How long it took."""


def load(path: Path) -> Saved | None:
    """What was saved; None where nothing was, or where it is damaged."""
    try:
        stated, _, content = path.read_bytes().partition(b"\n")
        if checksum(content).encode() != stated:
            return None
        head, _, body = content.partition(b"\n")
        described = json.loads(head)
        return Saved(codec.decode(body), Curve.from_csv(described["curve"]), float(described["seconds"]))
    except (OSError, ValueError, KeyError, TypeError, CorruptResult):
        return None


def state(path: Path) -> State:
    """The state that `load` has found there before; raises CorruptResult where it has been damaged since."""
    saved = load(path)
    if saved is None:
        raise CorruptResult(f"the training saved in {path} was changed while it was being read")
    return saved.state
