from __future__ import annotations

import pytest
import torch

from winnow.data import held_out, load, split
from winnow.errors import RecipeError


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("validation", [0, 1, 200, 1199])
def test_every_training_example_is_in_exactly_one_half(validation: int) -> None:
    halves = split(load("digits"), validation, seeded(0))
    assert (len(halves.train), len(halves.validation)) == (1200 - validation, validation)
    both = torch.cat([halves.train, halves.validation])
    assert both.dtype == torch.int64
    assert torch.equal(both.sort().values, torch.arange(1200))


def test_the_split_depends_on_the_seed_and_on_nothing_else() -> None:
    digits = load("digits")
    first, again, other = (split(digits, 200, seeded(seed)).validation for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_the_validation_examples_are_spread_over_the_training_set() -> None:
    held = split(load("digits"), 600, seeded(0)).validation
    assert 500 < held.double().mean() < 700


@pytest.mark.parametrize("validation", [-1, 1200, 5000])
def test_a_split_that_leaves_nothing_to_train_on_names_the_field(validation: int) -> None:
    with pytest.raises(
        RecipeError, match=rf"field data.validation: {validation} of 1200 .*\nWrite a number from 0 to 1199"
    ):
        split(load("digits"), validation, seeded(0))


def test_both_parts_are_in_ascending_order() -> None:
    parts = held_out(50, 20, torch.Generator().manual_seed(0))
    assert all(bool((part.diff() > 0).all()) for part in (parts.train, parts.validation))
