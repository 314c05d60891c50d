"""Every block of code in README and docs does what it says: it is run, in a store that all pages share.

The commands are those of the page; the recipe `digits` is a smaller one here, so that they take seconds.
"""

from __future__ import annotations

import contextlib
import io
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from winnow import recipes
from winnow.cli import COMMANDS, main
from winnow.recipes import from_toml, to_toml

from .blocks import ROOT, Block, blocks, pages, summary

SMALL = {
    "model.name": "lenet-16",
    "train.length": "80it",
    "train.evaluate": "20it",
    "replicates": 2,
    "data.validation": 1000,
    "onset.until": "10%",
}

KNOWN = {"sh", "python", "pycon", "toml", "csv", "json", "text"}


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A store in which what one page has run is stored for the next, beginning with the README's first command."""
    folder, store = tmp_path_factory.mktemp("recipes"), tmp_path_factory.mktemp("docs") / "store"
    for name in recipes.names():
        recipe = recipes.read(name)
        (folder / f"{name}.toml").write_text(to_toml(recipe.edited(SMALL) if name == "digits" else recipe), "utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(recipes, "_folder", lambda: folder)
        assert main(["run", "digits", "--store", str(store), "--progress", "quiet"]) == 0
        yield store


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_the_code_of_a_page_runs(
    page: Path, shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WINNOW_STORE", str(shared))
    names: dict[str, object] = {"__name__": "__main__"}
    for block in blocks(page):
        where = f"{block.page}:{block.line}"
        assert block.language in KNOWN, f"{where}: say what language '{block.language}' is"
        if block.reason is not None:
            continue
        with capsys.disabled(), contextlib.redirect_stdout(io.StringIO()):
            if block.language == "python":
                exec(compile("\n" * block.line + block.code, str(page), "exec"), names)
            elif block.language == "toml":
                from_toml(block.code, source=where)
            elif block.language == "sh":
                run_lines(block, where)


def run_lines(block: Block, where: str) -> None:
    """Run each line of a shell block: our command here, so that it need not be started each time; others in a shell."""
    for line in block.code.replace("\\\n", " ").splitlines():
        for command in line.partition(" #")[0].split(" && "):
            words = shlex.split(command, comments=True)
            if not words:
                continue
            if words[0] != "winnow":
                subprocess.run(["bash", "-euo", "pipefail", "-c", command], check=True, timeout=60)
                continue
            out, target = io.StringIO(), None
            if ">" in words:
                words, target = words[: words.index(">")], words[-1]
            if words[1] in ("run", "onset", "stability", "instability", "reproduce") and "--progress" not in words:
                words += ["--progress", "quiet"] if len(words) > 2 else []
            with contextlib.redirect_stdout(out):
                assert main(words[1:]) == 0, f"{where}: {command}"
            if target is not None:
                Path(target).write_text(out.getvalue(), "utf-8")


def test_what_is_not_run_says_why() -> None:
    left = [block for page in pages() for block in blocks(page) if block.reason is not None]
    assert all(len(block.reason or "") > 10 for block in left)
    assert len(summary()) == 1 + len(left)


def test_every_command_is_in_the_reference() -> None:
    text = (ROOT / "docs" / "reference" / "commands.md").read_text("utf-8")
    assert all(f"| `winnow {name}` | {purpose} |" in text for name, purpose in COMMANDS.items())
