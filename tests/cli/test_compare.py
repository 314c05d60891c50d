"""`winnow compare` on the tiny run."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

import pytest

from winnow.cli.sets import side
from winnow.recipes import read, to_toml
from winnow.store import Store
from winnow.store.experiments import identity, recipe_files, record

from .conftest import EDITS, TINY, Winnow


def lines(text: str, *beginning: str) -> list[list[str]]:
    return [words for line in text.splitlines() if (words := line.split())[: len(beginning)] == list(beginning)]


def test_two_controls_of_a_run_are_compared_with_intervals_and_costs(
    winnow: Winnow, finished: Path, tmp_path: Path
) -> None:
    table = tmp_path / "table.csv"
    said = winnow("compare", "digits", "digits@reinit", "--store", finished, "--out", table)
    assert said.code == 0, said.err
    assert "Paired by replicate; n = 2." in said.out
    assert "digits: all results took 6 trainings, 240 iterations" in said.out
    assert "digits@reinit: all results took 8 trainings, 320 iterations" in said.out
    (figure,) = [line for line in said.out.splitlines() if line.startswith("figure: ")]
    assert all(Path(path).stat().st_size > 1000 for path in figure.removeprefix("figure: ").split(", "))
    rows = list(csv.DictReader(table.read_text("utf-8").splitlines()))
    assert [(row["set"], row["level"], row["iterations"]) for row in rows] == [
        ("digits", "0", "40"),
        ("digits", "1", "80"),
        ("digits", "2", "120"),
        ("digits@reinit", "1", "80"),
        ("digits@reinit", "2", "120"),
    ]
    assert all(float(row["seconds"]) > 0 for row in rows)


def test_runs_of_two_stores_files_and_identities_are_named_as_people_write_them(
    winnow: Winnow, finished: Path, tmp_path: Path
) -> None:
    other = Path(shutil.copytree(finished, tmp_path / "other"))
    file = tmp_path / "mine.toml"
    file.write_text(to_toml(read("digits").edited({**EDITS, "replicates": 1})))
    said = winnow("compare", f"{finished}:digits", f"{other}:imp-", f"{other}:{file}@reinit")
    assert said.code == 0, said.err
    assert f"A = {finished}:digits, tickets" in said.out.replace("\n", " ").replace("  ", " ")
    assert "+0.00" in said.out and "2 replicates" in said.out


def test_levels_that_were_trained_to_rank_weights_alone_are_not_compared(winnow: Winnow, finished: Path) -> None:
    words = ("--name", "cheap", "--prune.at", "10it", "--prune.train-levels", "2")
    assert winnow("run", "digits", *TINY, *words, "--store", finished, "--progress", "quiet").code == 0
    said = winnow("compare", "digits", "cheap", "--store", finished)
    accuracy, overlap = said.out.split("Overlap of a replicate's masks")
    assert [line[0] for line in lines(accuracy) if line[2:3] == ["%"]] == ["0", "2"]
    assert "Left out: levels 1,\n  trained to 10 iterations to rank weights by." in accuracy
    (level_2,) = [line for line in lines(overlap, "2") if "±" in line]
    assert level_2[-3:] == ["60", "50", "%"]  # 10 + 10 + 40 iterations instead of three times 40


def test_the_overlap_of_masks_is_that_of_the_masks_themselves(winnow: Winnow, finished: Path, tmp_path: Path) -> None:
    words = ("--name", "random", "--prune.score", "random", "--control", "reinit")
    assert winnow("run", "digits", *TINY, *words, "--store", finished, "--progress", "quiet").code == 0
    table = tmp_path / "table.csv"
    said = winnow("compare", "digits", "random", "random@reinit", "--store", finished, "--out", table)
    assert said.code == 0, said.err
    rows = {(row["set"], row["level"]): row for row in csv.DictReader(table.read_text("utf-8").splitlines())}
    assert rows["random", "0"]["overlap"] == rows["digits", "1"]["overlap"] == ""

    one, other = (side(name, finished) for name in ("digits", "random"))
    by_hand: list[float] = []
    for replicate in range(2):
        first, second = (each.store.mask(each.masks(2)[replicate]) for each in (one, other))
        both = sum(int((first[name] & second[name]).sum()) for name in first)
        either = sum(int((first[name] | second[name]).sum()) for name in first)
        by_hand.append(both / either)
    assert float(rows["random", "2"]["overlap"]) == pytest.approx(sum(by_hand) / 2, rel=1e-12)
    assert float(rows["random", "2"]["overlap_by_chance"]) == pytest.approx(0.28, abs=0.02)


@pytest.mark.parametrize(
    "words",
    [
        ("--prune.rate.output", "None", "--prune.granularity", "unit"),  # masks of other layers
        ("--prune.rate.linear", "0.04", "--prune.rate.output", "0.04"),  # level 1 is nearest to the dense network
    ],
)
def test_masks_that_have_no_overlap_to_measure_are_left_out(
    winnow: Winnow, finished: Path, words: tuple[str, ...]
) -> None:
    assert (
        winnow("run", "digits", *TINY, *words, "--name", "other", "--store", finished, "--progress", "quiet").code == 0
    )
    said = winnow("compare", "digits", "other", "--store", finished)
    assert said.code == 0, said.err
    assert "Overlap" not in said.out


def test_experiments_of_one_name_are_told_apart_by_what_differs(winnow: Winnow, finished: Path) -> None:
    words = ("--seed", "7", "--control", "reinit", "--levels", "1")
    assert winnow("run", "digits", *TINY, *words, "--store", finished, "--progress", "quiet").code == 0
    said = winnow("compare", "digits", "digits@reinit", "--store", finished)
    assert said.code == 2 and "holds 2 experiments 'digits'. Name one of them:" in said.err
    assert said.err.count("seed = ") == 2 and "learning_rate" not in said.err
    names = [word.rstrip(":") for word in said.err.split() if word.startswith("imp-")]
    said = winnow("compare", *names, "--store", finished)
    assert said.code == 0 and "Not paired, since the seeds differ" in said.out


@pytest.mark.parametrize(
    "words, message",
    [
        (["digits"], "a comparison needs at least two sets of results, such as: digits digits@reinit"),
        (["digits", "digits"], "'digits' is given twice"),
        (["digits", "nix"], "holds no experiment 'nix'. It holds digits (imp-"),
        (["digits", "digits@luck"], "was run with no control 'luck'. It has ticket, reinit."),
        (["digits", "@reinit"], "'@reinit' names no recipe. Write RECIPE, RECIPE@CONTROL, or STORE:RECIPE."),
        (["digits", "digits@reinit", "--tolerance", "100"], "tolerance is 100; give per cent of the density"),
    ],
)
def test_mistakes_are_told_in_words(winnow: Winnow, finished: Path, words: list[str], message: str) -> None:
    said = winnow("compare", *words, "--store", finished)
    assert said.code == (1 if "holds no" in message else 2) and message in " ".join(said.err.split())


def test_names_that_share_their_settings_are_found_by_name_and_are_one_by_identity(
    winnow: Winnow, finished: Path
) -> None:
    recipe = read("digits").edited(EDITS)
    for changes in ({"name": "drawn", "control": ["random"]}, {"name": "whole", "levels": 3, "control": []}):
        record(Store(finished), recipe.edited(changes))
    said = winnow("compare", "digits", "digits@reinit", "--store", finished)
    assert said.code == 0, said.err
    merged = side(f"{identity(recipe)}@random", finished).results.experiment.recipe
    assert (merged.levels, set(merged.control), merged.rival) == (3, {"reinit", "random"}, ())
    assert merged.name == "whole"  # as the widest of them is called
    assert side("drawn", finished).results.experiment.recipe.levels == 2
    said = winnow("compare", "whole", "whole@random", "--store", finished)
    assert said.code == 2 and "whole (imp-" in said.err and "was run with no control 'random'" in said.err


def test_each_control_of_all_is_a_set(winnow: Winnow, finished: Path) -> None:
    record(Store(finished), read("digits").edited({**EDITS, "control": ["all"]}))
    said = winnow("compare", "digits", "digits@reinit", "--store", finished)
    assert said.code == 0, said.err


def test_recipes_that_cannot_be_followed_are_told_and_left_out(winnow: Winnow, finished: Path) -> None:
    (whole,) = recipe_files(Store(finished))
    whole.with_name("foreign-imp-1.toml").write_text(whole.read_text("utf-8").replace('"digits"', '"nowhere"'))
    whole.with_name("garbage-imp-2.toml").write_bytes(whole.read_bytes() + b"\xff\xfe\0")
    said = winnow("compare", "digits", "digits@reinit", "--store", finished)
    assert said.code == 0, said.err
    assert said.err.count("experiment foreign-imp-1 cannot be followed, and is left out: ") == 1
    assert said.err.count("experiment garbage-imp-2 cannot be followed, and is left out: ") == 1


def test_a_run_names_its_own_record_where_that_cannot_be_read(winnow: Winnow, finished: Path) -> None:
    (record_file,) = recipe_files(Store(finished))
    record_file.write_bytes(record_file.read_bytes() + b"\xff\xfe\0")
    said = winnow("run", "digits", *TINY, "--store", finished)
    assert said.code == 1 and f"recipe file '{record_file}' cannot be read" in said.err
    assert "move it away: then the same command notes it anew" in " ".join(said.err.split())


@pytest.mark.parametrize("command", ["compare a b", "masks digits", "ticket digits", "reproduce lenet-mnist --stored"])
def test_a_store_that_is_not_there_is_told(winnow: Winnow, tmp_path: Path, command: str) -> None:
    said = winnow(*command.split(), "--store", tmp_path / "nowhere")
    assert said.code == 1 and f"there is no store at {tmp_path / 'nowhere'}" in said.err
