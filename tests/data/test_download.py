from __future__ import annotations

import socket
from pathlib import Path

import pytest

from winnow.data import download as module
from winnow.data.download import download
from winnow.errors import DataError

from .conftest import Site

CONTENT = bytes(range(256)) * 8


@pytest.fixture
def target(site: Site, tmp_path: Path) -> Path:
    site.files = {"file": CONTENT}
    return tmp_path / "downloads" / "file"


def test_a_file_appears_whole_and_progress_ends_at_its_size(site: Site, target: Path) -> None:
    told: list[tuple[int, int | None]] = []
    download(site.base + "file", target, lambda done, total: told.append((done, total)))
    assert target.read_bytes() == CONTENT
    assert told[-1] == (len(CONTENT), len(CONTENT))
    assert list(target.parent.iterdir()) == [target]


def test_a_part_left_behind_is_continued_where_it_ends(site: Site, target: Path) -> None:
    target.parent.mkdir()
    target.with_name("file.part").write_bytes(CONTENT[:500])
    told: list[int] = []
    download(site.base + "file", target, lambda done, total: told.append(done))
    assert target.read_bytes() == CONTENT
    assert site.ranges == ["bytes=500-"]
    assert min(told) > 500, "progress counts the bytes that were there"


@pytest.mark.parametrize(
    "left, resumes",
    [
        (CONTENT[:500], False),  # the server ignores Range and sends all
        (CONTENT + b"more", True),  # longer than the file: 416
        (CONTENT, True),  # whole, but never renamed: 416
    ],
)
def test_a_part_that_cannot_be_continued_is_begun_again(site: Site, target: Path, left: bytes, resumes: bool) -> None:
    site.resumes = resumes
    target.parent.mkdir()
    target.with_name("file.part").write_bytes(left)
    download(site.base + "file", target)
    assert target.read_bytes() == CONTENT


def test_a_connection_that_breaks_is_taken_up_again_at_once(site: Site, target: Path) -> None:
    site.stops_after = [700, 400]
    download(site.base + "file", target)
    assert target.read_bytes() == CONTENT
    assert site.ranges == [None, "bytes=700-", "bytes=1100-"]


def test_a_connection_that_keeps_breaking_leaves_a_part_and_no_file(site: Site, target: Path) -> None:
    site.stops_after = [100, 100, 100]
    with pytest.raises(DataError, match="closed after 300 of 2048 bytes"):
        download(site.base + "file", target)
    assert not target.exists()
    assert target.with_name("file.part").read_bytes() == CONTENT[:300]


def test_a_file_that_is_not_there_fails_with_the_answer(site: Site, target: Path) -> None:
    with pytest.raises(DataError, match="file: the server answered 404 Not Found"):
        download(site.base + "other", target)
    assert len(site.ranges) == 1, "asking again would not help"


def test_no_server_fails_at_once_with_the_reason(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(DataError, match="refused"):
        download(f"http://127.0.0.1:{port}/file", tmp_path / "file")


def test_a_silent_server_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PATIENCE", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as silent, pytest.raises(DataError, match="timed out"):
        download(f"http://127.0.0.1:{silent.getsockname()[1]}/file", tmp_path / "file")
