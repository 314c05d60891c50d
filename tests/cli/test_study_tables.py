from __future__ import annotations

import io

import pytest

from winnow.cli.console import output, show
from winnow.cli.study_tables import instability_table

from ..report.test_studies import barriers


@pytest.mark.parametrize("replicates, has_column", [(1, False), (2, False), (3, True)])
def test_intervals_are_told_where_there_are_some(replicates: int, has_column: bool) -> None:
    found = barriers(replicates, spread=0.01 if has_column else 0.0)
    out = io.StringIO()
    show(output(out), instability_table(found))
    assert ("95 % interval" in out.getvalue()) is has_column
    assert has_column or " to " not in out.getvalue()
