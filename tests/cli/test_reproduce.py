"""`winnow reproduce`: published numbers beside ours."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from winnow import reproductions
from winnow.errors import MissingResult
from winnow.experiments import instability
from winnow.experiments.experiment import TICKET
from winnow.experiments.study import nearest_level
from winnow.findings import Findings, Measured
from winnow.recipes import read
from winnow.report.reproduction import compared, comparison_table
from winnow.reproductions import Claim, Reproduction, names, published
from winnow.reproductions.measures import MEASURES, measured
from winnow.results import Results
from winnow.store import Store
from winnow.timeline import Amount

from ..test_results import DENSE, results_of
from .conftest import EDITS, Winnow


def claim(measure: str, paper: float = 0.0, **fields: Any) -> Claim:
    return Claim(what=measure, where="here", measure=measure, paper=paper, unit="%", **fields)


@pytest.mark.parametrize("name", names())
def test_every_published_number_is_of_something_its_recipe_measures(name: str) -> None:
    reproduction = published(name)
    recipe = reproduction.whole_recipe
    assert recipe.name == reproduction.recipe and "arXiv" in reproduction.source
    if reproduction.study is not None:
        study = reproduction.study_of(recipe)
        asked = {(each.quantity, each.network, each.k) for each in study.comparisons}
        trained = {(each.network, each.k) for each in study.children}
        for each in reproduction.claims:
            assert (each.network, each.k) in trained
            assert each.quantity is None or (each.quantity, each.network, each.k) in asked
        return
    for each in reproduction.claims:
        assert each.measure in MEASURES
        assert each.control is None or each.control in recipe.control
        wanted = each.paper / 100 if each.must_be == "within levels" else each.density
        if wanted is not None:
            level, density = nearest_level(recipe, wanted)
            assert level <= recipe.levels and density == pytest.approx(wanted, rel=0.03)


RESULTS: Mapping[tuple[str, int], list[float]] = {
    DENSE: [0.90, 0.91, 0.92],
    (TICKET, 1): [0.91, 0.92, 0.93],
    (TICKET, 2): [0.90, 0.92, 0.91],
    (TICKET, 3): [0.70, 0.75, 0.80],
    ("reinit", 1): [0.85, 0.86, 0.87],
    ("reinit", 2): [0.80, 0.81, 0.82],
    ("reinit", 3): [0.70, 0.71, 0.72],
}


@pytest.fixture
def results() -> Results:
    return results_of(RESULTS)


@pytest.mark.parametrize(
    "wanted, value, level",
    [
        (claim("accuracy"), 91.0, None),
        (claim("accuracy", density=0.64), 91.0, None),
        (claim("accuracy", density=0.64, at="early-stop"), 92.0, None),
        (claim("best accuracy"), 92.0, None),
        (claim("gain", density=0.8), 1.0, None),
        (claim("gain over control", density=0.8, control="reinit"), 6.0, None),
        (claim("sooner", density=0.8), 0.0, None),  # every curve of results_of stops at 20
        (claim("times faster", density=0.8), 1.0, None),
        (claim("times faster than control", density=0.8, control="reinit"), 1.0, None),
        (claim("falls from"), 51.2, 3),
        (claim("falls from", control="reinit"), 80.0, 1),
    ],
)
def test_what_is_measured(results: Results, wanted: Claim, value: float, level: int | None) -> None:
    found = measured(wanted, results)
    assert found.value == pytest.approx(value)
    assert found.level == level


def reproduction(*claims: Claim) -> Reproduction:
    return Reproduction(
        name="digits", title="Digits", source="arXiv 0", recipe="digits", claims=claims,
        edits={"levels": 3, "replicates": 3},
    )  # fmt: skip


@pytest.mark.parametrize(
    "wanted, edits, verdict",
    [
        (claim("accuracy", 91.3, tolerance=0.4), {}, "reproduced"),
        (claim("accuracy", 91.5, tolerance=0.4), {}, "not reproduced"),
        (claim("gain", 0.9, must_be="at least", density=0.8), {}, "reproduced"),
        (claim("gain", 1.1, must_be="at least", density=0.8), {}, "not reproduced"),
        (claim("gain", 0.9, must_be="at most", density=0.8), {}, "not reproduced"),
        (claim("falls from", 41.45, must_be="within levels", tolerance=1), {}, "reproduced"),
        (claim("falls from", 41.45, must_be="within levels", tolerance=0), {}, "not reproduced"),
        (claim("accuracy", 1.0, density=0.01), {}, "not yet"),
        (claim("accuracy", 91.0, tolerance=0.4), {"train.length": "30it"}, "agrees, shortened"),
        (claim("accuracy", 80.0, tolerance=0.4), {"train.length": "30it"}, "differs, shortened"),
        (claim("accuracy", 91.0, tolerance=0.4), {"optimizer.learning_rate": 0.1}, "agrees, shortened"),
    ],
)
def test_a_verdict_needs_the_whole_recipe(
    results: Results, wanted: Claim, edits: dict[str, object], verdict: str
) -> None:
    paper = reproduction(wanted)
    found = compared(paper, paper.whole_recipe.edited(edits), results)
    assert [row[-1] for row in comparison_table(found).rows] == [verdict]
    assert found.has_departed == bool(edits)
    assert found.summary.startswith(
        "This is no reproduction: " if edits else ("0 of 1" if "not" in verdict else "1 of 1")
    )


def test_a_level_without_all_its_replicates_is_not_compared() -> None:
    partial = results_of({**RESULTS, (TICKET, 1): [0.9]})
    paper = reproduction(claim("gain", density=0.8), claim("falls from"))
    found = compared(paper, paper.whole_recipe, partial)
    assert [line.missing for line in found.lines] == [
        "ticket at 80 %: 1 of 3 replicates",
        "ticket, level 1: 1 of 3 replicates",
    ]
    assert found.summary.endswith("2 cannot be compared yet.")


def study_findings(*, pairs: int, early_pairs: int = 0, trainings: int) -> Findings:
    """An instability study of 9 pairs at the end, 9 at a tenth and 9 trainings, of which so many are stored."""
    recipe = read("digits").edited({"train.length": "200it", "replicates": 3})
    study = instability(recipe, at=[Amount.parse("0it")], samples=3, early=[0.1])
    at_end = [each for each in study.comparisons if each.stop == 200]
    at_tenth = [each for each in study.comparisons if each.stop == 20]
    line = [{"position": x, "train_error": e, "test_error": e} for x, e in ((0.0, 0.0), (0.5, 0.1), (1.0, 0.0))]
    stored = tuple(Measured(each, tuple(line)) for each in [*at_end[:pairs], *at_tenth[:early_pairs]])
    return Findings(study, stored, tuple((child, 0.9) for child in study.children[:trainings]))


BARRIER = {"quantity": "instability", "network": "dense", "metric": "test_barrier", "k": 0}


@pytest.mark.parametrize(
    "stored, fields, said",
    [
        ({"pairs": 9, "trainings": 0}, BARRIER, 10.0),
        ({"pairs": 8, "early_pairs": 9, "trainings": 9}, BARRIER, "dense, k = 0: 8 of 9 comparisons"),
        ({"pairs": 0, "early_pairs": 9, "trainings": 9}, BARRIER, "dense, k = 0 is not stored"),
        ({"pairs": 0, "trainings": 9}, {"network": "dense", "k": 0}, 90.0),
        ({"pairs": 9, "trainings": 7}, {"network": "dense", "k": 0}, "dense, k = 0: 7 of 9 trainings"),
        ({"pairs": 9, "trainings": 0}, {"network": "dense", "k": 0}, "dense, k = 0 is not stored"),
    ],
)
def test_a_study_is_compared_once_all_its_comparisons_are_stored(
    stored: dict[str, int], fields: dict[str, Any], said: float | str
) -> None:
    findings = study_findings(**stored)
    if isinstance(said, str):
        with pytest.raises(MissingResult, match=said):
            measured(claim("study", **fields), findings)
    else:
        assert measured(claim("study", **fields), findings).value == pytest.approx(said)


def test_a_finding_is_of_the_end_of_training_even_where_only_an_earlier_iteration_is_stored() -> None:
    findings = study_findings(pairs=0, early_pairs=9, trainings=9)
    assert findings.finding("instability", "dense", 0, "test_barrier") is None
    assert findings.finding("instability", "dense", 0, "test_barrier", stop=20) is not None


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    """A reproduction of a tiny recipe, in place of the papers'."""
    paper = reproduction(claim("accuracy", 50.0, tolerance=50.0), claim("gain", density=0.5542, must_be="at least"))
    paper = Reproduction(
        name="tiny", title="Tiny", source=paper.source, recipe="digits", claims=paper.claims, edits=dict(EDITS)
    )
    monkeypatch.setattr(reproductions, "published", lambda name: paper)


