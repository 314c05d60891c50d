from __future__ import annotations

from pathlib import Path

import pytest
import torch

import winnow as library
from winnow.results import Results
from winnow.ticket import Ticket

from .conftest import EDITS, TINY, Winnow


def test_a_ticket_of_a_finished_run_is_written(winnow: Winnow, finished: Path, tmp_path: Path) -> None:
    out = tmp_path / "ticket.safetensors"
    words = ("digits", *TINY, "--store", finished, "--level", "2", "--replicate", "1", "--out", out)
    said = winnow("ticket", *words)
    assert (said.code, said.err) == (0, "")
    assert said.out.startswith(f"{out}: ") and "level 2 of replicate 1: 386 of 1,184 weights remain" in said.out
    ticket = Ticket.read(out)
    run = library.run(library.read("digits").edited(EDITS), store=finished)
    assert ticket.mask == run.mask(2, 1)
    rewound = run.rewind_point(1).values()
    assert all(torch.equal(ticket.state[name], value) for name, value in rewound.items())
    assert library.Recipe and ticket.provenance["k"] == 0
    shown = winnow("ticket", "--show", out)
    assert shown.code == 0 and shown.out == said.out.partition("\n")[2]


def test_without_a_level_it_is_the_smallest_matching_one(
    winnow: Winnow, finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    said = winnow("ticket", "digits", *TINY, "--matching.tolerance", "100", "--store", finished)
    assert said.code == 0
    assert Ticket.read(tmp_path / "digits-level-2-replicate-0.safetensors").provenance["level"] == 2


def test_a_ticket_that_is_not_stored_names_the_command_that_makes_it(
    winnow: Winnow, finished: Path, tmp_path: Path
) -> None:
    words = ("digits", *TINY, "--levels", "3", f"--store={finished}")
    for level in (("--level", "3"), ("--level=3",)):
        said = winnow("ticket", *words, *level, "--out", tmp_path / "no")
        assert said.code == 1
        command = said.err.strip().rpartition("Make it with: winnow ")[2].split()
        assert command == ["run", *words]
    unfinished = winnow("ticket", *words)
    assert unfinished.code == 1 and "2 of the run's tickets are not trained yet" in unfinished.err
    assert not (tmp_path / "no").exists()


@pytest.mark.parametrize(
    "level, replicate, sentence",
    [
        ("0", "0", "level 0 is the dense network, which has no mask. Levels begin at 1."),
        ("9", "0", "there is no level 9 of replicate 0: levels go from 0 to 2, replicates from 0 to 1."),
        ("1", "7", "there is no level 1 of replicate 7"),
    ],
)
def test_a_level_that_was_not_run_is_an_error(
    level: str, replicate: str, sentence: str, winnow: Winnow, finished: Path
) -> None:
    said = winnow("ticket", "digits", *TINY, "--store", finished, "--level", level, "--replicate", replicate)
    assert said.code == 1 and said.err.startswith(f"winnow: {sentence}")


def test_without_a_level_it_says_what_is_not_trained_and_that_none_matches(
    winnow: Winnow, finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ("digits", *TINY, "--store", finished, "--out", tmp_path / "no")
    said = winnow("ticket", *words, "--seed", "7")
    assert "4 of the run's tickets and 2 of its dense networks are not trained yet" in said.err
    monkeypatch.setattr(Results, "smallest_matching", None)
    said = winnow("ticket", *words)
    assert said.code == 1 and "no level matches the dense network. Name a level, such as --level 1" in said.err
