from __future__ import annotations

from pathlib import Path

import pytest

from winnow.cli import display
from winnow.errors import RecipeError
from winnow.execution.environment import Interruption
from winnow.execution.executor import Executor
from winnow.experiments import imp
from winnow.recipes import read
from winnow.store import Store

from .conftest import EDITS, TINY, Winnow, flip_first_byte


def test_a_run_ends_in_a_table_a_verdict_and_a_figure(winnow: Winnow, tmp_path: Path) -> None:
    said = winnow("run", "digits", *TINY, "--store", tmp_path / "store")
    assert said.code == 0
    assert "10 trainings to run, 400 iterations" in said.err
    rows = [line.split() for line in said.out.splitlines()]
    assert [row[:2] for row in rows if row[:1] in (["dense"], ["ticket"], ["reinit"])] == [
        ["dense", "0"],
        ["ticket", "1"],
        ["ticket", "2"],
        ["reinit", "1"],
        ["reinit", "2"],
    ]
    assert "mallest matching ticket: level" in said.out or "No ticket matches the dense network" in said.out
    figures = said.out.split("figure: ")[1].split(", ")
    assert [Path(figure.strip()).suffix for figure in figures] == [".svg", ".png"]
    assert all(Path(figure.strip()).is_file() for figure in figures)


WIDE = """
from torch import nn

def wide():
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 4), nn.Linear(4, 12))
"""


def test_a_doubt_is_said_once_on_standard_error_though_k_is_looked_for_first(winnow: Winnow, tmp_path: Path) -> None:
    (tmp_path / "nets.py").write_text(WIDE)
    own = ("--model.name", f"{tmp_path / 'nets.py'}:wide", "--model.init", "own", "--rewind", "auto", "--onset.by")
    said = winnow("run", "digits", *TINY[2:], *own, "instability", "--store", tmp_path / "store", "--progress", "quiet")
    assert said.code == 0, said.err
    assert said.err.count("winnow: none of the 1000 training examples is in classes 10 and 11, and the network") == 1


def test_a_finished_run_trains_nothing_again(winnow: Winnow, finished: Path) -> None:
    said = winnow("run", "digits", *TINY, "--store", finished)
    assert said.code == 0
    assert said.err == "all results that there can be are stored; nothing to train\n"


def test_a_run_without_a_recipe_says_which_it_is(winnow: Winnow, finished: Path) -> None:
    said = winnow("run", *TINY, "--store", finished)
    assert said.code == 0 and said.err.startswith("winnow: no recipe was named, so this is 'digits'.")
    assert winnow("run", "--help").out.startswith("usage: winnow run [RECIPE] ")


@pytest.mark.parametrize(
    "wider, trainings",
    [(["--levels", "3"], 4), (["--replicates", "3"], 5), (["--matching.tolerance", "0.2"], 0)],
)
def test_asking_for_more_trains_only_what_is_new(
    wider: list[str], trainings: int, winnow: Winnow, finished: Path
) -> None:
    planned = winnow("plan", "digits", *TINY, *wider, "--store", finished)
    in_all = next(line.split() for line in planned.out.splitlines() if line.startswith("in all"))
    assert int(in_all[3]) == trainings
    said = winnow("run", "digits", *TINY, *wider, "--store", finished)
    assert said.code == 0
    assert (f"{trainings} trainings to run" if trainings else "nothing to train") in said.err


def test_what_show_prints_is_the_recipe_that_run_takes(winnow: Winnow, finished: Path, tmp_path: Path) -> None:
    path = tmp_path / "tiny.toml"
    path.write_text(winnow("show", "digits", *TINY).out)
    assert winnow("show", path).out == path.read_text()
    assert "nothing to train" in winnow("run", path, "--store", finished).err


