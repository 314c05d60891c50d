"""The recipes for ImageNet from end to end, on a folder of small JPEGs and with narrow networks."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest
import torch

from winnow.cli import main
from winnow.data import corrupt
from winnow.data.packed import pack
from winnow.data.tree import tree
from winnow.errors import DataError, RecipeError
from winnow.execution.examples import splits
from winnow.execution.reporting import Silent
from winnow.execution.run import Run, run
from winnow.experiments import imp
from winnow.recipe import Recipe
from winnow.recipes import read
from winnow.steps import Train
from winnow.store import Store

from .photographs import cut_short, photographs

# Two iterations an epoch: 24 training images, of which 4 are held out.
SMALL: dict[str, Any] = {
    "data.validation": 4,
    "data.size": 32,
    "train.batch": 10,
    "train.length": "3ep",
    "train.evaluate": "4it",
    "rewind": "1ep",
    "replicates": 1,
}
NETWORKS: dict[str, dict[str, Any]] = {
    "resnet50-imagenet": {
        "model.name": "imagenet-resnet-50-2",
        "schedule.warmup": "1it",
        "schedule.drops": ["4it"],
        "optimizer.learning_rate": 0.05,
    },
    "inception3-imagenet": {"model.name": "inception-3-2", "data.size": 75, "train.length": "2ep", "rewind": "1it"},
    "squeezenet-imagenet": {"model.name": "squeezenet-4", "optimizer.learning_rate": 0.01},
}


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WINNOW_DATA", str(tmp_path / "cache"))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    tree.cache_clear()
    splits.cache_clear()  # the same images elsewhere are the same data
    return photographs(tmp_path / "images")


def small(name: str, root: Path, **changes: Any) -> Recipe:
    edits = {path.replace("__", "."): value for path, value in changes.items()}
    return read(name).edited({"data.name": f"folder:{root}", **SMALL, **NETWORKS[name], **edits})


@pytest.mark.parametrize("name", NETWORKS)
def test_a_recipe_goes_from_the_dense_network_to_a_verdict_on_tickets_pruned_in_one_shot(
    name: str, root: Path, tmp_path: Path
) -> None:
    found = run(small(name, root), store=tmp_path / "store")
    assert not found.failures
    assert [level.level for level in found.results.levels] == [0, 1, 2, 3]
    assert [level.density for level in found.results.levels] == pytest.approx([1, 0.7, 0.5, 0.3], abs=1e-3)
    k, stop = (1, 4) if name == "inception3-imagenet" else (2, 6)
    assert found.rewind_point().iteration == k
    for training in found.results.trainings:
        assert training.curve.last == stop
        assert all(torch.tensor(list(row.values())).isfinite().all() for row in training.curve.rows.values())
    ticket = found.ticket(level=3)
    assert ticket.provenance["k"] == k
    for level in (1, 2):  # of the same dense network, one in another
        assert all((kept <= found.mask(level)[path]).all() for path, kept in found.mask(level + 1).items())


def test_a_small_network_and_its_tickets_learn_the_classes_of_a_folder(root: Path, tmp_path: Path) -> None:
    edits = {"data.name": f"folder:{root}", "data.validation": 4, "data.size": 16, "data.augment": ["resized-crop"]}
    recipe = read("digits").edited({**edits, "train.batch": 10, "train.length": "40it", "levels": 2, "replicates": 1})
    found = run(recipe.edited({"model.name": "lenet-20", "control": []}), store=tmp_path / "store")
    assert [training.curve.rows[40]["test_accuracy"] for training in found.results.trainings] == [1, 1, 1]


def test_the_command_runs_on_a_packed_file_and_says_which_level_matches(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["data", "pack", str(root), "--out", str(tmp_path / "file"), "--size", "36"]) == 0
    assert f"{tmp_path}/file: 36 images" in capsys.readouterr().out.replace("\n", "")
    edits = SMALL | NETWORKS["squeezenet-imagenet"] | {"data.name": f"packed:{tmp_path}/file"}
    words = [word for path, value in edits.items() for word in (f"--{path}", str(value))]
    assert main(["run", "squeezenet-imagenet", *words, "--store", str(tmp_path / "store")]) == 0
    out = capsys.readouterr().out
    assert all(density in out for density in ("70.00 %", "50.00 %", "30.00 %"))
    assert "match" in out
    assert main(["plan", "squeezenet-imagenet", *words, "--store", str(tmp_path / "store")]) == 0
    assert "Everything is stored" in capsys.readouterr().out


def test_winnow_plan_times_a_recipe_for_images_without_reading_one(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for file in (root / "train").glob("*/*.jpg"):
        file.write_bytes(b"not an image")
    edits = SMALL | NETWORKS["squeezenet-imagenet"] | {"data.name": f"folder:{root}"}
    words = [word for path, value in edits.items() for word in (f"--{path}", str(value))]
    assert main(["plan", "squeezenet-imagenet", *words, "--store", str(tmp_path / "store")]) == 0
    assert "timed just now on synthetic data of the same shape" in capsys.readouterr().out


class Interrupting(Silent):
    """Presses Ctrl-C when a training has got to an iteration."""

    def __init__(self, at: int) -> None:
        self.at = at

    def training(self, steps: Any, iteration: int, metrics: Any = None) -> None:
        if iteration == self.at:
            os.kill(os.getpid(), signal.SIGINT)


@pytest.mark.parametrize("at", [1, 3, 5])
def test_a_run_interrupted_in_mid_epoch_ends_with_the_same_bits_as_one_left_alone(
    root: Path, tmp_path: Path, at: int
) -> None:
    changes = {"levels": 1, "prune__densities": [0.5], "deterministic": True, "train__evaluate": "1it"}
    recipe = small("squeezenet-imagenet", root, **changes)
    alone = run(recipe, store=tmp_path / "alone")
    with pytest.raises(KeyboardInterrupt):
        run(recipe, store=tmp_path / "store", reporter=Interrupting(at))
    assert list((tmp_path / "store" / "progress").glob("*"))
    resumed = run(recipe, store=tmp_path / "store")
    assert_same_bits(alone, resumed)


def assert_same_bits(one: Run, other: Run) -> None:
    for row in one.experiment.rows:
        states = [each.store.state(row.trained) for each in (one, other)]
        assert one.store.curve(row.trained) == other.store.curve(row.trained)
        for path, tensor in states[0].values().items():
            assert torch.equal(tensor, states[1].values()[path]), path


def test_a_corrupt_image_ends_a_run_with_its_name_and_skipping_it_is_a_choice(root: Path, tmp_path: Path) -> None:
    cut_short(root / "train" / "bee" / "002.jpg")
    changes = {"levels": 1, "prune__densities": [0.5], "train__length": "4it", "rewind": "1it"}
    recipe = small("squeezenet-imagenet", root, **changes)
    with pytest.raises(DataError, match=r"bee/002\.jpg' cannot be decoded: .*\n.*winnow data check PATH"):
        run(recipe, store=tmp_path / "store")
    skipping = recipe.edited({"data.corrupt": "skip"})
    with pytest.raises(DataError, match="Run `winnow data check"):
        run(skipping, store=tmp_path / "store")
    assert list(corrupt.check(tree(root))) == ["train/bee/002.jpg"]
    assert not run(skipping, store=tmp_path / "store").failures
    assert trained(skipping).key != trained(recipe).key


def trained(recipe: Recipe) -> Train:
    return imp(recipe).rows[0].trained


def test_a_run_with_skipped_images_says_how_many(root: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    cut_short(root / "train" / "bee" / "002.jpg")
    corrupt.check(tree(root))
    changes = {"levels": 1, "prune__densities": [0.5], "train__length": "2it", "rewind": "1it"}
    run(small("squeezenet-imagenet", root, data__corrupt="skip", **changes), store=tmp_path / "store")
    assert f"1 image of folder:{root} is corrupt and replaced by the next one" in caplog.text


@pytest.mark.parametrize(
    "name, auxiliary, message",
    [
        ("inception3-imagenet", None, r"auxiliary classifier, which train\.auxiliary gives no weight"),
        ("squeezenet-imagenet", 0.4, r"train\.auxiliary is 0\.4, and the network has no auxiliary classifier"),
    ],
)
def test_a_weight_for_the_auxiliary_classifier_goes_with_one(
    name: str, auxiliary: float | None, message: str, root: Path, tmp_path: Path
) -> None:
    with pytest.raises(RecipeError, match=message):
        run(small(name, root, train__auxiliary=auxiliary), store=tmp_path / "store")


def test_packed_and_folder_are_different_data(root: Path, tmp_path: Path) -> None:
    pack(tree(root), tmp_path / "file", 36)
    folder = small("squeezenet-imagenet", root)
    assert trained(folder).key != trained(folder.edited({"data.name": f"packed:{tmp_path}/file"})).key


def test_label_smoothing_and_accumulation_reach_the_training(root: Path, tmp_path: Path) -> None:
    changes = {
        "levels": 1,
        "prune__densities": [0.5],
        "train__length": "2it",
        "rewind": "1it",
        "train__evaluate": "2it",
    }
    losses: dict[str, tuple[float, float]] = {}
    for word, more in {
        "plain": {},
        "smooth": {"train__label_smoothing": 0.4},
        "parts": {"train__accumulate": 3},
    }.items():
        recipe = small("resnet50-imagenet", root, **changes, **more)
        store = Store(tmp_path / "store")
        run(recipe, store=store)
        row = store.curve(trained(recipe)).rows[2]
        losses[word] = (row["train_loss"], row["test_loss"])
    assert len(set(losses.values())) == 3
    assert losses["parts"][0] == pytest.approx(losses["plain"][0], rel=0.3)  # batch norm is of each part
