"""A store with two runs and two studies of a tiny recipe, and the page about it."""

from __future__ import annotations

from pathlib import Path

import pytest
from matplotlib.figure import Figure

from winnow.execution.executor import Executor
from winnow.execution.run import run
from winnow.execution.studies import run_study
from winnow.experiments import instability, stability
from winnow.recipes import read
from winnow.report.page import Opening, page
from winnow.report.parts import held
from winnow.report.side_by_side import comparison
from winnow.store import Store
from winnow.timeline import Amount

from ..browser import chromium

collect_ignore = [] if chromium() else ["test_in_browser.py"]
"""Who has no Chromium can run the other tests; CI has one."""


EDITS = {
    "model.name": "lenet-16",
    "train.length": "40it",
    "train.evaluate": "10it",
    "levels": 3,
    "replicates": 3,
    "prune.rate.linear": 0.5,
    "about": "<script>alert('&')</script>",
}
KS = [Amount.parse("0it"), Amount.parse("10it")]


@pytest.fixture
def saved(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    """The figures that matplotlib is asked to save, each as it is laid out then."""
    found: list[Figure] = []

    def savefig(figure: Figure, *args: object, **named: object) -> None:
        figure.draw_without_rendering()
        found.append(figure)

    monkeypatch.setattr(Figure, "savefig", savefig)
    return found


@pytest.fixture(scope="package")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """Two runs and two studies of a tiny recipe."""
    store = Store(tmp_path_factory.mktemp("report") / "store")
    recipe = read("digits").edited(EDITS)
    run(recipe, store=store)
    run(recipe, store=store, rewind="10it")
    executor = Executor(store)
    run_study(stability(recipe, density=0.3, at=KS, samples=2), executor)
    run_study(instability(recipe, at=KS, points=5, examples=200), executor)
    return store


@pytest.fixture(scope="package")
def written(store: Store, tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = held(store)
    path = tmp_path_factory.mktemp("page") / "page.html"
    path.write_text(
        page(found.parts(store), opening=Opening(title="Tickets", deck="Tiny."), extra=comparison(found.runs)), "utf-8"
    )
    return path