@pytest.mark.parametrize(
    "file, wider",
    [
        ("metrics.csv", []),
        ("mask.safetensors", []),
        ("manifest.json", []),
        ("state.safetensors", ["--levels", "3"]),  # what is finished does not read weights again
    ],
)
def test_a_damaged_result_is_named_moved_aside_and_computed_again(
    file: str, wider: list[str], winnow: Winnow, finished: Path
) -> None:
    experiment = imp(read("digits").edited(EDITS))
    row = next(row for row in experiment.rows if (row.control, row.level, row.replicate) == ("ticket", 2, 1))
    assert row.mask is not None
    folder = Store(finished).folder(row.mask.key if file == "mask.safetensors" else row.trained.key)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    flip_first_byte(folder / file)
    said = winnow("run", "digits", *TINY, *wider, "--store", finished)
    assert said.code == 0
    assert f"stored result {folder.name} is damaged" in said.err
    assert [path.name.partition("-")[0] for path in (finished / "corrupt").iterdir()] == [folder.name]
    after = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert after.keys() == before.keys()
    assert all(" 2  " in line for line in said.out.splitlines() if line.startswith(("dense", "ticket", "reinit")))
    assert winnow("run", "digits", *TINY, *wider, "--store", finished).err.endswith("nothing to train\n")


def test_an_interrupted_run_ends_with_130_and_the_same_command_resumes(
    winnow: Winnow, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(Interruption, "is_requested", lambda self: len(list(tmp_path.glob("results/*/*"))) > 5)
        said = winnow("run", "digits", *TINY, "--store", tmp_path)
    assert said.code == 130
    assert said.err.endswith("winnow: interrupted. What was under way is saved; the same command resumes.\n")
    assert winnow("run", "digits", *TINY, "--store", tmp_path).code == 0


def test_quiet_says_nothing_but_the_result(winnow: Winnow, finished: Path) -> None:
    said = winnow("run", "digits", *TINY, "--levels", "3", "--store", finished, "--progress", "quiet")
    assert said.err == "" and said.out.startswith("digits (imp-")


def test_the_live_display_ends_with_the_run(winnow: Winnow, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(display, "_PLAIN_EVERY", 0.0)
    live = winnow("run", "digits", *TINY, "--store", tmp_path / "live", "--progress", "live")
    plain = winnow("run", "digits", *TINY, "--store", tmp_path / "plain", "--progress", "plain")
    assert live.code == plain.code == 0
    assert live.out.replace("/live/", "/plain/") == plain.out
    assert "dense, replicate 0" in plain.err and "400 of 400 iterations" in plain.err


def test_a_log_gives_the_accuracy_of_what_is_under_way_and_no_other(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(display, "_UNDER_WAY_EVERY", 0.0)
    experiment = imp(read("digits").edited(EDITS))
    one, other = [row.trained for row in experiment.rows if row.level == 0][:2]
    with display.display("plain", experiment) as shown:
        shown.training([one], 5)  # it goes on from where it was interrupted
        shown.training([one], 10, {"validation_accuracy": 0.5})
        shown.training([one], 15)
        shown.training([other], 5)
    assert capsys.readouterr().err.splitlines() == [
        f"dense, replicate 0: iteration 5 of {one.stop}",
        f"dense, replicate 0: iteration 10 of {one.stop}, validation 50.00 %",
        f"dense, replicate 0: iteration 15 of {one.stop}, validation 50.00 %",
        f"dense, replicate 1: iteration 5 of {one.stop}",
    ]


def test_the_store_can_come_from_the_environment(
    winnow: Winnow, finished: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WINNOW_STORE", str(finished))
    assert "nothing to train" in winnow("run", "digits", *TINY).err


def test_a_wider_run_that_is_refused_leaves_the_record_as_it_was(
    winnow: Winnow, finished: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object) -> None:
        raise RecipeError("these examples are not for it.")

    monkeypatch.setattr(Executor, "run", refused)
    said = winnow("run", "digits", *TINY, "--levels", "5", "--store", finished, "--progress", "quiet")
    assert said.code == 2 and "these examples" in said.err
    assert "10 of 10" in winnow("store", "ls", "--store", finished).out
