"""A tiny MNIST in its publisher's files, a catalogue entry for it, and a server to fetch it from."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from winnow.data import Entry, entry
from winnow.data.arrays import checksum
from winnow.data.catalogue import CATALOGUE
from winnow.data.layouts import MNIST


def idx(array: np.ndarray) -> bytes:
    """The IDX file of an array of bytes."""
    return bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes() + array.astype(np.uint8).tobytes()


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Every test has a cache of its own."""
    monkeypatch.setenv("WINNOW_DATA", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def files() -> dict[str, bytes]:
    """Twelve training and five test images of 3x2 pixels."""
    draw = np.random.default_rng(7)
    made: dict[str, bytes] = {}
    for prefix, examples in (("train", 12), ("t10k", 5)):
        made[f"{prefix}-images-idx3-ubyte"] = idx(draw.integers(0, 256, (examples, 3, 2)))
        made[f"{prefix}-labels-idx1-ubyte"] = idx(draw.integers(0, 10, examples))
    return made


@pytest.fixture
def tiny(files: dict[str, bytes], monkeypatch: pytest.MonkeyPatch) -> Entry:
    """A catalogue entry with the true checksum of `files` and no source; see `with_sources`."""
    made = replace(
        entry("mnist"),
        name="tiny",
        train=12,
        test=5,
        shape=(1, 3, 2),
        sources=(),
        checksum=checksum(MNIST.decode(files)),
    )
    monkeypatch.setitem(CATALOGUE, "tiny", made)
    return made


@pytest.fixture
def folder(files: dict[str, bytes], tmp_path: Path) -> Path:
    """A folder that holds `files`."""
    path = tmp_path / "given"
    path.mkdir()
    for name, content in files.items():
        (path / name).write_bytes(content)
    return path


class Site:
    """What a local server serves, how it misbehaves, and what it was asked."""

    def __init__(self, files: dict[str, bytes]) -> None:
        self.files = {f"{name}.gz": gzip.compress(content, mtime=0) for name, content in files.items()}
        self.ranges: list[str | None] = []
        self.resumes = True
        self.stops_after: list[int] = []
        """For each coming answer, after how many bytes the connection breaks."""
        self.base = ""


@pytest.fixture
def site(files: dict[str, bytes]) -> Iterator[Site]:
    site = Site(files)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            content = site.files.get(self.path.lstrip("/"))
            wanted = self.headers.get("Range")
            site.ranges.append(wanted)
            if content is None:
                self.send_error(404)
                return
            start = int(wanted.removeprefix("bytes=").removesuffix("-")) if wanted and site.resumes else 0
            if start and start >= len(content):
                self.send_error(416)
                return
            self.send_response(206 if start else 200)
            if start:
                self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
            self.send_header("Content-Length", str(len(content) - start))
            self.end_headers()
            sent = content[start:]
            self.wfile.write(sent[: site.stops_after.pop(0)] if site.stops_after else sent)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    site.base = f"http://127.0.0.1:{server.server_port}/"
    yield site
    server.shutdown()
    thread.join()
    server.server_close()
