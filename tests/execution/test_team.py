"""Several processes under torchrun train what one would, and go on after one of them was killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from winnow.course import Course, Noise
from winnow.errors import RecipeError, WinnowError
from winnow.execution.examples import splits
from winnow.execution.part import Part, part
from winnow.execution.team import Team
from winnow.from_recipe import course
from winnow.models import build, initialize
from winnow.models.normalization import BATCH_NORM
from winnow.recipe import Recipe
from winnow.recipes import read
from winnow.seeds import generator
from winnow.store import codec
from winnow.training import Choice, Plain, State, slot_names
from winnow.training.together import Together

PLAIN = Choice("plain", 1, "asked for")

WORDS = (
    *("run", "digits", "--model.name", "lenet-16", "--train.length", "300it", "--rewind", "20it", "--levels", "1"),
    *("--replicates", "1", "--optimizer.name", "sgd", "--optimizer.learning_rate", "0.05", "--progress", "plain"),
)

DRIVER = """
import os, sys
from pathlib import Path
import winnow.report.figure
import winnow.training.watch
from winnow.cli import main

Path(f"pid-{os.environ.get('RANK', '0')}").write_text(str(os.getpid()))
winnow.training.watch.SAVE_EVERY = 0.05
winnow.report.figure.draw = lambda results, folder: []
raise SystemExit(main(sys.argv[1:]))
"""


def started(folder: Path, processes: int, *words: str) -> subprocess.Popen[str]:
    """A run in a folder of its own, by so many processes; torchrun starts them again once if one dies."""
    folder.mkdir()
    (folder / "driver.py").write_text(DRIVER)
    torchrun = (
        "-m",
        "torch.distributed.run",
        "--standalone",
        "--nproc-per-node",
        str(processes),
        "--max-restarts",
        "1",
    )
    return subprocess.Popen(
        [sys.executable, *(torchrun if processes > 1 else ()), "driver.py", *WORDS, *words, "--store", "store"],
        cwd=folder,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def finished(process: subprocess.Popen[str]) -> str:
    said, _ = process.communicate(timeout=300)
    assert process.returncode == 0, said
    return said


def manifests(folder: Path) -> dict[str, dict[str, dict[str, object]]]:
    return {
        path.parent.name: json.loads(path.read_text()) for path in (folder / "store").glob("results/*/*/manifest.json")
    }


def assert_alike(one: Path, other: Path) -> None:
    """The same results under the same keys, with weights that are the same within rounding."""
    keys = manifests(one).keys()
    assert keys == manifests(other).keys() and keys
    states = 0
    for key in keys:
        files = [folder / "store" / "results" / key[:2] / key / "state.safetensors" for folder in (one, other)]
        if files[0].exists():
            first, second = (codec.decode(file.read_bytes()).values() for file in files)
            for name, value in first.items():
                torch.testing.assert_close(value, second[name], rtol=1e-3, atol=1e-4)
            states += 1
    assert states >= 3  # rewind point, dense, ticket


@pytest.fixture
def seconds() -> float:
    """Starting torchrun and PyTorch three times over takes a while."""
    return 300


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("alone") / "one"
    finished(started(folder, 1))
    return folder


def test_two_processes_train_what_one_does_under_the_same_keys(alone: Path, tmp_path: Path) -> None:
    said = finished(started(tmp_path / "two", 2))
    assert said.count("Smallest matching ticket") == 1, said  # one process speaks
    assert_alike(alone, tmp_path / "two")
    made = [manifest["made"].get("processes") for manifest in manifests(tmp_path / "two").values()]
    assert made.count(2) == 4  # rewind point, dense, ticket, reinitialized


@pytest.mark.parametrize("rank", [0, 1])
def test_a_killed_worker_is_started_again_and_the_run_ends_as_if_nothing_had_happened(
    rank: int, alone: Path, tmp_path: Path
) -> None:
    process = started(tmp_path / "two", 2)
    while not any((tmp_path / "two").glob("store/progress/*.progress")):
        assert process.poll() is None, process.communicate()[0]
        time.sleep(0.01)
    os.kill(int((tmp_path / "two" / f"pid-{rank}").read_text()), signal.SIGKILL)
    finished(process)
    assert_alike(alone, tmp_path / "two")


def test_the_end_of_another_process_is_told_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    def lost(*words: object, **options: object) -> None:
        raise RuntimeError("Connection closed by peer [127.0.0.1]:29500. And more of the like")

    monkeypatch.setattr(torch.distributed, "broadcast_object_list", lost)
    with pytest.raises(
        WinnowError, match=r"(?s)another process of this run has ended \(Connection closed.*--max-restarts"
    ):
        Team(0, 2, None).tell("anything")


def the_part(course: Course, choice: Choice = PLAIN) -> Part:
    """The leader's part of two, of a training at its start."""
    network = build(course.network.name, course.network.shape, course.network.classes)
    values = initialize(network, course.network.init, generator(0, 0, "init"))
    state = State.of_values(values, [name for name, _ in network.named_parameters()])
    state = state.with_slots(slot_names(course.updates))
    examples = splits(course.examples, torch.device("cpu"))
    return part(
        course, [Noise(seed=0, replicate=0)], state, {}, choice=choice, examples=examples, team=Team(0, 2, None)
    )


def recipe(**changes: object) -> Recipe:
    return read("digits").edited({name.replace("__", "."): value for name, value in changes.items()})


@pytest.mark.parametrize("batch_norm, is_synchronized", [("synchronized", True), ("local", False)])
def test_a_recipe_says_whose_statistics_batch_normalization_takes(batch_norm: str, is_synchronized: bool) -> None:
    mine = the_part(course(recipe(model__name="resnet-8", train__batch_norm=batch_norm)))
    assert isinstance(mine.engine, Together) and isinstance(mine.engine.inner, Plain)
    norms = [module for module in mine.engine.inner.network.modules() if isinstance(module, BATCH_NORM)]
    assert norms and (type(norms[-1]).__name__ == "_Synchronized") is is_synchronized


def test_each_process_takes_its_share_of_every_batch() -> None:
    images, labels = the_part(course(recipe(train__batch=6))).batches.at(0)
    assert images.shape[:2] == labels.shape == (1, 3)


@pytest.mark.parametrize(
    "network, batch, parts, can_be",
    [
        ("lenet-16", 8, 4, True),
        ("lenet-16", 6, 2, True),  # three for each, in parts of two and one: the same mean
        ("lenet-16", 8, 8, False),  # a part without examples has no mean
        ("resnet-8", 8, 4, True),
        ("resnet-8", 12, 4, False),  # parts of four and two, where one process normalizes three at a time
    ],
)
def test_a_batch_in_parts_is_shared_where_it_comes_to_the_same(
    network: str, batch: int, parts: int, can_be: bool
) -> None:
    shared = course(recipe(model__name=network, train__batch=batch, train__accumulate=parts))
    if can_be:
        the_part(shared)
        return
    with pytest.raises(
        RecipeError,
        match=rf"train.batch is {batch} in {parts} parts \(train.accumulate\), of which 2 processes cannot share each "
        rf"evenly.\nChoose a multiple of {2 * parts}, ",
    ):
        the_part(shared)


def test_what_several_processes_cannot_share_says_so() -> None:
    with pytest.raises(
        RecipeError, match=r"train.batch is 25, which 2 processes cannot share evenly.\nChoose a multiple"
    ):
        the_part(course(recipe(train__batch=25)))
    with pytest.raises(
        RecipeError, match="the engine 'compiled' records what a single process does, and this run has 2"
    ):
        the_part(course(recipe()), Choice("compiled", 1, "asked for"))
