"""What a command says that was interrupted."""

from __future__ import annotations

from pathlib import Path

import pytest

from winnow.store import Store

from .conftest import Winnow


def interrupt(*_: object, **__: object) -> None:
    raise KeyboardInterrupt


def test_a_live_page_is_left_as_of_now_and_loads_itself_no_more(
    finished: Path, winnow: Winnow, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    store, page = Store(finished), tmp_path / "page.html"
    manifests = [store.manifest(key) for key in store.result_keys()]
    store.remove(next(each.key for each in manifests if each and each.kind == "train" and "mask" in each.inputs))
    monkeypatch.setattr("time.sleep", interrupt)
    said = winnow("report", "--store", finished, "--out", page, "--live", "5")
    assert said.code == 130
    assert said.err.splitlines()[-1] == f"winnow: no longer looking. The page, as of now: {page}"
    assert "resumes" not in said.err
    assert "Incomplete." in page.read_text("utf-8") and "http-equiv" not in page.read_text("utf-8")


@pytest.mark.parametrize(
    "command, does_resume", [("run digits", True), ("stability digits", True), ("report", False), ("results", False)]
)
def test_the_same_command_resumes_where_there_is_something_to_resume(
    finished: Path, winnow: Winnow, monkeypatch: pytest.MonkeyPatch, command: str, does_resume: bool
) -> None:
    monkeypatch.setattr(f"winnow.cli.{command.split()[0]}.parse", interrupt, raising=False)
    monkeypatch.setattr(f"winnow.cli.{command.split()[0]}.parse_with_recipe", interrupt, raising=False)
    said = winnow(*command.split(), "--store", finished)
    assert said.code == 130 and said.err.startswith("\nwinnow: interrupted.")
    assert ("the same command resumes" in said.err) == does_resume
