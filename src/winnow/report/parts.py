"""The parts of a report: for each run and study in a store, all that a page, and its files, show of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from winnow.errors import WinnowError
from winnow.experiments import imp
from winnow.findings import Finding, Findings, gather
from winnow.recipe import Recipe
from winnow.report.against_density import density_charts
from winnow.report.against_k import NAMES, STABLE, study_charts, study_table
from winnow.report.asked import run_command, study_command
from winnow.report.cautions import run_cautions, study_cautions
from winnow.report.chart import Chart
from winnow.report.curves import learning_curves
from winnow.report.layers import layer_chart
from winnow.report.levels import levels_table
from winnow.report.overlap import overlap_chart, overlaps
from winnow.report.provenance import Provenance, provenance
from winnow.report.table import Table, mean_and_std
from winnow.report.verdict import Fact, Verdict, verdict
from winnow.results import Results, collect
from winnow.store import Store
from winnow.store.experiments import read_record, recipe_files
from winnow.store.files import file_name
from winnow.store.lookup import is_among
from winnow.store.studies import read_study, study_files, study_identity


@dataclass(frozen=True, kw_only=True)
class Part:
    """One run or study."""

    name: str
    """Its anchor in the page, and how its files begin."""

    title: str
    identity: str
    """What tells it from others of its title, as in the names of its files."""

    kind: str
    """What sort of experiment it is, in words."""

    about: str

    command: str
    """The line that asks for it again."""

    recipe: Recipe
    verdict: Verdict
    cautions: tuple[str, ...]
    charts: tuple[Chart, ...]
    tables: tuple[Table, ...]
    made: Provenance

    @property
    def is_complete(self) -> bool:
        """Whether nothing is left to train."""
        return self.made.is_complete


@dataclass(frozen=True)
class Held:
    """What a store holds."""

    runs: tuple[Results, ...]
    studies: tuple[Findings, ...]
    problems: tuple[str, ...]
    """What cannot be followed, such as a recipe with code of one's own that is not here; the rest is shown."""

    def parts(self, store: Store) -> list[Part]:
        """What is shown of it: the runs first."""
        runs = (run_part(run, store, self.studies) for run in self.runs)
        return [*runs, *(study_part(study, store) for study in self.studies)]


def held(store: Store, names: Sequence[str] = ()) -> Held:
    """The runs and studies recorded in a store; with names, those called so, by their recipes or identities."""
    runs: list[Results] = []
    studies: list[Findings] = []
    problems: list[str] = []
    for path in [*recipe_files(store), *study_files(store)]:
        try:
            if path.parent.name == "studies":
                study = read_study(path)
                if is_among(names, study.recipe.name, study_identity(study)):
                    studies.append(gather(study, store, leave_damaged=True))
            else:
                name, recipe = read_record(path)
                if is_among(names, recipe.name, name):
                    runs.append(collect(imp(recipe), store, identity=name, leave_damaged=True))
        except WinnowError as problem:
            problems.append(f"experiment {path.stem} cannot be followed: {problem}")
    return Held(tuple(runs), tuple(studies), tuple(problems))


def run_part(results: Results, store: Store, studies: Sequence[Findings] = ()) -> Part:
    """What is shown of a run. The studies may tell why its rewind point is a good one."""
    recipe = results.experiment.recipe
    made = provenance((row.trained for row in results.experiment.rows), store)
    charts: list[Chart] = []
    if results.trainings:
        charts = [*density_charts(results), *learning_curves(results), layer_chart(results)]
        charts.append(overlap_chart(overlaps(results, store)))
    return Part(
        name=f"{file_name(recipe.name)}-{results.identity}",
        title=recipe.name,
        identity=results.identity,
        kind="tickets by iterative magnitude pruning" if recipe.prune.rounds == "iterative" else "one-shot tickets",
        about=recipe.about,
        command=run_command(recipe),
        recipe=recipe,
        verdict=verdict(results, studies, failed=len(made.failures)),
        cautions=tuple(run_cautions(results, made)),
        charts=_named(charts, f"{file_name(recipe.name)}-{results.identity}"),
        tables=(levels_table(results),) if results.trainings else (),
        made=made,
    )


