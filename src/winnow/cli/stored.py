"""What a store holds, as tables for a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from rich.filesize import decimal
from rich.table import Table

from winnow.errors import StoreError, WinnowError
from winnow.execution.executor import Executor
from winnow.experiments import imp
from winnow.experiments.controls import ALL, chosen_controls
from winnow.recipe import Recipe
from winnow.steps import Train
from winnow.store import Manifest, Store
from winnow.store.experiments import read_record, recipe_files, recorded
from winnow.store.failures import Failures
from winnow.store.lookup import listed, shown
from winnow.store.maintenance import Garbage
from winnow.store.studies import read_study, study_files, study_identity


def experiments_table(store: Store) -> tuple[Table, list[str]]:
    """One line for each experiment and study, with how many of its trainings are stored; and what cannot be read."""
    problems: list[str] = []
    table = _table("experiment", "levels", "replicates", "controls", "stored", "failed", left=(0, 3))
    table.columns[3].no_wrap = False
    for path in recipe_files(store):
        try:
            name, recipe = read_record(path)
            counts = _counts(store, [row.trained for row in imp(recipe).rows])
        except WinnowError as problem:
            problems.append(f"experiment {path.stem} cannot be followed: {problem}")
            continue
        of = f"{recipe.name} ({name})"
        table.add_row(of, str(recipe.levels), str(recipe.replicates), _besides(recipe), *counts)
    for path in study_files(store):
        try:
            study = read_study(path)
            counts = _counts(store, [child.trained for child in study.children])
        except WinnowError as problem:
            problems.append(f"study {path.stem} cannot be followed: {problem}")
            continue
        of = f"{study.recipe.name} ({study_identity(study)})"
        table.add_row(of, str(study.level), str(study.recipe.replicates), "none", *counts)
    return table, problems


def told_apart(store: Store) -> list[str]:
    """For each name that several experiments have, in what they differ."""
    by_name: dict[str, dict[str, Recipe]] = {}
    for name, recipe in recorded(store)[0]:
        by_name.setdefault(recipe.name, {})[name] = recipe
    groups = [(name, recipes) for name, recipes in by_name.items() if len(recipes) > 1]
    return [f"The experiments '{name}' differ:\n{listed(recipes)}\n" for name, recipes in groups]


def nothing_found(store: Store, names: Sequence[str]) -> StoreError:
    """What to say where a store holds no experiment, or none that can be read of the recipes of these names."""
    files = [*recipe_files(store), *study_files(store)]
    if not files:
        return StoreError(f"the store {store.root} holds no experiment. `winnow run` makes one.")
    held = ", ".join(shown(path) for path in files)
    which = f" of {', '.join(names)}" if names else ""
    return StoreError(f"the store {store.root} holds no experiment{which} that can be read. What it holds: {held}.")


def _besides(recipe: Recipe) -> str:
    """The controls and rivals of a recipe; of all controls, the word for them."""
    has_all = set(chosen_controls(replace(recipe, control=(ALL,)))) <= set(chosen_controls(recipe))
    return ", ".join(dict.fromkeys((*([ALL] if has_all else recipe.control), *recipe.rival))) or "none"


def _counts(store: Store, steps: Sequence[Train]) -> tuple[str, str]:
    """How many of the trainings are stored, and how many cannot be."""
    trainings, failures = list(dict.fromkeys(steps)), Failures(store)
    failed = sum(failures.behind(step) is not None for step in trainings)
    found = sum(store.whole(step) is not None and failures.behind(step) is None for step in trainings)
    return f"{found} of {len(trainings)}", str(failed)


_KINDS = {
    "init": "initial weights",
    "train": "trainings",
    "prune": "masks",
    "draw": "random masks",
    "compare": "comparisons",
    "interpolate": "lines",
}


def kinds_table(manifests: Sequence[Manifest]) -> Table:
    """How many results of each kind there are, and how large they are."""
    table = _table("results", "kept", "count", "bytes", left=(0, 1))
    groups: dict[tuple[str, str], list[Manifest]] = {}
    for manifest in manifests:
        groups.setdefault((manifest.kind, _kept(manifest)), []).append(manifest)
    for (kind, kept), group in sorted(groups.items()):
        table.add_row(_KINDS.get(kind, kind), kept, f"{len(group):,}", decimal(sum(each.size for each in group)))
    table.add_row("all", "", f"{len(manifests):,}", decimal(sum(each.size for each in manifests)))
    return table


def _kept(manifest: Manifest) -> str:
    """How much of a training is kept; the other kinds are kept whole."""
    return "failed" if manifest.failure else manifest.content if manifest.kind == "train" else ""


def results_table(manifests: Sequence[Manifest]) -> Table:
    """One line for each result, the latest last."""
    table = _table("key", "kind", "kept", "bytes", "seconds", "finished", left=(0, 1, 2, 5))
    for manifest in sorted(manifests, key=lambda each: (str(each.made.get("finished")), each.key)):
        table.add_row(
            manifest.key[:16],
            manifest.kind,
            _kept(manifest),
            decimal(manifest.size),
            f"{manifest.seconds:,.1f}",
            _time(manifest),
        )
    return table


def described(manifest: Manifest, store: Store) -> str:
    """A manifest for people: what the result is, what it was made from, its files, and when and by what."""
    lines = [f"{manifest.kind} {manifest.key}", f"in {store.folder(manifest.key)}"]
    if manifest.failure:
        lines += ["", f"failed: {manifest.failure.error}: {manifest.failure.message}"]
    made = {name: value for name, value in manifest.made.items() if value is not None}
    files = {name: f"{decimal(file.bytes)}, sha256 {file.sha256[:16]}..." for name, file in manifest.files.items()}
    sections: dict[str, dict[str, Any]] = {
        "step": dict(manifest.step),
        "inputs": dict(manifest.inputs),
        "files": files,
        "made": made | {"finished": _time(manifest)},
    }
    for title, entries in sections.items():
        if entries:
            lines += ["", title, *_entries(entries, "  ")]
    return "\n".join(lines)


def _entries(entries: dict[str, Any], indent: str) -> list[str]:
    width = max(len(name) for name in entries) + 2
    lines: list[str] = []
    for name, value in entries.items():
        if isinstance(value, dict):
            lines += [f"{indent}{name}", *_entries(value, indent + "  ")]  # pyright: ignore[reportUnknownArgumentType]
        else:
            lines.append(f"{indent}{name:{width}}{_spelled(value)}")
    return lines


def _spelled(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(str(item) for item in value) or "none"  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
    return str(value)


def _time(manifest: Manifest) -> str:
    """When a result was finished, in the user's time zone."""
    try:
        finished = datetime.fromisoformat(str(manifest.made["finished"]))
    except (KeyError, ValueError):
        return "?"
    return finished.astimezone().strftime("%Y-%m-%d %H:%M:%S")


