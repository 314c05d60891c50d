from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from winnow.data import corrupt
from winnow.data.crops import Box, central
from winnow.data.images import image_facts, image_pictures
from winnow.data.pictures import Corrupt, Files, decoded, replacements
from winnow.data.streamed import Streamed
from winnow.data.tree import Listing, tree
from winnow.errors import DataError, MissingExtra, RecipeError

from ..photographs import cut_short, photograph, photographs


def whole(height: int, width: int) -> Box:
    return Box(0, 0, height, width)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return photographs(tmp_path / "images", train=6, val=3)


@pytest.fixture(autouse=True)
def looked_at_anew() -> None:
    tree.cache_clear()


@pytest.mark.parametrize("mode, suffix", [("RGB", "png"), ("L", "png"), ("RGBA", "png"), ("P", "png"), ("L", "jpg")])
def test_images_of_any_kind_are_decoded_to_red_green_blue(tmp_path: Path, mode: str, suffix: str) -> None:
    file = tmp_path / f"image.{suffix}"
    image = photograph(0, 0).convert(mode)
    image.save(file)
    pixels = decoded(file, whole, None)
    assert pixels.shape == (30, 40, 3) and pixels.dtype == torch.uint8
    if suffix == "png":
        assert torch.equal(pixels, torch.from_numpy(np.array(image.convert("RGB"))))


def test_a_large_jpeg_is_decoded_smaller_and_looks_the_same(tmp_path: Path) -> None:
    file = tmp_path / "large.jpg"
    photograph(1, 0, 640, 480).save(file, quality=95)
    assert decoded(file, whole, 60).shape == (60, 80, 3)  # an eighth
    assert decoded(file, whole, 61).shape == (120, 160, 3)
    part = Box(0, 320, 240, 320)
    listing = Listing(["large.jpg"], torch.tensor([0]))
    quick = Files(tmp_path, listing).picture(0, lambda height, width: part, 60).float()
    with Image.open(file) as image:
        slow = image.crop((320, 0, 640, 240)).resize((60, 60), Image.Resampling.BILINEAR)
    assert (quick - torch.from_numpy(np.array(slow)).permute(2, 0, 1).float()).abs().mean() < 2


@pytest.mark.parametrize(
    "content, reason",
    [
        (b"", "cannot identify image file"),
        (b"not an image at all", "cannot identify image file"),
        (None, "image file is truncated|broken data stream"),
    ],
)
def test_a_corrupt_image_is_named_with_the_reason_and_the_way_to_skip_it(
    root: Path, content: bytes | None, reason: str
) -> None:
    file = root / "train" / "bee" / "002.jpg"
    cut_short(file) if content is None else file.write_bytes(content)
    with pytest.raises(Corrupt, match=rf"train/bee/002\.jpg' cannot be decoded: .*({reason})") as raised:
        decoded(file, central, 24)
    assert "winnow data check PATH" in str(raised.value) and "data.corrupt = 'skip'" in str(raised.value)


def test_a_file_that_is_gone_is_named(root: Path) -> None:
    with pytest.raises(Corrupt, match=r"'.*gone\.jpg' cannot be decoded: .*No such file"):
        decoded(root / "gone.jpg", central, 24)


