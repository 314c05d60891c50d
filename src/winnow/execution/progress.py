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
    body = codec.encode(state, Content.FULL)
    head = json.dumps({"sha256": checksum(body), "curve": curve.to_csv(), "seconds": seconds})
    write_file(path, head.encode() + b"\n" + body)


def load(path: Path) -> tuple[State, Curve, float] | None:
    """What was saved, and the seconds it took; None where nothing was, or where it is damaged."""
    try:
        head, _, body = path.read_bytes().partition(b"\n")
        described = json.loads(head)
        if checksum(body) != described["sha256"]:
            return None
        return codec.decode(body), Curve.from_csv(described["curve"]), float(described["seconds"])
    except (OSError, ValueError, KeyError, TypeError, CorruptResult):
        return None
