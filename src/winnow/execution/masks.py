"""Measure the masks of a run that is stored. Nothing is trained."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import count

from torch import Tensor

from winnow.anatomy import Anatomy, MaskRecord, Relation
from winnow.errors import MissingResult
from winnow.execution.examples import trial_batch
from winnow.execution.executor import Executor
from winnow.execution.training import starting_state
from winnow.experiments import Experiment, Row
from winnow.experiments.experiment import TICKET
from winnow.pruning import Mask
from winnow.pruning.overlap import Packed, Shared, chance, together
from winnow.pruning.units import units
from winnow.steps import Alter, Content, Init, Prune, Step, Train
from winnow.store import Store


@dataclass(frozen=True)
class _Found:
    """A stored mask, and where it stands."""

    row: Row
    packed: Packed
    density: float


def anatomy(experiment: Experiment, store: Store, *, identity: str) -> Anatomy:
    """What the stored masks of an experiment say; those that are missing are left out and counted.

    Masks under other noise are not part of a run. Where a study has left networks trained under other samples of
    noise (`winnow stability`, `winnow instability`), they are pruned here, and the masks stored. Of a network that was
    handed over from Python and is not here, its units are not counted.
    """
    records: list[MaskRecord] = []
    found: list[_Found] = []
    missing = without_states = 0
    same: set[str] = set()
    tickets = {row.mask for row in experiment.rows if row.control == TICKET}
    for row in experiment.rows:
        if row.mask is None:
            continue
        if row.control != TICKET and row.mask in tickets:
            same.add(row.control)
            if store.has(row.trained, Content.WEIGHTS):
                records += _signs(experiment, identity, row, store.mask(row.mask), store)
            continue
        try:
            mask = store.mask(row.mask)
        except MissingResult:
            missing += 1
            continue
        found.append(_Found(row, Packed(mask), mask.density))
        records += _of_one(experiment, identity, row, mask, store)
        if store.has(row.trained, Content.WEIGHTS):
            records += _signs(experiment, identity, row, mask, store)
        else:
            without_states += 1
    for relation, first, second in _pairs(found):
        shared = first.packed.shared(second.packed)
        records += _of_two(experiment, identity, relation, first, second.row, None, shared)
    for first, sample, packed in _under_other_noise(found, experiment, store):
        records += _of_two(experiment, identity, "noise", first, first.row, sample, first.packed.shared(packed))
    is_here = all(row.trained.course.network.is_here for row in experiment.rows)
    return Anatomy(experiment, identity, tuple(records), missing, without_states, frozenset(same), is_here)


def _of_one(experiment: Experiment, identity: str, row: Row, mask: Mask, store: Store) -> Iterator[MaskRecord]:
    """Densities and dead units."""

    def record(layer: str, metric: str, value: float) -> MaskRecord:
        place = (identity, experiment.recipe.name, "", row.control, row.replicate, row.level, mask.density)
        return MaskRecord(*place, "", None, None, None, layer, metric, value)

    course = row.trained.course
    yield record("", "density", mask.density)
    for layer, density in mask.layer_densities().items():
        yield record(layer, "density", density)
    values = _initial(row, store)
    if values is None or not course.network.is_here:
        return
    counted = units(course.network.build(), values, mask, trial_batch(course)[0][:1])
    for layer in [layer for layer in mask if layer in counted]:  # embeddings, say, compute no units
        of_layer = counted[layer]
        yield record(layer, "units", float(of_layer.count))
        yield record(layer, "no_incoming", float((~of_layer.incoming).sum()))
        yield record(layer, "no_outgoing", float((~of_layer.outgoing).sum()))
        yield record(layer, "dead", float(of_layer.dead))
        yield record(layer, "weights_per_unit", of_layer.weights / of_layer.count)


def _signs(experiment: Experiment, identity: str, row: Row, mask: Mask, store: Store) -> Iterator[MaskRecord]:
    """Of the remaining weights, which fraction ended with the sign that it was initialized with."""
    initial = _initial(row, store)
    if initial is None:
        return
    trained = store.state(row.trained).values()
    agreeing = {
        name: int((trained[name][kept].sign() == initial[name][kept].sign()).sum()) for name, kept in mask.items()
    }
    counts = {name: int(kept.sum()) for name, kept in mask.items()}
    for layer, agree, of in (
        ("", sum(agreeing.values()), sum(counts.values())),
        *((name, agreeing[name], counts[name]) for name in mask),
    ):
        if of:
            place = (identity, experiment.recipe.name, "", row.control, row.replicate, row.level, mask.density)
            yield MaskRecord(*place, "", None, None, None, layer, "sign_agreement", agree / of)


def _initial(row: Row, store: Store) -> Mapping[str, Tensor] | None:
    """W_0 of a training: the values that the first of the trainings behind it began with, altered where they were.

    None where they are not stored and the network, which would draw them, was handed over and is not here.
    """
    origin = row.trained.origin
    while isinstance(origin, Train):
        origin = origin.origin
    drawn = origin.origin if isinstance(origin, Alter) else origin
    if isinstance(drawn, Init) and not (drawn.network.is_here or store.has(drawn, Content.WEIGHTS)):
        return None
    return starting_state(origin, store).values()


def _of_two(
    experiment: Experiment,
    identity: str,
    relation: Relation,
    first: _Found,
    second: Row,
    sample: int | None,
    shared: Mapping[str, Shared],
) -> Iterator[MaskRecord]:
    """The overlap, and what chance gives: of all layers together, and of each where levels are the same."""
    row = first.row
    place = (identity, experiment.recipe.name, relation, row.control, row.replicate, row.level, first.density)
    other = (second.control, second.replicate, second.level, sample)
    layers = {name: [each] for name, each in shared.items()} if relation != "levels" else {}
    for layer, each in {"": list(shared.values()), **layers}.items():
        expected = chance(each)
        yield MaskRecord(*place, *other, layer, "jaccard", together(each).jaccard)
        yield MaskRecord(*place, *other, layer, "chance_jaccard", expected.mean)
        yield MaskRecord(*place, *other, layer, "chance_std", expected.std)


def _pairs(found: list[_Found]) -> Iterator[tuple[Relation, _Found, _Found]]:
    """The masks that differ in one thing alone: the later level first, tickets before controls."""
    for number, first in enumerate(found):
        for second in found[number + 1 :]:
            one, other = first.row, second.row
            is_same = (one.control == other.control, one.replicate == other.replicate, one.level == other.level)
            if is_same == (True, False, True):
                yield "replicates", first, second
            elif is_same == (True, True, False):
                yield ("levels", second, first) if other.level > one.level else ("levels", first, second)
            elif is_same == (False, True, True):
                yield ("controls", second, first) if other.control == TICKET else ("controls", first, second)


def _under_other_noise(
    found: list[_Found], experiment: Experiment, store: Store
) -> Iterator[tuple[_Found, int, Packed]]:
    """The masks that the tickets' predecessors would have given, trained from the same W_k under other noise."""
    executor = Executor(store, keep_all=True)
    for each in found:
        mask = each.row.mask
        if each.row.control != TICKET or not isinstance(mask, Prune) or not isinstance(mask.trained, Train):
            continue
        for sample in count(1):
            child = _under(mask.trained, sample, experiment, each.row.replicate)
            pruned: Step = replace(mask, trained=child)
            can_be_made = store.has(child, Content.WEIGHTS) and child.course.network.is_here
            if not (store.has(pruned, Content.METRICS) or can_be_made):
                break
            executor.run({pruned: Content.METRICS})
            if store.has(pruned, Content.METRICS):
                yield each, sample, Packed(store.mask(pruned))


def _under(trained: Train, sample: int, experiment: Experiment, replicate: int) -> Train:
    """A training from W_k under another sample of noise; the dense network's branches off at W_k, as a study's does."""
    noise = replace(trained.noise, sample=sample)
    point = experiment.rewind_points[replicate]
    if trained.mask is None and isinstance(point, Train):
        return replace(trained, origin=point, start=point.stop, noise=noise)
    return replace(trained, noise=noise)
