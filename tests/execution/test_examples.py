from __future__ import annotations

from dataclasses import replace

import torch

from winnow import data
from winnow.execution.examples import splits
from winnow.from_recipe import course
from winnow.recipes import read

EXAMPLES = course(read("digits")).examples
CPU = torch.device("cpu")


def rows(split: data.Resident) -> list[bytes]:
    images = split.images_at(torch.arange(len(split)))
    return [image.numpy().tobytes() for image in images]


def test_every_training_example_is_in_one_split_and_the_test_set_is_the_publishers() -> None:
    found, arrays = splits(EXAMPLES, CPU), data.load("digits")
    assert (len(found.train), len(found.validation), len(found.test)) == (1_000, 200, 597)
    whole = data.Resident(
        torch.from_numpy(arrays.train_images),
        torch.from_numpy(arrays.train_labels),
        mean=None,
        std=None,
        scale=16,
        device=CPU,
    )
    assert sorted(rows(found.train) + rows(found.validation)) == sorted(rows(whole))
    every = torch.arange(597)
    assert torch.equal(found.test.images_at(every), torch.from_numpy(arrays.test_images).float() / 16)
    assert torch.equal(found.test.labels_at(every), torch.from_numpy(arrays.test_labels))


def test_the_split_depends_on_the_seed_alone() -> None:
    again, other = splits(replace(EXAMPLES), CPU), splits(replace(EXAMPLES, seed=1), CPU)
    assert rows(again.validation) == rows(splits(EXAMPLES, CPU).validation)
    assert rows(other.validation) != rows(splits(EXAMPLES, CPU).validation)


def test_images_are_normalized_as_the_recipe_says() -> None:
    plain, normalized = splits(EXAMPLES, CPU), splits(replace(EXAMPLES, mean=(0.5,), std=(0.25,)), CPU)
    every = torch.arange(200)
    torch.testing.assert_close(normalized.validation.images_at(every), (plain.validation.images_at(every) - 0.5) / 0.25)


def test_only_what_is_held_out_is_evaluated() -> None:
    assert list(splits(EXAMPLES, CPU).evaluated) == ["validation", "test"]
