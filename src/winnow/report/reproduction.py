"""A paper's numbers beside ours: the comparison, claim by claim, and what it comes to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from winnow.errors import MissingResult
from winnow.experiments.study import nearest_level
from winnow.findings import Findings
from winnow.recipe import Recipe
from winnow.report.asked import Departures, departures
from winnow.report.table import Table, difference, limits
from winnow.reproductions import Claim, Reproduction
from winnow.reproductions.measures import Measured, measured
from winnow.results import Results

Outcome = Literal["agrees", "differs", "missing"]


@dataclass(frozen=True)
class Line:
    """One claim, and what ours says of it."""

    claim: Claim
    ours: Measured | None
    missing: str
    """What is not stored, where there is no number of ours."""

    apart: float | None
    """How far ours lies from the paper's: in the claim's unit, or in levels."""

    @property
    def outcome(self) -> Outcome:
        """Whether ours lies as the claim asks, within its tolerance."""
        if self.apart is None:
            return "missing"
        claim = self.claim
        lies = {
            "near": abs(self.apart) <= claim.tolerance,
            "within levels": abs(self.apart) <= claim.tolerance,
            "at least": self.apart >= -claim.tolerance,
            "at most": self.apart <= claim.tolerance,
        }
        return "agrees" if lies[claim.must_be] else "differs"


@dataclass(frozen=True)
class Compared:
    """A reproduction beside what is stored."""

    reproduction: Reproduction
    departed: Departures
    lines: tuple[Line, ...]

    @property
    def has_departed(self) -> bool:
        """Whether the recipe departs from the paper's, so that nothing it gives is a reproduction."""
        return not self.departed.are_none

    def word(self, line: Line) -> str:
        """The verdict on a claim. A shortened run never reproduces anything."""
        if line.outcome == "missing":
            return "not yet"
        if self.has_departed:
            return f"{line.outcome}, shortened"
        return "reproduced" if line.outcome == "agrees" else "not reproduced"

    @property
    def summary(self) -> str:
        """What it comes to, in a sentence or two."""
        count = {outcome: sum(line.outcome == outcome for line in self.lines) for outcome in ("agrees", "missing")}
        total = len(self.lines)
        rest = f" {count['missing']} cannot be compared yet." if count["missing"] else ""
        if self.has_departed:
            how = "; ".join([*self.departed.shortened, *self.departed.changed])
            return f"This is no reproduction: {how}. {count['agrees']} of {total} numbers agree with the paper’s.{rest}"
        return f"{count['agrees']} of {total} published numbers are reproduced.{rest}"


def compared(reproduction: Reproduction, recipe: Recipe, source: Results | Findings) -> Compared:
    """Compare what is stored of a recipe with what the paper reports of it."""
    departed = departures(recipe, reproduction.whole_recipe)
    assert departed is not None
    if reproduction.study is not None:  # its level is a setting of the study, not of the recipe
        shortened = tuple(text for text in departed.shortened if not text.startswith("levels"))
        changed = tuple(text for text in departed.changed if not text.startswith("rewind"))
        departed = Departures(departed.base, shortened, changed)
    return Compared(reproduction, departed, tuple(_line(claim, recipe, source) for claim in reproduction.claims))


def _line(claim: Claim, recipe: Recipe, source: Results | Findings) -> Line:
    try:
        ours = measured(claim, source)
    except MissingResult as missing:
        return Line(claim, None, str(missing), None)
    if claim.must_be == "within levels":
        assert ours.level is not None
        level, _ = nearest_level(recipe, claim.paper / 100)
        return Line(claim, ours, "", float(ours.level - level))
    return Line(claim, ours, "", ours.value - claim.paper)


def comparison_table(found: Compared) -> Table:
    """Paper, ours, difference, verdict: one row for each claim."""
    rows: list[tuple[str, ...]] = []
    values: list[tuple[object, ...]] = []
    for line in found.lines:
        claim, ours = line.claim, line.ours
        unit = {"": "", "°": "°", "times": "×"}.get(claim.unit, f" {claim.unit}")
        digits = _digits(claim)
        shown = "–" if ours is None else f"{ours.value:.{digits}f}{unit}".replace("-", "−")
        within = limits(ours.by_replicate, digits) if ours and ours.by_replicate else ""
        sign = {"at least": "≥ ", "at most": "≤ "}.get(claim.must_be, "")
        around = f" ± {claim.tolerance:g}" if claim.must_be == "near" else ""
        if claim.must_be == "within levels":
            around = f" ± {claim.tolerance:g} level{'s' * (claim.tolerance != 1)}"
        elif not around and claim.tolerance:
            around = f" (by {claim.tolerance:g})"
        apart = "–" if line.apart is None else difference(line.apart, 0 if claim.must_be == "within levels" else digits)
        if line.apart is not None and claim.must_be == "within levels":
            apart += f" level{'s' * (abs(line.apart) != 1)}"
        paper = f"{sign}{claim.paper:g}{unit}{around}"
        rows.append((claim.what, claim.where, paper, shown, within, apart, found.word(line)))
        value = ours.value if ours else None
        replicates = len(ours.by_replicate) if ours else 0
        stated = (claim.what, claim.where, claim.must_be, claim.paper, claim.unit, claim.tolerance)
        values.append((*stated, value, replicates or None, line.apart, found.word(line), line.missing))
    return Table(
        name="comparison",
        title=f"{found.reproduction.title}. Published numbers beside ours; 95 % intervals of means over replicates "
        "(Student’s t).",
        columns=("what", "where", "paper, tolerance", "ours", "95 % interval", "difference", "verdict"),
        rows=tuple(rows),
        fields=(
            *("what", "where", "must_be", "paper", "unit", "tolerance"),
            *("ours", "replicates", "difference", "verdict", "missing"),
        ),
        values=tuple(values),
        words=2,
    )


def _digits(claim: Claim) -> int:
    return {"points": 2, "times": 2}.get(claim.unit, 1)
