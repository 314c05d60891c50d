"""Reading named files from a folder, however they are packed there."""

from __future__ import annotations

import gzip
import tarfile
import zlib
from collections.abc import Iterator
from pathlib import Path

from winnow.errors import DataError

_DEPTHS = ("", "*/", "*/*/")
"""How deep files are looked for: publishers' archives and other libraries nest them once or twice."""


def read_files(folder: Path, names: tuple[str, ...]) -> dict[str, bytes]:
    """The content of each of `names`, in their order, from somewhere in `folder`.

    A file may lie there plain, gzipped (`NAME.gz`), or inside a `.tar.gz` or `.tgz`, up to two folders
    deep. An archive is read, never unpacked. Raises `DataError` naming what is missing or broken.
    """
    if not folder.is_dir():
        raise DataError(f"{folder} is not a folder")
    found = {name: path for name in names if (path := _find(folder, name)) is not None}
    try:
        contents = {name: _content(path) for name, path in found.items()}
        archives = _archives(folder)
        while (missing := set(names) - set(contents)) and (archive := next(archives, None)) is not None:
            contents |= _members(archive, missing)
    except (OSError, EOFError, zlib.error, tarfile.TarError) as error:
        raise DataError(f"{folder} holds a broken or unreadable file: {error}") from error
    if missing:
        raise DataError(f"{folder} has no {', '.join(sorted(missing))}{_hint(folder)}")
    return {name: contents[name] for name in names}


def _find(folder: Path, name: str) -> Path | None:
    for depth in _DEPTHS:
        for suffix in ("", ".gz"):
            for path in sorted(folder.glob(f"{depth}{name}{suffix}")):
                if path.is_file():
                    return path
    return None


def _content(path: Path) -> bytes:
    content = path.read_bytes()
    return gzip.decompress(content) if path.suffix == ".gz" else content


def _archives(folder: Path) -> Iterator[Path]:
    for depth in _DEPTHS:
        for suffix in (".tar.gz", ".tgz"):
            yield from sorted(folder.glob(f"{depth}*{suffix}"))


def _members(archive: Path, names: set[str]) -> dict[str, bytes]:
    contents: dict[str, bytes] = {}
    with tarfile.open(archive, "r|gz") as members:
        for member in members:
            name = member.name.rpartition("/")[2]
            if name in names and member.isfile() and (stream := members.extractfile(member)) is not None:
                contents[name] = stream.read()
    return contents


def _hint(folder: Path) -> str:
    """People often have the Python version of CIFAR-10, whose files run code when opened."""
    if _find(folder, "data_batch_1") is None:
        return ""
    return ". It holds the Python (pickle) version, which Winnow does not open: get the binary version"
