"""Studies in a store: they are recorded, widened, made again, and what they measured is kept."""

from __future__ import annotations

from pathlib import Path

import pytest

from winnow.errors import RecipeError, UnknownName
from winnow.experiments import instability, stability
from winnow.recipes import read
from winnow.store import Store
from winnow.store.studies import read_study, record_study, study_files, study_identity
from winnow.timeline import Amount

RECIPE = read("digits").edited({"replicates": 2, "levels": 3})


def ks(*written: str) -> list[Amount]:
    return [Amount.parse(each) for each in written]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def test_a_study_read_back_asks_for_the_same_steps(store: Store) -> None:
    study = instability(RECIPE, at=ks("0it", "10%"), density=0.3, samples=3, early=[0.5], with_random=True)
    record_study(store, study)
    (again,) = map(read_study, study_files(store))
    assert [each.step.key for each in again.comparisons] == [each.step.key for each in study.comparisons]
    assert again.targets() == study.targets()


def test_other_rewind_points_and_replicates_widen_a_study_and_other_settings_make_another(store: Store) -> None:
    record_study(store, stability(RECIPE, density=0.107, at=ks("0it")))
    record_study(store, stability(RECIPE.edited({"replicates": 4}), density=0.11, at=ks("10%")))
    (study,) = map(
        read_study, study_files(store)
    )  # 10 % of 300 iterations are 30, and 10.7 and 11 % are the same level
    assert study.settings["at"] == ["0it", "30it"]
    assert study.recipe.replicates == 4
    record_study(store, stability(RECIPE, density=0.107, at=ks("0it"), samples=2))
    record_study(store, stability(RECIPE.edited({"train.length": "200it"}), density=0.107, at=ks("0it")))
    assert len({study_identity(study) for study in map(read_study, study_files(store))}) == 3


@pytest.mark.parametrize(
    "content, error, message",
    [
        ("study = 'luck'\nat = []\n[recipe]\n", UnknownName, "unknown study 'luck'"),
        ("at = [", RecipeError, "is not the record of a study"),
        ("study = 'stability'\nat = ['0it']\n[recipe]\nlevles = 2\n", RecipeError, "levles"),
        (
            "study = 'stability'\nat = ['0it']\ncolour = 1\n[recipe]\n",
            RecipeError,
            "a setting that 'stability' does not",
        ),
    ],
)
def test_a_damaged_record_is_named(store: Store, content: str, error: type[Exception], message: str) -> None:
    path = store.root / "studies" / "x.toml"
    path.parent.mkdir()
    path.write_text(content)
    with pytest.raises(error, match=message):
        read_study(path)
