from __future__ import annotations

import gzip
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from winnow.data import Entry, cache_directory, entry, fetch, load, names, where
from winnow.data.catalogue import CATALOGUE
from winnow.data.layouts import MNIST
from winnow.data.sources import Folder, Publisher
from winnow.errors import DataError, UnknownName

from .conftest import Site

GZ = tuple(f"{name}.gz" for name in MNIST.files)


@pytest.fixture
def published(tiny: Entry, site: Site, monkeypatch: pytest.MonkeyPatch) -> Entry:
    """`tiny`, to be had from the local server."""
    made = replace(tiny, sources=(Publisher(site.base, GZ, MNIST),))
    monkeypatch.setitem(CATALOGUE, "tiny", made)
    return made


def test_a_data_set_is_fetched_once_and_then_read_from_the_cache(published: Entry, site: Site, cache: Path) -> None:
    first = load("tiny")
    assert first.checksum() == published.checksum
    assert where("tiny").is_file()
    asked = len(site.ranges)
    assert load("tiny").checksum() == published.checksum
    assert fetch("tiny") == where("tiny")
    assert len(site.ranges) == asked == 4
    assert not list((cache / "downloads").iterdir()), "downloads go when they are no longer needed"


def test_loaded_arrays_are_writable_wherever_they_come_from(published: Entry, folder: Path) -> None:
    for arrays in (load("tiny"), load("tiny"), load("tiny", folder)):
        assert arrays.train_images.flags.writeable and arrays.train_images.flags.c_contiguous


def test_a_given_folder_is_read_and_nothing_else(published: Entry, site: Site, folder: Path, cache: Path) -> None:
    assert load("tiny", folder).checksum() == published.checksum
    assert not site.ranges and not cache.exists()


def test_a_given_folder_that_lacks_files_is_the_only_source_tried(published: Entry, site: Site, tmp_path: Path) -> None:
    (tmp_path / "0").mkdir()
    (tmp_path / "0" / "mine").touch()
    with pytest.raises(DataError, match="has no t10k-images-idx3-ubyte") as raised:
        load("tiny", tmp_path)
    assert site.base not in str(raised.value)
    assert (tmp_path / "0" / "mine").exists(), "a user's folder is never changed"


def test_a_given_folder_can_be_cached(tiny: Entry, folder: Path) -> None:
    fetch("tiny", directory=folder)
    assert load("tiny").checksum() == tiny.checksum


def test_a_source_that_lies_is_caught_and_the_next_is_used(
    published: Entry,
    site: Site,
    files: dict[str, bytes],
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    cache: Path,
) -> None:
    forged = bytearray(files["train-images-idx3-ubyte"])
    forged[-1] ^= 1
    site.files["train-images-idx3-ubyte.gz"] = gzip.compress(bytes(forged))
    with pytest.raises(DataError, match=f"this is not tiny: its arrays have sha256 .*, not {published.checksum[:12]}…"):
        load("tiny")
    assert not where("tiny").exists()
    assert not (cache / "downloads" / "tiny" / "0").exists(), "nor are the forged files used again"
    both = replace(published, sources=(*published.sources, Folder(folder, MNIST)))
    monkeypatch.setitem(CATALOGUE, "tiny", both)
    assert load("tiny").checksum() == published.checksum


def test_an_interrupted_fetch_is_resumed_by_the_next(published: Entry, site: Site) -> None:
    half = len(site.files[GZ[0]]) // 2
    site.stops_after = [half, 0]
    with pytest.raises(DataError, match=rf"train-images-idx3-ubyte.gz: the connection closed after {half} of"):
        fetch("tiny")
    assert not where("tiny").exists()
    site.ranges.clear()
    fetch("tiny")
    assert site.ranges == [f"bytes={half}-", None, None, None]


