"""One file over HTTP, resumed where an earlier attempt stopped."""

from __future__ import annotations

import http.client
import os
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

from winnow.errors import DataError

Progress = Callable[[int, int | None], None]
"""Called with the bytes of the current file that are here, and its size where the server tells it."""

PATIENCE = 10.0
"""Seconds to wait for a connection, or for the next bytes."""

_ATTEMPTS = 3
_BLOCK = 1 << 18


def download(url: str, target: Path, progress: Progress | None = None) -> None:
    """Fetch `url` into `target`, which appears only when it is whole.

    Bytes gather in `target` + ".part". One that an interrupted download left is continued (HTTP Range),
    or begun again where the server cannot. Raises `DataError` with the reason.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(target.name + ".part")
    for left in reversed(range(_ATTEMPTS)):
        before = _size(part)
        try:
            _continue(url, part, progress)
        except (OSError, http.client.HTTPException) as error:
            if left == 0 or _size(part) == before:  # only a download that moves is worth another try
                raise DataError(f"{target.name}: {_reason(error)}") from error
        else:
            os.replace(part, target)
            return


def _continue(url: str, part: Path, progress: Progress | None) -> None:
    with _open(url, part) as response:
        have = _size(part) if response.status == 206 else 0
        length = response.headers.get("Content-Length")
        total = None if length is None else have + int(length)
        with part.open("ab" if have else "wb") as file:
            while block := response.read(_BLOCK):
                file.write(block)
                have += len(block)
                if progress is not None:
                    progress(have, total)
            file.flush()
            os.fsync(file.fileno())
    if total is not None and have < total:
        raise ConnectionError(f"the connection closed after {have} of {total} bytes")


def _open(url: str, part: Path) -> http.client.HTTPResponse:
    """The answer with the bytes after those in `part`, or with all of them."""
    # Identity: positions in a transparently compressed answer would be others.
    request = urllib.request.Request(url, headers={"User-Agent": "winnow", "Accept-Encoding": "identity"})
    if have := _size(part):
        request.add_header("Range", f"bytes={have}-")
    try:
        return urllib.request.urlopen(request, timeout=PATIENCE)
    except urllib.error.HTTPError as error:
        if error.code != 416 or not have:
            raise
    part.unlink()  # 416: the server's file is not longer than ours, so ours is not its beginning
    return _open(url, part)


def _size(part: Path) -> int:
    return part.stat().st_size if part.exists() else 0


def _reason(error: Exception) -> str:
    if isinstance(error, urllib.error.HTTPError):
        return f"the server answered {error.code} {error.reason}"
    reason = error.reason if isinstance(error, urllib.error.URLError) else error
    return str(reason) or type(error).__name__
