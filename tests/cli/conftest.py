"""The command line on a recipe so small that a run takes a second, and a store in which it has been run."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from winnow.cli import main

EDITS: dict[str, object] = {
    "model.name": "lenet-16",
    "train.length": "40it",
    "train.evaluate": "20it",
    "levels": 2,
    "replicates": 2,
    "prune.rate.linear": 0.5,
}
"""What makes `digits` tiny: 2 dense trainings, 4 tickets and 4 reinitialized ones."""

TINY = tuple(word for path, value in EDITS.items() for word in (f"--{path}", str(value)))


@dataclass(frozen=True)
class Said:
    """How a command ended and what it said."""

    code: int
    out: str
    err: str


Winnow = Callable[..., Said]


def code_of(words: tuple[object, ...]) -> int:
    try:
        return main([str(word) for word in words])
    except SystemExit as ended:  # wrong options end the program
        return int(ended.code or 0)


@pytest.fixture
def winnow(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Winnow:
    """The command `winnow`, on 100 columns."""
    monkeypatch.setenv("COLUMNS", "100")

    def run(*words: object) -> Said:
        capsys.readouterr()
        code = code_of(words)
        said = capsys.readouterr()
        return Said(code, said.out, said.err)

    return run


@pytest.fixture(scope="package", autouse=True)
def data_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WINNOW_DATA", str(tmp_path_factory.mktemp("data")))
        patch.delenv("WINNOW_STORE", raising=False)
        yield


@pytest.fixture(scope="package")
def finished_once(data_cache: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    store = tmp_path_factory.mktemp("finished") / "store"
    assert code_of(("run", "digits", *TINY, "--store", store, "--progress", "quiet")) == 0
    return store


@pytest.fixture
def finished(finished_once: Path, tmp_path: Path) -> Path:
    """A store of one's own in which the tiny recipe has been run."""
    return Path(shutil.copytree(finished_once, tmp_path / "store"))


def flip_first_byte(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[0] ^= 1
    path.write_bytes(content)
