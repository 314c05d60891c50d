"""What commands say of a run in which every training diverged."""

from __future__ import annotations

from pathlib import Path

import pytest

from .conftest import TINY, Winnow, code_of

WILD = ("digits", *TINY, "--optimizer.name", "sgd", "--optimizer.learning-rate", "1e30")

REASON = "the loss is not finite at iteration"


@pytest.fixture(scope="module")
def diverged(data_cache: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    store = tmp_path_factory.mktemp("diverged") / "store"
    assert code_of(("run", *WILD, "--store", store, "--progress", "quiet")) == 3
    return store


@pytest.mark.parametrize("command", [("run", *WILD), ("results", "digits")])
def test_there_is_no_empty_table_but_a_sentence(winnow: Winnow, diverged: Path, command: tuple[str, ...]) -> None:
    said = winnow(*command, "--store", diverged).out
    assert "): no training has a result. 2 of 10 failed; the other 8 need their results." in said
    assert "There is nothing to compare." in said and "mean ± std" not in said


def test_one_that_needs_another_is_told_as_one(winnow: Winnow, tmp_path: Path) -> None:
    words = (*WILD, "--replicates", "1", "--levels", "1", "--control", "--store", tmp_path / "store")
    assert "1 of 2 failed; the other 1 needs its result." in winnow("run", *words).out
    again = winnow("run", *words)
    assert again.err == "all results that there can be are stored; nothing to train\n", "no result is"


@pytest.mark.parametrize("level", [(), ("--level", "1")])
def test_a_ticket_is_refused_with_what_failed(
    winnow: Winnow, diverged: Path, tmp_path: Path, level: tuple[str, ...]
) -> None:
    said = winnow("ticket", *WILD, *level, "--store", diverged, "--out", tmp_path / "no")
    assert said.code == 1
    assert f"there is no such ticket, since what it needs failed: {REASON}" in said.err
    assert said.err.strip().endswith("--retry") and "winnow run digits" in said.err


def test_the_page_says_so_first(winnow: Winnow, diverged: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    assert winnow("report", "--store", diverged, "--out", page).code == 0
    text = page.read_text("utf-8")
    assert "Nothing came of this run: every training failed, or needs one that did." in text
    assert REASON in text and "no standard deviation" not in text
    assert "0 of 10 stored (10 failed)" in text and "threads" not in text


def test_the_store_lists_it(winnow: Winnow, diverged: Path) -> None:
    (line,) = [line for line in winnow("store", "ls", "--store", diverged).out.splitlines() if "imp-" in line]
    assert line.split()[-4:] == ["0", "of", "10", "10"]


def test_what_failed_goes_by_its_place(winnow: Winnow, diverged: Path) -> None:
    said = winnow("run", *WILD, "--store", diverged).out
    assert [line.split(":")[1] for line in said.splitlines() if line.startswith("failed: ")] == [
        " dense, replicate 0",
        " dense, replicate 1",
    ]
