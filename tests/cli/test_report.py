"""`winnow report`, and what `winnow store` knows of studies."""

from __future__ import annotations

import csv
import threading
import time
from pathlib import Path

import pytest

from winnow.cli.stored import needed
from winnow.experiments import instability, stability
from winnow.recipes import read
from winnow.report.asked import departures, run_command, study_command
from winnow.store import Store
from winnow.store.studies import read_study, study_files
from winnow.timeline import Amount

from .conftest import TINY, Winnow, flip_first_byte

STUDY = ("stability", "digits", *TINY, "--density", "50%", "--samples", "2", "--progress", "quiet")


def test_a_page_and_files_are_written_of_what_is_stored(finished: Path, winnow: Winnow, tmp_path: Path) -> None:
    page, files = tmp_path / "page.html", tmp_path / "files"
    said = winnow("report", "--store", finished, "--out", page, "--files", files)
    assert said.code == 0, said.err
    assert said.out.startswith(f"page: {page} (") and "1 experiment)" in said.out
    text = page.read_text("utf-8")
    assert "winnow run digits --levels 2 --replicates 2" in text
    assert "Shortened." in text and "Few replicates." in text and "The test set chose." in text
    assert "http-equiv" not in text
    names = sorted(path.name.partition("-imp-")[2][9:] for path in files.iterdir())
    assert {"accuracy.svg", "accuracy.png", "accuracy.csv", "levels.csv", "overlap.svg", "layers.png"} <= set(names)
    (levels,) = files.glob("*-levels.csv")
    rows = list(csv.DictReader(levels.read_text("utf-8").splitlines()))
    assert [row["control"] for row in rows] == ["ticket"] * 3 + ["reinit"] * 2
    assert rows[0]["accuracy_n"] == "2" and float(rows[1]["accuracy_low95"]) < float(rows[1]["accuracy_mean"])


def test_only_the_recipes_asked_for_are_shown(finished: Path, winnow: Winnow, tmp_path: Path) -> None:
    said = winnow("report", "lenet-mnist", "--store", finished, "--out", tmp_path / "page.html")
    assert said.code == 1
    assert "holds no experiment of lenet-mnist that can be read. What it holds: digits (imp-" in said.err
    assert winnow("report", "imp-", "--store", finished, "--out", tmp_path / "page.html").code == 0


def test_what_is_missing_or_failed_is_told(finished: Path, winnow: Winnow, tmp_path: Path) -> None:
    store = Store(finished)
    manifests = [store.manifest(key) for key in store.result_keys()]
    lost = [each.key for each in manifests if each and each.kind == "train" and "mask" in each.inputs][:3]
    for key in lost:
        store.remove(key)
    page = tmp_path / "page.html"
    assert winnow("report", "--store", finished, "--out", page).code == 0
    text = page.read_text("utf-8")
    assert "Incomplete." in text and "3 of 10 trainings are not stored yet" in text and "incomplete</td>" in text


@pytest.mark.parametrize(
    "kind, file, how, said",
    [
        ("train", "metrics.csv", "flipped", "Incomplete."),
        ("train", "metrics.csv", "cut", "Incomplete."),
        ("train", "manifest.json", "flipped", "Incomplete."),
        ("prune", "mask.safetensors", "flipped", "2 stored trainings are left out, without a stored mask"),
    ],
)
def test_a_damaged_result_is_left_out_and_told_and_the_run_stays(
    finished: Path, winnow: Winnow, tmp_path: Path, kind: str, file: str, how: str, said: str
) -> None:
    store = Store(finished)
    levels = sorted(
        (path, manifest.key)
        for manifest in map(store.manifest, store.result_keys())
        if manifest and manifest.kind == kind and (path := store.folder(manifest.key) / file).exists()
        and (kind == "prune" or "mask" in manifest.inputs)
    )  # fmt: skip
    path, key = levels[0]
    if how == "flipped":
        flip_first_byte(path)
    else:
        path.write_bytes(path.read_bytes()[:-1])
    page = tmp_path / "page.html"
    assert winnow("report", "--store", finished, "--out", page).code == 0
    text = page.read_text("utf-8")
    assert f"stored result {key} is damaged" in text and "incomplete</td>" in text and said in text
    assert "`winnow run` with the same options trains it again." in text
    assert str(finished) not in text


