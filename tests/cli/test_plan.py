from __future__ import annotations

import re
from pathlib import Path

import pytest

from winnow.cli.plan import duration

from .conftest import TINY, Winnow


def in_all(out: str) -> list[int]:
    line = next(line for line in out.splitlines() if line.startswith("in all"))
    return [int(word.replace(",", "")) for word in line.split()[2:]]


def test_a_plan_makes_no_store_and_times_a_few_iterations(winnow: Winnow, tmp_path: Path) -> None:
    said = winnow("plan", "digits", *TINY, "--store", tmp_path / "store")
    assert (said.code, said.err) == (0, "")
    assert in_all(said.out) == [0, 10, 0, 400]
    assert "timed just now on synthetic data of the same shape" in said.out
    assert not (tmp_path / "store").exists()


def test_a_plan_needs_no_data_set_but_its_shape(
    winnow: Winnow, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WINNOW_DATA", str(tmp_path / "empty"))
    said = winnow("plan", "lenet-mnist", "--levels", "1", "--model.name", "lenet-16", "--store", tmp_path / "store")
    assert said.code == 0 and "iterations" in said.out
    assert not (tmp_path / "empty").exists()


def test_a_network_that_cannot_be_trained_is_told_by_a_plan_as_by_a_run(winnow: Winnow, tmp_path: Path) -> None:
    file = tmp_path / "net.py"
    file.write_text("from torch import nn\ndef wrong():\n    return nn.Sequential(nn.Flatten(), nn.Linear(63, 10))\n")
    own = ["digits", *TINY, "--model.name", f"{file}:wrong", "--model.init", "own", "--store", tmp_path / "store"]
    planned, run = winnow("plan", *own), winnow("run", *own)
    assert planned.code == run.code == 2
    assert "winnow: the network does not train on inputs of shape (1, 8, 8)" in planned.err
    assert planned.err in run.err


def test_what_is_stored_is_not_planned_and_gives_the_pace(winnow: Winnow, finished: Path) -> None:
    assert "Everything is stored: nothing to train." in winnow("plan", "digits", *TINY, "--store", finished).out
    said = winnow("plan", "digits", *TINY, "--levels", "3", "--store", finished)
    assert in_all(said.out) == [10, 4, 0, 160]
    assert "as 10 stored trainings took here" in said.out


@pytest.mark.parametrize(
    "changes, stored, to_train, iterations",
    [
        # The dense networks' ends are stored, but not their iteration 10; the controls of level 1 have the same masks.
        (["--rewind", "10it"], 4, 8, 2 * 10 + 4 * 30 + 2 * 40),
        (["--train.length", "50it"], 0, 10, 10 * 50),
        (["--keep", "all"], 10, 0, 0),  # what was kept of a result before is enough
        (["--keep", "last"], 10, 0, 0),
    ],
)
def test_iterations_are_those_that_will_be_trained(
    changes: list[str], stored: int, to_train: int, iterations: int, winnow: Winnow, finished: Path
) -> None:
    said = winnow("plan", "digits", *TINY, *changes, "--store", finished)
    if to_train:
        assert in_all(said.out) == [stored, to_train, 0, iterations]
    ran = winnow("run", "digits", *TINY, *changes, "--store", finished)
    planned = re.search(r"([\d,]+) iterations", ran.err)
    assert int(planned[1].replace(",", "") if planned else 0) >= iterations


def test_the_estimate_of_disk_is_what_a_run_takes(winnow: Winnow, tmp_path: Path) -> None:
    told = winnow("plan", "digits", *TINY, "--model.name", "lenet-300-100", "--store", tmp_path / "store").out
    estimate = re.search(r"disk: about ([\d.]+) MB more", told)
    assert estimate is not None
    winnow("run", "digits", *TINY, "--model.name", "lenet-300-100", "--store", tmp_path / "store")
    taken = sum(path.stat().st_size for path in tmp_path.glob("store/results/**/*") if path.is_file())
    assert abs(float(estimate[1]) * 1e6 - taken) < 0.05 * taken


def test_steps_lists_each_step_with_where_it_stands(winnow: Winnow, finished: Path) -> None:
    said = winnow("plan", "digits", *TINY, "--levels", "3", "--steps", "--store", finished)
    lines = said.out.split("\n\n")[0].splitlines()[1:]
    kinds = [tuple(line.split()[1:3]) for line in lines]
    assert kinds.count(("train", "yes")) == 10 and kinds.count(("train", "no")) == 4
    assert kinds.count(("prune", "yes")) == 4 and kinds.count(("prune", "no")) == 2
    assert any(line.endswith("ticket, level 3, replicate 1") for line in (each.rstrip() for each in lines))


@pytest.mark.parametrize(
    "seconds, words",
    [
        (0.2, "1 s"),
        (45, "45 s"),
        (100, "1.7 min"),
        (3000, "50 min"),
        (9000, "2.5 h"),
        (1e6, "12 days"),
        (1e8, "1,157 days"),
    ],
)
def test_durations_are_told_in_the_unit_that_fits(seconds: float, words: str) -> None:
    assert duration(seconds) == words
