"""Files that are there whole or not at all."""

from __future__ import annotations

import errno
import hashlib
import os
import re
import secrets
import shutil
from collections.abc import Generator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from winnow.errors import StoreError


def checksum(content: bytes) -> str:
    """What a manifest records of a file: its sha256."""
    return hashlib.sha256(content).hexdigest()


def file_name(name: str) -> str:
    """A recipe's name as the beginning of a file's: letters, digits, dots and dashes, so that it leads to no folder.

    >>> file_name("mine, again"), file_name("../../evil")
    ('mine-again', '-..-evil')
    """
    return re.sub(r"[^\w.-]+", "-", name).lstrip(".")


def write_file(path: Path, content: bytes, *, option: str = "--store DIR") -> None:
    """Put a file in place, or replace it, in one move: readers see the old one or the new one.

    A device, a pipe or a link is not replaced: the content goes where it leads. `option` is what a user gives to have
    it elsewhere, for the error.
    """
    if path.is_dir():
        raise StoreError(f"writing to {path} failed: it is a folder. Name a file in it.")
    if path.is_symlink() or (path.exists() and not path.is_file()):
        with storing(path, option=option), path.open("wb") as leading:
            leading.write(content)
        return
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    with storing(path, option=option):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            _flushed(temporary, content)
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)


def write_folder(folder: Path, files: Mapping[str, bytes], *, temporary: Path) -> None:
    """Put a folder of files in place in one move. One that is there already is replaced."""
    making = temporary / f"{folder.name}-{secrets.token_hex(4)}"
    with storing(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        making.mkdir(parents=True)
        try:
            for name, content in files.items():
                _flushed(making / name, content)
            _move(making, folder, aside=making.with_name(f"{making.name}-old"))
        finally:
            shutil.rmtree(making, ignore_errors=True)
            shutil.rmtree(making.with_name(f"{making.name}-old"), ignore_errors=True)


def _move(new: Path, folder: Path, *, aside: Path) -> None:
    """Move a folder into its place. One that is there goes aside first, and back again if that fails."""
    while True:
        try:
            with suppress(FileNotFoundError):
                os.replace(folder, aside)
            os.replace(new, folder)
        except BaseException as error:
            is_taken = isinstance(error, OSError) and error.errno in (errno.ENOTEMPTY, errno.EEXIST)
            if not is_taken:
                with suppress(OSError):
                    os.replace(aside, folder)
                raise
            shutil.rmtree(aside, ignore_errors=True)  # another process was faster: its folder is replaced in turn
        else:
            return


@contextmanager
def storing(path: Path, *, option: str = "--store DIR") -> Generator[None]:
    """Turn what the operating system says while writing to `path` into what the user can do about it."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            remedy = "The disk is full. Free some space (`winnow store gc` shows what nothing needs)"
        elif error.errno in (errno.EROFS, errno.EACCES, errno.EPERM):
            remedy = "It cannot be written to. Change its permissions"
        elif error.errno in (errno.ENOTDIR, errno.EEXIST):
            remedy = "Something that is not a folder is in the way. Move it"
        else:
            raise StoreError(f"writing to {path} failed: {error.strerror or error}") from error
        raise StoreError(
            f"writing to {path} failed: {error.strerror}.\n"
            f"{remedy}, or choose another place with {option}. What was stored before is safe."
        ) from error


def _flushed(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
