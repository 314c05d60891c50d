"""Logs of trainings, for those who watch many experiments in one place: TensorBoard, Weights & Biases, MLflow, or CSV.

A training is logged when its result is stored, with its whole curve: lanes that train together would otherwise mix. The
store remains what results are read from; a log is a copy for people.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

from winnow.errors import MissingExtra, RecipeError, UnknownName
from winnow.execution.reporting import Silent
from winnow.steps import Step, Train
from winnow.store import Store
from winnow.store.files import write_file
from winnow.training.metrics import Curve

KINDS = ("csv", "mlflow", "tensorboard", "wandb")
"""Where trainings can be logged; all but CSV need the extra `logging`."""


@dataclass(frozen=True, kw_only=True)
class Logged:
    """A training for a log."""

    experiment: str
    """The recipe's name, and what tells its settings from others: `digits-imp-1a2b3c4d`."""

    name: str
    """What the training is there: `ticket-level-3-replicate-0`."""

    settings: Mapping[str, Any]
    """What it was trained with."""

    curve: Curve


class Log(Protocol):
    """A place where trainings are logged."""

    def add(self, training: Logged) -> None:
        """Log a training."""


@dataclass
class Logger(Silent):
    """Logs each training of an experiment when it is finished."""

    store: Store
    experiment: str
    labels: Mapping[Step, str]
    logs: Sequence[Log]
    _logged: set[str] = field(default_factory=set[str])

    def finished(self, step: Step, seconds: float) -> None:
        """Log a training; a stop on the way to a later one, such as a rewind point, is part of that."""
        label = self.labels.get(step, "")
        if not isinstance(step, Train) or not label or label.startswith("rewind point") or step.key in self._logged:
            return
        self._logged.add(step.key)
        course = step.fields["course"]
        settings = {"seed": step.noise.seed, "replicate": step.noise.replicate, "start": step.start, "stop": step.stop}
        settings |= {f"updates.{name}": value for name, value in course["updates"].items()}
        settings |= {"network": course["network"]["name"], "data": course["examples"]["name"], "batch": course["batch"]}
        name = re.sub(r"\W+", "-", label)
        training = Logged(experiment=self.experiment, name=name, settings=settings, curve=self.store.curve(step))
        for log in self.logs:
            log.add(training)


def logs(written: str) -> list[Log]:
    """The logs that "tensorboard:DIR,wandb:PROJECT,mlflow:DIR,csv:DIR" names.

    Raises UnknownName for another kind, RecipeError where no place is given, MissingExtra for a package not installed.
    """
    made: list[Log] = []
    for part in filter(None, written.split(",")):
        kind, _, place = part.strip().partition(":")
        if kind not in KINDS:
            raise UnknownName("log", kind, KINDS)
        if not place:
            where = "a project" if kind == "wandb" else "a folder"
            raise RecipeError(
                f"--log {kind} does not say where. Give {where}: {kind}:{'winnow' if kind == 'wandb' else 'logs'}."
            )
        made.append(_MAKERS[kind](place))
    return made


@dataclass(frozen=True)
class CsvLog:
    """One CSV file for each training."""

    folder: str

    def add(self, training: Logged) -> None:
        """Write the curve."""
        path = Path(self.folder) / training.experiment / f"{training.name}.csv"
        write_file(path, training.curve.to_csv().encode(), option="--log csv:DIR")


class TensorBoardLog:
    """Event files, one run for each training: `tensorboard --logdir DIR` shows them."""

    def __init__(self, folder: str) -> None:
        self.folder = Path(folder)
        self._module = _imported("torch.utils.tensorboard", "tensorboard")

    def add(self, training: Logged) -> None:
        """Write the curve, and the settings as text."""
        writer = self._module.SummaryWriter(log_dir=str(self.folder / training.experiment / training.name))
        lines = [f"    {name} = {value}" for name, value in training.settings.items()]
        writer.add_text("settings", "\n".join(lines))
        for iteration, metrics in training.curve.rows.items():
            for name, value in metrics.items():
                writer.add_scalar(name, value, iteration)
        writer.close()


class WandbLog:
    """Runs of a project, kept in `wandb/` here: `wandb sync` sends them, and nothing else does."""

    def __init__(self, project: str) -> None:
        self.project = project
        self._module = _imported("wandb", "wandb")

    def add(self, training: Logged) -> None:
        """Keep the curve as a run of its own, grouped by experiment."""
        run = self._module.init(
            project=self.project,
            group=training.experiment,
            name=training.name,
            config=dict(training.settings),
            mode="offline",
            settings=self._module.Settings(silent=True),
        )
        for iteration, metrics in training.curve.rows.items():
            run.log(metrics, step=iteration)
        run.finish()


class MlflowLog:
    """Runs in an SQLite store: `mlflow ui --backend-store-uri sqlite:///DIR/mlflow.db` shows them."""

    def __init__(self, folder: str) -> None:
        module = _imported("mlflow", "mlflow")
        path = Path(folder).resolve()
        path.mkdir(parents=True, exist_ok=True)
        self._metric = import_module("mlflow.entities").Metric
        self._artifacts = (path / "artifacts").as_uri()
        self._client = module.MlflowClient(tracking_uri=f"sqlite:///{path / 'mlflow.db'}")

    def add(self, training: Logged) -> None:
        """Store the curve as a run of its own, in the experiment's."""
        known = self._client.get_experiment_by_name(training.experiment)
        experiment = (
            known.experiment_id
            if known
            else self._client.create_experiment(training.experiment, artifact_location=self._artifacts)
        )
        run = self._client.create_run(experiment, run_name=training.name).info.run_id
        for name, value in training.settings.items():
            self._client.log_param(run, name, value)
        metrics = [
            self._metric(name, value, 0, iteration)
            for iteration, row in training.curve.rows.items()
            for name, value in row.items()
        ]
        for start in range(0, len(metrics), 1000):  # MLflow takes no more at once
            self._client.log_batch(run, metrics=metrics[start : start + 1000])
        self._client.set_terminated(run)


_MAKERS: dict[str, Any] = {"csv": CsvLog, "tensorboard": TensorBoardLog, "wandb": WandbLog, "mlflow": MlflowLog}


def _imported(module: str, package: str) -> Any:
    """A module of an optional package, which has no types here."""
    try:
        return import_module(module)
    except ImportError:
        raise MissingExtra(package, "logging", f"logging to {package}") from None
