"""The pages of docs/ that say what to type: their blocks are run as they stand."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from winnow.cli import main
from winnow.pruning import Context

DOCS = Path(__file__).parent.parent / "docs"


def blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", (DOCS / page).read_text("utf-8"), re.MULTILINE | re.DOTALL)


def test_the_page_on_scores_of_ones_own_does_what_it_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    [score], [command] = blocks("own-score.md", "python"), blocks("own-score.md", "sh")
    assert len(score.splitlines()) < 10
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")
    Path("my_scores.py").write_text(score)
    program, *words = shlex.split(command)
    assert program == "winnow"
    assert main([*words, "--train.length", "40it", "--progress", "quiet", "--store", "store"]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "pruned by my_scores.py:settled" in said
    assert re.search(r"ticket 3 51.63 %", said)

    assert main(["show", "digits", "--prune.score", "my_scores.py:settled"]) == 0
    Path("mine.toml").write_text(capsys.readouterr().out)
    assert 'score = "my_scores.py:settled"' in Path("mine.toml").read_text()
    assert main(["plan", "mine.toml", "--levels", "1", "--store", "store"]) == 0

    capsys.readouterr()
    assert main(["results", "--store", "store"]) == 0
    assert "pruned by my_scores.py:settled" in " ".join(capsys.readouterr().out.split())
    Path("my_scores.py").unlink()  # which is loaded already, as another process would not find it
    monkeypatch.chdir(tmp_path / "store")
    assert main(["results", "--store", "."]) == 1
    assert (
        "digits" in (told := capsys.readouterr().err)
        and "cannot be followed, and is left out: field prune.score" in told
    )


def test_the_page_on_scores_of_ones_own_lists_what_there_is_to_look_at() -> None:
    told = set(re.findall(r"`context\.(\w+)", (DOCS / "own-score.md").read_text("utf-8")))
    assert all(hasattr(Context, name) or name in Context.__dataclass_fields__ for name in told)
    assert {"weights", "initial_weights", "mask", "examples", "gradients", "outputs", "values", "generator"} <= told


def test_the_own_loop_prints_what_its_page_shows(capsys: pytest.CaptureFixture[str]) -> None:
    page = (DOCS / "own-loop.md").read_text()
    data, program, shown = re.findall(r"```(?:python|text)\n(.*?)```", page, flags=re.DOTALL)[:3]
    assert len([line for line in program.splitlines() if line]) == 20
    exec(compile(data + program, "own-loop.md", "exec"), {})
    printed = [line.split() for line in capsys.readouterr().out.splitlines()]
    expected = [line.split() for line in shown.splitlines()]
    assert len(printed) == len(expected) == 13
    for ours, theirs in zip(printed, expected, strict=True):
        assert ours[:-1] == theirs[:-1]  # level and density
        # Rounding differs between machines: some of the 597 test images may fall on the other side.
        assert float(ours[-1].rstrip("%")) == pytest.approx(float(theirs[-1].rstrip("%")), abs=1.5)
