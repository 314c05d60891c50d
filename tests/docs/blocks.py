"""The blocks of code in the documentation: each is run by a test, or says in a comment before it why it is not."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]

_BLOCK = re.compile(
    r"(?:<!-- not run: (?P<reason>[^>]+) -->\n)?^```(?P<language>\w*)[^\n]*\n(?P<code>.*?)^```$", re.M | re.S
)


@dataclass(frozen=True)
class Block:
    """A block of code."""

    page: str
    line: int
    language: str
    code: str
    reason: str | None
    """Why it is not run; none where it is."""


def pages() -> list[Path]:
    """Every page for users."""
    return [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]


def blocks(page: Path) -> list[Block]:
    """The blocks of a page, in order. Blocks without a language are no code but drawings and outputs."""
    text = page.read_text("utf-8")
    return [
        Block(
            str(page.relative_to(ROOT)),
            text.count("\n", 0, found.start("language")) + 1,
            found["language"],
            found["code"],
            found["reason"],
        )
        for found in _BLOCK.finditer(text)
        if found["language"]
    ]


def summary() -> list[str]:
    """How many blocks there are, and each that is not run, with its reason."""
    every = [block for page in pages() for block in blocks(page)]
    left = [block for block in every if block.reason]
    listed = [f"  {block.page}:{block.line} {block.reason}" for block in left]
    return [f"documentation: {len(every)} blocks of code, {len(left)} of them not run:", *listed]
