from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

import pytest

from winnow.experiments import controls, imp
from winnow.recipes import read
from winnow.store import Store
from winnow.store.experiments import identity, record

from .conftest import EDITS, TINY, Winnow, flip_first_byte

OLD = time.time() - 7_200


def aged(path: Path) -> Path:
    for part in (path, *path.rglob("*")):
        os.utime(part, (OLD, OLD))
    return path


def test_ls_tells_experiments_and_results_by_kind(winnow: Winnow, finished: Path) -> None:
    said = winnow("store", "ls", "--store", finished)
    assert (said.code, said.err) == (0, "")
    lines = [" ".join(line.split()) for line in said.out.splitlines()]
    assert lines[0] == "experiment levels replicates controls stored failed"
    assert lines[1].startswith("digits (imp-") and lines[1].endswith(") 2 2 reinit 10 of 10 0")
    assert [line.rsplit(" ", 2)[0] for line in lines[4:]] == [
        "initial weights 2",
        "masks 4",
        "trainings weights 10",
        "all 16",
    ]


def test_ls_results_has_a_line_for_each(winnow: Winnow, finished: Path) -> None:
    said = winnow("store", "ls", "--results", "--store", finished)
    keys = {line.split()[0] for line in said.out.splitlines()[1:]}
    assert keys == {key[:16] for key in Store(finished).result_keys()}


def test_an_experiment_that_cannot_be_followed_is_told_and_the_rest_is_listed(winnow: Winnow, finished: Path) -> None:
    (finished / "experiments" / "odd.toml").write_text('name = "odd"\ncontrol = ["of tomorrow"]\n')
    said = winnow("store", "ls", "--store", finished)
    assert said.code == 0
    assert said.err.startswith("winnow: experiment odd cannot be followed: unknown control 'of tomorrow'.")
    assert "10 of 10" in said.out
    aged(finished)
    cleaned = winnow("store", "gc", "--store", finished)
    assert "odd.toml cannot be followed, so every result is kept" in cleaned.err
    assert "results that no experiment" not in cleaned.out


def test_show_makes_a_manifest_readable_by_a_unique_beginning_of_its_key(winnow: Winnow, finished: Path) -> None:
    key = next(key for key in Store(finished).result_keys() if (Store(finished).folder(key) / "metrics.csv").exists())
    said = winnow("store", "show", key[:12], "--store", finished)
    assert (said.code, said.err) == (0, "")
    assert said.out.startswith(f"train {key}\nin {finished}/results/")
    for line in ("learning_rate  0.004", "name     lenet-16", "origin  ", "metrics.csv  ", "torch  "):
        assert line in said.out


@pytest.mark.parametrize("beginning", ["", "xyz"])
def test_a_key_of_several_results_or_none_is_an_error_that_helps(
    beginning: str, winnow: Winnow, finished: Path
) -> None:
    said = winnow("store", "show", beginning, "--store", finished)
    assert said.code == 1
    if beginning:
        assert "begins with 'xyz'. `winnow store ls --results` lists them." in said.err
    else:
        assert "'' is the beginning of 16 results. Give more of it:" in said.err
        assert Store(finished).result_keys()[0] in said.err and "... and 6 more" in said.err


@pytest.mark.parametrize("command", ["ls", "verify", "gc", "show abc"])
def test_a_store_that_is_not_there_is_not_made(command: str, winnow: Winnow, tmp_path: Path) -> None:
    said = winnow("store", *command.split(), "--store", tmp_path / "nowhere")
    assert said.code == 1 and "there is no store at" in said.err
    assert not (tmp_path / "nowhere").exists()


def test_verify_finds_what_is_damaged_and_moves_it_aside(winnow: Winnow, finished: Path) -> None:
    store = Store(finished)
    assert "16 results verified" in winnow("store", "verify", "--store", finished).out
    keys = store.result_keys()
    flip_first_byte(next(store.folder(keys[0]).glob("*.safetensors")))
    (store.folder(keys[1]) / "manifest.json").unlink()
    (store.folder(keys[2]) / "manifest.json").write_text("half of a mani")
    shutil.rmtree(store.folder(keys[3]))
    shutil.copytree(store.folder(keys[4]), store.folder(keys[3]))
    said = winnow("store", "verify", "--store", finished)
    assert said.code == 1
    assert "16 results verified" in said.out and "4 damaged." in said.out
    for key, reason in zip(
        keys,
        ["does not have the checksum", "it has no manifest", "its manifest cannot be read", "its manifest is that of"],
        strict=False,
    ):
        told = next(line for line in said.err.splitlines() if f"stored result {key} is damaged" in line)
        assert reason in told
    assert len(list((finished / "corrupt").iterdir())) == 4
    again = winnow("store", "verify", "--store", finished)
    assert (again.code, again.err) == (0, "")
    assert winnow("run", "digits", *TINY, "--store", finished).code == 0
    assert winnow("store", "verify", "--store", finished).out.startswith("16 results verified")


