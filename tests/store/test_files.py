from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from winnow.errors import StoreError
from winnow.store import files
from winnow.store.files import write_file, write_folder


def failing(monkeypatch: pytest.MonkeyPatch, name: str, number: int, error: BaseException) -> None:
    """Make the `number`-th call of os.NAME raise, and those before it work."""
    works, calls = getattr(os, name), iter(range(1, 1_000))

    def call(*arguments: Any, **keywords: Any) -> Any:
        if next(calls) == number:
            raise error
        return works(*arguments, **keywords)

    monkeypatch.setattr(files.os, name, call)


def everything(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_file_is_put_in_place_and_replaced(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "er" / "file"
    write_file(path, b"one")
    write_file(path, b"two")
    assert everything(tmp_path) == {"deep/er/file": b"two"}


def test_a_folder_is_not_replaced_by_a_file_and_the_error_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for path in (tmp_path, Path()):
        with pytest.raises(StoreError, match=f"^writing to {path} failed: it is a folder. Name a file in it.$"):
            write_file(path, b"one")
    assert not everything(tmp_path)


def test_a_folder_is_put_in_place_and_replaced_with_all_its_files(tmp_path: Path) -> None:
    write_folder(tmp_path / "results" / "a", {"x": b"1", "y": b"2"}, temporary=tmp_path / "temporary")
    write_folder(tmp_path / "results" / "a", {"y": b"3"}, temporary=tmp_path / "temporary")
    assert everything(tmp_path) == {"results/a/y": b"3"}
    assert list((tmp_path / "temporary").iterdir()) == []


CAUSES = [
    (OSError(errno.ENOSPC, "No space left on device"), "No space left on device.\nThe disk is full. Free some space"),
    (OSError(errno.EDQUOT, "Disk quota exceeded"), "Disk quota exceeded.\nThe disk is full"),
    (OSError(errno.EROFS, "Read-only file system"), "Read-only file system.\nIt cannot be written to. Change its perm"),
    (PermissionError(errno.EACCES, "Permission denied"), "Permission denied.\nIt cannot be written to"),
    (OSError(errno.EIO, "Input/output error"), "Input/output error"),
]


@pytest.mark.parametrize("error, message", CAUSES)
@pytest.mark.parametrize("call, number", [("fsync", 1), ("fsync", 2), ("replace", 1), ("replace", 2)])
def test_a_folder_that_cannot_be_written_leaves_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, number: int, error: OSError, message: str
) -> None:
    write_folder(tmp_path / "results" / "a", {"x": b"1"}, temporary=tmp_path / "temporary")
    failing(monkeypatch, call, number, error)
    with pytest.raises(StoreError, match=rf"writing to {tmp_path}/results/a failed: .*{message}") as caught:
        write_folder(tmp_path / "results" / "a", {"x": b"2", "y": b"3"}, temporary=tmp_path / "temporary")
    assert error.errno == errno.EIO or "choose another place with --store DIR" in str(caught.value)
    assert everything(tmp_path) == {"results/a/x": b"1"}


@pytest.mark.parametrize("call, number", [("fsync", 1), ("fsync", 2), ("replace", 1), ("replace", 2)])
def test_an_interrupted_replacement_leaves_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, number: int
) -> None:
    write_folder(tmp_path / "results" / "a", {"x": b"1"}, temporary=tmp_path / "temporary")
    failing(monkeypatch, call, number, KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        write_folder(tmp_path / "results" / "a", {"x": b"2", "y": b"3"}, temporary=tmp_path / "temporary")
    assert everything(tmp_path) == {"results/a/x": b"1"}


@pytest.mark.parametrize("error, message", CAUSES)
@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_file_that_cannot_be_written_leaves_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, error: OSError, message: str
) -> None:
    write_file(tmp_path / "file", b"one")
    failing(monkeypatch, call, 1, error)
    with pytest.raises(StoreError, match=rf"writing to {tmp_path}/file failed: .*{message}"):
        write_file(tmp_path / "file", b"two")
    assert everything(tmp_path) == {"file": b"one"}


@pytest.mark.parametrize(
    "write", [lambda path: write_file(path, b""), lambda path: write_folder(path, {}, temporary=path.parent / "t")]
)
def test_a_file_in_the_way_of_a_folder_is_told(tmp_path: Path, write: Callable[[Path], None]) -> None:
    (tmp_path / "way").write_bytes(b"")
    with pytest.raises(StoreError, match=r"Something that is not a folder is in the way. Move it, or choose another"):
        write(tmp_path / "way" / "a")


def test_writers_of_one_folder_beside_each_other_all_succeed_and_readers_see_no_mixture(tmp_path: Path) -> None:
    folder = tmp_path / "results" / "a"
    failures: list[BaseException] = []

    def write(name: bytes) -> None:
        try:
            for _ in range(40):
                write_folder(folder, {"x": name * 100, "y": name * 100}, temporary=tmp_path / "temporary")
        except BaseException as error:
            failures.append(error)

    writers = [Thread(target=write, args=(name,)) for name in (b"1", b"2", b"3")]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert failures == []
    found = everything(tmp_path)
    assert sorted(found) == ["results/a/x", "results/a/y"]
    assert found["results/a/x"] == found["results/a/y"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_and_a_link_are_written_to_and_not_replaced(tmp_path: Path) -> None:
    pipe, link, target = tmp_path / "pipe", tmp_path / "link", tmp_path / "target"
    os.mkfifo(pipe)
    read: list[bytes] = []
    reader = Thread(target=lambda: read.append(pipe.read_bytes()))
    reader.start()
    write_file(pipe, b"through")
    reader.join()
    link.symlink_to(target)
    write_file(link, b"behind")
    assert (read, pipe.is_fifo(), link.is_symlink(), target.read_bytes()) == ([b"through"], True, True, b"behind")
