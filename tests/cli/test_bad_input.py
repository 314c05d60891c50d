"""What the command line says to a mistake: one sentence or two on standard error, and exit code 2."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path

import pytest

from .conftest import TINY, Winnow


@pytest.mark.parametrize(
    "words, sentence",
    [
        (["digitz"], "unknown recipe 'digitz'. Did you mean 'digits'?"),
        (
            ["nowhere.toml"],
            "no recipe file 'nowhere.toml'. `winnow show digits > nowhere.toml` makes one to start from.",
        ),
        (["digits", "--data.name", "minst"], "unknown data set 'minst'. Did you mean 'mnist'?"),
        (["digits", "--model.name", "lenett-16"], "unknown network 'lenett'. Did you mean 'lenet'?"),
        (["digits", "--control", "renit"], "unknown control 'renit'. Did you mean 'reinit'?"),
        (
            ["digits", "--control", "none"],
            "control 'none' names none. For none write `--control` with nothing after it; in a file, control = [].",
        ),
        (["digits", "--control", ""], "control '' names none. For none write `--control` with nothing after it"),
        (["digits", "--control", "reinit,renit"], "unknown control 'renit'. Did you mean 'reinit'?"),
        (["digits", "--rival", "None"], "rival 'None' names none. For none write `--rival` with nothing after it"),
        (["digits", "--prune.score", "magnitud"], "unknown score 'magnitud'. Did you mean 'magnitude'?"),
        (
            ["digits", "--rewind", "300it"],
            "rewind point 300it is not before the end of training (300it).\n        Choose k below 300it",
        ),
        (["digits", "--rewind", "1ep", "--train.length", "10it"], "rewind point 1ep (16it) is not before the end"),
        (["digits", "--name", " "], "--name: a name is wanted to tell experiments apart"),
        (["digits", "--name", "two\nlines"], "--name: 'two\\nlines' has a line break"),
        (["digits", "--data.validation", "1200"], "data.validation is 1200, but digits has only 1200"),
    ],
)
@pytest.mark.parametrize("command", ["run", "plan"])
def test_a_mistake_in_a_recipe_is_told_before_anything_is_made(
    command: str, words: list[str], sentence: str, winnow: Winnow, tmp_path: Path
) -> None:
    said = winnow(command, *words, "--store", tmp_path / "store")
    assert (said.code, said.out) == (2, "")
    assert said.err.startswith(f"winnow: {sentence}")
    assert "Traceback" not in said.err
    assert not list(tmp_path.glob("store/results/*"))


def test_a_name_leads_to_no_file_outside_the_store(winnow: Winnow, tmp_path: Path) -> None:
    words = ("digits", *TINY, "--name", "../../evil", "--store", tmp_path / "within" / "store")
    assert winnow("run", *words, "--progress", "quiet").code == 0
    assert winnow("masks", *words).code == 0
    assert [path.name for path in tmp_path.iterdir()] == ["within"]
    assert [path.name for path in (tmp_path / "within").iterdir()] == ["store"]
    figures = [path.name for path in (tmp_path / "within" / "store" / "figures").iterdir()]
    assert len(figures) == 4 and all(name.startswith("-..-evil-imp-") for name in figures)


@pytest.mark.parametrize("command", ["run digits", "plan digits", "stability digits --density 50% --at 0it"])
@pytest.mark.parametrize(
    "words, sentence",
    [
        (["--lanes", "-3"], "lanes is -3; give at least 1"),
        (["--engine", "compiled", "--deterministic"], "deterministic runs train lanes singly"),
        (["--engine", "graphed", "--device", "cpu"], "the engine 'graphed' records CUDA graphs, and this run is on"),
    ],
)
def test_what_cannot_be_trained_so_is_told_before_it_is_recorded(
    command: str, words: list[str], sentence: str, winnow: Winnow, tmp_path: Path
) -> None:
    said = winnow(*command.split(), *TINY, *words, "--store", tmp_path / "store")
    assert said.code == 2 and f"winnow: {sentence}" in said.err and "to run" not in said.err
    assert not list(tmp_path.glob("store/experiments/*")) + list(tmp_path.glob("store/studies/*"))


@pytest.mark.parametrize(
    "words, sentence",
    [
        (["--data.mean", "0.5", "0.5"], "field data.mean: (0.5, 0.5) has 2 values; the images have 1 channel."),
        (["--train.auxiliary", "0.4"], "train.auxiliary is 0.4, and the network has no auxiliary classifier."),
    ],
)
def test_what_turns_out_not_to_be_trainable_leaves_no_experiment_behind(
    words: list[str], sentence: str, winnow: Winnow, tmp_path: Path
) -> None:
    said = winnow("run", "digits", *TINY, *words, "--store", tmp_path / "store")
    assert said.code == 2 and sentence in said.err
    assert not list(tmp_path.glob("store/experiments/*"))


@pytest.mark.parametrize(
    "option, value, sentence",
    [
        ("--levels", "0", "--levels: expected greater than or equal to 1, given 0."),
        ("--train.batch", "0", "--train.batch: expected greater than or equal to 1, given 0."),
        ("--prune.rate.linear", "1.5", "--prune.rate.linear: expected less than 1, given 1.5."),
        ("--optimizer.learning-rate", "-1", "--optimizer.learning-rate: expected greater than 0, given -1.0."),
        ("--onset.by", "pruning", "onset by 'pruning' needs a density"),
    ],
)
def test_a_value_that_a_recipe_refuses_is_named_by_its_option(
    option: str, value: str, sentence: str, winnow: Winnow
) -> None:
    said = winnow("show", "digits", option, value)
    assert (said.code, said.out) == (2, "") and said.err.startswith(f"winnow: {sentence}")


@pytest.mark.parametrize("rate", ["1.5", "0", "-0.2"])
def test_a_rate_outside_zero_to_one_is_named_with_its_field(rate: str, winnow: Winnow, tmp_path: Path) -> None:
    said = winnow("run", "digits", f"--prune.rate.linear={rate}", "--store", tmp_path)
    assert said.code == 2
    assert "linear" in said.err and "than" in said.err
    assert "Traceback" not in said.err


@pytest.mark.parametrize(
    "before, after, sentence",
    [
        ("levels = 15", "level = 15", "mine.toml, field level: there is no such field. Did you mean 'levels'?"),
        ("levels = 15", 'levels = "many"', "mine.toml, field levels: expected a valid integer, given 'many'."),
        ("batch = 60", "batch = 0", "mine.toml, field train.batch: expected greater than or equal to 1, given 0."),
        ('length = "300it"', 'length = "300"', "mine.toml, field train.length: '300' is not an amount of training."),
        ("linear = 0.2", "linear = 1.5", "mine.toml, field prune.rate.linear: expected less than 1, given 1.5."),
        ("levels = 15", "levels = ", "mine.toml is not TOML: "),
    ],
)
def test_a_mistake_in_a_toml_file_is_told_with_file_field_and_expectation(
    before: str, after: str, sentence: str, winnow: Winnow, tmp_path: Path
) -> None:
    path = tmp_path / "mine.toml"
    text = winnow("show", "digits").out
    assert before in text
    path.write_text(text.replace(before, after))
    said = winnow("run", path, "--store", tmp_path / "store")
    assert said.code == 2
    assert said.err.startswith(f"winnow: {sentence}")


def test_a_training_that_diverges_is_named_and_the_run_ends_with_3(winnow: Winnow, tmp_path: Path) -> None:
    wild = ("--optimizer.name", "sgd", "--optimizer.learning-rate", "1e20", "--store", tmp_path)
    said = winnow("run", "digits", *TINY, *wild)
    assert said.code == 3
    for replicate in (0, 1):
        assert f"failed: dense, replicate {replicate}: the loss is not finite at iteration" in said.out
    assert "Try a smaller optimizer.learning_rate" in said.out
    planned = winnow("plan", "digits", *TINY, *wild)
    assert planned.code == 0 and "failed: dense, replicate 0: the loss is not finite" in planned.out
    assert winnow("run", "digits", *TINY, *wild).code == 3, "it is not tried again"
    again = winnow("run", "digits", *TINY, *wild, "--retry")
    assert again.code == 3 and "2 failed results of this experiment forgotten" in again.err + again.out


def test_a_level_that_would_empty_a_layer_ends_the_run_there_and_keeps_the_rest(winnow: Winnow, tmp_path: Path) -> None:
    steep = ("--prune.rate.linear", "0.999", "--prune.rate.output", "0.999", "--levels", "3", "--store", tmp_path)
    said = winnow("run", "digits", *TINY, *steep)
    assert said.code == 3
    assert "level 2 would leave no weights in" in said.out or "level 1 would leave no weights in" in said.out
    assert said.out.count("dense ") and "failed: ticket, replicate 0, level" in said.out


@pytest.mark.parametrize("command", ["run digits", "plan digits", "results", "store ls", "store gc"])
def test_a_store_made_by_a_newer_version_is_left_alone(command: str, winnow: Winnow, tmp_path: Path) -> None:
    (tmp_path / "format.json").write_text('{"format": 99}')
    said = winnow(*command.split(), "--store", tmp_path)
    assert said.code == 1
    assert "has format 99, made by a newer Winnow; this one knows format 1." in said.err
    assert "Upgrade with `pip install -U winnow-lth`" in said.err


@pytest.mark.parametrize("command", ["run digits", "plan digits", "store ls"])
def test_a_folder_of_other_files_is_not_taken_for_a_store(command: str, winnow: Winnow, tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").touch()
    said = winnow(*command.split(), "--store", tmp_path)
    assert said.code == 1 and "holds other files and is no store" in said.err


@pytest.mark.parametrize(
    "number, sentence",
    [
        (errno.ENOSPC, "The disk is full. Free some space (`winnow store gc` shows what nothing needs)"),
        (errno.EROFS, "It cannot be written to. Change its permissions"),
    ],
)
def test_a_disk_that_takes_no_more_ends_the_run_and_the_store_stays_whole(
    number: int, sentence: str, winnow: Winnow, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, calls = os.fsync, 0

    def fsync(file: int) -> None:
        nonlocal calls
        calls += 1
        if calls > 10:
            raise OSError(number, os.strerror(number))
        real(file)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fsync)
        said = winnow("run", "digits", *TINY, "--store", tmp_path)
    assert said.code == 1
    assert sentence in said.err and "What was stored before is safe." in said.err
    assert not list((tmp_path / "temporary").iterdir())
    assert winnow("store", "verify", "--store", tmp_path).code == 0
    assert winnow("run", "digits", *TINY, "--store", tmp_path).code == 0


def test_parquet_is_not_for_a_terminal(winnow: Winnow, finished: Path) -> None:
    said = winnow("results", "--format", "parquet", "--store", finished)
    assert said.code == 2 and "name a file with --out results.parquet" in said.err


@pytest.mark.parametrize("command", [("compare", "digits", "digits@reinit"), ("masks", "digits", *TINY)])
def test_a_figure_that_cannot_be_written_is_a_warning_and_the_table_is_written(
    command: tuple[str, ...], winnow: Winnow, finished: Path, tmp_path: Path
) -> None:
    shutil.rmtree(finished / "figures")
    (finished / "figures").touch()  # as a store that cannot be written to, which would not stop root
    table = tmp_path / "table.csv"
    said = winnow(*command, "--store", finished, "--out", table)
    assert said.code == 0, said.err
    assert f"winnow: there is no figure: writing to {finished / 'figures'}" in said.err and "--store" not in said.err
    assert len(table.read_text("utf-8").splitlines()) > 2


@pytest.mark.parametrize(
    "words, sentence",
    [
        (["instability", "digits", "--random"], "--random measures random masks with a subnetwork's densities"),
        (["plan", "digits", "--model.name", "net.py"], "network 'net.py' is a file. Say which function or class of it"),
    ],
)
def test_half_of_what_is_needed_is_told_with_the_other_half(words: list[str], sentence: str, winnow: Winnow) -> None:
    said = winnow(*words)
    assert said.code == 2 and said.err.startswith(f"winnow: {sentence}")