def test_a_damaged_comparison_is_left_out_and_told_and_the_study_stays(
    finished: Path, winnow: Winnow, tmp_path: Path
) -> None:
    assert winnow(*STUDY, "--store", finished).code == 0
    store = Store(finished)
    (study,) = map(read_study, study_files(store))
    flip_first_byte(store.folder(study.comparisons[0].step.key) / "measured.csv")
    page = tmp_path / "page.html"
    assert winnow("report", "--store", finished, "--out", page).code == 0
    text = page.read_text("utf-8")
    assert f"stored result {study.comparisons[0].step.key} is damaged" in text
    assert "`winnow stability` with the same options trains it again." in text


def test_a_live_page_loads_itself_again_until_everything_is_stored(
    finished: Path, winnow: Winnow, tmp_path: Path
) -> None:
    store = Store(finished)
    manifests = [store.manifest(key) for key in store.result_keys()]
    lost = next(each.key for each in manifests if each and each.kind == "train" and "mask" in each.inputs)
    aside = tmp_path / "aside"
    store.folder(lost).rename(aside)
    page = tmp_path / "page.html"
    seen: list[str] = []

    def finish() -> None:
        while not page.exists():
            time.sleep(0.02)
        seen.append(page.read_text("utf-8"))
        aside.rename(store.folder(lost))

    helper = threading.Thread(target=finish)
    helper.start()
    said = winnow("report", "--store", finished, "--out", page, "--live", "1")
    helper.join()
    assert said.code == 0
    assert 'http-equiv="refresh" content="1"' in seen[0] and "9 of 10 trainings are stored" in seen[0]
    assert "http-equiv" not in page.read_text("utf-8")
    assert "9 of 10 trainings stored" in said.err


def test_trainings_behind_a_mask_that_failed_are_waited_for_by_nobody(winnow: Winnow, tmp_path: Path) -> None:
    store, page = tmp_path / "store", tmp_path / "page.html"
    words = ("digits", *TINY, "--levels", "3", "--prune.rate.linear", "0.99", "--store", store)
    assert winnow("run", *words, "--progress", "quiet").code == 3
    planned = winnow("plan", *words).out
    failed = int(next(line for line in planned.splitlines() if line.startswith("in all")).split()[4])
    assert failed > 4 and f"Nothing is left to train: {failed} trainings cannot be, see above." in planned
    listed = winnow("store", "ls", "--store", store).out.splitlines()[1].split()
    assert listed[-4:] == [str(14 - failed), "of", "14", str(failed)]
    assert winnow("report", "--store", store, "--out", page, "--live", "1").code == 0
    text = page.read_text("utf-8")
    assert f"{failed} trainings ended without a result" in text and "would leave no weights" in text
    assert "goes on" not in text


def test_a_live_page_is_not_written_without_rest(finished: Path, winnow: Winnow) -> None:
    assert "--live 0.1 is less than a second" in winnow("report", "--store", finished, "--live", "0.1").err


def test_studies_are_recorded_reported_listed_and_kept(finished: Path, winnow: Winnow, tmp_path: Path) -> None:
    assert winnow(*STUDY, "--store", finished).code == 0
    page = tmp_path / "page.html"
    assert winnow("report", "--store", finished, "--out", page).code == 0
    assert "digits: stability" in page.read_text("utf-8")
    (study,) = map(read_study, study_files(Store(finished)))
    listed = winnow("store", "ls", "--store", finished).out
    (line,) = [line for line in listed.splitlines() if "(stability-" in line]
    assert line.split()[2:] == ["1", "2", "none", "10", "of", "10", "0"]
    reached, _, problems = needed(Store(finished))
    assert not problems and reached is not None
    assert {comparison.step.key for comparison in study.comparisons} <= reached


