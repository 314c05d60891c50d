"""Run a recipe: from its name to tickets."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

import torch
from torch import Tensor, nn

from winnow.errors import CorruptResult, MissingResult, RecipeError
from winnow.execution.executor import Executor, Plan
from winnow.execution.follow import follow
from winnow.execution.onset import Onset, find_onset
from winnow.execution.profile import Profile
from winnow.execution.reporting import Reporter, Silent
from winnow.execution.team import led
from winnow.execution.training import initial_state
from winnow.experiments import Experiment, Row, imp
from winnow.experiments.experiment import TICKET, Keep
from winnow.experiments.retraining import switches
from winnow.experiments.words import start
from winnow.facts import further_names
from winnow.from_recipe import timeline
from winnow.handed import handed_data, handed_network, names_of_its_own
from winnow.pruning import Mask
from winnow.recipe import Recipe
from winnow.recipes import names, to_toml
from winnow.results import Results, collect, in_percent
from winnow.steps import Init, Step, Train
from winnow.store import Store
from winnow.store.experiments import identity, record, withdraw
from winnow.store.failures import Failures
from winnow.store.lookup import recipe_called
from winnow.store.manifest import winnow_version
from winnow.ticket import Ticket
from winnow.training import EngineName, check
from winnow.training.state import State
from winnow.unreached import tell_unreached

Device = Literal["auto", "cpu", "cuda"]

_Result = TypeVar("_Result")


@dataclass(frozen=True)
class Run:
    """A recipe that was run: its results, and the way to its tickets."""

    experiment: Experiment
    store: Store
    results: Results
    failures: Mapping[str, str]
    """What ended without a result and why, by where it stood: `dense, replicate 0`; `ticket, replicate 1, level 12`."""

    onset: Onset | None = None
    """How k was found, where the recipe left that to Winnow."""

    def __repr__(self) -> str:
        """In a few lines, with what the run was for."""
        smallest = self.results.smallest_matching
        found = f"level {smallest.level}, {in_percent(smallest.density)} % of the weights" if smallest else "none"
        failed = f"\n  failed: {len(self.failures)}" if self.failures else ""
        return f"<Run in {self.store.root}\n  {self.results!r}\n  smallest matching ticket: {found}{failed}>"

    @property
    def recipe(self) -> Recipe:
        """What was asked for."""
        return self.experiment.recipe

    def mask(self, level: int, replicate: int = 0) -> Mask:
        """A ticket's mask. Raises RecipeError for a level or replicate that was not run."""
        step = self.row(level, replicate).mask
        if step is None:
            raise RecipeError("level 0 is the dense network, which has no mask. Levels begin at 1.")
        return self._stored(self.store.mask, step, "mask")

    def rewind_point(self, replicate: int = 0) -> State:
        """The training state at iteration k that the replicate's tickets restart from."""
        self.row(0, replicate)
        point = self.experiment.rewind_points[replicate]
        return initial_state(point, self.store) if isinstance(point, Init) else self.store.state(point)

    def ticket(self, level: int | None = None, replicate: int = 0) -> Ticket:
        """A level's ticket; without a level, that of the smallest matching one.

        Raises RecipeError where there is none, and where the recipe retrains without rewinding weights: what it finds
        are sparse networks, not tickets, which train from a rewind point.
        """
        where = switches(self.recipe.retrain, timeline(self.recipe))
        if where.weights == "end":
            raise RecipeError(
                f"with retrain ({start(self.recipe)}), weights go on from the training before, so no level has a "
                f"rewind point that it trains from.\nTickets come of weight rewinding."
            )
        level = self.smallest if level is None else level
        row = self.row(level, replicate)
        point = self.rewind_point(replicate)
        mask = self.mask(level, replicate)
        provenance = {
            "recipe": to_toml(self.recipe),
            "experiment": self.results.identity,
            "replicate": replicate,
            "level": level,
            "density": mask.density,
            "k": point.iteration,
            "rewind_point": self.experiment.rewind_points[replicate].key,
            "mask": row.mask.key if row.mask else None,
            "winnow": winnow_version(),
        }
        return Ticket(mask, _under_every_name(point, row), provenance)

    def trained(self, level: int | None = None, replicate: int = 0) -> dict[str, Tensor]:
        """The network as a level's training left it, for its `load_state_dict`: exactly zero where it is pruned.

        Level 0 is the dense network; without a level it is the smallest matching one. Raises RecipeError where there is
        no such level, MissingResult where the weights are not stored, as after `keep="last"`.

        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     found = run("digits", store=folder, replicates=1, levels=1, train__length="40it", control=[])
        ...     weights = found.trained(level=1)
        >>> round((weights["fc1.weight"] != 0).double().mean().item(), 3)
        0.8
        """
        row = self.row(self.smallest if level is None else level, replicate)
        return _under_every_name(self._stored(self.store.state, row.trained, "trained network"), row)

    def network(self, level: int | None = None, replicate: int = 0) -> nn.Module:
        """The network that a level's training left, as a plain PyTorch module in evaluation mode, on the CPU.

        It holds what `trained` gives. A ticket to be trained again is made of it by `ticket(level).apply_(network)`.

        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     found = run("digits", store=folder, replicates=1, levels=1, train__length="40it", control=[])
        ...     network = found.network(level=1)
        >>> network(torch.zeros(1, 1, 8, 8)).shape
        torch.Size([1, 10])
        """
        weights = self.trained(level, replicate)
        network = self.row(0, replicate).trained.course.network.plain()
        network.load_state_dict(weights)
        return network.eval()

    def _stored(self, read: Callable[[Step], _Result], step: Step, what: str) -> _Result:
        """A step's result; raises MissingResult with the reason where there is none."""
        try:
            return read(step)
        except MissingResult:
            place = self.experiment.labels()[step]
            if failure := Failures(self.store).behind(step):
                raise MissingResult(
                    f"there is no {what} ({place}), since what it needs failed: {failure.message}"
                ) from None
            raise MissingResult(
                f"the store {self.store.root} does not hold the {what} ({place}).\n"
                f'With keep="last", weights of the dense network and of the last level stay, and no others.'
            ) from None

    @property
    def smallest(self) -> int:
        """The level of the smallest matching ticket. Raises RecipeError where none matches."""
        found = self.results.smallest_matching
        if found is None:
            raise RecipeError(
                "no level matches the dense network. Name a level, such as --level 1 (in Python: level=1)."
            )
        return found.level

    def row(self, level: int, replicate: int = 0) -> Row:
        """Where a level's training stands in the experiment. Raises RecipeError for one that was not asked for."""
        for row in self.experiment.rows:
            if (row.control, row.level, row.replicate) == (TICKET, level, replicate):
                return row
        chosen = self.recipe.prune.train_levels
        levels = f"are 0, {', '.join(map(str, chosen))}" if chosen else f"go from 0 to {self.recipe.levels}"
        raise RecipeError(
            f"there is no level {level} of replicate {replicate}: levels {levels}, "
            f"replicates from 0 to {self.recipe.replicates - 1}."
        )


