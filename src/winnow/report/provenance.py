"""Where results come from: by which versions, on which hardware, when, and at what cost."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from rich.filesize import decimal

from winnow.steps import Step, Train
from winnow.store import Failure, Manifest, Store
from winnow.store.failures import Failures


@dataclass(frozen=True)
class Provenance:
    """What is stored of some trainings, and how it was made."""

    wanted: tuple[Train, ...]
    manifests: tuple[Manifest, ...]
    failures: tuple[tuple[Train, Failure], ...]
    """Trainings that have no result and can have none, with what failed: they themselves, or a step that they need."""

    under_way: int
    """How many of the trainings have progress saved and are not done."""

    @property
    def stored(self) -> int:
        """How many trainings have results."""
        return len(self.manifests)

    @property
    def is_complete(self) -> bool:
        """Whether every training has ended, with a result or without."""
        return self.stored + len(self.failures) == len(self.wanted)

    @property
    def seconds(self) -> float:
        """Time spent training: of lanes trained together, each its share."""
        return sum(manifest.seconds for manifest in self.manifests)

    @property
    def last(self) -> str:
        """When the last result was finished, in UTC; empty where there is none."""
        times = [str(manifest.made["finished"]) for manifest in self.manifests if "finished" in manifest.made]
        return max(times, default="")[:16].replace("T", " ")

    def facts(self) -> list[tuple[str, str]]:
        """What there is to know, by name."""
        finished = sorted(str(each.made["finished"]) for each in self.manifests if "finished" in each.made)
        iterations = {manifest.key: manifest for manifest in self.manifests}
        trained = sum(step.length for step in self.wanted if step.key in iterations)
        facts = [
            ("trainings", f"{self.stored:,} of {len(self.wanted):,} stored" + self._rest()),
            ("iterations", f"{trained:,}"),
            ("training time", f"{duration(self.seconds)}, of lanes trained together each its share"),
        ]
        if not self.manifests:
            return facts[:1]
        if finished:
            first, last = (time[:16].replace("T", " ") for time in (finished[0], finished[-1]))
            facts.append(("finished", f"{first} to {last} UTC" if first != last else f"{first} UTC"))
        for label, field in (("Winnow", "winnow"), ("PyTorch", "torch"), ("Python", "python"), ("system", "system")):
            facts.append((label, self._values(field)))
        facts.append(("CPU cores; threads", f"{self._values('cores')}; {self._values('threads')}"))
        facts.append(("GPU", self._values("gpu") or "none"))
        facts.append(("size", decimal(sum(manifest.size for manifest in self.manifests))))
        return [(label, value) for label, value in facts if value]

    def mixed(self) -> list[str]:
        """The versions and hardware that are not the same for all results."""
        named = {"winnow": "Winnow", "torch": "PyTorch", "system": "systems", "gpu": "GPUs"}
        return [name for field, name in named.items() if len(self._distinct(field)) > 1]

    def _distinct(self, field: str) -> list[str]:
        return sorted({str(manifest.made.get(field)) for manifest in self.manifests})

    def _values(self, field: str) -> str:
        return ", ".join(value for value in self._distinct(field) if value != "None")

    def _rest(self) -> str:
        rest = [f"{len(self.failures)} failed"] if self.failures else []
        rest += [f"{self.under_way} under way"] if self.under_way else []
        return f" ({', '.join(rest)})" if rest else ""


def provenance(steps: Iterable[Step], store: Store) -> Provenance:
    """What is stored of the trainings among the steps. Damaged results count as missing."""
    wanted = tuple(dict.fromkeys(step for step in steps if isinstance(step, Train)))
    manifests: list[Manifest] = []
    failures: list[tuple[Train, Failure]] = []
    under_way = {path.stem for path in (store.root / "progress").glob("*.progress")}
    working, known = 0, Failures(store)
    for step in wanted:
        manifest = store.whole(step)
        if (failure := known.behind(step)) is not None:
            failures.append((step, failure))
        elif manifest is None:
            working += step.trajectory in under_way
        else:
            manifests.append(manifest)
    return Provenance(wanted, tuple(manifests), tuple(failures), working)


def duration(seconds: float) -> str:
    """A time for people.

    >>> duration(42), duration(4_000), duration(200_000)
    ('42 s', '1 h 7 min', '2 d 8 h')
    """
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes} min"
    days, hours = divmod(round(seconds / 3600), 24)
    return f"{days} d {hours} h"
