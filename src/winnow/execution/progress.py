"""A training under way, saved: its state and its metrics so far, in one file that is whole or absent."""

from __future__ import annotations

import json
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


def load(path: Path) -> tuple[State, Curve, float] | None:
    """What was saved, and the seconds it took; None where nothing was, or where it is damaged."""
    try:
        stated, _, content = path.read_bytes().partition(b"\n")
        if checksum(content).encode() != stated:
            return None
        head, _, body = content.partition(b"\n")
        described = json.loads(head)
        return codec.decode(body), Curve.from_csv(described["curve"]), float(described["seconds"])
    except (OSError, ValueError, KeyError, TypeError, CorruptResult):
        return None
