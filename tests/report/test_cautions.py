"""What a reader is told before trusting a result, of constructed ones."""

from __future__ import annotations

from dataclasses import replace

import pytest

from winnow.experiments.experiment import TICKET
from winnow.report.cautions import run_cautions
from winnow.report.provenance import Provenance
from winnow.results import Results
from winnow.store import Manifest

from ..test_results import DENSE, results_of

WHOLE = Provenance((), (), (), 0)
"""Of a run in which nothing is missing."""


def beginning(word: str, results: Results) -> list[str]:
    return [caution for caution in run_cautions(results, WHOLE) if caution.startswith(word)]


@pytest.mark.parametrize("ended, told", [(0, []), (1, []), (2, ["In 2 of 20 trainings"])])
def test_trainings_that_had_not_finished_learning_are_told_from_a_tenth_on(ended: int, told: list[str]) -> None:
    found = results_of({DENSE: [0.9] * 5, **{(TICKET, level): [0.9] * 5 for level in (1, 2, 3)}})
    for training in found.trainings[:ended]:
        training.curve.rows[40]["validation_loss"] = 0.1
    assert [
        caution.partition(" the validation loss was least at the very end")[0] for caution in beginning("In ", found)
    ] == told


@pytest.mark.parametrize("replicates, told", [(1, "One replicate"), (4, "Few replicates"), (5, None)])
def test_fewer_replicates_than_the_papers_have_are_told(replicates: int, told: str | None) -> None:
    found = results_of({DENSE: [0.9] * replicates})
    cautions = [*beginning("One replicate", found), *beginning("Few replicates", found)]
    assert [caution.partition(":")[0] for caution in cautions] == ([told] if told else [])


def test_a_layer_that_is_close_to_empty_is_named_where_it_is_thinnest() -> None:
    found = results_of({DENSE: [0.9], **{(TICKET, level): [0.9] for level in (1, 2, 3)}})
    thin = {1: 0.5, 2: 0.0009, 3: 0.0004}
    layers = (
        {**each.layer_densities, "fc2.weight": thin[each.row.level]} if each.row.level else {}
        for each in found.trainings
    )
    trainings = tuple(replace(each, layer_densities=own) for each, own in zip(found.trainings, layers, strict=True))
    (caution,) = beginning("Near collapse", replace(found, trainings=trainings))
    assert "in fc2.weight (0.04 % at level 3)." in caution


def test_that_the_test_set_chose_is_told_unless_validation_did() -> None:
    values = {DENSE: [0.9] * 5, (TICKET, 1): [0.9] * 5}
    assert len(beginning("The test set chose", results_of(values))) == 1
    assert not beginning("The test set chose", results_of(values, on="validation"))
    assert not beginning("The test set chose", results_of({**values, (TICKET, 1): [0.1] * 5}))


def test_results_of_several_versions_or_machines_are_told() -> None:
    one = {"winnow": "0.1.0", "torch": "2.11.0", "system": "Linux x86_64", "gpu": None}

    def mixed(**other: str) -> list[str]:
        made = [
            Manifest(key=key, kind="train", schema=1, content="full", step={}, inputs={}, files={}, made=made)
            for key, made in (("a", one), ("b", {**one, **other}))
        ]
        return Provenance((), tuple(made), (), 0).mixed()

    assert mixed() == []
    assert mixed(torch="2.12.0") == ["PyTorch"]
    assert mixed(winnow="0.2.0", gpu="NVIDIA H100") == ["Winnow", "GPUs"]