@pytest.mark.parametrize(
    "command", ["store ls", "store gc", "results", f"plan digits {' '.join(TINY)}", "report --out page.html"]
)
def test_commands_that_only_read_tell_of_damage_and_move_nothing(
    command: str, winnow: Winnow, finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    experiment = imp(read("digits").edited(EDITS))
    (Store(finished).folder(experiment.rows[0].trained.key) / "manifest.json").write_text("half of a mani")
    told = f"stored result {experiment.rows[0].trained.key} is damaged"
    said = winnow(*command.split(), "--store", finished)
    assert said.code == 0
    if command.startswith("report"):
        assert told in (tmp_path / "page.html").read_text("utf-8")
    elif command != "store gc":
        assert told in said.err
    assert not (finished / "corrupt").exists()


def test_gc_deletes_what_nothing_needs_and_that_alone(winnow: Winnow, finished: Path) -> None:
    store = Store(finished)
    aged(finished)
    needed = store.result_keys()
    left = [
        finished / "temporary" / "dead",
        finished / "progress" / f"{'0' * 40}.progress",
        finished / "progress" / ".0123.progress.0123abcd",
        finished / "corrupt" / f"{'1' * 40}-{int((time.time() - 40 * 86_400) * 1e9)}",
        store.folder("2" * 40),
    ]
    young = [
        finished / "temporary" / "at work",
        finished / "progress" / f"{'3' * 40}.progress",
        finished / "corrupt" / f"{'4' * 40}-{time.time_ns()}",
        store.folder("5" * 40),
        finished / "progress" / "mine.txt",
    ]
    for path in (*left, *young):
        if path.suffix in (".progress", ".txt", ".0123abcd"):
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(bytes(1_000))
        else:
            path.mkdir(parents=True)
            (path / "manifest.json").write_bytes(bytes(1_000))
        if path in left:
            aged(path)
    planned = winnow("store", "gc", "--store", finished)
    assert planned.code == 0
    assert "Nothing was deleted. `winnow store gc --delete` frees 5.0 kB." in planned.out
    assert all(path.exists() for path in (*left, *young))
    said = winnow("store", "gc", "--delete", "--store", finished)
    assert said.code == 0 and "Deleted: 5.0 kB freed." in said.out
    assert not any(path.exists() for path in left)
    assert all(path.exists() for path in young)
    assert not list((finished / "locks").iterdir())
    assert set(needed) <= set(store.result_keys())
    shutil.rmtree(store.folder("5" * 40))
    assert winnow("store", "verify", "--store", finished).code == 0


@pytest.mark.parametrize("days, is_garbage", [((), False), (("--damaged-days", "5"), True)])
def test_gc_keeps_damaged_results_for_as_many_days_as_it_is_told(
    winnow: Winnow, finished: Path, days: tuple[str, ...], is_garbage: bool
) -> None:
    moved = int((time.time() - 10 * 86_400) * 1e9)
    (finished / "corrupt" / f"{'1' * 40}-{moved}").mkdir(parents=True)
    said = winnow("store", "gc", *days, "--store", finished)
    assert ("damaged results" in said.out) == is_garbage


def test_gc_leaves_what_is_saved_of_a_training_that_an_experiment_will_go_on_with(
    winnow: Winnow, finished: Path
) -> None:
    last = imp(read("digits").edited(EDITS)).rows[-1].trained
    Store(finished).remove(last.key)
    saved = Store(finished).progress_file(last.trajectory)
    saved.parent.mkdir(exist_ok=True)
    saved.touch()
    aged(finished)
    assert winnow("store", "gc", "--delete", "--store", finished).code == 0
    assert saved.exists()


def test_gc_leaves_what_another_process_holds(winnow: Winnow, finished: Path) -> None:
    aged(finished)
    held = finished / "progress" / f"{'0' * 40}.progress"
    held.parent.mkdir(exist_ok=True)
    held.touch()
    aged(held)
    with Store(finished).locked(["0" * 40]):
        assert "progress of trainings" not in winnow("store", "gc", "--store", finished).out
        assert "Deleted" in winnow("store", "gc", "--delete", "--store", finished).out  # the other locks
        assert [path.stem for path in (finished / "locks").iterdir()] == ["0" * 40]
        assert held.exists()
    assert "progress of trainings" in winnow("store", "gc", "--delete", "--store", finished).out
    assert not held.exists()


def saved(store: Path, trajectory: str) -> Path:
    path = Store(store).progress_file(trajectory)
    path.parent.mkdir(exist_ok=True)
    path.touch()
    return aged(path)


def test_gc_keeps_what_is_saved_of_an_experiment_that_cannot_be_followed(winnow: Winnow, finished: Path) -> None:
    path = saved(finished, "0" * 40)
    (finished / "experiments" / "odd.toml").write_text('name = "odd"\ncontrol = ["of tomorrow"]\n')
    assert "progress" not in winnow("store", "gc", "--delete", "--store", finished).out
    assert path.exists()


def test_gc_keeps_what_is_saved_of_a_training_that_is_due_again(winnow: Winnow, finished: Path) -> None:
    recipe = read("digits").edited(EDITS)
    dense = imp(recipe).rows[0].trained  # of which the weights are stored, and not the optimizer's buffers
    path = saved(finished, dense.trajectory)
    record(Store(finished), recipe.edited({"retrain.how": "lr-rewinding"}))  # which goes on from there
    assert "progress" not in winnow("store", "gc", "--delete", "--store", finished).out
    assert path.exists()


def test_gc_finds_the_results_of_an_experiment_that_was_taken_off_the_list(winnow: Winnow, finished: Path) -> None:
    for path in (finished / "experiments").iterdir():
        path.unlink()
    said = winnow("store", "gc", "--store", finished)
    assert "16 results that no experiment is made from may be in use, being younger than an hour" in said.out
    aged(finished)
    said = winnow("store", "gc", "--delete", "--store", finished)
    assert " ".join(said.out.splitlines()[-2].split()).startswith("results that no experiment is made from 16")
    assert Store(finished).result_keys() == []
    assert "holds no experiment" in winnow("results", "--store", finished).err


def test_an_experiment_is_taken_off_the_list_and_put_back_with_nothing_trained(winnow: Winnow, finished: Path) -> None:
    recipe = read("digits").edited(EDITS)
    other = recipe.edited({"seed": 3})
    record(Store(finished), other)
    listed = winnow("store", "ls", "--store", finished).out
    assert "The experiments 'digits' differ:\n" in listed
    assert f"\n  {identity(recipe)}: seed = 0\n" in listed and f"\n  {identity(other)}: seed = 3\n" in listed
    said = winnow("store", "rm", "digits", "--store", finished)
    assert said.code == 1 and "'digits' is 2 experiments. Name them so:" in said.err
    assert winnow("store", "rm", identity(other), "--store", finished).code == 0
    keys = Store(finished).result_keys()
    said = winnow("store", "rm", "digits", "--store", finished)
    assert said.code == 0 and said.out.startswith(f"Taken off the list: digits ({identity(recipe)}).")
    assert Store(finished).result_keys() == keys
    assert "holds no experiment" in winnow("store", "rm", "digits", "--store", finished).err
    said = winnow("run", "digits", *TINY, "--store", finished, "--progress", "plain")
    assert said.code == 0 and identity(recipe) in winnow("store", "ls", "--store", finished).out
    assert Store(finished).result_keys() == keys


def test_nothing_is_taken_off_the_list_where_a_name_is_wrong_or_none_is_given(winnow: Winnow, finished: Path) -> None:
    said = winnow("store", "rm", "digits", "digitz", "--store", finished)
    assert said.code == 1 and "holds no experiment of digitz" in said.err
    assert "winnow store rm EXPERIMENT" in winnow("store", "rm", "--store", finished).err
    assert "digits (imp-" in winnow("store", "ls", "--store", finished).out


def test_controls_of_an_experiment_wrap_and_all_of_them_are_one_word(
    winnow: Winnow, finished: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, recipe = Store(finished), read("digits").edited(EDITS)
    record(store, recipe.edited({"control": [name for name in controls() if name != "swap"], "name": "many"}))
    record(
        store,
        recipe.edited({"control": ["swap", *controls()], "rival": ["gmp"], "name": "every", "dynamic.every": "10%"}),
    )
    monkeypatch.setenv("COLUMNS", "60")
    lines = winnow("store", "ls", "--store", finished).out.splitlines()
    (every,) = [line.split() for line in lines if line.startswith("every")]
    assert every[4:6] == ["all,", "gmp"]
    assert "…" not in "".join(lines) and sum(" signs-shuffled," in line for line in lines) == 1
