"""Runs in processes of their own: killed at random moments, and two at once on one store."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

WORDS = (
    *("--model.name", "lenet-16", "--train.length", "400it", "--train.evaluate", "100it", "--rewind", "40it"),
    *("--levels", "2", "--replicates", "2", "--deterministic", "--progress", "plain"),
)

DRIVER = """
import sys
from pathlib import Path
import winnow.report.figure
import winnow.training.watch
from winnow.cli import main
from winnow.store import Store

winnow.training.watch.SAVE_EVERY = float(sys.argv[1])
stored, put_state = Path(sys.argv[2]), Store.put_state

def noting(store, step, *rest, **named):
    put_state(store, step, *rest, **named)
    with stored.open("a") as file:
        file.write(step.key + "\\n")

Store.put_state = noting
winnow.report.figure.draw = lambda results, folder: []
raise SystemExit(main(sys.argv[3:]))
"""
"""The command line, except that progress is saved as often as one likes, that every stored state is noted in a file,
and that no figure is drawn, which would take longer than the training."""


def started(store: Path, save_every: float = 20.0) -> subprocess.Popen[str]:
    own = [str(save_every), str(store.with_suffix(".stored"))]
    return subprocess.Popen(
        [sys.executable, "-c", DRIVER, *own, "run", "digits", *WORDS, "--store", str(store)],
        env=os.environ | {"OMP_NUM_THREADS": "1", "WINNOW_DATA": str(store.parent / "data")},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finished(process: subprocess.Popen[str]) -> str:
    """Wait for a run to end well; gives what it said on standard error."""
    _, said = process.communicate(timeout=120)
    assert process.returncode == 0, said
    return said


def results(store: Path) -> dict[str, dict[str, Any]]:
    """What every manifest says, but for when and by what the result was made and written."""
    manifests = [json.loads(path.read_text()) for path in store.glob("results/*/*/manifest.json")]
    return {
        manifest["key"]: {name: manifest[name] for name in manifest if name not in ("made", "writing")}
        for manifest in manifests
    }


def written(store: Path) -> set[tuple[str, int]]:
    """What there is of results and progress, and when it was written."""
    found: set[tuple[str, int]] = set()
    for path in [*store.glob("results/*/*/manifest.json"), *store.glob("progress/*.progress")]:
        with suppress(FileNotFoundError):
            found.add((path.name, path.stat().st_mtime_ns))
    return found


@pytest.fixture(scope="module")
def left_alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    store = tmp_path_factory.mktemp("left alone") / "store"
    finished(started(store))
    return store


def test_a_killed_run_ends_with_the_same_bits_as_one_left_alone(left_alone: Path, tmp_path: Path) -> None:
    moments = random.Random(5)
    store = tmp_path / "store"
    kills = on_the_way = 0
    while kills < 3 or (not on_the_way and kills < 7):  # a moment may fall between two trainings
        before = written(store)
        process = started(store, save_every=0.05)
        while written(store) == before:
            assert process.poll() is None, "it was done before it could be killed: make the trainings longer"
            time.sleep(0.005)
        time.sleep(moments.uniform(0, 0.25))
        process.send_signal(signal.SIGKILL)
        process.communicate()
        assert process.returncode == -signal.SIGKILL
        kills += 1
        on_the_way += any(store.glob("progress/*.progress"))
    assert on_the_way, "no training was killed on its way"
    finished(started(store))
    assert results(store) == results(left_alone)
    assert len(results(store)) == 2 * (1 + 1 + 2 + 2 + 2)  # by replicate: rewind point, dense, masks, tickets, reinit
    assert not list(store.glob("progress/*.progress"))


def test_two_processes_on_one_store_share_the_work_and_train_nothing_twice(left_alone: Path, tmp_path: Path) -> None:
    store = tmp_path / "store"
    both = [started(store), started(store)]
    for process in both:
        finished(process)
    assert results(store) == results(left_alone)
    stored = Counter(store.with_suffix(".stored").read_text().split())
    assert set(stored.values()) == {1}
    assert len(stored) == 2 * (1 + 1 + 2 + 2)
