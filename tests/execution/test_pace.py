from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tests.execution.conftest import EVALUATE, RECIPE
from winnow.execution import pace as module
from winnow.execution.pace import pace
from winnow.experiments import imp
from winnow.store import Store

EVALUATED = 200 + 597  # for validation and for testing


@pytest.mark.parametrize(
    "numbers, iteration, evaluation",
    [
        (1 << 22, 1, EVALUATED / 1_000),  # whole batches of 50 images of 64 pixels, and a thousand to evaluate
        (5 * 64, 50 / 5, EVALUATED / (8 * 5)),
    ],
)
def test_of_large_images_a_part_is_timed_and_counts_for_as_many_as_there_are(
    numbers: int, iteration: float, evaluation: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_NUMBERS", numbers)
    monkeypatch.setattr(module, "_seconds", lambda action, device, at_least: 1.0)
    found = pace(imp(RECIPE).rows[0].trained, Store(tmp_path), torch.device("cpu"), lanes=1)
    assert found.seconds == pytest.approx(iteration + evaluation / EVALUATE)
