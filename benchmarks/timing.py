"""Time alternatives side by side: in turn, in one process, with medians."""

from __future__ import annotations

import os
import platform
import statistics
import time
from collections.abc import Callable, Mapping

import torch


def alternate(
    candidates: Mapping[str, Callable[[], object]], *, rounds: int = 9, between: Callable[[], object] = lambda: None
) -> dict[str, float]:
    """Median seconds of each candidate, run in turn `rounds` times after one warm-up each.

    `between`, which is not timed, is called before each.
    """
    for run in candidates.values():
        run()
    seconds: dict[str, list[float]] = {name: [] for name in candidates}
    for _ in range(rounds):
        for name, run in candidates.items():
            between()
            began = time.perf_counter()
            run()
            if torch.cuda.is_available():
                torch.cuda.synchronize()
            seconds[name].append(time.perf_counter() - began)
    return {name: statistics.median(times) for name, times in seconds.items()}


def machine() -> str:
    """What this is measured on."""
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else "no GPU"
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    return (
        f"{platform.machine()}, {os.cpu_count()} cores ({torch.backends.cpu.get_cpu_capability()}), {gpu}; "
        f"torch {torch.__version__}, {torch.get_num_threads()} threads, Python {platform.python_version()}; load {load}"
    )


def matrix_product_rate(size: int = 1024) -> float:
    """Floating-point operations a second of a float32 matrix product: the arithmetic limit, as measured."""
    a, b = torch.rand(size, size), torch.rand(size, size)
    return 2 * size**3 / alternate({"product": lambda: a @ b}, rounds=15)["product"]
