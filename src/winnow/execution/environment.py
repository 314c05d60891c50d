"""What surrounds a run: a clean stop on Ctrl-C, and computation that is the same to the bit and as its recipe says."""

from __future__ import annotations

import signal
import threading
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from types import FrameType, TracebackType

import torch

from winnow.models.drawing import default_type


class Interruption:
    """Turns the first Ctrl-C, or SIGTERM, into a request to stop; a second one stops at once.

    Handlers can be set in the main thread alone; elsewhere the caller's stay as they are.
    """

    def __init__(self) -> None:
        self._requested = False
        self._previous: dict[int, signal.Handlers | object] = {}

    def is_requested(self) -> bool:
        """Whether someone asked to stop."""
        return self._requested

    def __enter__(self) -> Interruption:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._previous[number] = signal.signal(number, self._request)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)  # pyright: ignore[reportArgumentType]

    def _request(self, number: int, frame: FrameType | None) -> None:
        if self._requested:
            raise KeyboardInterrupt
        self._requested = True


@contextmanager
def undisturbed() -> Generator[None]:
    """Within, what the program around has set for its own computing is of no effect: no result says that it was.

    That is autocast, gradients switched off, and a default type or device.
    """
    with ExitStack() as outside, default_type():
        outside.enter_context(torch.inference_mode(False))
        outside.enter_context(torch.enable_grad())
        for kind in ("cpu", "cuda"):
            if torch.is_autocast_enabled(kind):
                outside.enter_context(torch.autocast(kind, enabled=False))
        if torch.get_default_device().type != "cpu":  # within any torch.device, calls into PyTorch take longer
            outside.enter_context(torch.device("cpu"))
        yield


@contextmanager
def deterministic_mode(is_on: bool) -> Generator[None]:
    """Within, PyTorch computes the same bits every time, on one machine with the same number of threads."""
    before = torch.get_deterministic_debug_mode()
    if is_on:
        # The same switch as use_deterministic_algorithms, which would first import the compiler, for seconds.
        torch.set_deterministic_debug_mode("error")
    try:
        yield
    finally:
        torch.set_deterministic_debug_mode(before)
