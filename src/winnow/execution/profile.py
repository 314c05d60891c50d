"""Where the time of a run went."""

from __future__ import annotations

import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass
class Profile:
    """Seconds by part of a run. Parts nest, and each counts only its own time, so that they add up to the whole.

    On a GPU, work that was asked for counts where the program waits for it: training's mostly under evaluation.
    """

    seconds: dict[str, float] = field(default_factory=dict[str, float])
    _open: list[str] = field(default_factory=list[str])
    _since: float = 0.0

    @contextmanager
    def part(self, name: str) -> Generator[None]:
        """Count the time within as this part's, and not as that of the part around it."""
        self._turn()
        self._open.append(name)
        try:
            yield
        finally:
            self._turn()
            self._open.pop()

    def _turn(self) -> None:
        now = time.perf_counter()
        if self._open:
            current = self._open[-1]
            self.seconds[current] = self.seconds.get(current, 0.0) + now - self._since
        self._since = now

    def lines(self) -> list[str]:
        """The parts from the longest to the shortest, with their share of the whole."""
        total = sum(self.seconds.values())
        ranked = sorted(self.seconds.items(), key=lambda item: -item[1])
        return [f"{name:12}{seconds:9.2f} s{100 * seconds / total:7.1f} %" for name, seconds in ranked if total]
