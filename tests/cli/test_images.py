from __future__ import annotations

from pathlib import Path

import pytest

from winnow.data.packed import packed
from winnow.data.tree import tree

from ..photographs import cut_short, photographs
from .conftest import Winnow


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("WINNOW_DATA", str(tmp_path / "cache"))
    tree.cache_clear()
    packed.cache_clear()
    return photographs(tmp_path / "images", train=4, val=2)


def test_check_lists_the_corrupt_images_and_its_exit_code_says_whether_there_are_any(
    winnow: Winnow, root: Path
) -> None:
    said = winnow("data", "check", root)
    assert (said.code, said.out) == (0, "0 of 18 images are corrupt.\n")
    assert said.err.splitlines()[-1] == "decoding: 18 of 18 images"
    cut_short(root / "val" / "cat" / "005.jpg")
    tree.cache_clear()
    said = winnow("data", "check", root)
    assert said.code == 3
    assert said.out.startswith("val/cat/005.jpg: ")
    assert said.out.endswith(
        "1 of 18 images are corrupt. With data.corrupt = 'skip' each is replaced by the next one.\n"
    )


def test_pack_writes_a_file_that_check_finds_whole(winnow: Winnow, root: Path, tmp_path: Path) -> None:
    file = tmp_path / "packed"
    said = winnow("data", "pack", root, "--out", file, "--size", 20)
    assert said.code == 0
    assert f"{file}: 18 images, 31.6 kB. Train on it with --data.name packed:{file}" in said.out
    assert said.err.splitlines()[-1] == "packing: 18 of 18 images"
    assert winnow("data", "check", file).out == f"{file}: 18 images, whole.\n"
    said = winnow("data", "pack", root, "--out", file)
    assert said.code != 0 and "exists already. Name another file, or remove it first." in said.err


def test_pack_names_a_corrupt_image_and_leaves_it_out_where_that_is_asked_for(
    winnow: Winnow, root: Path, tmp_path: Path
) -> None:
    cut_short(root / "train" / "bee" / "001.jpg")
    said = winnow("data", "pack", root, "--out", tmp_path / "packed")
    assert said.code != 0 and "bee/001.jpg' cannot be decoded" in said.err
    assert not (tmp_path / "packed").exists()
    said = winnow("data", "pack", root, "--out", tmp_path / "packed", "--corrupt", "skip")
    assert said.code != 0 and "Run `winnow data check" in said.err
    winnow("data", "check", root)
    said = winnow("data", "pack", root, "--out", tmp_path / "packed", "--corrupt", "skip")
    assert said.code == 0 and "17 images (1 corrupt ones left out)" in said.out


@pytest.mark.parametrize(
    "words, message",
    [
        (("check", "nowhere"), "there is no folder '"),
        (("pack", "nowhere", "--out", "x"), "there is no folder '"),
        (("pack", ".", "--out", "x", "--size", "0"), "--size is 0; give the pixels of the shorter side, such as 256"),
    ],
)
def test_mistakes_are_told(
    winnow: Winnow, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, words: tuple[str, ...], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    said = winnow("data", *words)
    assert said.code != 0 and message in said.err