def test_the_error_lists_every_source_with_its_reason_and_how_to_mend_it(
    published: Entry, site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.files.clear()
    sources = (*published.sources, Folder(tmp_path / "nowhere", MNIST, "a local copy"))
    monkeypatch.setitem(CATALOGUE, "tiny", replace(published, sources=sources))
    with pytest.raises(DataError) as raised:
        load("tiny")
    lines = str(raised.value).splitlines()
    assert lines[0] == "data set 'tiny' could not be had. Tried:"
    assert lines[1].startswith(f"  - the publisher's files at {site.base}: ")
    assert lines[1].endswith("the server answered 404 Not Found")
    assert lines[2] == f"  - a local copy: {tmp_path / 'nowhere'} is not a folder"
    assert "`winnow data fetch tiny --directory DIR`" in lines[3] and "`winnow data fetch tiny`" in lines[4]


def flip_last_byte(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize(
    "damage",
    [
        flip_last_byte,
        lambda path: path.write_bytes(path.read_bytes()[:-1]),
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(b"not safetensors at all"),
    ],
    ids=["one bit", "cut short", "empty", "another format"],
)
def test_a_damaged_cache_file_is_reported_moved_aside_and_fetched_again(
    damage: Callable[[Path], object], published: Entry, caplog: pytest.LogCaptureFixture
) -> None:
    path = fetch("tiny")
    damage(path)
    damaged = path.read_bytes()
    assert load("tiny").checksum() == published.checksum
    assert "is damaged: moved to tiny.corrupt; fetching tiny again" in caplog.text
    assert path.with_suffix(".corrupt").read_bytes() == damaged
    caplog.clear()
    load("tiny")
    assert not caplog.text


def test_fetching_many_times_at_once_downloads_once(published: Entry, site: Site) -> None:
    found: list[str] = []
    threads = [threading.Thread(target=lambda: found.append(load("tiny").checksum())) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [published.checksum] * 8
    assert len(site.ranges) == 4


def test_a_cache_that_cannot_be_written_names_the_variable_to_set(
    published: Entry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("WINNOW_DATA", str(tmp_path / "file" / "cache"))
    with pytest.raises(DataError, match=r"cannot be kept in .*\nSet the environment variable WINNOW_DATA"):
        load("tiny")


def test_progress_tells_bytes_and_sizes(published: Entry, site: Site) -> None:
    told: list[tuple[int, int | None]] = []
    fetch("tiny", progress=lambda done, total: told.append((done, total)))
    sizes = [len(site.files[file]) for file in GZ]
    assert told == [(size, size) for size in sizes]


@pytest.mark.parametrize("use", [load, fetch, where, entry])
def test_an_unknown_name_lists_the_valid_ones(use: Callable[[str], object]) -> None:
    with pytest.raises(UnknownName, match=r"unknown data set 'minst'. Did you mean 'mnist'"):
        use("minst")


@pytest.mark.skipif(sys.platform != "linux", reason="XDG")
@pytest.mark.parametrize(
    "variables, expected",
    [
        ({"WINNOW_DATA": "/data/sets"}, "/data/sets"),
        ({"WINNOW_DATA": "~/sets"}, "/home/ada/sets"),
        ({"XDG_CACHE_HOME": "/var/ada"}, "/var/ada/winnow/data"),
        ({"XDG_CACHE_HOME": "relative"}, "/home/ada/.cache/winnow/data"),
        ({"WINNOW_DATA": "", "XDG_CACHE_HOME": ""}, "/home/ada/.cache/winnow/data"),
        ({}, "/home/ada/.cache/winnow/data"),
    ],
)
def test_the_cache_is_where_the_user_says(
    variables: dict[str, str], expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("WINNOW_DATA", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", "/home/ada")
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert cache_directory() == Path(expected)


def test_digits_ship_with_winnow_and_are_what_their_entry_says() -> None:
    digits, known = load("digits"), entry("digits")
    assert (len(digits.train_labels), len(digits.test_labels)) == (known.train, known.test) == (1200, 597)
    assert digits.shape == known.shape
    assert digits.train_labels[:10].tolist() == list(range(10))
    assert (digits.train_images.max(), digits.scale) == (16, 16)
    assert np.bincount(digits.train_labels).sum() + np.bincount(digits.test_labels).sum() == 1797


def test_every_entry_can_be_cited_and_verified() -> None:
    assert names() == ["digits", "mnist", "fashion-mnist", "cifar10"]
    for name in names():
        known = entry(name)
        assert known.name == name and known.description and known.citation and known.sources
        assert len(known.checksum) == 64 and int(known.checksum, 16)
        assert all(source.title for source in known.sources)
