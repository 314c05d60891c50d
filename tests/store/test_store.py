from __future__ import annotations

import errno
import json
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from winnow.errors import CorruptResult, MissingResult, StoreError
from winnow.experiments import imp
from winnow.pruning import Mask
from winnow.recipes import read
from winnow.steps import Content, Prune, Step, Train
from winnow.store import Failure, Making, Store, default_store
from winnow.store import store as module
from winnow.training import Curve, State

ROWS = imp(read("digits").edited({"levels": 1, "replicates": 1, "control": []})).rows
TRAIN: Train = ROWS[0].trained
PRUNE = ROWS[1].mask
assert isinstance(PRUNE, Prune)

STATE = State(
    400,
    400,
    {"fc.weight": torch.randn(1, 30, 20, generator=torch.Generator().manual_seed(0))},
    {"norm.running_mean": torch.ones(1, 20)},
    {"momentum": {"fc.weight": torch.ones(1, 30, 20)}},
)
CURVE = Curve({0: {"validation_loss": 2.3}, 400: {"validation_loss": 0.1, "train_loss": 0.2}})
MASK = Mask({"fc.weight": torch.rand(30, 20, generator=torch.Generator().manual_seed(1)) < 0.8})


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def put(store: Store, content: Content = Content.FULL, state: State = STATE) -> None:
    store.put_state(TRAIN, state, content, curve=CURVE, making=Making(1.5, {"lanes": 3}))


def folder(store: Store, step: Step) -> Path:
    return store.root / "results" / step.key[:2] / step.key


@pytest.mark.parametrize("content", list(Content))
def test_a_result_holds_as_much_as_was_put_and_all_that_is_less(store: Store, content: Content) -> None:
    assert not store.has(TRAIN, Content.METRICS)
    put(store, content)
    assert [store.has(TRAIN, less) for less in Content] == [less <= content for less in Content]
    assert store.curve(TRAIN) == CURVE
    assert store.result_keys() == [TRAIN.key]
    if content is Content.METRICS:
        with pytest.raises(MissingResult, match=rf"{TRAIN.key}.* has no state.safetensors in {store.root}"):
            store.state(TRAIN)
    else:
        found = store.state(TRAIN)
        assert torch.equal(found.parameters["fc.weight"], STATE.parameters["fc.weight"])
        assert torch.equal(found.buffers["norm.running_mean"], STATE.buffers["norm.running_mean"])
        assert bool(found.slots) == (content is Content.FULL)


def test_a_mask_is_read_back_as_it_was_put(store: Store) -> None:
    store.put_mask(PRUNE, MASK, Making())
    assert store.mask(PRUNE) == MASK
    assert store.has(PRUNE, Content.METRICS)


def test_another_store_on_the_same_folder_sees_the_same(store: Store) -> None:
    put(store)
    assert Store(store.root).curve(TRAIN) == CURVE


def test_a_result_that_is_put_again_replaces_the_one_before(store: Store) -> None:
    put(store)
    put(store, Content.METRICS)
    assert not store.has(TRAIN, Content.WEIGHTS)
    assert sorted(path.name for path in folder(store, TRAIN).iterdir()) == ["manifest.json", "metrics.csv"]


def test_the_manifest_tells_people_what_the_result_is_and_where_it_comes_from(store: Store) -> None:
    store.put_mask(PRUNE, MASK, Making(0.25, {"note": "here"}))
    table = json.loads((folder(store, PRUNE) / "manifest.json").read_text())
    assert (table["key"], table["kind"], table["inputs"]) == (PRUNE.key, "prune", {"trained": TRAIN.key})
    assert table["step"]["rate"] == {"linear": 0.2, "output": 0.1}
    assert {"finished", "seconds", "note", "winnow", "torch", "python", "system", "cores", "threads", "gpu"} <= set(
        table["made"]
    )
    assert (table["made"]["seconds"], table["made"]["note"]) == (0.25, "here")
    size = (folder(store, PRUNE) / "mask.safetensors").stat().st_size
    assert table["files"]["mask.safetensors"]["bytes"] == size
    assert len(table["files"]["mask.safetensors"]["sha256"]) == 64
    manifest = store.manifest(PRUNE)
    assert manifest is not None
    assert (manifest.size, manifest.seconds, manifest.kept) == (size, 0.25, Content.FULL)