def test_what_is_missing_is_trained_compared_and_put_on_a_page(tiny: None, winnow: Winnow, tmp_path: Path) -> None:
    store, page = tmp_path / "store", tmp_path / "page.html"
    said = winnow("reproduce", "tiny", "--store", store, "--dry-run")
    assert said.out.startswith("10 trainings to run, 400 iterations; 0 results of trainings are stored.")
    assert not store.exists()
    said = winnow("reproduce", "tiny", "--store", store, "--stored", "--out", page)
    assert said.code == 1 and f"there is no store at {store}" in said.err and not store.exists()
    said = winnow("reproduce", "tiny", "--store", Store(store).root, "--stored", "--out", page)
    assert "0 of 2 published numbers are reproduced. 2 cannot be compared yet." in said.out
    said = winnow("reproduce", "tiny", "--store", store, "--out", page, "--progress", "quiet")
    assert said.code == 0, said.err
    assert "of 2 published numbers are reproduced." in said.out
    assert "of 2 published numbers are reproduced." in page.read_text("utf-8")
    shorter = winnow(
        "reproduce", "tiny", "--train.length", "20it", "--store", store, "--out", page, "--progress", "quiet"
    )
    assert "This is no reproduction: train.length 20it instead of 40it." in shorter.out.replace("\n", " ")


def test_the_reproductions_are_listed_and_an_unknown_one_is_named(winnow: Winnow) -> None:
    listed = winnow("reproduce").out
    assert all(name in listed for name in ("lenet-mnist-stability", "conv2-cifar10", "resnet18-cifar10-warmup"))
    said = winnow("reproduce", "lenet-minst")
    assert said.code == 2 and "unknown reproduction 'lenet-minst'. Did you mean 'lenet-mnist'?" in said.err
    both = winnow("reproduce", "lenet-mnist", "--dry-run", "--stored")
    assert both.code == 2 and "Give one of them." in both.err


def test_the_table_is_exact_in_csv(results: Results) -> None:
    paper = reproduction(claim("accuracy", 91.3, tolerance=0.4))
    text = comparison_table(compared(paper, paper.whole_recipe, results)).to_csv()
    (row,) = csv.DictReader(io.StringIO(text))
    assert (row["paper"], row["tolerance"], row["replicates"], row["verdict"]) == ("91.3", "0.4", "3", "reproduced")
    assert float(row["ours"]) == pytest.approx(91.0)