def test_an_image_that_is_too_large_to_be_one_is_refused(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    with pytest.raises(Corrupt, match="exceeds limit"):
        decoded(root / "train" / "ant" / "000.jpg", central, 24)


def test_without_pillow_the_extra_is_named(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(MissingExtra, match=r'decoding images needs the package .pillow.*\n.*"winnow-lth\[data\]"'):
        decoded(root / "train" / "ant" / "000.jpg", central, 24)


def test_a_corrupt_image_ends_a_batch_it_is_in_and_no_other(root: Path) -> None:
    cut_short(root / "train" / "bee" / "002.jpg")  # number 8
    train, _ = image_pictures(f"folder:{root}")
    streamed = Streamed(train, torch.arange(18), size=16, mean=None, std=None, device="cpu")
    spoiled, fine = (streamed.begin(list(positions), [central] * 9) for positions in (range(9), range(9, 18)))
    with pytest.raises(Corrupt, match=r"bee/002\.jpg"):
        spoiled.pixels()
    assert fine.pixels().shape == (9, 3, 16, 16)


@pytest.mark.parametrize(
    "corrupt_ones, standing",
    [(set(), {}), ({"b"}, {1: 2}), ({"b", "c"}, {1: 3, 2: 3}), ({"d"}, {3: 0}), ({"a", "d"}, {0: 1, 3: 1})],
)
def test_the_next_image_stands_for_a_corrupt_one(corrupt_ones: set[str], standing: dict[int, int]) -> None:
    listing = Listing(["a", "b", "c", "d"], torch.zeros(4))
    assert replacements(listing, frozenset(corrupt_ones)) == standing


def test_where_all_are_corrupt_none_can_stand_for_them() -> None:
    with pytest.raises(DataError, match="all 1 images of a split are corrupt"):
        replacements(Listing(["a"], torch.zeros(1)), frozenset({"a"}))


def test_skipping_replaces_image_and_label_and_leaves_the_other_numbers_as_they_were(root: Path) -> None:
    name = f"folder:{root}"
    cut_short(root / "train" / "bee" / "005.jpg")  # number 11, the last of its class: a cat stands for it
    found = corrupt.check(tree(root))
    assert list(found) == ["train/bee/005.jpg"] and "truncated" in found["train/bee/005.jpg"]
    before, _ = image_pictures(name)
    after, _ = image_pictures(name, "skip")
    assert len(after) == len(before) == 18
    expected = before.labels.clone()
    expected[11] = 2
    assert torch.equal(after.labels, expected)
    for number in range(18):
        other = 12 if number == 11 else number
        assert torch.equal(after.picture(number, central, 16), before.picture(other, central, 16))


def test_which_images_are_skipped_is_part_of_what_the_data_are(root: Path) -> None:
    name = f"folder:{root}"
    corrupt.check(tree(root))
    whole_folder = image_facts(name)
    assert image_facts(name, None, "skip") == whole_folder  # nothing is left out
    broken = root / "train" / "bee" / "002.jpg"
    size = broken.stat().st_size
    broken.write_bytes(b"x" * size)  # of the same size: the fingerprint does not see it, and says so
    tree.cache_clear()
    corrupt.check(tree(root))
    left_out = image_facts(name, None, "skip")
    assert (left_out.skipped, left_out.train) == (1, 18)
    assert left_out.checksum != image_facts(name).checksum == whole_folder.checksum


def test_skipping_asks_for_a_check_of_the_folder_as_it_is(root: Path) -> None:
    message = r"not known yet, or not since its files changed\.\nRun `winnow data check .*images` once: .* all 27"
    with pytest.raises(DataError, match=message):
        image_facts(f"folder:{root}", None, "skip")
    corrupt.check(tree(root))
    assert image_facts(f"folder:{root}", None, "skip").skipped == 0
    cut_short(root / "val" / "ant" / "006.jpg")
    tree.cache_clear()
    with pytest.raises(DataError, match=message):
        image_facts(f"folder:{root}", None, "skip")


def test_a_packed_file_has_nothing_to_skip(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"data\.corrupt is for folders; a packed file has whole images alone"):
        image_facts(f"packed:{tmp_path}/x", None, "skip")


def test_evaluation_shows_all_centres_in_order_at_most_256_at_once(root: Path) -> None:
    _, test = image_pictures(f"folder:{root}")
    streamed = Streamed(
        test, torch.arange(9).repeat(40), size=8, mean=(0.5, 0.4, 0.3), std=(0.2, 0.2, 0.25), device="cpu"
    )
    chunks = list(streamed.chunks(2_500))
    assert [len(labels) for _, labels in chunks] == [256, 104]
    images, labels = (torch.cat(parts) for parts in zip(*chunks, strict=True))
    assert labels.tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2] * 40
    expected = torch.stack([test.picture(number, central, 8) for number in range(9)]).repeat(40, 1, 1, 1) / 255
    means, stds = (torch.tensor(values).view(3, 1, 1) for values in ((0.5, 0.4, 0.3), (0.2, 0.2, 0.25)))
    torch.testing.assert_close(images, (expected - means) / stds)
    assert [len(labels) for _, labels in streamed.chunks(100)] == [100, 100, 100, 60]


@pytest.mark.parametrize("field", ["mean", "std"])
def test_mean_and_std_have_a_value_for_each_of_three_channels(root: Path, field: str) -> None:
    train, _ = image_pictures(f"folder:{root}")
    values = {"mean": None, "std": None, field: (0.5,)}
    with pytest.raises(RecipeError, match=rf"field data\.{field}: \(0\.5,\) has 1 value; the images have 3 channels"):
        Streamed(train, torch.arange(3), size=8, device="cpu", **values)
