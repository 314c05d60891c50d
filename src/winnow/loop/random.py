"""What a loop draws from: its data order, and the random numbers of the process."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from winnow.errors import RewindError
from winnow.loop.order import DataOrder


def order_state(source: Any, iteration: int | None) -> Any:
    """Where a data order stands: a generator, a sampler or a loader. Raises RewindError where it cannot tell."""
    if isinstance(source, DataOrder):
        if iteration is None:
            raise RewindError(
                "the DataOrder does not know how far training has come, since loaders fetch ahead.\n"
                "Give the iterations that are behind: rewind_point(..., iteration=500)."
            )
        return {**source.state_dict(), "iteration": iteration}
    if isinstance(source, torch.Generator):
        return source.get_state()
    if isinstance(source, np.random.Generator):
        return source.bit_generator.state
    if isinstance(source, random.Random):
        return source.getstate()
    if hasattr(source, "state_dict") and hasattr(source, "load_state_dict"):
        return source.state_dict()
    if hasattr(source, "set_epoch") and hasattr(source, "epoch"):
        return {"epoch": source.epoch}
    raise RewindError(
        f"the data order of a {type(source).__name__} cannot be saved.\nGive what decides it: the DataLoader's "
        f"generator (torch, numpy or random), a winnow.DataOrder, or a sampler or loader with state_dict and "
        f"load_state_dict, or with set_epoch."
    )


def set_order_(source: Any, state: Any) -> None:
    """Put a data order back to where it stood."""
    if isinstance(source, torch.Generator):
        source.set_state(state)
    elif isinstance(source, np.random.Generator):
        source.bit_generator.state = state
    elif isinstance(source, random.Random):
        source.setstate(state)
    elif hasattr(source, "load_state_dict"):
        source.load_state_dict(state)
    else:
        source.set_epoch(state["epoch"])


def random_state() -> dict[str, Any]:
    """The random numbers to come of this process: PyTorch's on the CPU and on each GPU in use, NumPy's and Python's."""
    gpus = range(torch.cuda.device_count()) if torch.cuda.is_initialized() else ()
    return {
        "torch": torch.get_rng_state(),
        "cuda": {gpu: torch.cuda.get_rng_state(gpu) for gpu in gpus},
        "numpy": np.random.get_state(),
        "python": random.getstate(),
    }


def set_random_(state: Mapping[str, Any]) -> None:
    """Go back to where the random numbers stood. Those of GPUs that this machine lacks are nobody's here."""
    torch.set_rng_state(state["torch"])
    for gpu, numbers in state["cuda"].items():
        if gpu < torch.cuda.device_count():
            torch.cuda.set_rng_state(numbers, gpu)
    np.random.set_state(state["numpy"])
    random.setstate(state["python"])
