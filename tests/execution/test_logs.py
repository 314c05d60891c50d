"""Logs of trainings: CSV and TensorBoard for real, the others by what they are told."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from winnow.errors import MissingExtra, RecipeError, UnknownName
from winnow.execution.logs import Logged, Logger, logs
from winnow.execution.run import run
from winnow.experiments import imp
from winnow.recipes import read
from winnow.store import Store
from winnow.training.metrics import Curve

CURVE = Curve({0: {"test_loss": 2.0}, 20: {"test_loss": 0.5, "train_loss": 0.7}})
TRAINING = Logged(experiment="digits-imp-0", name="ticket-level-1", settings={"seed": 0, "stop": 20}, curve=CURVE)


def test_each_training_of_a_run_is_logged_once_with_its_curve(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    edits = {"model.name": "lenet-8", "train.length": "40it", "levels": 1, "replicates": 2, "rewind": "20it"}
    recipe = read("digits").edited(edits)
    logger = Logger(store, "digits", imp(recipe).labels(), logs(f"csv:{tmp_path / 'logs'}"))
    run(recipe, store=store, reporter=logger)
    written = {path.stem: Curve.from_csv(path.read_text("utf-8")) for path in (tmp_path / "logs" / "digits").iterdir()}
    wanted = {"dense": (0, 40), "ticket-level-1": (20, 40), "reinit-level-1": (0, 40)}
    assert set(written) == {f"{name}-replicate-{n}" for name in wanted for n in range(2)}
    for name, (start, stop) in wanted.items():
        curve = written[f"{name}-replicate-1"]
        assert (min(curve.rows), curve.last) == (start, stop)


def test_tensorboard_reads_what_was_logged(tmp_path: Path) -> None:
    (log,) = logs(f"tensorboard:{tmp_path}")
    log.add(TRAINING)
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(tmp_path / "digits-imp-0" / "ticket-level-1"))
    events.Reload()
    assert [(each.step, each.value) for each in events.Scalars("test_loss")] == [(0, 2.0), (20, 0.5)]


def fake(monkeypatch: pytest.MonkeyPatch, name: str, **contents: Any) -> None:
    module = ModuleType(name)
    vars(module).update(contents)
    monkeypatch.setitem(sys.modules, name, module)


def test_wandb_is_told_everything_offline(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[Any] = []

    def init(**named: Any) -> Any:
        told.append(named)
        return SimpleNamespace(log=lambda row, step: told.append((step, row)), finish=lambda: told.append("finished"))

    fake(monkeypatch, "wandb", init=init, Settings=lambda **named: named)
    (log,) = logs("wandb:tickets")
    log.add(TRAINING)
    begun, *rest = told
    assert (begun["project"], begun["group"], begun["name"]) == ("tickets", "digits-imp-0", "ticket-level-1")
    assert begun["mode"] == "offline" and begun["config"] == {"seed": 0, "stop": 20}
    assert rest == [(0, CURVE.rows[0]), (20, CURVE.rows[20]), "finished"]


def test_mlflow_is_told_everything_in_its_sqlite_store(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    told: list[Any] = []

    class Client:
        def __init__(self, tracking_uri: str) -> None:
            told.append(tracking_uri)

        def get_experiment_by_name(self, name: str) -> None:
            return None

        def create_experiment(self, name: str, artifact_location: str) -> str:
            told.append(name)
            return "1"

        def create_run(self, experiment: str, run_name: str) -> Any:
            return SimpleNamespace(info=SimpleNamespace(run_id=run_name))

        def log_param(self, run: str, name: str, value: object) -> None:
            told.append((name, value))

        def log_batch(self, run: str, metrics: list[Any]) -> None:
            told.extend(metrics)

        def set_terminated(self, run: str) -> None:
            told.append(run)

    fake(monkeypatch, "mlflow", MlflowClient=Client)
    fake(monkeypatch, "mlflow.entities", Metric=lambda name, value, time, step: (name, value, step))
    (log,) = logs(f"mlflow:{tmp_path}")
    log.add(TRAINING)
    assert told == [
        f"sqlite:///{tmp_path / 'mlflow.db'}",
        "digits-imp-0",
        ("seed", 0),
        ("stop", 20),
        ("test_loss", 2.0, 0),
        ("test_loss", 0.5, 20),
        ("train_loss", 0.7, 20),
        "ticket-level-1",
    ]


@pytest.mark.parametrize(
    "written, error, message",
    [
        ("tensorbord:x", UnknownName, "unknown log 'tensorbord'. Did you mean 'tensorboard'?"),
        ("csv", RecipeError, "--log csv does not say where. Give a folder: csv:logs."),
        ("wandb:", RecipeError, "--log wandb does not say where. Give a project: wandb:winnow."),
    ],
)
def test_mistakes_are_told_in_words(written: str, error: type[Exception], message: str) -> None:
    with pytest.raises(error) as raised:
        logs(written)
    assert message in str(raised.value)


def test_a_missing_package_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(MissingExtra, match=r"winnow-lth\[logging\]"):
        logs("wandb:x")