def _under_every_name(state: State, row: Row) -> dict[str, Tensor]:
    """A training state's parameters and buffers as a state dict, in which a shared tensor stands under each name."""
    values = state.values()
    shared = further_names(row.trained.course.network)
    return dict(values) | {name: values[known].clone() for name, known in shared.items()}


def run(
    recipe: Recipe | str | Path = "digits",
    *,
    model: str | nn.Module | Callable[..., nn.Module] | None = None,
    data: Any = None,
    store: Store | Path | str | None = None,
    device: Device = "auto",
    keep: Keep = "weights",
    engine: EngineName = "auto",
    lanes: int | None = None,
    reporter: Reporter | None = None,
    profile: Profile | None = None,
    **changes: Any,
) -> Run:
    """Find the tickets of a recipe, training only what the store does not hold.

    `recipe` is a Recipe, a bundled one's name, a TOML file, or an experiment in the store by its identity. `changes`
    are fields to change in it, by path with two underscores for a dot: `levels=3`, `train__length="2ep"`.

    `model` and `data` put a network and data in the place of the recipe's. A model is a function or class that builds
    it, called with what it takes of `shape` and `classes`; or a module, whose values every replicate then begins with;
    or a name. Unless `model__init` is given, it initializes itself. Data are two torch datasets (train, test) of
    (input, target), the four arrays of `winnow.data.OwnArrays`, or a name.

    What a run was doing when it is interrupted is saved, and the same call goes on from there. `engine` and `lanes` (at
    most so many at once) override what Winnow chooses for the network and the device; `profile` is told where the time
    went. Where the recipe's `rewind` is "auto", k is found first, as the onset of stability (`Run.onset`). In processes
    that torchrun started, all must call it, on a store that all see: they train together.

    Raises RecipeError, DataError or StoreError where it cannot begin. A training that diverges, or a level that
    would empty a layer, is told in `failures`; the rest goes on.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     found = run("digits", store=folder, replicates=1, levels=2, train__length="40it", control=[])
    ...     [round(level.density, 3) for level in found.results.levels]
    [1.0, 0.802, 0.643]
    """
    with led() as team:
        if team is not None:
            follow(team)  # when it is done, all is stored, and what is below only reads
        asked = recipe if isinstance(recipe, Recipe) else recipe_called(recipe, store)
        edits: dict[str, Any] = {name.replace("__", "."): value for name, value in changes.items()}
        if model is not None:
            edits = {"model.name": handed_network(model), "model.init": "own"} | edits
        if data is not None:
            edits["data.name"] = handed_data(data)
        if not all(each is None or isinstance(each, str) for each in (model, data)) and asked.name in names():
            edits = names_of_its_own(asked, edits.get("model.name", asked.model.name)) | edits
        asked = asked.edited(edits) if edits else asked
        return _run(asked, store, device, keep, engine, lanes, reporter, profile)


