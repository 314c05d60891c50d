"""Run a study: train what it compares, compare, and gather what was found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from winnow.errors import CorruptResult, MissingResult
from winnow.execution.executor import Executor
from winnow.experiments.experiment import Keep
from winnow.experiments.study import Study
from winnow.findings import Findings, gather
from winnow.store.studies import record_study
from winnow.training import check
from winnow.unreached import tell_unreached


@dataclass(frozen=True)
class Studied:
    """A study that was run."""

    findings: Findings
    failures: Mapping[str, str]
    """What ended without a result and why, by what it was in the study."""


def run_study(study: Study, executor: Executor, *, keep: Keep = "weights") -> Studied:
    """Train and compare what the store lacks of a study, and note in the store that it was asked for.

    A training that diverges is told in `failures`; what does not depend on it goes on.
    """
    check(executor.device, deterministic=study.recipe.deterministic, engine=executor.engine, width=executor.width)
    tell_unreached(study.recipe.edited({"rewind": "0it"}))
    record_study(executor.store, study)
    while True:
        try:
            plan = executor.run(study.targets(keep))
            findings = gather(study, executor.store)
        except (CorruptResult, MissingResult) as damaged:
            executor.reporter.noted(str(damaged))
            executor.forget()
        else:
            labels = study.labels()
            failures = {labels.get(step, step.kind): failure.message for step, failure in plan.failed.items()}
            return Studied(findings, failures)
