"""Which steps will have no result: those that failed, and those that need one of these."""

from __future__ import annotations

from winnow.steps import Step
from winnow.store.manifest import Failure
from winnow.store.store import Store


class Failures:
    """The failures that a store holds, looked up once for each step."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._known: dict[Step, Failure | None] = {}

    def behind(self, step: Step) -> Failure | None:
        """Why a step has no result and can have none: its own failure, or that of a step it needs."""
        stack = [step]
        while stack:
            current = stack[-1]
            manifest = None if current in self._known else self._store.whole(current)
            if manifest is not None:
                self._known[current] = manifest.failure
            elif current not in self._known:
                unknown = [source for source in current.needs if source not in self._known]
                if unknown:
                    stack += unknown
                    continue
                failures = (self._known[source] for source in current.needs)
                self._known[current] = next((failure for failure in failures if failure), None)
            stack.pop()
        return self._known[step]
