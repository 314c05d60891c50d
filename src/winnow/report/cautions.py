"""What a reader must know before trusting a result: each caution is one sentence that says what it means."""

from __future__ import annotations

from collections.abc import Sequence

from winnow.experiments.experiment import TICKET
from winnow.findings import Findings
from winnow.report.asked import Departures, departures
from winnow.report.provenance import Provenance
from winnow.results import Results

FEW = 5
"""Replicates of the papers (LTH, arXiv 1803.03635, §2): with fewer, means move."""

_NAMED = 3
"""So many damaged results are named; the rest are counted."""

_THIN = 0.001
"""Below this density a layer hardly passes a signal."""


def run_cautions(results: Results, made: Provenance) -> list[str]:
    """The cautions about a run, the gravest first."""
    recipe = results.experiment.recipe
    cautions = [*_departed(departures(recipe)), *_incomplete(made), *_failed(made), *_damaged(results.damaged, "run")]
    cautions += _without_mask(results, made)
    cautions += _few(recipe.replicates)
    if results.smallest_matching is not None and recipe.matching.on == "test":
        cautions.append(
            f"The test set chose: which level is the smallest matching one was decided on test {results.score}, and "
            f"test {results.score} is what is reported of it, so that is slightly optimistic. With matching.on = "
            "‘validation’ held-out training examples decide instead."
        )
    cautions += _thin_layers(results)
    cautions += _cut(results)
    cautions += _of_other_lengths(results)
    cautions += _bounded(results)
    return cautions + _mixed(made)


def study_cautions(findings: Findings, made: Provenance) -> list[str]:
    """The cautions about a study, the gravest first."""
    recipe = findings.study.recipe
    lost = len(findings.study.comparisons) - len(findings.measured)
    cautions = [*_departed(_of_study(findings)), *_incomplete(made), *_failed(made)]
    cautions += _damaged(findings.damaged, findings.study.name)
    if lost and made.is_complete:
        cautions.append(f"{lost} of {len(findings.study.comparisons)} comparisons are not stored.")
    return cautions + _few(recipe.replicates, usual=3) + _mixed(made)


def _of_study(findings: Findings) -> Departures | None:
    """A study's own k, levels and replicates are no departures from its recipe."""
    found = departures(findings.study.recipe)
    if found is None:
        return None
    shortened = tuple(text for text in found.shortened if text.startswith("train.length"))
    return Departures(found.base, shortened, tuple(text for text in found.changed if not text.startswith("rewind")))


def _departed(found: Departures | None) -> list[str]:
    if found is None:
        return []
    cautions: list[str] = []
    if found.shortened:
        cautions.append(
            f"Shortened: {'; '.join(found.shortened)} in the bundled recipe {found.base}. This is no reproduction of "
            f"it."
        )
    if found.changed:
        cautions.append(f"Not the bundled recipe {found.base}: {'; '.join(found.changed)}.")
    return cautions


def _incomplete(made: Provenance) -> list[str]:
    if made.is_complete:
        return []
    missing = len(made.wanted) - made.stored - len(made.failures)
    return [
        f"Incomplete: {missing:,} of {len(made.wanted):,} trainings are not stored yet. Means are over those that "
        f"are, and a level with missing replicates is called incomplete. The same command goes on."
    ]


def _failed(made: Provenance) -> list[str]:
    if not made.failures:
        return []
    reasons = sorted({f"{failure.error}: {failure.message}" for _, failure in made.failures})
    shown = " ".join(reasons[:2])
    return [f"{len(made.failures)} trainings ended without a result, and are left out of every mean. {shown}"]


def _damaged(damaged: Sequence[str], command: str) -> list[str]:
    if not damaged:
        return []
    more = f" So are {len(damaged) - _NAMED} more." if len(damaged) > _NAMED else ""
    again = "it" if len(damaged) == 1 else "them"
    return [
        f"Damaged: {'. '.join(damaged[:_NAMED])}.{more} Left out; `winnow {command}` with the same options trains "
        f"{again} again."
    ]


def _without_mask(results: Results, made: Provenance) -> list[str]:
    """Trainings that are stored and cannot be placed."""
    lost = {manifest.key for manifest in made.manifests} - {each.row.trained.key for each in results.trainings}
    if not lost:
        return []
    said = "1 stored training is" if len(lost) == 1 else f"{len(lost)} stored trainings are"
    return [f"{said} left out, without a stored mask. `winnow run` with the same options makes what is missing."]


def _few(replicates: int, usual: int = FEW) -> list[str]:
    if replicates == 1:
        return [
            f"One replicate: nothing tells chance from effect, and there is no standard deviation. The papers use "
            f"{usual}."
        ]
    if replicates < usual:
        return [
            f"Few replicates: {replicates}, where the papers use {usual}. Intervals are wide, and ranks may change."
        ]
    return []


def _thin_layers(results: Results) -> list[str]:
    worst: dict[str, tuple[float, int]] = {}
    for training in results.trainings:
        if training.row.control == TICKET:
            for layer, density in training.layer_densities.items():
                worst[layer] = min(worst.get(layer, (1.0, 0)), (density, training.row.level))
    thin = {layer: place for layer, place in worst.items() if place[0] < _THIN}
    if not thin:
        return []
    named = ", ".join(f"{layer} ({100 * density:.2g} % at level {level})" for layer, (density, level) in thin.items())
    return [
        f"Near collapse: hardly any weight is left in {named}. What such a network learns says little about tickets."
    ]


def _cut(results: Results) -> list[str]:
    cut = [level for level in results.levels if level.cut is not None]
    if not cut:
        return []
    levels = ", ".join(str(level.level) for level in cut)
    return [
        f"Level{'s' * (len(cut) > 1)} {levels} trained to iteration {cut[0].cut:,} alone, to rank weights by "
        f"(prune.at): left out of accuracies."
    ]


def _of_other_lengths(results: Results) -> list[str]:
    """Controls and rivals train as long as they would if `retrain.length`, which is of tickets, were left out."""
    if results.experiment.recipe.retrain.length == "rest":
        return []
    lengths = {row.control: row.trained.length for row in results.experiment.rows if row.level}
    others = [
        f"{control} {length:,}"
        for control, length in lengths.items()
        if control != "dense-longer" and length != lengths[TICKET]
    ]
    if not others:
        return []
    return [
        f"Of other lengths: tickets trained {lengths[TICKET]:,} iterations (retrain.length), {', '.join(others)}. That "
        f"alone may tell them apart."
    ]


def _bounded(results: Results) -> list[str]:
    whole = [each for each in results.trainings if not each.row.is_cut(results.experiment.recipe)]
    at_end = [training for training in whole if training.curve.early_stop == training.curve.last]
    if len(at_end) < 0.1 * len(whole) or not at_end:
        return []
    return [
        f"In {len(at_end)} of {len(whole)} trainings the validation loss was least at the very end: they had not "
        f"finished learning, and their early-stop iteration is bounded by the length of training."
    ]


def _mixed(made: Provenance) -> list[str]:
    mixed = made.mixed()
    return [f"Results were made with different {' and '.join(mixed)}; see provenance."] if mixed else []
