from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.execution.conftest import RECIPE, planned, run
from winnow.experiments import imp
from winnow.recipes import to_toml
from winnow.store import Store

BESIDE = """
import sys
from pathlib import Path
import torch
from winnow.execution.executor import Executor
from winnow.execution.training import Trainer
from winnow.experiments import imp
from winnow.recipes import from_toml
from winnow.store import Store

torch.set_num_threads(1)
run = Trainer.run

def told(self, batch):
    for lane in batch:
        print(lane.trajectory, flush=True)
    run(self, batch)

Trainer.run = told
print("ready", flush=True)
sys.stdin.readline()
targets = imp(from_toml(Path(sys.argv[2]).read_text())).targets("last")
plan = Executor(Store(sys.argv[1])).run(targets)
assert not (plan.missing or plan.failed or plan.blocked)
"""


@pytest.fixture
def seconds() -> float:
    return 60


@pytest.mark.parametrize("deterministic", [True, False])
def test_two_processes_on_one_store_both_succeed_and_train_nothing_twice(tmp_path: Path, deterministic: bool) -> None:
    recipe = RECIPE.edited({"model.name": "lenet-16", "control": ["reinit"], "deterministic": deterministic})
    (tmp_path / "recipe.toml").write_text(to_toml(recipe))
    command = [sys.executable, "-c", BESIDE, tmp_path / "store", tmp_path / "recipe.toml"]
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, text=True, **pipes) as one, subprocess.Popen(command, text=True, **pipes) as other:
        processes = (one, other)
        assert [process.stdout and process.stdout.readline() for process in processes] == ["ready\n"] * 2
        for process in processes:
            assert process.stdin is not None
            process.stdin.write("\n")
            process.stdin.flush()
        answers = [process.communicate() for process in processes]
    assert [error for _, error in answers] == ["", ""]
    assert [process.returncode for process in processes] == [0, 0]
    trained = [trajectory for output, _ in answers for trajectory in output.split()]
    experiment = imp(recipe)
    assert sorted(trained) == sorted({row.trained.trajectory for row in experiment.rows})
    assert planned(recipe, tmp_path / "store", "last").missing == {}
    if deterministic:
        run(recipe, tmp_path / "alone", keep="last")
        for row in experiment.rows:
            assert Store(tmp_path / "store").curve(row.trained) == Store(tmp_path / "alone").curve(row.trained)
