from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console, Group
from rich.table import Table

from winnow.cli.compare_tables import differences_tables
from winnow.cli.console import output, show
from winnow.cli.tables import levels_table
from winnow.comparison import Comparison
from winnow.experiments import controls
from winnow.experiments.experiment import TICKET
from winnow.results import Results

from ..test_comparison import side
from ..test_results import DENSE, results_of


def shown(results: Results) -> list[str]:
    out = io.StringIO()
    Console(file=out, width=80).print(levels_table(results))
    return [line.rstrip() for line in out.getvalue().splitlines()]


def test_every_control_fits_into_80_columns() -> None:
    accuracies = {(name, level): [0.987, 0.899] for name in (TICKET, *controls()) for level in (1, 2)}
    lines = shown(results_of(accuracies | {DENSE: [0.91, 0.92]}, control=["all"]))
    assert not any("…" in line for line in lines)
    assert [line.split()[0] for line in lines[2:] if line] == [
        "dense", *(name for name in ("ticket", *controls()) for _ in (1, 2)),
    ]  # fmt: skip


def test_a_level_that_was_trained_to_rank_its_weights_alone_says_how_far() -> None:
    accuracies = {(TICKET, level): [0.9, 0.9] for level in (1, 2, 3)} | {DENSE: [0.91, 0.92]}
    lines = shown(results_of(accuracies, prune={"at": "200it", "train_levels": [1, 3]}))
    endings = {line.split()[1]: line.split()[-1] for line in lines if line.startswith("ticket")}
    assert endings == {"1": "no", "2": "200it", "3": "no"}
    assert "pruned at 200it" in " ".join(lines[:2])
    assert any(line.endswith("to 200it") for line in lines)


def test_a_table_says_how_its_tickets_were_made_where_that_is_not_as_usual() -> None:
    accuracies = {(TICKET, 1): [0.9, 0.9]} | {DENSE: [0.91, 0.92]}
    usual = " ".join(shown(results_of(accuracies))[:1])
    assert usual.endswith("test accuracy at the end, 2 replicates")
    other = " ".join(shown(results_of(accuracies, prune={"score": "movement"}))[:2])
    assert "2 replicates; pruned by movement" in other


@pytest.mark.parametrize("is_grouped", [True, False])
def test_numbers_are_whole_in_the_narrowest_terminal(monkeypatch: pytest.MonkeyPatch, is_grouped: bool) -> None:
    monkeypatch.setenv("COLUMNS", "20")
    accuracies = {(name, level): [0.9179, 0.8211] for name in (TICKET, "signs-shuffled") for level in (1, 2)}
    table = levels_table(results_of(accuracies | {DENSE: [0.91, 0.92]}, control=["all"]))
    out = io.StringIO()
    show(output(out), Group("[words]", table) if is_grouped else table)
    assert "…" not in out.getvalue() and out.getvalue().count("86.95 ± 6.84") == 4
    assert ("[words]" in out.getvalue()) == is_grouped  # no markup


@pytest.mark.parametrize(
    "ours, ending",
    [
        ([0.910, 0.920], "+1.00"),  # by the same in both replicates: nothing is known of the spread
        ([0.910, 0.9200001], "+1.00 to +1.00  better"),
        ([0.910, 0.925], "-1.93 to +4.43"),
    ],
)
def test_differences_that_are_all_the_same_have_no_interval_and_no_verdict(
    tmp_path: Path, ours: list[float], ending: str
) -> None:
    first, other = (results_of({DENSE: [0.7, 0.7], (TICKET, 1): values}) for values in ([0.9, 0.91], ours))
    found = Comparison((side(tmp_path, first), side(tmp_path, other, "b")), 0.05)
    out = io.StringIO()
    show(output(out), differences_tables(found))
    (line,) = [line for line in out.getvalue().splitlines() if line.split()[:1] == ["1"]]
    assert line.rstrip().endswith(ending) and ("better" in line) == ("better" in ending)


def test_words_wrap_where_they_may_and_make_room_for_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "20")
    table = Table(box=None, pad_edge=False)
    table.add_column("about")
    table.add_column("count", no_wrap=True)
    table.add_row("several words that wrap", "12 of 1,000,000")
    out = io.StringIO()
    show(output(out), table)
    assert "several  12 of 1,000,000" in out.getvalue() and max(map(len, out.getvalue().splitlines())) == 24


@pytest.mark.parametrize(
    "ours, said",
    [([0.92], "No interval: a single replicate tells nothing of chance."),
     ([0.910, 0.920], "No interval: the same difference in each replicate tells nothing of chance.")],
)  # fmt: skip
def test_where_no_difference_has_an_interval_there_is_a_sentence_and_no_column(
    tmp_path: Path, ours: list[float], said: str
) -> None:
    first, other = (results_of({DENSE: [0.7] * len(ours), (TICKET, 1): values}) for values in ([0.9, 0.91], ours))
    out = io.StringIO()
    show(output(out), differences_tables(Comparison((side(tmp_path, first), side(tmp_path, other, "b")), 0.05)))
    told = " ".join(out.getvalue().split())
    assert said in told and "95 % interval" not in told
