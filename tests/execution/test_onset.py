from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from tests.execution.conftest import RECIPE, Record, Spans
from winnow.cli.study_tables import onset_report
from winnow.errors import RecipeError, StepFailure
from winnow.execution.estimate import remaining
from winnow.execution.executor import Executor
from winnow.execution.onset import Cost, find_onset, study_at
from winnow.execution.run import run
from winnow.execution.studies import Studied, run_study
from winnow.experiments import Study, imp
from winnow.experiments.search import Judgement
from winnow.findings import Findings, gather
from winnow.store import Failure, Making, Store

TINY = RECIPE.edited({"rewind": "auto", "deterministic": False, "onset.until": "12it", "onset.resolution": 2.0})
GRID = (0, 1, 2, 3, 6, 12)


@pytest.fixture
def seconds() -> float:
    """How long a test may take: every line between two networks is evaluated at 30 points."""
    return 90


@pytest.fixture(scope="module")
def grid(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Findings]:
    """A store in which every k of the grid was looked at."""
    store = tmp_path_factory.mktemp("grid")
    study = study_at(TINY.edited({"rewind": "0it"}), GRID)
    return store, run_study(study, Executor(Store(store))).findings


def test_the_search_says_of_each_k_what_the_whole_grid_says(grid: tuple[Path, Findings], tmp_path: Path) -> None:
    _, findings = grid
    onset = find_onset(TINY.edited({"onset.threshold": 5.0}), Executor(Store(tmp_path)))
    assert onset.grid == GRID
    for judgement in onset.judgements:
        whole = findings.finding("instability", "dense", judgement.k, "test_barrier")
        assert whole is not None
        assert judgement.values == pytest.approx(whole.spread.values, abs=2e-3)  # other lanes beside: other rounding


def test_the_search_trains_less_than_the_grid_and_says_how_much(tmp_path: Path, spans: Spans) -> None:
    onset = find_onset(TINY.edited({"onset.threshold": 5.0}), Executor(Store(tmp_path)))
    assert spans.iterations == onset.spent.iterations
    assert len(onset.judgements) <= len(GRID) / 2
    dense, children = 2 * 24, 2 * sum(24 - k for k in GRID)  # at k = 0 too: a child under the second noise
    assert onset.grid_cost == Cost(2 + 2 * len(GRID), dense + children)
    assert onset.spent.iterations < onset.grid_cost.iterations / 1.5


def test_a_search_in_a_store_that_has_it_all_trains_nothing(grid: tuple[Path, Findings], spans: Spans) -> None:
    store, _ = grid
    onset = find_onset(TINY.edited({"onset.threshold": 5.0}), Executor(Store(store)))
    assert (onset.spent, onset.grid_cost, spans.iterations) == (Cost(), Cost(), 0)


def test_replicates_are_added_where_the_interval_is_not_clear(tmp_path: Path) -> None:
    unclear = TINY.edited({"onset.threshold": 5.0, "onset.until": "1it", "onset.most_replicates": 4})
    onset = find_onset(unclear, Executor(Store(tmp_path)))
    for judgement in onset.judgements:
        assert judgement.is_clear or len(judgement.values) == 4


