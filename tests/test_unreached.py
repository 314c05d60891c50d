from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from winnow.cli import main
from winnow.execution.run import run
from winnow.recipes import read
from winnow.unreached import unreached

DROPS = {"schedule.drops": ["20it", "40it", "50it"]}


@pytest.mark.parametrize(
    "changes, sentences",
    [
        ({}, []),
        (DROPS | {"train.length": "51it", "train.evaluate": "51it"}, []),
        (
            DROPS | {"train.length": "50it", "train.evaluate": "5it"},
            ["schedule.drops: 50it comes when training has ended (50it), and the rate does not fall there."],
        ),
        (
            DROPS | {"train.length": "30it", "train.evaluate": "31it"},
            [
                "schedule.drops: 40it, 50it come when training has ended (30it), and the rate does not fall there.",
                "train.evaluate is 31it and training has 30it: it is evaluated where it starts and ends, and nowhere "
                "between.",
            ],
        ),
    ],
)
def test_what_training_is_too_short_for_is_told(changes: dict[str, Any], sentences: list[str]) -> None:
    assert unreached(read("digits").edited(changes)) == sentences


def test_a_run_tells_it_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    small: dict[str, Any] = {"replicates": 1, "levels": 1, "control": [], "schedule__drops": ["21it"]}
    for _ in range(2):
        run("digits", store=tmp_path, train__length="3it", train__evaluate="3it", **small)
    assert [record.message for record in caplog.records if record.levelname == "WARNING"] == [
        "schedule.drops: 21it comes when training has ended (3it), and the rate does not fall there."
    ]


def test_a_plan_tells_it(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    words = ["plan", "digits", "--train.length", "13it", "--store", str(tmp_path / "store")]
    assert main(words) == 0
    assert "winnow: train.evaluate is 20it and training has 13it" in capsys.readouterr().err
