"""When a number of ours agrees with a published one."""

from __future__ import annotations

from typing import Any

import pytest

from winnow.report.reproduction import Line
from winnow.reproductions import Claim


@pytest.mark.parametrize(
    "must_be, tolerance, agree, differ",
    [
        ("near", 0.5, [-0.5, 0.0, 0.5], [-0.6, 0.6]),
        ("within levels", 1, [-1, 0, 1], [-2, 2]),
        ("at least", 0.5, [-0.5, 0.0, 9.0], [-0.6]),
        ("at most", 0.5, [-9.0, 0.0, 0.5], [0.6]),
    ],
)
def test_ours_must_lie_as_the_claim_asks_within_its_tolerance(
    must_be: Any, tolerance: float, agree: list[float], differ: list[float]
) -> None:
    claim = Claim(what="", where="", measure="accuracy", paper=98.0, unit="%", must_be=must_be, tolerance=tolerance)
    assert [Line(claim, None, "", apart).outcome for apart in agree] == ["agrees"] * len(agree)
    assert [Line(claim, None, "", apart).outcome for apart in differ] == ["differs"] * len(differ)
    assert Line(claim, None, "not stored", None).outcome == "missing"