def needed(store: Store) -> tuple[set[str] | None, set[str] | None, list[str]]:
    """The results that experiments and studies are made from, the trajectories that they would train, and problems.

    Where a recipe cannot be followed nobody knows what it is made from and is to train, and both are None.
    """
    keys: set[str] = set()
    unfinished: set[str] = set()
    problems: list[str] = []
    for path in [*recipe_files(store), *study_files(store)]:
        try:
            is_study = path.parent.name == "studies"
            asked = read_study(path) if is_study else imp(read_record(path)[1])
        except WinnowError as problem:
            problems.append(f"{path} cannot be followed, so every result is kept: {problem}")
            continue
        keys |= {step.key for step in asked.steps()}
        missing = Executor(store).plan(asked.targets()).missing  # a training may be due again, for more of its state
        unfinished |= {step.trajectory for step in missing if isinstance(step, Train)}
    return (None, None, problems) if problems else (keys, unfinished, problems)


_REASONS = {
    "temporary": "temporary files of processes that died",
    "progress": "progress of trainings that are finished",
    "lock": "locks that nobody holds",
    "damaged": "damaged results, moved aside",
    "unreached": "results that no experiment is made from",
}


def garbage_table(found: Sequence[Garbage]) -> Table:
    """What nothing needs, by reason."""
    table = _table("what", "count", "bytes", left=(0,))
    for reason, words in _REASONS.items():
        items = [item for item in found if item.reason == reason]
        if items:
            table.add_row(words, f"{len(items):,}", decimal(sum(item.bytes for item in items)))
    return table


def _table(*columns: str, left: Sequence[int]) -> Table:
    table = Table(box=None, pad_edge=False)
    for number, column in enumerate(columns):
        table.add_column(column, justify="left" if number in left else "right", no_wrap=True)
    return table