def _run(
    recipe: Recipe,
    store: Store | Path | str | None,
    device: Device,
    keep: Keep,
    engine: EngineName,
    lanes: int | None,
    reporter: Reporter | None,
    profile: Profile | None,
) -> Run:
    opened = store if isinstance(store, Store) else Store(store)
    reporter, chosen = reporter or Silent(), chosen_device(device)
    check(chosen, deterministic=recipe.deterministic, engine=engine, width=lanes)
    executor = Executor(
        opened,
        chosen,
        reporter,
        engine=engine,
        width=lanes,
        keep_all=keep == "all",
        profile=profile or Profile(),
    )
    onset = find_onset(recipe, executor, keep=keep) if recipe.rewind == "auto" else None
    recipe = onset.rewound if onset else recipe
    experiment = imp(recipe)
    tell_unreached(recipe)
    before = record(opened, recipe)
    try:
        while True:
            try:
                plan = executor.run(experiment.targets(keep))
                results = collect(experiment, opened, identity=identity(recipe))
            except (CorruptResult, MissingResult) as damaged:
                reporter.noted(str(damaged))
                executor.forget()
            else:
                return Run(experiment, opened, results, _failures(experiment, plan), onset)
    except RecipeError:  # of what is known only once data and network are there
        known = {row.trained for row in imp(before).rows} if before else set[Train]()
        if not any(opened.whole(row.trained) for row in experiment.rows if row.trained not in known):
            withdraw(opened, recipe, before)
        raise


def chosen_device(device: Device) -> torch.device:
    """`auto` is the GPU where there is one."""
    if device == "cuda" and not torch.cuda.is_available():
        raise RecipeError("device 'cuda' was asked for, but PyTorch sees no GPU here. Use 'cpu' or 'auto'.")
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(device)


def _failures(experiment: Experiment, plan: Plan) -> dict[str, str]:
    failures: dict[str, str] = {}
    for row in experiment.rows:
        place = f"{row.control}, replicate {row.replicate}, level {row.level}"
        for step in (row.mask, row.trained):
            if step is not None and step in plan.failed:
                failures[place if row.level else f"dense, replicate {row.replicate}"] = plan.failed[step].message
    return failures