@pytest.mark.parametrize(
    "edits, command",
    [
        ({}, "winnow run digits"),
        ({"control": []}, "winnow run digits --control"),
        ({"deterministic": True, "optimizer.no_decay": ["*.a b"], "optimizer.weight_decay": 0.1},
         "winnow run digits --deterministic --optimizer.weight_decay 0.1 --optimizer.no_decay '*.a b'"),
        ({"data.mean": [0.5]}, "winnow run digits --data.mean 0.5"),
        ({"name": "whole", "levels": 3}, "winnow run digits --levels 3 --name whole"),
        ({"name": "my own", "about": ""}, "winnow run 'my own.toml'"),
    ],
)  # fmt: skip
def test_the_line_that_repeats_a_run_says_what_differs(edits: dict[str, object], command: str) -> None:
    assert run_command(read("digits").edited(edits)) == command


def test_the_line_runs_what_it_says(winnow: Winnow, tmp_path: Path) -> None:
    edits = {"levels": 1, "replicates": 1, "control": [], "train.length": "20it", "deterministic": True, "name": "my"}
    line = run_command(read("digits").edited(edits)).split()[1:]
    said = winnow(*line, "--store", tmp_path / "store", "--progress", "quiet")
    assert said.code == 0
    (path,) = (tmp_path / "store" / "experiments").glob("*.toml")
    assert read(path) == read("digits").edited(edits)


def test_the_line_that_repeats_a_study_leaves_out_what_is_usual() -> None:
    recipe, at = read("digits").edited({"replicates": 3}), [Amount.parse("0it"), Amount.parse("20it")]
    study = stability(recipe, density=0.107, at=at)
    assert study_command(study) == "winnow stability digits --replicates 3 --density 10.7% --at 0it,20it"
    study = instability(recipe, at=at, samples=3, early=[0.25])
    assert study_command(study) == "winnow instability digits --replicates 3 --at 0it,20it --samples 3 --early 0.25"


@pytest.mark.parametrize(
    "edits, shortened, changed",
    [
        ({"levels": 20, "replicates": 9, "control": ["reinit"], "rival": ["gmp"], "seed": 4}, (), ()),
        ({"levels": 2}, ("levels 2 instead of 16",), ()),
        ({"train.length": "6000it", "replicates": 3},
         ("replicates 3 instead of 5", "train.length 6000it instead of 50000it"), ()),
        ({"optimizer.learning_rate": 0.1}, (), ("optimizer.learning_rate 0.1 instead of 0.0012",)),
        ({"train.length": "60000it"}, (), ("train.length 60000it instead of 50000it",)),
    ],
)  # fmt: skip
def test_departures_from_the_bundled_recipe_are_named(
    edits: dict[str, object], shortened: tuple[str, ...], changed: tuple[str, ...]
) -> None:
    found = departures(read("lenet-mnist").edited(edits))
    assert found is not None
    assert (found.shortened, found.changed) == (shortened, changed)
    assert departures(read("lenet-mnist").edited(edits | {"name": "mine"})) == found  # renamed, it is of it still
    assert departures(read("lenet-mnist").edited(edits | {"name": "mine", "about": "of my own"})) is None


@pytest.mark.parametrize("about, is_own", [(None, False), ("of my own", True)])
def test_a_recipe_made_from_no_bundled_one_is_to_be_saved_first(
    winnow: Winnow, tmp_path: Path, about: str | None, is_own: bool
) -> None:
    store, page = tmp_path / "store", tmp_path / "page.html"
    words = ["--levels", "1", "--replicates", "1", "--control", "--train.length", "20it", "--name", "whole"]
    words += ["--about", about] if about else []
    assert winnow("run", "digits", *words, "--store", store, "--progress", "quiet").code == 0
    assert winnow("report", "--store", store, "--out", page).code == 0
    text = page.read_text("utf-8")
    assert ("Save the recipe below as whole.toml and run it:" in text) is is_own
    assert ("winnow run whole.toml" in text) is is_own
    assert ("in the bundled recipe digits. This is no reproduction of it." in text) is not is_own
