"""What looks on while lanes train: it remembers losses, saves progress by the clock, and heeds an interruption."""

from __future__ import annotations

import time
from collections.abc import Callable

import torch
from torch import Tensor

from winnow.training.state import State

SAVE_EVERY = 20.0
"""Seconds between saves, so that a killed run loses less than a minute."""

TELL_EVERY = 0.25


class Watch:
    """The one observer of a batch of lanes."""

    def __init__(
        self,
        *,
        window: Tensor,
        save: Callable[[State], None],
        tell: Callable[[int], None],
        is_interrupted: Callable[[], bool],
    ) -> None:
        self._losses = list(window.unbind(1))
        self._save, self._tell, self._is_interrupted = save, tell, is_interrupted
        self._saved = self._told = time.monotonic()

    def __call__(self, state: State, losses: Tensor) -> None:
        """Look at one iteration."""
        self._losses.append(losses)
        now = time.monotonic()
        if now - self._told > TELL_EVERY:
            self._told = now
            self._tell(state.iteration)
        if now - self._saved > SAVE_EVERY or self._is_interrupted():
            self._saved = now
            state.window = self.window
            self._save(state)
            if self._is_interrupted():
                raise KeyboardInterrupt

    @property
    def window(self) -> Tensor:
        """The losses since the last reset, (lanes, iterations)."""
        return torch.stack(self._losses, dim=1) if self._losses else torch.empty(1, 0)

    def reset(self) -> None:
        """Begin a new window, after an evaluation on the grid."""
        self._losses.clear()


def first_not_finite(window: Tensor) -> list[int | None]:
    """For each lane, the position in its window of the first loss that is infinite or not a number."""
    bad = ~torch.isfinite(window)  # (lanes, iterations)
    return [int(lane.nonzero()[0]) if bool(lane.any()) else None for lane in bad.cpu()]
