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


def matrix_product_rate(
    size: int | None = None, *, dtype: torch.dtype = torch.float32, device: torch.device | str = "cpu"
) -> float:
    """Floating-point operations a second of a large matrix product: the arithmetic limit, as measured.

    On a GPU in float32 it is that of TF32, which PyTorch takes for convolutions.
    """
    is_on_cpu = torch.device(device).type == "cpu"
    size = size or (1024 if is_on_cpu else 8192)
    a, b = (torch.rand(size, size, device=device).to(dtype) for _ in range(2))
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision(before if is_on_cpu else "high")
    seconds = alternate({"product": lambda: a @ b}, rounds=15)["product"]
    torch.set_float32_matmul_precision(before)
    return 2 * size**3 / seconds


def copy_rate(device: torch.device | str, size: int = 1 << 28) -> float:
    """Bytes a second that a large copy reads and writes: the memory limit, as measured."""
    source = torch.zeros(size, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    return 2 * size / alternate({"copy": lambda: target.copy_(source)}, rounds=9)["copy"]
