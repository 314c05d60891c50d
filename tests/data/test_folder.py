from __future__ import annotations

import gzip
import io
import tarfile
from pathlib import Path

import pytest

from winnow.data.folder import read_files
from winnow.errors import DataError


def archive(members: dict[str, bytes]) -> bytes:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as tar:
        for name, member in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(member)
            tar.addfile(info, io.BytesIO(member))
    return content.getvalue()


@pytest.mark.parametrize(
    "laid_out",
    [
        {"a": b"1", "b": b"2"},
        {"a.gz": gzip.compress(b"1"), "b": b"2"},
        {"MNIST/raw/a": b"1", "MNIST/raw/b.gz": gzip.compress(b"2")},
        {"all.tar.gz": archive({"x/b": b"2", "x/c": b"3", "x/a": b"1"})},
        {"package.tgz": archive({"package/a": b"1"}), "b": b"2"},
        {"one.tgz": archive({"a": b"1"}), "two.tgz": archive({"b": b"2", "../a": b"evil"})},
        {"a": b"1", "a.gz": gzip.compress(b"other"), "b": b"2"},  # plain before gzipped
    ],
)
def test_files_are_found_however_they_are_packed(tmp_path: Path, laid_out: dict[str, bytes]) -> None:
    for name, content in laid_out.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(content)
    before = sorted(tmp_path.rglob("*"))
    found = read_files(tmp_path, ("b", "a"))
    assert list(found.items()) == [("b", b"2"), ("a", b"1")]
    assert sorted(tmp_path.rglob("*")) == before, "a folder is only read"


@pytest.mark.parametrize(
    "laid_out, message",
    [
        ({"a": b"1"}, "has no b, c$"),
        ({"a": b"1", "b": b"2", "c.gz": gzip.compress(b"3" * 999)[:-9]}, "broken or unreadable"),
        ({"a": b"1", "b": b"2", "c.gz": b"no gzip"}, "broken or unreadable"),
        ({"all.tgz": archive({"a": b"1" * 99999})[:60]}, "broken or unreadable"),
        ({"data_batch_1": b"pickle"}, r"has no a, b, c\. It holds the Python \(pickle\) version"),
    ],
)
def test_a_folder_without_the_files_says_what_it_lacks(
    tmp_path: Path, laid_out: dict[str, bytes], message: str
) -> None:
    for name, content in laid_out.items():
        (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=message):
        read_files(tmp_path, ("a", "b", "c"))


def test_a_path_that_is_no_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="nowhere is not a folder"):
        read_files(tmp_path / "nowhere", ("a",))
