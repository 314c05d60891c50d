"""`winnow stability`, `winnow instability`, `winnow onset`."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from winnow.cli import main

TINY = ["--replicates", "2", "--train.length", "20it", "--train.evaluate", "10it", "--progress", "quiet"]


def lines(text: str, *beginning: str) -> list[list[str]]:
    """The lines of a table that begin with these words."""
    return [words for line in text.splitlines() if (words := line.split())[: len(beginning)] == list(beginning)]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    return ["--store", str(tmp_path_factory.mktemp("studies") / "store")]


def test_stability_tells_distances_angles_and_accuracy_of_both_kinds_of_mask(
    store: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = tmp_path / "table.csv"
    words = ["stability", "digits", "--at", "0it,5it", "--samples", "3", "--density", "50%", "--out", str(table)]
    assert main([*words, *TINY, *store]) == 0
    shown = capsys.readouterr().out
    assert "stability of subnetworks with 51.63 % of the weights (level 3)" in shown
    assert max(map(len, shown.splitlines()[:10])) <= 80
    for k in ("0", "5"):
        assert lines(shown, k, "IMP", "pruning")
    assert len(lines(shown, "random", "pruning")) == len(lines(shown, "random", "data", "order")) == 2
    assert [line[-1] for line in lines(shown, "IMP", "data", "order")] == ["6", "6"]  # three pairs, two replicates

    rows = list(csv.DictReader(table.read_text("utf-8").splitlines()))
    whole = [row for row in rows if row["layer"] == "" and row["quantity"] == "data-order" and row["metric"] == "l2"]
    assert len(whole) == 2 * 2 * 6  # k, masks, comparisons
    assert {row["layer"] for row in rows} == {"", "fc1.weight", "fc2.weight", "output.weight"}
    assert {row["quantity"] for row in rows} == {"pruning", "data-order", "accuracy"}
    (figure,) = [line for line in shown.splitlines() if line.startswith("figure: ")]
    assert all(Path(path).stat().st_size > 1000 for path in figure.removeprefix("figure: ").split(", "))


def test_the_same_study_again_trains_nothing(store: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    words = ["stability", "digits", "--at", "0it,5it", "--samples", "3", "--density", "50%", *TINY[:-1], "plain"]
    assert main([*words, *store]) == 0
    assert "all results that there can be are stored; nothing to train" in capsys.readouterr().err


def test_instability_tells_barriers_with_intervals(store: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    words = ["instability", "digits", "--at", "0it,5it", "--points", "5", "--early", "0.5", "--examples", "200"]
    assert main([*words, *TINY, *store]) == 0
    shown = capsys.readouterr().out
    assert "instability of the dense network, 2 replicates" in shown
    assert max(map(len, shown.splitlines()[:8])) <= 80
    assert [line[2] for line in lines(shown, "5", "dense")] == ["13", "20"]  # half of what remains after 5, and the end
    assert all("to" in line for line in lines(shown, "0", "dense"))


def test_onset_tells_k_in_three_units_and_what_it_cost(store: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["onset", "digits", "--threshold", "100%", *TINY, *store]) == 0
    shown = capsys.readouterr().out
    assert "stable below 100 points of test error" in shown
    assert "Onset: k = 0 iterations (0 epochs, 0 % of training)" in shown
    assert "2 of 4 k were tried" in shown  # 0, 1, 2 and 4 of 20


def test_run_with_rewind_auto_says_why_that_k_and_ends_with_tickets(
    store: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["run", "digits", "--rewind", "auto", "--onset.threshold", "100", "--levels", "1", "--control", "reinit"]
    assert main([*words, *TINY, *store]) == 0
    shown = capsys.readouterr().out
    assert shown.index("Onset: k = 0 iterations") < shown.index("control")
    assert lines(shown, "ticket", "1")


@pytest.mark.parametrize(
    "words, message",
    [
        (["stability", "digits", "--density", "ten"], "'ten' is no density. Write a percentage such as 10.7%"),
        (["stability", "digits", "--at", "100"], "'100' is not an amount of training."),
        (["stability", "digits", "--at", ","], "no rewind point was given"),
        (["instability", "digits", "--points", "2"], "points is 2. Give at least 3."),
        (["instability", "digits", "--early", "1.5"], "early is 1.5: fractions of training lie between 0 and 1."),
        (
            ["stability", "digits", "--rewind", "20it"],
            "--rewind has no meaning here: give the rewind points with --at 20it",
        ),
        (
            ["instability", "digits", "--rewind=5%"],
            "--rewind has no meaning here: give the rewind points with --at 5%.",
        ),
        (["onset", "digits", "--rewind", "auto"], "--rewind has no meaning here: the onset is the rewind point"),
        (["onset", "digits", "--by", "luck"], "field onset.by: expected 'instability', 'pruning' or 'data-order'"),
        (["onset", "digits", "--threshold", "low"], "field onset.threshold: expected a valid number, given 'low'"),
        (["onset", "digits", "--by", "pruning"], "onset by 'pruning' needs a density"),
    ],
)
def test_mistakes_are_told_in_words(
    words: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*words, "--store", str(tmp_path / "store")]) == 2
    assert message in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize("words", [["--levels", "2"], ["--control=reinit"], ["--rival", "gmp"]])
def test_options_of_a_recipe_that_a_study_does_not_look_at_are_told(
    words: list[str], store: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["stability", "digits", "--at", ",", *words, *TINY, *store]) == 2
    assert f"winnow: {words[0].partition('=')[0]} has no effect here: " in capsys.readouterr().err
