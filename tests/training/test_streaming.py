from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from winnow.course import Noise
from winnow.data import Shard, Streamed, image_pictures
from winnow.data import streamed as streaming_threads
from winnow.data.augment import Augmentation
from winnow.data.crops import Boxer, central
from winnow.errors import DataError
from winnow.training import Streaming

from ..photographs import photographs

EXAMPLES, BATCH = 23, 5
NOISE, OTHER = Noise(seed=0, replicate=0), Noise(seed=0, replicate=1)
AUGMENT: tuple[Augmentation, ...] = ("flip", "resized-crop")


class Numbered:
    """Images of 40x50 pixels whose labels are their numbers, and whose pixels tell where they were cut."""

    def __init__(self) -> None:
        self.labels = torch.arange(EXAMPLES)
        self.asked: list[int] = []
        rows = torch.arange(40)[:, None].expand(40, 50)
        columns = torch.arange(50).expand(40, 50)
        self.places = torch.stack([rows, columns]).to(torch.uint8)

    def __len__(self) -> int:
        return EXAMPLES

    def picture(self, number: int, box: Boxer, size: int) -> Tensor:
        self.asked.append(number)
        part = box(40, 50)
        image = torch.full((3, size, size), number, dtype=torch.uint8)
        image[0, 0] = torch.tensor([part.top, part.left, part.height, part.width], dtype=torch.uint8)
        return image


def stream(*noises: Noise, augment: tuple[Augmentation, ...] | None = AUGMENT, shard: Shard | None = None) -> Streaming:
    examples = Streamed(Numbered(), torch.arange(EXAMPLES), size=4, mean=None, std=None, device="cpu")
    return Streaming(examples, noises or (NOISE,), BATCH, augment, *([shard] if shard else []))


@pytest.fixture(scope="module")
def reference() -> list[tuple[Tensor, Tensor]]:
    uninterrupted = stream()
    batches = (uninterrupted.at(iteration) for iteration in range(14))  # three epochs and a half
    return [(images.clone(), labels) for images, labels in batches]


@given(iterations=st.lists(st.integers(0, 13), min_size=1, max_size=8))
def test_a_batch_has_the_same_bits_whatever_was_asked_before_in_mid_epoch_too(
    reference: list[tuple[Tensor, Tensor]], iterations: list[int]
) -> None:
    resumed = stream()
    for iteration in iterations:
        images, labels = resumed.at(iteration)
        assert torch.equal(images, reference[iteration][0]) and torch.equal(labels, reference[iteration][1])


def test_an_epoch_shows_every_example_at_most_once_and_every_epoch_has_a_new_order(
    reference: list[tuple[Tensor, Tensor]],
) -> None:
    epochs = [[label for _, labels in reference[4 * n : 4 * n + 4] for label in labels[0].tolist()] for n in range(3)]
    assert all(len(set(shown)) == len(shown) == 20 for shown in epochs)
    assert len({tuple(shown) for shown in epochs}) == 3


def test_pixels_go_with_their_labels_and_crops_and_flips_change_from_epoch_to_epoch(
    reference: list[tuple[Tensor, Tensor]],
) -> None:
    seen: dict[int, set[tuple[float, ...]]] = {}
    for images, labels in reference:
        bytes_again = (images[0] * 255).round().int()
        assert torch.equal(bytes_again[:, 1, 2, 2], labels[0].int())
        for label, cut in zip(labels[0].tolist(), bytes_again[:, 0, 0].tolist(), strict=True):
            seen.setdefault(label, set()).add(tuple(cut))
    assert sum(len(cuts) for cuts in seen.values()) > 60  # of 70 shown
    mirrored = [images[0, :, 0, 0].mul(255).round()[:, 0] < 35 for images, _ in reference]
    assert 0 < torch.cat(mirrored).float().mean() < 1


def test_without_augmentation_every_epoch_shows_the_centre() -> None:
    for iteration in (0, 5, 9):
        images, _ = stream(augment=None).at(iteration)
        assert (images[0, :, 0, 0] * 255).round().tolist() == [[2.0, 7.0, 35.0, 35.0]] * BATCH


def test_lanes_see_what_they_would_see_alone_and_those_of_one_noise_decode_once() -> None:
    together = stream(NOISE, OTHER, NOISE)
    images, labels = together.at(6)
    assert images.shape == (3, BATCH, 3, 4, 4) and labels.shape == (3, BATCH)
    for lane, noise in enumerate((NOISE, OTHER, NOISE)):
        alone = stream(noise).at(6)
        assert torch.equal(images[lane], alone[0][0]) and torch.equal(labels[lane], alone[1][0])
    assert not torch.equal(labels[0], labels[1])
    pictures = together.examples._pictures
    assert isinstance(pictures, Numbered)
    for following in list(together._pending.values()):
        following[1].pixels()
    assert len(pictures.asked) == 3 * 2 * BATCH  # three iterations, two noises


@pytest.mark.parametrize("parts", [2, 3])
def test_the_shards_of_a_batch_are_the_batch(parts: int, reference: list[tuple[Tensor, Tensor]]) -> None:
    for part in range(parts):
        images, labels = stream(shard=Shard(part, parts)).at(7)
        assert torch.equal(images, reference[7][0][:, part::parts])
        assert torch.equal(labels, reference[7][1][:, part::parts])


