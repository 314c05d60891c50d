"""`winnow run --rival`, and what the other commands say of rivals."""

from __future__ import annotations

from pathlib import Path

from .conftest import TINY, Winnow

RIVALS = ("--rival", "gmp,set,rigl", "--dynamic.every", "4it")


def lines(text: str, *beginning: str) -> list[list[str]]:
    return [words for line in text.splitlines() if (words := line.split())[: len(beginning)] == list(beginning)]


def test_rivals_are_rows_beside_the_tickets_and_cost_one_training_each(winnow: Winnow, finished: Path) -> None:
    said = winnow("plan", "digits", *TINY, *RIVALS, "--store", finished)
    assert lines(said.out, "in", "all")[0][-1] == "480"  # 12 trainings of 40 iterations: nothing but the rivals
    said = winnow("run", "digits", *TINY, *RIVALS, "--store", finished, "--progress", "quiet")
    assert said.code == 0, said.err
    tickets, *rivals = ([line[2] for line in lines(said.out, name)] for name in ("ticket", "gmp", "set", "rigl"))
    assert len(tickets) == 2 and rivals == [tickets] * 3  # the same densities

    name = said.out.split("(", 1)[1].split(")")[0]  # other settings of rivals make another experiment
    said = winnow("compare", name, f"{name}@gmp", f"{name}@rigl", "--store", finished)
    assert said.code == 0, said.err
    assert "B: all results took 4 trainings, 160 iterations" in said.out

    said = winnow("masks", "digits", *TINY, *RIVALS, "--store", finished)
    assert said.code == 0, said.err
    heads = [word for line in lines(said.out, "level", "density") for word in line]
    assert {"gmp", "set", "rigl"} <= set(heads)

    said = winnow("store", "ls", "--store", finished)
    assert "reinit, gmp, set, rigl" in said.out
    said = winnow("run", "digits", *TINY, *RIVALS, "--store", finished, "--progress", "plain")
    assert "all results that there can be are stored; nothing to train" in said.err


def test_a_schedule_that_cannot_be_followed_ends_with_a_sentence(winnow: Winnow, tmp_path: Path) -> None:
    said = winnow("run", "digits", *TINY, *RIVALS, "--dynamic.end", "40it", "--store", tmp_path / "store")
    assert said.code == 2 and "dynamic.end is 40it (iteration 40)" in said.err
    said = winnow("run", "digits", *TINY, "--rival", "luck", "--store", tmp_path / "store")
    assert said.code == 2 and "unknown rival 'luck'" in said.err
