from __future__ import annotations

from itertools import product
from typing import get_args

import torch
from hypothesis import given
from hypothesis import strategies as st

from winnow.seeds import Role, derive, generator

ROLES = get_args(Role)


def test_every_seed_replicate_role_and_index_has_a_stream_of_its_own() -> None:
    indices: list[tuple[int, ...]] = [(), (0,), (1,), (0, 1), (1, 0), (11,), (1, 1)]
    places = list(product((0, 1, 11), (0, 1, 11), ROLES, indices))
    seeds = {derive(seed, replicate, role, *index) for seed, replicate, role, index in places}
    assert len(seeds) == len(places)


@given(seed=st.integers(), replicate=st.integers(0), role=st.sampled_from(ROLES), index=st.lists(st.integers(0)))
def test_any_seed_gives_one_that_pytorch_takes(seed: int, replicate: int, role: Role, index: list[int]) -> None:
    assert 0 <= derive(seed, replicate, role, *index) < 2**63


def test_a_stream_is_the_same_every_time_and_in_every_version() -> None:
    assert (
        derive(0, 0, "init", 0) == 2_392_801_925_157_281_500
    )  # b2sum of "winnow/0/0/init/0"; stored results depend on it


def test_neighbouring_replicates_draw_unlike_numbers() -> None:
    draws = torch.stack([torch.randn(2_000, generator=generator(0, replicate, "init")) for replicate in range(8)])
    correlations = torch.corrcoef(draws) - torch.eye(8)
    assert correlations.abs().max() < 0.1


def test_pytorchs_own_generator_is_neither_read_nor_moved() -> None:
    torch.manual_seed(1)
    before = torch.get_rng_state()
    first = torch.rand(3, generator=generator(0, 0, "order"))
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(2)
    assert torch.equal(torch.rand(3, generator=generator(0, 0, "order")), first)
