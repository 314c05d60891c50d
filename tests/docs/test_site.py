"""The documentation site: it builds with warnings as errors, and no link in it leads nowhere."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

import winnow

from .blocks import ROOT


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    shutil.copy(ROOT / "zensical.toml", folder)
    for name in ("docs", "src"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    command = [sys.executable, "-m", "zensical", "build", "--strict"]
    without_network = {**os.environ, "http_proxy": "http://127.0.0.1:9", "https_proxy": "http://127.0.0.1:9"}
    built = subprocess.run(command, cwd=folder, env=without_network, capture_output=True, text=True, timeout=300)
    assert built.returncode == 0, built.stdout + built.stderr
    return folder / "site"


class Links(HTMLParser):
    """Where a page's links and pictures lead, and the places in it that links may lead to."""

    def __init__(self, page: Path) -> None:
        super().__init__()
        self.targets: list[str] = []
        self.places: set[str] = set()
        self.loaded: list[str] = []
        self.feed(page.read_text("utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.places |= {given[name] for name in ("id", "name") if name in given}
        if tag == "a" and "href" in given:
            self.targets.append(given["href"])
        if "src" in given or (tag == "link" and "href" in given and given.get("rel") != "canonical"):
            self.loaded.append(given.get("src") or given["href"])


def test_every_link_leads_somewhere_and_nothing_is_loaded_from_elsewhere(site: Path) -> None:
    pages = {page: Links(page) for page in site.rglob("*.html") if page.name != "404.html"}
    wrong: list[str] = []
    for page, links in pages.items():
        wrong += [f"{page.name} loads {each}" for each in links.loaded if urlsplit(each).netloc]
        for target in [*links.targets, *links.loaded]:
            parts = urlsplit(target)
            if parts.scheme or parts.netloc:
                continue
            path = (page.parent / unquote(parts.path)).resolve() if parts.path else page
            path = path / "index.html" if path.is_dir() else path
            if not path.exists():
                wrong.append(f"{page.name}: {target} is not there")
            elif parts.fragment and path in pages and unquote(parts.fragment) not in pages[path].places:
                wrong.append(f"{page.name}: {target} has no such place")
    assert not wrong, "\n".join(wrong)
    assert len(pages) >= 10


def test_every_public_name_is_in_the_reference(site: Path) -> None:
    places = Links(site / "reference" / "python.html").places | Links(site / "reference" / "recipe.html").places
    named = {name: getattr(winnow, name) for name in winnow.__all__}
    assert [name for name, value in named.items() if f"{value.__module__}.{name}" not in places] == []


def test_every_page_is_in_the_navigation() -> None:
    text = (ROOT / "zensical.toml").read_text("utf-8")
    tomllib.loads(text)
    pages = [str(page.relative_to(ROOT / "docs")) for page in (ROOT / "docs").rglob("*.md")]
    assert [page for page in pages if f'"{page}"' not in text] == []
