from __future__ import annotations

import io
import shutil
from pathlib import Path

import pandas as pd

from winnow.recipes import read
from winnow.store.experiments import identity

from .conftest import EDITS, TINY, Winnow

COLUMNS = ["experiment", "recipe", "control", "replicate", "level", "density", "iteration", "metric", "value"]


def test_the_tidy_table_is_the_same_in_every_format(winnow: Winnow, finished: Path, tmp_path: Path) -> None:
    csv = winnow("results", "--store", finished, "--format", "csv")
    assert (csv.code, csv.err) == (0, "")
    table = pd.read_csv(io.StringIO(csv.out))
    assert list(table.columns) == COLUMNS
    as_json = pd.read_json(
        io.StringIO(winnow("results", "--store", finished, "--format", "json").out), precise_float=True
    )
    pd.testing.assert_frame_equal(table, as_json, rtol=1e-14, check_dtype=False)
    out = tmp_path / "results.parquet"
    assert winnow("results", "--store", finished, "--format", "parquet", "--out", out).code == 0
    pd.testing.assert_frame_equal(table, pd.read_parquet(out), rtol=1e-14, check_dtype=False)
    assert winnow("results", "--store", finished, "--format", "csv", "--out", tmp_path / "results.csv").out == ""
    assert (tmp_path / "results.csv").read_text() == csv.out


def test_the_tidy_table_holds_every_training_at_every_evaluation(winnow: Winnow, finished: Path) -> None:
    table = pd.read_csv(io.StringIO(winnow("results", "--store", finished, "--format", "csv").out))
    counts = table[table.metric == "test_accuracy"].groupby(["control", "level"]).size()
    assert counts.to_dict() == {
        ("ticket", 0): 6,
        **{(control, level): 6 for control in ("ticket", "reinit") for level in (1, 2)},
    }
    assert set(table[table.metric == "test_accuracy"].iteration) == {0, 20, 40}
    assert table[table.metric == "density/fc1.weight"].value.max() == 0.5


def test_the_table_says_what_the_run_said(winnow: Winnow, finished: Path, tmp_path: Path) -> None:
    ran = winnow("run", "digits", *TINY, "--store", finished).out
    said = winnow("results", "--store", finished)
    assert said.out.splitlines()[:8] == ran.splitlines()[:8]
    winnow("results", "--store", finished, "--out", tmp_path / "table.txt")
    assert (tmp_path / "table.txt").read_text() == said.out


def test_an_experiment_can_be_picked_by_name_and_by_identity(winnow: Winnow, finished: Path) -> None:
    assert winnow("results", "digits", "--store", finished).code == 0
    name = identity(read("digits").edited(EDITS))
    for written in (name, name[:7], f"digits-{name}"):
        said = winnow("results", written, "--store", finished)
        assert said.code == 0 and name in said.out
    for words in (("mnist",), ("digits", "mnist")):
        said = winnow("results", *words, "--store", finished)
        assert said.code == 1, "a name that stands for nothing is not passed over"
        assert f"holds no experiment of mnist that can be read. What it holds: digits ({name})." in said.err


def test_asking_for_results_makes_no_store(winnow: Winnow, tmp_path: Path) -> None:
    said = winnow("results", "--store", tmp_path / "nowhere")
    assert said.code == 1 and "there is no store at" in said.err
    assert not (tmp_path / "nowhere").exists()


def test_an_experiment_that_cannot_be_followed_is_told_and_left_out(
    winnow: Winnow, finished: Path, tmp_path: Path
) -> None:
    store = tmp_path / "copy"
    shutil.copytree(finished, store)
    (store / "experiments" / "a-broken.toml").write_text('name = "broken"\nlevles = 3\n')
    (whole,) = (store / "experiments").glob("digits-*.toml")
    gone = whole.read_text("utf-8").replace('name = "digits"\nvalidation', 'name = "npz:/gone.npz"\nvalidation')
    (store / "experiments" / "b-gone.toml").write_text(gone)
    said = winnow("results", "--store", store)
    assert said.code == 0 and "digits" in said.out
    assert "experiment b-gone cannot be followed, and is left out: " in said.err and "/gone.npz" in said.err
    assert "experiment a-broken cannot be followed, and is left out: a-broken.toml, field levles" in said.err
    said = winnow("results", "other", "--store", store)
    assert said.code == 1 and "holds no experiment of other that can be read" in said.err.replace("\n        ", " ")


def test_a_damaged_result_is_told_and_the_others_are_shown(winnow: Winnow, finished: Path, tmp_path: Path) -> None:
    store = tmp_path / "copy"
    shutil.copytree(finished, store)
    damaged = next(store.glob("results/*/*/metrics.csv"))
    damaged.write_text("iteration\n")
    said = winnow("results", "--store", store)
    assert said.code == 0 and "ticket" in said.out
    assert "is shown without " in said.err and "is damaged: metrics.csv" in said.err
