"""In what pieces weights are removed: "weight", "unit", or a pattern such as "2:4"."""

from __future__ import annotations

import re
from dataclasses import dataclass

from winnow.errors import RecipeError

WEIGHT, UNIT = "weight", "unit"


@dataclass(frozen=True)
class Pattern:
    """At most N of every M consecutive weights along the inputs remain; 2:4 is what sparse tensor cores run."""

    n: int
    m: int

    @classmethod
    def parse(cls, written: str) -> Pattern | None:
        """Read "2:4"; None for the other granularities. Raises RecipeError where it is none of them.

        >>> Pattern.parse("2:4"), Pattern.parse("weight")
        (Pattern(n=2, m=4), None)
        """
        if written in (WEIGHT, UNIT):
            return None
        found = re.fullmatch(r"(\d+):(\d+)", written)
        if found is None:
            raise RecipeError(
                f"'{written}' is no granularity.\n"
                f"Write 'weight' (single weights), '2:4' (2 of 4 along the inputs) or 'unit' (whole output units)."
            )
        n, m = int(found[1]), int(found[2])
        if not 0 < n < m:
            raise RecipeError(f"'{written}' would keep {n} of every {m} weights. Keep at least 1, and fewer than all.")
        return cls(n, m)
