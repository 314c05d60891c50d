"""The store: step -> result, on disk.

    STORE/
      format.json                      which layout this is
      results/ab/abcd.../              a result: manifest.json and its files
      progress/KEY.progress            a training under way
      passed/KEY/500                   that a training's state at iteration 500 was stored
      experiments/NAME-ID.toml         the recipes that were run
      experiments/given-NAME.json      what is known of networks and data that were handed over from Python
      studies/NAME-ID.toml             the studies that were asked for
      figures/                         what was drawn of them
      corrupt/                         what failed its checksum, moved aside
      locks/, temporary/               of processes at work

Any number of processes may use a store at once: results appear whole, in one move, and locks keep two
processes from computing the same one.
"""

from __future__ import annotations

import dataclasses
import errno
import json
import os
import shutil
import time
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

from filelock import FileLock, Timeout

from winnow.errors import CorruptResult, MissingResult, StoreError, WinnowError
from winnow.pruning.mask import Mask
from winnow.steps import Content, Step, Train
from winnow.store import codec
from winnow.store.files import checksum, storing, write_file, write_folder
from winnow.store.manifest import NAME, Failure, File, Making, Manifest, manifest_of, new_writing
from winnow.training.metrics import Curve
from winnow.training.state import State

FORMAT = 1

_OWN = {
    "format.json",
    "results",
    "progress",
    "passed",
    "experiments",
    "studies",
    "figures",
    "corrupt",
    "locks",
    "temporary",
}

_LOOKS = 30
"""How often to look for a result that is being replaced, a hundredth of a second apart. Who did it may have died."""

_Result = TypeVar("_Result")

STATE, MASK, METRICS, MEASURED = "state.safetensors", "mask.safetensors", "metrics.csv", "measured.csv"


def default_store() -> Path:
    """$WINNOW_STORE, else `winnow-store` in the working directory."""
    return Path(os.environ.get("WINNOW_STORE") or "winnow-store")