def test_a_failure_is_remembered_and_is_no_result(store: Store) -> None:
    assert store.failure(TRAIN) is None
    store.put_failure(TRAIN, Failure("Diverged", "the loss is not finite"), curve=CURVE, making=Making())
    assert store.failure(TRAIN) == Failure("Diverged", "the loss is not finite")
    assert not store.has(TRAIN, Content.METRICS)
    assert store.curve(TRAIN) == CURVE  # what was measured until then


# Less than everything


@pytest.mark.parametrize("content", [Content.METRICS, Content.WEIGHTS])
def test_a_reduced_result_keeps_what_was_asked_for_and_tells_what_it_freed(store: Store, content: Content) -> None:
    put(store)
    before = store.manifest(TRAIN)
    freed = store.reduce(TRAIN.key, content)
    after = store.manifest(TRAIN)
    assert before is not None and after is not None
    assert freed == before.size - after.size > 2_000
    assert [store.has(TRAIN, less) for less in Content] == [less <= content for less in Content]
    assert store.curve(TRAIN) == CURVE
    assert (after.made, after.inputs, after.step) == (before.made, before.inputs, before.step)
    if content is Content.WEIGHTS:
        assert torch.equal(store.state(TRAIN).parameters["fc.weight"], STATE.parameters["fc.weight"])
        assert store.state(TRAIN).slots == {}


def test_reducing_what_is_not_more_or_not_there_does_nothing(store: Store) -> None:
    assert store.reduce(TRAIN.key, Content.METRICS) == 0
    put(store, Content.WEIGHTS)
    assert store.reduce(TRAIN.key, Content.FULL) == 0
    assert store.reduce(TRAIN.key, Content.WEIGHTS) == 0
    assert store.has(TRAIN, Content.WEIGHTS)