def test_replicates_are_doubled_until_the_interval_is_clear(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    def run_study(study: Study, executor: Executor, **options: Any) -> Studied:
        asked.append(study.recipe.replicates)
        return Studied(gather(study, executor.store), {})

    def judged(findings: Findings, k: int, limit: float) -> Judgement:
        count = findings.study.recipe.replicates
        return Judgement(k, (0.0,) * count if count == 4 else (0.0, 1.0), 0.4)

    monkeypatch.setattr("winnow.execution.onset.run_study", run_study)
    monkeypatch.setattr("winnow.execution.onset._judged", judged)
    once = TINY.edited({"onset.until": "1it", "onset.resolution": 100.0, "onset.most_replicates": 9})
    onset = find_onset(once, Executor(Store(tmp_path)))
    assert asked == [2, 4] and onset.k == 0


def test_a_k_that_is_judged_by_those_replicates_that_did_not_diverge_is_told(tmp_path: Path) -> None:
    recipe = TINY.edited({"onset.threshold": 100.0, "onset.until": "1it"})
    store, study = Store(tmp_path), study_at(recipe.edited({"rewind": "0it"}), [0])
    [child] = [child.trained for child in study.children if (child.replicate, child.sample) == (1, 1)]
    store.put_failure(child, Failure("Diverged", "the loss is not finite"), making=Making())
    onset = find_onset(recipe, Executor(store))
    [judgement] = onset.judgements
    assert (judgement.k, len(judgement.values), judgement.missing, judgement.asked) == (0, 1, 1, 2)
    out = io.StringIO()
    Console(file=out, width=200).print(onset_report(onset))
    told = out.getvalue()
    assert "At k = 0, 1 of 2 comparisons are missing, since a training failed: the others decided." in told
    assert "Stability is taken to last once it has set in: the k that were not tried may tell otherwise." in told


@pytest.mark.parametrize("by", ["pruning", "data-order"])
def test_stability_of_subnetworks_can_be_what_is_asked_for(tmp_path: Path, by: str) -> None:
    recipe = TINY.edited({"onset.by": by, "onset.density": 0.64, "onset.threshold": 180.0, "onset.until": "1it"})
    onset = find_onset(recipe, Executor(Store(tmp_path)))
    assert onset.k == 0  # every angle is below 180 degrees
    assert all(0 < value < 180 for judgement in onset.judgements for value in judgement.values)


def test_auto_finds_tickets_at_the_onset_and_says_why_there(tmp_path: Path) -> None:
    record = Record()
    found = run(TINY.edited({"onset.threshold": 100.0}), store=tmp_path, reporter=record)
    assert found.onset is not None and found.onset.k == 0
    assert {level.level for level in found.results.levels} == {0, 1, 2}
    assert str(found.recipe.rewind) == "0it"
    plain = imp(found.recipe)
    assert remaining(Executor(Store(tmp_path)).plan(plain.targets()), Store(tmp_path)) == {}


def test_where_nothing_is_stable_the_run_ends_with_what_was_measured(tmp_path: Path) -> None:
    recipe = TINY.edited({"onset.threshold": 1e-9, "onset.by": "data-order", "onset.density": 0.64})
    with pytest.raises(RecipeError, match=r"no k up to 12it of training \(12it\) is stable: the angle of stability to"):
        run(recipe, store=tmp_path)


def test_where_every_training_diverges_the_search_says_so(tmp_path: Path) -> None:
    recipe = TINY.edited({"optimizer.learning_rate": 1e30, "train.evaluate": "4it"})
    with pytest.raises(StepFailure, match=r"nothing could be measured at k = .*not finite"):
        find_onset(recipe, Executor(Store(tmp_path)))


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"onset.until": "100%"}, r"onset.until is 100%, iteration 24; k lies between 0 and 24it, the end"),
        ({"onset.until": "0it"}, r"onset.until is 0it, iteration 0"),
        ({"onset.by": "pruning"}, r"onset by 'pruning' needs a density, .* and a threshold in degrees"),
        ({"onset.resolution": 1.0}, r"onset.resolution: expected greater than 1"),
    ],
)
def test_settings_that_mean_nothing_are_refused(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        find_onset(TINY.edited(changes), Executor(Store(tmp_path)))


def test_other_steps_ask_for_k() -> None:
    with pytest.raises(RecipeError, match=r"rewind is 'auto', so k is not known until its onset has been found"):
        imp(TINY)


def test_a_judgement_shows_its_unit() -> None:
    from winnow.execution.onset import shown

    assert shown(TINY, Judgement(0, (0.05, 0.07), 0.02)) == "the error barrier is 6.00 points"
