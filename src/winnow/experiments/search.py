"""The search for the onset of stability: which k to look at next, and when to stop."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from winnow.intervals import interval


@dataclass(frozen=True)
class Judgement:
    """What was measured at one k, against the threshold."""

    k: int
    values: tuple[float, ...]
    """One for each replicate."""

    limit: float

    asked: int = 0
    missing: int = 0
    """How many comparisons were asked for, and how many of them there are not, since a training failed: the values
    are of the others alone."""

    @property
    def mean(self) -> float:
        """Over the replicates."""
        return sum(self.values) / len(self.values)

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % confidence interval of the mean."""
        return interval(self.values)

    @property
    def is_stable(self) -> bool:
        """Whether the mean is below the threshold."""
        return self.mean < self.limit

    @property
    def is_clear(self) -> bool:
        """Whether the whole interval is on the mean's side of the threshold."""
        low, high = self.interval
        return high < self.limit or low >= self.limit


def candidates(until: int, ratio: float) -> list[int]:
    """The k that may be tried: 0, and from `until` down, each smaller than the one above it by a ratio.

    >>> candidates(100, 2.0)
    [0, 1, 2, 3, 6, 12, 25, 50, 100]
    """
    found = {0}
    k = float(until)
    while round(k) >= 1:
        found.add(round(k))
        k /= ratio
    return sorted(found)


def bisect(ks: Sequence[int], judge: Callable[[int], Judgement]) -> tuple[int | None, list[Judgement]]:
    """The least stable of some k, in order, and the judgements that this took: about log2 of their number.

    Stability is taken to last once it has set in, as the papers find: where it comes and goes, another k of them may be
    the least stable one, and what is tried does not tell. None where even the last is not stable.

    >>> stable_from_25 = lambda k: Judgement(k, (0.0 if k >= 25 else 1.0,), 0.5)
    >>> onset, tried = bisect([0, 2, 3, 6, 12, 25, 50, 100], stable_from_25)
    >>> onset, [each.k for each in tried]
    (25, [6, 25, 12])
    """
    tried: list[Judgement] = []
    low, high = 0, len(ks)  # the onset is among ks[low:high], or there is none, which is high
    while low < high:
        middle = (low + high - 1) // 2
        found = judge(ks[middle])
        tried.append(found)
        if found.is_stable:
            high = middle
        else:
            low = middle + 1
    return (ks[low] if low < len(ks) else None), tried