class Store:
    """Results by step. Opening one makes it if it is not there; raises StoreError where it cannot be used.

    With `make` false nothing is written: a store that is not there is empty, and what is damaged stays where it lies.
    """

    def __init__(self, root: Path | str | None = None, *, make: bool = True) -> None:
        self.root = Path(root) if root is not None else default_store()
        self._is_written = make
        self._damaged: dict[str, str] = {}
        self._check_format(make)

    def _check_format(self, make: bool) -> None:
        path = self.root / "format.json"
        try:
            found = json.loads(path.read_bytes())["format"]
        except FileNotFoundError:
            if self._holds_other_files():
                raise StoreError(
                    f"{self.root} holds other files and is no store. Choose an empty folder with --store DIR."
                ) from None
            if make:
                write_file(path, json.dumps({"format": FORMAT, "made by": "winnow"}).encode())
            return
        except NotADirectoryError:
            raise StoreError(f"{self.root} is a file, not a folder. Choose another place with --store DIR.") from None
        except PermissionError as error:
            raise StoreError(f"{path} cannot be read: {error.strerror}.") from None
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise StoreError(
                f"{path} cannot be read: {error}.\n"
                f'If the rest of the store is whole, write {{"format": {FORMAT}}} into it.'
            ) from None
        if found != FORMAT:
            raise StoreError(
                f"the store {self.root} has format {found}, made by a newer Winnow; this one knows format {FORMAT}.\n"
                f"Upgrade with `pip install -U winnow-lth`, or choose another place with --store DIR."
            )

    def _holds_other_files(self) -> bool:
        """Whether a folder without format.json is no store. Another process may be making one of it just now."""
        if not self.root.is_dir() or (self.root / "results").is_dir():
            return False
        return any(path.name not in _OWN and not path.name.startswith(".format.json.") for path in self.root.iterdir())

    # Reading

    def manifest(self, step: Step | str) -> Manifest | None:
        """The manifest of a step's result, or None where there is no result. A damaged one is moved aside.

        One that another process is just replacing, in two moves, is waited for.
        """
        key = step if isinstance(step, str) else step.key
        is_absent = False
        for _ in range(_LOOKS):
            try:
                if key in self._damaged:
                    raise CorruptResult(self._damaged[key])
                content = self._content(key, NAME)
                if content is not None:
                    return Manifest.from_bytes(content, key)
            except CorruptResult as error:
                raise self.set_aside(key, str(error)) from None
            if is_absent:  # the replacement may have ended between the two looks
                return None
            is_absent = not self._is_being_replaced(key)
            if not is_absent:
                time.sleep(0.01)
        return None

    def _content(self, key: str, name: str) -> bytes | None:
        """A file of a result as it lies there; None where it is missing.

        Raises CorruptResult where something else is in its place, StoreError where it may not, or cannot, be read.
        """
        path = self.folder(key) / name
        try:
            return path.read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            if error.errno in (errno.EISDIR, errno.ELOOP):
                raise CorruptResult(f"{name} is no file") from None
            raise StoreError(f"{path} cannot be read: {error.strerror or error}.") from error

    def whole(self, step: Step) -> Manifest | None:
        """The manifest of a step's result; one that is damaged is none."""
        try:
            return self.manifest(step)
        except CorruptResult:
            return None

    def _is_being_replaced(self, key: str) -> bool:
        """Whether a result's folder has been moved aside, to be followed by another: see `write_folder`."""
        try:
            names = [path.name for path in (self.root / "temporary").iterdir()]
        except FileNotFoundError:
            return False
        return any(name.startswith(key) and name.endswith("-old") for name in names)

    def failure(self, step: Step) -> Failure | None:
        """Why a step ended without a result, if it did."""
        manifest = self.manifest(step)
        return manifest.failure if manifest else None

    def has(self, step: Step, content: Content) -> bool:
        """Whether a step's result is stored with at least so much content."""
        manifest = self.manifest(step)
        return manifest is not None and manifest.failure is None and manifest.kept >= content

    def state(self, step: Step) -> State:
        """The training state that is the result of an Init or Train step."""
        return self._decoded(step, STATE, codec.decode)

    def curve(self, step: Step) -> Curve:
        """The metrics of a Train step."""
        return self._decoded(step, METRICS, lambda content: Curve.from_csv(content.decode()))

    def mask(self, step: Step) -> Mask:
        """The mask that is the result of a Prune or Draw step, or that a training with changing masks ended with."""
        return self._decoded(step, MASK, Mask.from_bytes)

    def measured(self, step: Step) -> list[dict[str, float | str]]:
        """The rows that are the result of a Compare or Interpolate step."""
        return self._decoded(step, MEASURED, codec.decode_rows)

    def _decoded(self, step: Step, name: str, decoder: Callable[[bytes], _Result]) -> _Result:
        content = self.read(step, name)
        try:
            return decoder(content)
        except (WinnowError, ValueError, KeyError) as error:
            raise self.set_aside(step.key, str(error)) from None

    def read(self, step: Step | str, name: str) -> bytes:
        """One of a result's files, verified; read again where another process replaced the result meanwhile."""
        key = step if isinstance(step, str) else step.key
        manifest = self.manifest(key)
        while True:
            if manifest is None or name not in manifest.files:
                raise MissingResult(f"result {key} has no {name} in {self.root}")
            try:
                content = self._content(key, name)
            except CorruptResult as error:
                raise self.set_aside(key, str(error)) from None
            if content is not None and checksum(content) == manifest.files[name].sha256:
                return content
            seen, manifest = manifest, self.manifest(key)
            if manifest == seen:
                raise self.set_aside(key, f"{name} is missing or does not have the checksum in its manifest")

    def set_aside(self, key: str, reason: str) -> CorruptResult:
        """Move a damaged result out of the way, so that it is computed again; gives the error to raise."""
        if not self._is_written:
            self._damaged[key] = reason
            return CorruptResult(
                f"stored result {key} is damaged: {reason}.\nA run that needs it computes it again; "
                f"`winnow store verify` moves it aside."
            )
        aside = self.root / "corrupt" / f"{key}-{time.time_ns()}"
        with storing(aside):
            aside.parent.mkdir(parents=True, exist_ok=True)
            with suppress(FileNotFoundError):
                os.replace(self.folder(key), aside)
        return CorruptResult(
            f"stored result {key} is damaged: {reason}.\nMoved aside to {aside}; it will be computed again."
        )

    # Writing

    def put_state(
        self, step: Step, state: State, content: Content, *, curve: Curve | None = None, making: Making
    ) -> None:
        """Store the result of an Init or Train step, with as much of its state as `content` says."""
        files: dict[str, bytes] = {}
        if state.masks:
            files[MASK] = Mask({name: kept[0].bool() for name, kept in state.masks.items()}).to_bytes()
        if content > Content.METRICS:
            files[STATE] = codec.encode(state, content)
        if curve is not None:
            files[METRICS] = curve.to_csv().encode()
        self._put(step, content, files, making)
        if isinstance(step, Train) and content is Content.FULL:
            self._note_passed(step)

    def _note_passed(self, step: Train) -> None:
        """Leave a note that this training passed here: another that passes here, for a later k, goes on from it."""
        note = self.root / "passed" / step.trajectory / str(step.stop)
        with storing(note):
            note.parent.mkdir(parents=True, exist_ok=True)
            note.touch()

    def waypoint(self, step: Train, *, before: int) -> Train | None:
        """The last stored state, before an iteration, of the very training that `step` is the end of, if any."""
        notes = (self.root / "passed" / step.trajectory).glob("*")
        stops = sorted((int(note.name) for note in notes if note.name.isdecimal()), reverse=True)
        passed = (dataclasses.replace(step, stop=stop) for stop in stops if step.start < stop < before)
        return next((earlier for earlier in passed if self.has(earlier, Content.FULL)), None)

    def put_mask(self, step: Step, mask: Mask, making: Making) -> None:
        """Store the result of a Prune or Draw step."""
        self._put(step, Content.FULL, {MASK: mask.to_bytes()}, making)

    def put_measured(self, step: Step, rows: Sequence[Mapping[str, float | str]], making: Making) -> None:
        """Store the result of a Compare or Interpolate step: rows of the same columns."""
        self._put(step, Content.FULL, {MEASURED: codec.encode_rows(rows)}, making)

    def put_failure(self, step: Step, failure: Failure, *, curve: Curve | None = None, making: Making) -> None:
        """Record that a step ended without a result, and what was measured until then."""
        files = {METRICS: curve.to_csv().encode()} if curve is not None else {}
        self._put(step, Content.METRICS, files, making, failure)

    def _put(
        self, step: Step, content: Content, files: Mapping[str, bytes], making: Making, failure: Failure | None = None
    ) -> None:
        listed = {name: File(bytes=len(data), sha256=checksum(data)) for name, data in files.items()}
        manifest = manifest_of(step, content, listed, making, failure)
        write_folder(self.folder(step.key), {**files, NAME: manifest.to_bytes()}, temporary=self.root / "temporary")

    def reduce(self, key: str, content: Content) -> int:
        """Keep no more of a result than `content`, its metrics always; the bytes that this frees."""
        manifest = self.manifest(key)
        if manifest is None or manifest.kept <= content:
            return 0
        try:
            files = {name: self.read(key, name) for name in manifest.files}
        except MissingResult:  # another process has just reduced it
            return 0
        if STATE in files:
            state = files.pop(STATE)
            if content > Content.METRICS:
                files[STATE] = codec.encode(codec.decode(state), content)
        listed = {name: File(bytes=len(data), sha256=checksum(data)) for name, data in files.items()}
        changed = dataclasses.replace(manifest, content=content.name.lower(), files=listed, writing=new_writing())
        write_folder(self.folder(key), {**files, NAME: changed.to_bytes()}, temporary=self.root / "temporary")
        return manifest.size - changed.size

    def remove(self, key: str) -> None:
        """Forget a result."""
        with storing(self.root):
            temporary = self.root / "temporary" / f"{key}-{time.time_ns()}"
            temporary.parent.mkdir(parents=True, exist_ok=True)
            with suppress(FileNotFoundError):
                os.replace(self.folder(key), temporary)  # in one move, so that no reader sees half of it
            shutil.rmtree(temporary, ignore_errors=True)

    def forget_failures(self, steps: Iterable[Step]) -> int:
        """Forget which of the steps ended without a result, so that they are tried again; how many there were."""
        failed = [step for step in dict.fromkeys(steps) if self.failure(step)]
        for step in failed:
            self.remove(step.key)
        return len(failed)

    # Processes beside each other

    @contextmanager
    def waiting_for(self, name: str) -> Generator[None]:
        """Hold a lock that other processes hold for moments only, once they have let it go."""
        with storing(self.root):
            (self.root / "locks").mkdir(parents=True, exist_ok=True)
        with FileLock(self.root / "locks" / f"{name}.lock"):
            yield

    @contextmanager
    def locked(self, names: list[str]) -> Generator[list[str]]:
        """Hold the locks of as many of the names as no other process holds; gives those.

        The system gives a lock back when its holder dies, however it dies.
        """
        held: list[tuple[str, FileLock]] = []
        with storing(self.root):
            (self.root / "locks").mkdir(parents=True, exist_ok=True)
        try:
            for name in names:
                lock = FileLock(self.root / "locks" / f"{name}.lock")
                with storing(Path(lock.lock_file)), suppress(Timeout):
                    lock.acquire(timeout=0)
                    held.append((name, lock))
            yield [name for name, _ in held]
        finally:
            for _, lock in held:
                lock.release()

    # Places

    def folder(self, key: str) -> Path:
        """Where a result lies, if it is stored."""
        return self.root / "results" / key[:2] / key

    def result_keys(self) -> list[str]:
        """The keys of all results."""
        return sorted(path.name for path in self.root.glob("results/??/*") if (path / NAME).exists())

    def progress_file(self, trajectory: str) -> Path:
        """Where a training under way saves itself."""
        return self.root / "progress" / f"{trajectory}.progress"