def test_a_result_that_another_process_reduces_meanwhile_is_left_as_it_is(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(store)
    other, works = Store(store.root), store.read

    def reduced_in_between(step: Step | str, name: str) -> bytes:
        other.reduce(TRAIN.key, Content.METRICS)
        return works(step, name)

    monkeypatch.setattr(store, "read", reduced_in_between)
    assert store.reduce(TRAIN.key, Content.WEIGHTS) == 0
    assert store.curve(TRAIN) == CURVE
    assert not store.has(TRAIN, Content.WEIGHTS)


def test_a_reduced_mask_is_whole(store: Store) -> None:
    store.put_mask(PRUNE, MASK, Making())
    store.reduce(PRUNE.key, Content.METRICS)
    assert store.mask(PRUNE) == MASK


def test_a_removed_result_is_gone(store: Store) -> None:
    put(store)
    store.remove(TRAIN.key)
    store.remove(TRAIN.key)
    assert store.result_keys() == []
    assert not store.has(TRAIN, Content.METRICS)


# Damage


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def replaced(path: Path, old: bytes, new: bytes) -> None:
    assert old in path.read_bytes()
    path.write_bytes(path.read_bytes().replace(old, new))


def edited(path: Path, **fields: object) -> None:
    path.write_text(json.dumps(json.loads(path.read_bytes()) | fields))


def in_its_place(path: Path) -> Path:
    path.unlink()
    return path


DAMAGES: list[tuple[str, Callable[[Path], Any], str]] = [
    ("state.safetensors", flip, "state.safetensors is missing or does not have the checksum in its manifest"),
    ("state.safetensors", lambda path: path.unlink(), "state.safetensors is missing"),
    (
        "state.safetensors",
        lambda path: path.write_bytes(path.read_bytes()[:-1]),
        "state.safetensors is missing or does",
    ),
    ("state.safetensors", lambda path: path.write_bytes(b""), "state.safetensors is missing or does not have"),
    ("manifest.json", lambda path: path.write_bytes(b""), "its manifest cannot be read"),
    ("manifest.json", lambda path: path.write_bytes(b"[]"), "its manifest cannot be read"),
    ("manifest.json", lambda path: path.write_bytes(b"{}"), "its manifest cannot be read"),
    ("manifest.json", lambda path: path.write_bytes(b"\xff\xfe"), "its manifest cannot be read"),
    ("manifest.json", lambda path: path.write_bytes(path.read_bytes().replace(b'"files"', b'"flies"')), "its manifest"),
    ("manifest.json", lambda path: path.write_bytes(path.read_bytes().replace(b'"bytes"', b'"bites"')), "its manifest"),
    ("manifest.json", lambda path: replaced(path, b'"full"', b'"half"'), r"its manifest cannot be read \('HALF'\)"),
    ("manifest.json", lambda path: replaced(path, b'"seconds": 1.5', b'"seconds": "x"'), "its manifest cannot be read"),
    ("manifest.json", lambda path: edited(path, made=[]), r"its manifest cannot be read \('made' is no table\)"),
    ("manifest.json", lambda path: edited(path, files={}), r"its manifest cannot be read \(it lists no file\)"),
    ("manifest.json", lambda path: edited(path, key=PRUNE.key), f"its manifest is that of {PRUNE.key}"),
    ("manifest.json", lambda path: in_its_place(path).mkdir(), "manifest.json is no file"),
    ("manifest.json", lambda path: in_its_place(path).symlink_to(path), "manifest.json is no file"),
    ("state.safetensors", lambda path: in_its_place(path).mkdir(), "state.safetensors is no file"),
]


@pytest.mark.parametrize("name, damage, reason", DAMAGES)
def test_a_damaged_result_is_named_and_moved_aside(
    store: Store, name: str, damage: Callable[[Path], Any], reason: str
) -> None:
    put(store)
    damage(folder(store, TRAIN) / name)
    message = rf"stored result {TRAIN.key} is damaged: {reason}.*\nMoved aside to {store.root}/corrupt/{TRAIN.key}"
    with pytest.raises(CorruptResult, match=message):
        store.state(TRAIN)
    assert not store.has(TRAIN, Content.METRICS)
    assert [path.name.partition("-")[0] for path in (store.root / "corrupt").iterdir()] == [TRAIN.key]
    put(store)  # as if computed again
    assert torch.equal(store.state(TRAIN).parameters["fc.weight"], STATE.parameters["fc.weight"])


def test_a_reader_tells_of_damage_and_moves_nothing(store: Store) -> None:
    put(store)
    flip(folder(store, TRAIN) / "state.safetensors")
    reader = Store(store.root, make=False)
    with pytest.raises(CorruptResult, match=r"state.safetensors is missing.*\n.*`winnow store verify` moves it"):
        reader.state(TRAIN)
    assert reader.whole(TRAIN) is None  # what goes on goes on without it
    assert folder(store, TRAIN).exists() and not (store.root / "corrupt").exists()


@pytest.mark.parametrize("read", [lambda store: store.manifest(TRAIN), lambda store: store.curve(TRAIN)])
def test_what_may_not_be_read_is_told_and_left_where_it_is(
    store: Store, read: Callable[[Store], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    put(store)

    def refused(path: Path) -> bytes:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", refused)
    with pytest.raises(StoreError, match=r"manifest.json cannot be read: Permission denied"):
        read(store)
    assert folder(store, TRAIN).exists()


def test_damage_to_metrics_and_masks_is_found_too(store: Store) -> None:
    put(store)
    store.put_mask(PRUNE, MASK, Making())
    flip(folder(store, TRAIN) / "metrics.csv")
    flip(folder(store, PRUNE) / "mask.safetensors")
    with pytest.raises(CorruptResult, match=r"metrics.csv is missing or does not have the checksum"):
        store.curve(TRAIN)
    with pytest.raises(CorruptResult, match=r"mask.safetensors is missing or does not have the checksum"):
        store.mask(PRUNE)


def test_a_damaged_state_is_not_given_a_new_checksum_when_it_is_reduced(store: Store) -> None:
    put(store)
    flip(folder(store, TRAIN) / "state.safetensors")
    with pytest.raises(CorruptResult, match=r"state.safetensors"):
        store.reduce(TRAIN.key, Content.WEIGHTS)


@pytest.mark.parametrize("iteration", [1, STATE.iteration], ids=["by another", "by its like"])
def test_a_result_that_another_process_replaces_meanwhile_is_read_again(
    store: Store, iteration: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(store)
    works, is_first = module.checksum, iter([True])

    def replaced_in_between(content: bytes) -> str:
        if next(is_first, False):
            put(store, state=replace(STATE, iteration=iteration))
            return "of the file that was read"
        return works(content)

    monkeypatch.setattr(module, "checksum", replaced_in_between)
    assert store.state(TRAIN).iteration == iteration
    assert not (store.root / "corrupt").exists()


# Opening


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda root: root.write_bytes(b""), r"store is a file, not a folder. Choose another place with --store DIR."),
        (
            lambda root: (root / "thesis").mkdir(parents=True),
            r"store holds other files and is no store. Choose an empty folder with --store DIR.",
        ),
        (
            lambda root: Store(root) and (root / "format.json").write_text('{"format": 2}'),
            r"the store .*store has format 2, made by a newer Winnow; this one knows format 1.\nUpgrade with `pip",
        ),
        (
            lambda root: Store(root) and (root / "format.json").write_text("{"),
            r'format.json cannot be read: (.|\n)*If the rest of the store is whole, write {"format": 1} into it.',
        ),
        (lambda root: Store(root) and (root / "format.json").write_text("[]"), r"format.json cannot be read"),
        (lambda root: Store(root) and (root / "format.json").write_text("{}"), r"format.json cannot be read"),
        (lambda root: (root / "format.json").mkdir(parents=True), r"format.json cannot be read"),
    ],
)
def test_a_folder_that_cannot_be_a_store_is_refused(tmp_path: Path, make: Callable[[Path], Any], message: str) -> None:
    make(tmp_path / "store")
    with pytest.raises(StoreError, match=message):
        Store(tmp_path / "store")


def test_a_store_that_may_not_be_read_is_not_taken_for_a_damaged_one(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(path: Path) -> bytes:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", refused)
    with pytest.raises(StoreError, match=r"format.json cannot be read: Permission denied.$"):
        Store(store.root)


def test_an_empty_folder_becomes_a_store(tmp_path: Path) -> None:
    (tmp_path / "store").mkdir()
    Store(tmp_path / "store")
    assert json.loads((tmp_path / "store" / "format.json").read_text())["format"] == 1


def test_a_store_that_another_process_is_just_making_can_be_opened(tmp_path: Path) -> None:
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / ".format.json.0a1b2c3d").write_bytes(b"")  # what it writes before moving it into place
    Store(tmp_path / "store")


@pytest.mark.parametrize("own", ["locks", "temporary", "experiments"])
def test_a_store_that_another_process_has_made_between_two_looks_can_be_opened(tmp_path: Path, own: str) -> None:
    (tmp_path / "store" / own).mkdir(parents=True)  # format.json was not there a moment ago; this is by now
    Store(tmp_path / "store")


def test_the_store_is_where_the_environment_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WINNOW_STORE", str(tmp_path / "there"))
    assert Store().root == default_store() == tmp_path / "there"
    monkeypatch.setenv("WINNOW_STORE", "")
    assert default_store() == Path("winnow-store")


# A full disk, and one that cannot be written to


@pytest.mark.parametrize(
    "error, message",
    [
        (OSError(errno.ENOSPC, "No space left on device"), "No space left on device.\nThe disk is full."),
        (OSError(errno.EROFS, "Read-only file system"), "Read-only file system.\nIt cannot be written to."),
        (PermissionError(errno.EACCES, "Permission denied"), "Permission denied.\nIt cannot be written to."),
    ],
)
def test_a_disk_that_cannot_be_written_to_is_told_and_what_is_stored_stays(
    store: Store, monkeypatch: pytest.MonkeyPatch, error: OSError, message: str
) -> None:
    put(store)

    def refuse(*arguments: Any, **keywords: Any) -> Any:
        raise error

    with monkeypatch.context() as patched:
        patched.setattr("winnow.store.files.os.fsync", refuse)
        for write in (
            lambda: put(store, Content.METRICS),
            lambda: store.put_mask(PRUNE, MASK, Making()),
            lambda: store.put_failure(TRAIN, Failure("Diverged", ""), making=Making()),
            lambda: store.reduce(TRAIN.key, Content.METRICS),
            lambda: Store(store.root / "another"),
        ):
            with pytest.raises(StoreError, match=rf"writing to .* failed: {message}"):
                write()
    with monkeypatch.context() as patched:
        patched.setattr("os.open", refuse)  # as filelock opens its files
        with pytest.raises(StoreError, match=message), store.locked(["a"]):
            pass
    with monkeypatch.context() as patched:
        patched.setattr("pathlib.Path.mkdir", refuse)
        with pytest.raises(StoreError, match=message), store.locked(["a"]):
            pass
    assert store.has(TRAIN, Content.FULL)
    assert torch.equal(store.state(TRAIN).parameters["fc.weight"], STATE.parameters["fc.weight"])


# Processes beside each other

HOLD = """
import sys
from winnow.store import Store
with Store(sys.argv[1]).locked(["a", "b"]) as held:
    print(*held, flush=True)
    sys.stdin.read()
"""


def test_a_lock_is_held_by_one_process_and_given_back_when_it_is_killed(store: Store) -> None:
    command = [sys.executable, "-c", HOLD, store.root]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "a b\n"
        with store.locked(["a", "b", "c"]) as held:
            assert held == ["c"]
        other.kill()
    with store.locked(["a", "b", "c"]) as held:
        assert held == ["a", "b", "c"]


def test_locks_are_given_back_however_the_work_ends(store: Store) -> None:
    with pytest.raises(KeyboardInterrupt), store.locked(["a"]):
        raise KeyboardInterrupt
    with store.locked(["a"]) as held, store.locked(["a"]) as twice:
        assert (held, twice) == (["a"], [])


def test_an_error_in_the_work_done_under_a_lock_is_not_taken_for_one_of_the_store(store: Store) -> None:
    with pytest.raises(PermissionError), store.locked(["a"]):
        raise PermissionError(errno.EACCES, "someone else's")


WRITE = """
import sys, torch
from winnow.experiments import imp
from winnow.recipes import read
from winnow.steps import Content
from winnow.store import Making, Store
from winnow.training import Curve, State
step = imp(read("digits").edited({"levels": 1, "replicates": 1, "control": []})).rows[0].trained
store = Store(sys.argv[1])
for number in range(20):
    value = torch.full((1, 300, 100), float(number))
    state = State(number, 0, {"w": value}, {}, {"momentum": {"w": value.clone()}})
    store.put_state(step, state, Content.FULL, curve=Curve({number: {}}), making=Making())
    store.reduce(step.key, Content.WEIGHTS)
"""


def test_processes_that_write_and_read_one_result_never_see_half_of_it(tmp_path: Path) -> None:
    root = tmp_path / "store"
    reads = 0
    with ExitStack() as ending:
        writers = [
            ending.enter_context(subprocess.Popen([sys.executable, "-c", WRITE, root], stderr=subprocess.PIPE))
            for _ in range(2)
        ]
        while any(writer.poll() is None for writer in writers):
            store = Store(root)
            try:
                state = store.state(TRAIN)
            except MissingResult:
                continue
            assert bool((state.parameters["w"] == state.iteration).all())
            reads += 1
        assert [writer.communicate()[1] for writer in writers] == [b"", b""]
    assert not (root / "corrupt").exists()
    assert reads > 0


def test_a_result_that_is_being_replaced_is_waited_for(store: Store) -> None:
    put(store)
    there, aside = folder(store, TRAIN), store.root / "temporary" / f"{TRAIN.key}-1a2b3c4d-old"
    aside.parent.mkdir(exist_ok=True)
    there.rename(aside)  # the first of the two moves of `write_folder`
    second = threading.Timer(0.05, lambda: aside.rename(there))
    second.start()
    assert store.manifest(TRAIN) is not None
    second.join()
    there.rename(aside)
    assert store.manifest(TRAIN) is None  # who was replacing it has died