def study_part(findings: Findings, store: Store) -> Part:
    """What is shown of a study."""
    study = findings.study
    made = provenance((child.trained for child in study.children), store)
    name = f"{file_name(study.recipe.name)}-{study_identity(study)}"
    return Part(
        name=name,
        title=f"{study.recipe.name}: {study.name}",
        identity=study_identity(study),
        kind="stability to pruning and to data order" if study.name == "stability" else "instability to SGD noise",
        about="",
        command=study_command(study),
        recipe=study.recipe,
        verdict=_study_verdict(findings),
        cautions=tuple(study_cautions(findings, made)),
        charts=_named(study_charts(findings), name),
        tables=(study_table(findings),) if findings.measured else (),
        made=made,
    )


def _named(charts: Sequence[Chart], part: str) -> tuple[Chart, ...]:
    return tuple(replace(chart, name=f"{part}-{chart.name}") for chart in charts if not chart.is_empty)


def _study_verdict(findings: Findings) -> Verdict:
    if not findings.measured:
        return Verdict("Nothing of this study is stored yet.", (), None, ())
    return (_instability_verdict if findings.study.name == "instability" else _stability_verdict)(findings)


def _instability_verdict(findings: Findings) -> Verdict:
    network = "ticket" if findings.study.level else "dense"
    of = (
        f"Subnetworks with {100 * findings.study.density:.3g} % of the weights are"
        if findings.study.level
        else "The dense network is"
    )
    barriers = {k: found for k in findings.ks if (found := findings.finding("instability", network, k, "test_barrier"))}
    stable = [k for k in barriers if all(_points(barriers[later]) < STABLE for later in barriers if later >= k)]
    if stable:
        headline = f"{of} stable to SGD noise from k = {min(stable):,} on, of the k that were measured."
    else:
        headline = f"{of} not stable to SGD noise from any k that was measured."
    facts = [
        Fact(f"{mean_and_std(found.spread, 2, 100)}", f"points of barrier at k = {k:,}", f"{found.pairs} pairs")
        for k, found in barriers.items()
    ]
    reason = f"Stable is an error barrier below {STABLE:g} points of test error (arXiv 1912.05671, §3)."
    return Verdict(headline, _at_most_four(facts), None, (reason,))


def _points(found: Finding) -> float:
    return 100 * found.spread.mean


def _stability_verdict(findings: Findings) -> Verdict:
    facts: list[Fact] = []
    for k in findings.ks:
        ours = findings.finding("pruning", "ticket", k, "angle")
        if ours is not None:
            random = findings.finding("pruning", "random", k, "angle")
            beside = f"{NAMES['random']} {mean_and_std(random.spread, 1)}°" if random else "no random masks"
            facts.append(Fact(f"{mean_and_std(ours.spread, 1)}°", f"moved by pruning, k = {k:,}", beside))
    k = findings.ks[0]
    ours, random = (findings.finding("pruning", network, k, "angle") for network in ("ticket", "random"))
    density = f"{100 * findings.study.density:.3g} %"
    if ours and random:
        headline = (
            f"At {density} of the weights and k = {k:,}, pruning moves where IMP’s subnetworks end by "
            f"{ours.spread.mean:.0f}°, and random ones by {random.spread.mean:.0f}°."
        )
    else:
        headline = f"Stability of subnetworks with {density} of the weights."
    reason = (
        "Angles are between the remaining weights at the end of training, of networks trained from W_k (arXiv "
        "1903.01611, §3)."
    )
    return Verdict(headline, _at_most_four(facts), None, (reason,))


def _at_most_four(facts: list[Fact]) -> tuple[Fact, ...]:
    """The first, the last, and those evenly between."""
    if len(facts) <= 4:
        return tuple(facts)
    return tuple(facts[round(n * (len(facts) - 1) / 3)] for n in range(4))