def test_the_next_batches_are_decoded_while_the_present_one_is_used() -> None:
    ahead = stream()
    ahead.at(0)
    assert sorted(ahead._pending) == [1, 2]
    for _, pending in ahead._pending.values():
        pending.pixels()
    pictures = ahead.examples._pictures
    assert isinstance(pictures, Numbered)
    before = len(pictures.asked)
    assert before == 3 * BATCH
    ahead.at(1)
    ahead.at(9)  # elsewhere: what was ahead is dropped
    assert sorted(ahead._pending) == [10, 11]


class Failing(Numbered):
    """A source that loses an image, as a disk does that is unplugged; and gets it back."""

    is_broken = True

    def picture(self, number: int, box: Boxer, size: int) -> Tensor:
        if self.is_broken and number == 7:
            raise DataError("'7.jpg' cannot be decoded")
        return super().picture(number, box, size)


def test_an_error_in_a_decoding_thread_reaches_the_iteration_that_needs_the_image_and_no_other() -> None:
    pictures = Failing()
    examples = Streamed(pictures, torch.arange(EXAMPLES), size=4, mean=None, std=None, device="cpu")
    batches = Streaming(examples, [NOISE], BATCH, AUGMENT)
    order = [stream().at(iteration)[1][0].tolist() for iteration in range(4)]
    for iteration, labels in enumerate(order):
        if 7 in labels:
            with pytest.raises(DataError, match=r"'7\.jpg' cannot be decoded"):
                batches.at(iteration)
        else:
            assert batches.at(iteration)[1][0].tolist() == labels
    pictures.is_broken = False
    assert [batches.at(iteration)[1][0].tolist() for iteration in range(4)] == order  # the threads live on


@pytest.fixture
def threads() -> Iterator[None]:
    streaming_threads._threads.cache_clear()
    yield
    streaming_threads._threads.cache_clear()


class Dying(Numbered):
    """A source whose decoding thread dies of something that no one expected."""

    def picture(self, number: int, box: Boxer, size: int) -> Tensor:
        if threading.current_thread().name.startswith("winnow-decode"):
            raise MemoryError("no room for the image")
        return super().picture(number, box, size)


@pytest.mark.usefixtures("threads")
def test_a_thread_that_dies_is_told_at_once_and_leaves_no_one_waiting() -> None:
    examples = Streamed(Dying(), torch.arange(EXAMPLES), size=4, mean=None, std=None, device="cpu")
    with pytest.raises(MemoryError, match="no room for the image"):
        Streaming(examples, [NOISE], BATCH).at(0)


def test_images_from_a_folder_are_the_same_bits_after_a_restart_in_mid_epoch(tmp_path: Path) -> None:
    root = photographs(tmp_path / "images")

    def batches() -> Streaming:
        train, _ = image_pictures(f"folder:{root}")
        examples = Streamed(train, torch.arange(24), size=20, mean=(0.4, 0.4, 0.4), std=(0.2, 0.2, 0.2), device="cpu")
        return Streaming(examples, [NOISE, OTHER], 7, AUGMENT)

    uninterrupted = batches()
    whole = [uninterrupted.at(iteration) for iteration in range(6)]  # three iterations an epoch
    resumed = batches()
    for iteration in (4, 5):
        for one, other in zip(resumed.at(iteration), whole[iteration], strict=True):
            assert torch.equal(one, other)


def test_a_batch_outlasts_the_next_one(reference: list[tuple[Tensor, Tensor]]) -> None:
    own = stream()
    first, _ = own.at(0)
    second, _ = own.at(1)
    assert torch.equal(first, reference[0][0]) and torch.equal(second, reference[1][0])


@pytest.mark.parametrize(("height", "width"), [(1, 1), (40, 50), (150, 161)])
def test_images_of_any_size_are_mirrored_at_the_side_and_normalized_alike(height: int, width: int) -> None:
    stream = torch.Generator().manual_seed(0)
    original = torch.randint(0, 256, (3, height, width), dtype=torch.uint8, generator=stream)

    class One:
        labels = torch.zeros(1, dtype=torch.int64)

        def __len__(self) -> int:
            return 1

        def picture(self, number: int, box: Boxer, size: int) -> Tensor:
            square = F.pad(original, (0, size - width, 0, size - height))
            return square.permute(1, 2, 0).contiguous().permute(2, 0, 1)

    size = max(height, width)
    mean, std = (0.1, 0.2, 0.3), (0.5, 0.6, 0.7)
    examples = Streamed(One(), torch.arange(1), size=size, mean=mean, std=std, device="cpu")
    pixels = examples.begin([0, 0], [central, central], [True, False]).pixels()
    expected = One().picture(0, central, size)
    assert torch.equal(pixels[0], expected.flip(2)) and torch.equal(pixels[1], expected)

    by_hand = (expected.double() / 255 - torch.tensor(mean).view(3, 1, 1)) / torch.tensor(std).view(3, 1, 1)
    torch.testing.assert_close(examples.normalized(pixels)[1].double(), by_hand, rtol=0, atol=2e-6)


def test_what_is_decoded_ahead_is_dropped_on_closing_and_any_iteration_can_be_asked_for_again(
    reference: list[tuple[Tensor, Tensor]],
) -> None:
    batches = stream()
    batches.at(0)
    batches.close()
    assert not batches._pending
    assert torch.equal(batches.at(1)[0], reference[1][0])
