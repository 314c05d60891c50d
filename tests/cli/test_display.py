from __future__ import annotations

import re
from pathlib import Path

import pytest

from winnow.cli.display import display
from winnow.experiments import imp
from winnow.recipes import read

from .conftest import TINY, Winnow

CODES = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]")


@pytest.mark.parametrize("columns", [100, 80])
def test_what_goes_on_fits_into_a_terminal(
    winnow: Winnow, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, columns: int
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")  # as in a terminal
    monkeypatch.setenv("COLUMNS", str(columns))
    controls = ("--control", "dense-longer", "signs-shuffled")
    told = winnow("run", "digits", *TINY, *controls, "--store", tmp_path / "store", "--progress", "live").err
    lines = [line for line in CODES.sub("", told).splitlines() if line.strip()]
    assert max(map(len, lines)) <= columns and "…" not in told
    assert any(re.search(r"\d %.*left \d+m\d\ds validation \d+\.\d\d %", line) for line in lines)
    assert any(re.search(r"iteration [\d,]+ of [\d,]+: dense-longer, level 2, replicate", line) for line in lines)


def test_what_failed_is_told_as_it_is_written(winnow: Winnow, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    diverging = ("--optimizer.learning-rate", "1e30", "--store", tmp_path / "[store]")
    told = CODES.sub("", winnow("run", "digits", *TINY, *diverging, "--progress", "live").err)
    assert "dense, replicate 0 failed: the loss is not finite at iteration 1" in told


def test_what_a_study_measures_after_its_trainings_is_told(
    winnow: Winnow, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setattr("winnow.cli.display._UNDER_WAY_EVERY", -1.0)
    words = ("instability", "digits", *TINY, "--at", "0it,10it", "--points", "3")
    live = winnow(*words, "--store", tmp_path / "live", "--progress", "live").err
    plain = winnow(*words, "--store", tmp_path / "plain", "--progress", "plain").err
    assert "4 of 4 comparisons measured" in live and "4 of 4 comparisons measured" in plain


def test_what_an_earlier_run_has_trained_is_neither_done_nor_left(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("winnow.cli.display._PLAIN_EVERY", -1.0)
    experiment = imp(read("digits").edited({"levels": 1, "train.length": "40it", "control": []}))
    dense = experiment.rows[0].trained
    with display("plain", experiment) as reporter:
        reporter.planned([dense])
        for iteration in (30, 40):
            reporter.training([dense], iteration)
        reporter.finished(dense, 1.0)
    assert "(10 of 10 iterations, 0m00s left)" in capsys.readouterr().err
