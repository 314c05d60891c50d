from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from winnow.course import Noise
from winnow.data import Resident, Shard
from winnow.training import Batches

EXAMPLES = 23
NOISE = Noise(seed=0, replicate=0)

LABELS = Resident(  # every example has a label of its own, so that labels tell which examples were seen
    torch.arange(EXAMPLES, dtype=torch.uint8).reshape(EXAMPLES, 1, 1, 1),
    torch.arange(EXAMPLES),
    mean=None,
    std=None,
    scale=1,
    device="cpu",
)


def seen(iteration: int, noise: Noise = NOISE, batch: int = 5) -> list[int]:
    return Batches(LABELS, [noise], batch).at(iteration)[1][0].tolist()


def epoch(number: int, noise: Noise = NOISE, batch: int = 5) -> list[int]:
    per_epoch = EXAMPLES // batch
    return [label for n in range(per_epoch) for label in seen(number * per_epoch + n, noise, batch)]


@given(iterations=st.lists(st.integers(0, 200), min_size=1, max_size=12))
def test_a_batch_depends_on_its_iteration_alone_whatever_was_asked_before(iterations: list[int]) -> None:
    batches = Batches(LABELS, [NOISE], 5)
    for iteration in iterations:
        assert batches.at(iteration)[1][0].tolist() == seen(iteration)


@pytest.mark.parametrize("batch", [1, 5, 7, 22, 23])
def test_an_epoch_shows_every_example_at_most_once_and_drops_the_partial_batch(batch: int) -> None:
    for number in range(5):
        shown = epoch(number, batch=batch)
        assert len(shown) == EXAMPLES // batch * batch
        assert len(set(shown)) == len(shown)


def test_what_an_epoch_drops_is_not_the_same_every_time() -> None:
    dropped = [frozenset(range(EXAMPLES)) - set(epoch(number)) for number in range(10)]
    assert len(set(dropped)) > 5


def test_every_epoch_has_a_new_order() -> None:
    orders = {tuple(epoch(number)) for number in range(20)}
    assert len(orders) == 20


@pytest.mark.parametrize("change", [{"seed": 1}, {"replicate": 1}, {"sample": 1}])
def test_another_noise_is_another_order(change: dict[str, int]) -> None:
    assert epoch(0, replace(NOISE, **change)) != epoch(0)


def test_lanes_follow_their_own_noise_and_agree_where_it_is_the_same() -> None:
    other = replace(NOISE, sample=1)
    batches = Batches(LABELS, [NOISE, other, NOISE], 5)
    for iteration in (0, 1, 4, 9, 2):
        images, labels = batches.at(iteration)
        assert images.shape == (3, 5, 1, 1, 1)
        assert labels.tolist() == [seen(iteration), seen(iteration, other), seen(iteration)]
        assert torch.equal(images.flatten(1), labels.float())  # images come with their labels


@pytest.mark.parametrize("parts", [2, 3])
def test_shards_are_together_the_whole_batch_each_image_with_its_own_draws(parts: int) -> None:
    stream = torch.Generator().manual_seed(0)
    pixels = torch.randint(256, (EXAMPLES, 3, 8, 8), generator=stream, dtype=torch.uint8)
    split = Resident(pixels, torch.arange(EXAMPLES), mean=None, std=None, scale=255, device="cpu")
    noises = [NOISE, replace(NOISE, replicate=1)]
    images, labels = Batches(split, noises, 6, ("crop", "flip")).at(4)
    for part in range(parts):
        shard = Shard(part, parts)
        own_images, own_labels = Batches(split, noises, 6, ("crop", "flip"), shard).at(4)
        assert torch.equal(own_labels, labels[:, part::parts])
        assert torch.equal(own_images, images[:, part::parts])


def test_chunks_of_all_shards_are_every_example_once() -> None:
    shown = [label for part in range(3) for _, labels in LABELS.chunks(2, Shard(part, 3)) for label in labels.tolist()]
    assert sorted(shown) == list(range(EXAMPLES))
