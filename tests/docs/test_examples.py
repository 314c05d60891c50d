"""The worked examples of docs/own-model.md run, shortened."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

import winnow
import winnow.data
from winnow.execution.masks import anatomy

ROOT = Path(__file__).parents[2]

STAND_IN = """
import numpy as np

def images():
    random = np.random.default_rng(0)
    images, labels = random.integers(0, 256, (120, 3, 32, 32), dtype=np.uint8), random.integers(0, 10, 120)
    return images[:80], labels[:80], images[80:], labels[80:]
"""

SHORT: dict[str, Any] = {
    "levels": 1,
    "replicates": 1,
    "control": [],
    "train__evaluate": "15it",
    "data__validation": 20,
    "rewind": "5it",
}


@pytest.fixture(autouse=True)
def as_a_reader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("WINNOW_DATA", str(tmp_path / "cache"))
    sys.modules["winnow.data.described"]._remembered.cache_clear()


def shortened(name: str, store: Path, **changes: Any) -> winnow.Run:
    run = winnow.run(f"docs/examples/{name}.toml", store=store, **(SHORT | changes))
    assert not run.failures
    return run


def dead_units(run: winnow.Run) -> dict[str, float]:
    """How many units the first level's mask leaves dead, by layer."""
    records = anatomy(run.experiment, run.store, identity="").records
    return {record.layer: record.value for record in records if record.metric == "dead"}


def test_the_perceptron_on_a_table_learns_and_tells_r_squared(tmp_path: Path) -> None:
    run = shortened("tabular", tmp_path, train__length="150it", rewind="0it")
    assert run.results.score == "R²"
    assert run.results.levels[0].accuracy.mean > 0.5
    assert run.results.levels[1].density == pytest.approx(0.7, abs=0.01)


def test_the_language_model_learns_its_letters_and_keeps_its_embedding(tmp_path: Path) -> None:
    run = shortened("language", tmp_path, train__length="30it", schedule__warmup="0it")
    assert run.results.score == "token accuracy"
    losses = run.results.trainings[0].curve.series("test_loss")
    assert losses[30] < losses[0] - 0.3
    ticket = run.ticket(1)
    assert not any("embed" in name for name in ticket.mask)
    assert ticket.state["output.weight"].equal(ticket.state["embed.weight"])
    assert dead_units(run)["blocks.0.attention.qkv.weight"] == 0, "attention reads queries and keys"


def test_the_vision_transformer_runs(tmp_path: Path) -> None:
    (tmp_path / "stand_in.py").write_text(STAND_IN)  # of CIFAR-10, which a test does not fetch
    name = f"{tmp_path / 'stand_in.py'}:images"
    settings = {"data__name": name, "train__length": "15it", "schedule__warmup": "0it"}
    run = shortened("vit", tmp_path / "store", **settings)
    layers = run.experiment.rows[-1].mask
    assert layers is not None
    assert {"patches.weight", "blocks.0.attention.qkv.weight"} <= set(run.mask(1))
    assert "place" not in run.mask(1)
    assert set(dead_units(run).values()) == {0}, "normalization hides no unit"
