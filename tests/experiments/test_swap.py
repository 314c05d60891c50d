"""The swap test: whose mask meets whose weights."""

from __future__ import annotations

import pytest

from winnow.errors import RecipeError
from winnow.experiments import Row, imp
from winnow.experiments.experiment import TICKET
from winnow.recipes import read


def rows(**edits: object) -> dict[tuple[str, int, int], Row]:
    recipe = read("digits").edited({"levels": 2, "control": ["swap"], **edits})
    return {(row.control, row.replicate, row.level): row for row in imp(recipe).rows}


@pytest.mark.parametrize("edits", [{}, {"rewind": "20it"}, {"prune.rounds": "one-shot"}])
def test_each_replicate_trains_under_the_mask_of_a_neighbour_and_is_otherwise_its_own_ticket(
    edits: dict[str, object],
) -> None:
    found = rows(replicates=3, **edits)
    for replicate, other in {0: 1, 1: 0, 2: 1}.items():
        for level in (1, 2):
            ticket, swapped = (found[control, replicate, level].trained for control in (TICKET, "swap"))
            assert swapped.mask == found[TICKET, other, level].mask != ticket.mask
            assert (swapped.origin, swapped.noise, swapped.start, swapped.stop) == (
                (ticket.origin, ticket.noise, ticket.start, ticket.stop)
            )


def test_a_mask_goes_by_the_replicate_whose_it_is() -> None:
    labels = imp(read("digits").edited({"levels": 1, "replicates": 2, "control": ["swap"]})).labels()
    masks = [
        row.trained.mask for place, row in rows(replicates=2).items() if place in [("ticket", 0, 1), ("ticket", 1, 1)]
    ]
    assert [labels[mask] for mask in masks if mask] == [f"prune to level 1, replicate {each}" for each in (0, 1)]


def test_more_replicates_change_no_swap() -> None:
    few, many = rows(replicates=2), rows(replicates=4)
    assert all(many[place].trained == row.trained for place, row in few.items())


def test_a_single_replicate_has_nobody_to_swap_with() -> None:
    with pytest.raises(RecipeError, match="takes the mask of another replicate, and replicates is 1"):
        rows(replicates=1)
