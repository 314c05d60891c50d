from __future__ import annotations

import copy
import functools
import pickle
import sys
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import TensorDataset

import winnow
from winnow import fingerprint
from winnow.data import described, opened
from winnow.errors import MissingResult, RecipeError
from winnow.execution.masks import anatomy
from winnow.execution.pace import pace
from winnow.experiments import imp
from winnow.handed import handed_data, handed_network
from winnow.results import collect
from winnow.store import Store


class Small(nn.Module):
    """A network with all that a training state has to tell apart: a table, a frozen and a shared tensor."""

    def __init__(self, shape: tuple[int, ...], classes: int, width: int = 6) -> None:
        super().__init__()
        self.first = nn.Linear(shape[0], width)
        self.shared = nn.Linear(width, width)
        self.again = nn.Linear(width, width)
        self.again.weight = self.shared.weight
        self.frozen = nn.Linear(width, width, bias=False).requires_grad_(False)
        self.last = nn.Linear(width, classes)
        self.register_buffer("table", torch.ones(width, dtype=torch.int64))
        self.register_buffer("scratch", torch.ones(width), persistent=False)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        hidden = torch.relu(self.first(inputs)) * self.table * self.scratch
        return self.last(self.frozen(self.again(torch.relu(self.shared(hidden)))) + hidden)


def pair(classes: int = 3) -> tuple[Any, Any]:
    inputs = torch.randn(120, 4, generator=torch.Generator().manual_seed(0))
    targets = (inputs[:, 0] > 0).long() + (inputs[:, 1] > 0.5).long()
    return TensorDataset(inputs[:100], targets[:100]), TensorDataset(inputs[100:], targets[100:])


TINY: dict[str, Any] = {
    "levels": 2,
    "replicates": 2,
    "control": [],
    "deterministic": True,
    "train__length": "30it",
    "train__evaluate": "10it",
    "train__batch": 20,
    "data__validation": 20,
}


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WINNOW_DATA", str(tmp_path / "cache"))
    sys.modules["winnow.data.described"]._remembered.cache_clear()


@pytest.fixture
def found(tmp_path: Path) -> winnow.Run:
    return winnow.run(model=Small, data=pair(), store=tmp_path / "store", **TINY)


def test_a_module_and_datasets_make_tickets(found: winnow.Run) -> None:
    assert not found.failures
    assert [level.density for level in found.results.levels][:1] == [1.0]
    assert list(found.mask(2)) == ["first.weight", "shared.weight", "last.weight"]
    assert found.recipe.model.init == "own"


def test_what_is_frozen_shared_or_a_table_stays_so(found: winnow.Run) -> None:
    dense = found.store.state(found.experiment.rows[0].trained)
    start = found.rewind_point(0)
    assert set(dense.buffers) == {"frozen.weight", "table"}
    assert torch.equal(dense.buffers["frozen.weight"], start.buffers["frozen.weight"])
    assert dense.buffers["table"].dtype == torch.int64
    assert "again.weight" not in dense.parameters
    assert not torch.equal(dense.parameters["shared.weight"], start.parameters["shared.weight"])


def test_a_ticket_fits_the_network_under_all_its_names(found: winnow.Run, tmp_path: Path) -> None:
    found.ticket(2).save(tmp_path / "ticket.safetensors")
    ticket, network = winnow.Ticket.read(tmp_path / "ticket.safetensors"), Small((4,), 3)
    ticket.apply_(network)
    assert network.again.weight is network.shared.weight
    assert set(ticket.state) == set(network.state_dict())
    assert not network.shared.weight[~ticket.mask["shared.weight"]].any()


def test_the_network_of_a_level_is_plain_and_computes_what_was_measured(found: winnow.Run) -> None:
    network = found.network(2, replicate=1)
    (of,) = [each for each in found.results.trainings if each.row is found.row(2, 1)]
    inputs, targets = pair()[1].tensors
    accuracy = (network(inputs).argmax(1) == targets).double().mean().item()
    assert accuracy == pytest.approx(of.curve.rows[30]["test_accuracy"])
    assert type(network) is Small and network.again.weight is network.shared.weight
    assert not network._forward_hooks and not network.training  # pyright: ignore[reportPrivateUsage]
    assert not network.frozen.weight.requires_grad
    pickle.loads(pickle.dumps(copy.deepcopy(network)))
    found.ticket(2, 1).apply_(network)
    assert torch.equal(network.last.bias, found.ticket(2, 1).state["last.bias"])


def looked_up(classes: int) -> nn.Module:
    class Category(nn.Module):
        def forward(self, inputs: torch.Tensor) -> torch.Tensor:
            return nn.functional.one_hot(inputs[:, 0].long(), 3).float()

    return nn.Sequential(Category(), nn.Linear(3, 4), nn.Linear(4, classes))


def test_a_network_that_made_up_examples_do_not_suit_is_tried_on_real_ones(tmp_path: Path) -> None:
    inputs, targets = np.arange(120.0)[:, None] % 3, np.arange(120) % 3
    data = inputs[:100], targets[:100], inputs[100:], targets[100:]
    run = winnow.run(model=looked_up, data=data, store=tmp_path / "store", **(TINY | {"levels": 1}))
    assert not run.failures
    step = run.experiment.rows[0].trained
    assert pace(step, Store(tmp_path / "other"), torch.device("cpu"), 2).seconds > 0
    assert not [record for record in anatomy(run.experiment, run.store, identity="").records if record.value < 0]


def test_what_a_level_without_result_lacks_is_told(tmp_path: Path) -> None:
    collapsing = TINY | {"levels": 9, "replicates": 1, "prune__rate__output": 0.9}
    run = winnow.run(model=Small, data=pair(), store=tmp_path / "store", keep="last", **collapsing)
    for look in (run.mask, run.trained, run.ticket):
        with pytest.raises(
            MissingResult, match=r"\(.*level 9, replicate 0\), since what it needs failed: level \d would leave no we"
        ):
            look(9)
    with pytest.raises(
        MissingResult, match=r'does not hold the trained network \(ticket, level 1, .*\nWith keep="last"'
    ):
        run.trained(1)


def test_the_same_objects_find_the_results_of_the_first(found: winnow.Run) -> None:
    again = winnow.run(model=Small, data=pair(), store=found.store, **TINY)
    assert again.experiment.rows[0].trained == found.experiment.rows[0].trained
    other = winnow.run(model=functools.partial(Small, width=7), data=pair(), store=found.store, **TINY)
    assert other.experiment.rows[0].trained != found.experiment.rows[0].trained


def test_replicates_begin_with_values_of_their_own_and_a_module_with_its_own(tmp_path: Path, found: winnow.Run) -> None:
    first, second = (found.rewind_point(replicate).parameters["first.weight"] for replicate in (0, 1))
    assert not torch.equal(first, second)
    module = Small((4,), 3)
    given = winnow.run(model=module, data=pair(), store=tmp_path / "store", **TINY)
    for replicate in (0, 1):
        assert torch.equal(given.rewind_point(replicate).parameters["first.weight"][0], module.first.weight)


def test_a_module_cannot_be_drawn_anew(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"control 'reinit' draws weights anew, and this network was handed over as"):
        winnow.run(model=Small((4,), 3), data=pair(), store=tmp_path / "store", **(TINY | {"control": ["reinit"]}))


def test_a_class_that_needs_more_than_it_is_called_with_is_told_how_to_give_it(tmp_path: Path) -> None:
    with pytest.raises(
        RecipeError, match=r"missing a required argument: 'width'.\n.*functools.partial\(function, depth=2\)"
    ):
        winnow.run(model=lambda width: Small((4,), 3, width), data=pair(), store=tmp_path / "store", **TINY)


def test_engines_agree_on_it(tmp_path: Path) -> None:
    settings = TINY | {"deterministic": False}
    ends = [
        winnow.run(model=Small, data=pair(), store=tmp_path / engine, engine=engine, **settings)
        for engine in ("plain", "stacked")
    ]
    plain, stacked = (run.store.state(run.experiment.rows[-1].trained) for run in ends)
    for name, tensor in plain.parameters.items():
        torch.testing.assert_close(tensor, stacked.parameters[name], rtol=1e-3, atol=1e-4)


def test_results_of_data_that_are_not_here_can_be_read(found: winnow.Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules["winnow.given"], "_OBJECTS", {})
    recipe = found.recipe.edited({"model.name": "lenet-4", "model.init": "glorot-normal"})
    with pytest.raises(RecipeError, match="the examples have shape"):
        imp(recipe)
    sys.modules["winnow.data.described"]._remembered.cache_clear()
    assert described(found.recipe.data.name).train == 100
    with pytest.raises(RecipeError, match=r"Hand it over again, winnow.run\(data=...\)"):
        opened(found.recipe.data.name)
    assert collect(found.experiment, Store(found.store.root), identity="").trainings


class Kind(Enum):
    SUM = 1
    MEAN = 2


def doubled(width: int) -> Any:
    return lambda shape, classes: Small(shape, classes, width)


def test_names_of_objects() -> None:
    assert handed_network("resnet-20") == "resnet-20"
    assert handed_network(nn.Linear) == "torch.nn.modules.linear:Linear"
    assert handed_network(nn.Linear(2, 2)).startswith("given:Linear-")
    assert handed_network(doubled(2)).startswith("given:-lambda--")
    assert handed_data("npz:x.npz") == "npz:x.npz"
    assert handed_data(pair()) == handed_data(pair())
    with pytest.raises(RecipeError, match=r"model is a int; expected a torch.nn.Module, a function that gives one"):
        handed_network(3)  # pyright: ignore


def test_what_is_found_is_told_in_a_few_lines(found: winnow.Run) -> None:
    for each, most in ((found, 4), (found.results, 1), (found.ticket(1), 1)):
        told = repr(each).splitlines()
        assert len(told) <= most and max(map(len, told)) < 150


def test_a_module_without_shapes_is_told() -> None:
    with pytest.raises(
        RecipeError, match=r"the network's weight, bias have no shape until it is first called \(lazy mod"
    ):
        handed_network(nn.LazyLinear(3))


def test_a_module_without_values_or_with_none_but_its_own_is_told() -> None:
    with pytest.raises(
        RecipeError, match=r"the module's 'weight' lies on the meta device, .*\nHand over the function or"
    ):
        handed_network(nn.Linear(2, 2, device="meta"))
    with pytest.warns(DeprecationWarning, match="jit.trace"):
        scripted = torch.jit.trace(nn.Linear(2, 2), torch.zeros(1, 2))
    with pytest.raises(RecipeError, match=r"the network is a ScriptModule, .*\nGive the module that it was made of"):
        handed_network(scripted)  # pyright: ignore


def test_tokens_beyond_a_networks_embedding_are_told_before_it_is_trained(tmp_path: Path) -> None:
    both = TensorDataset(torch.arange(120).view(20, 6) % 50, torch.arange(20) % 2)
    settings = TINY | {"data__validation": 2, "train__batch": 4}

    def small(classes: int) -> nn.Module:
        return nn.Sequential(nn.Embedding(49, 4), nn.Flatten(), nn.Linear(24, classes))

    with pytest.raises(
        RecipeError, match=r"index out of range in self\nHas it an embedding for each of the tokens 0 to"
    ):
        winnow.run(model=small, data=(both, both), store=tmp_path / "store", **settings)


def test_fingerprints_are_of_code_settings_and_values() -> None:
    assert fingerprint.of_callable(doubled(2)) == fingerprint.of_callable(doubled(2))
    assert fingerprint.of_callable(doubled(2)) != fingerprint.of_callable(doubled(3))
    one = functools.partial(Small, width=3)
    assert fingerprint.of_callable(one) == fingerprint.of_callable(functools.partial(Small, width=3))
    assert fingerprint.of_callable(one) != fingerprint.of_callable(functools.partial(Small, width=4))
    networks = [nn.Linear(2, 2), nn.Linear(2, 2)]
    assert fingerprint.of_module(networks[0]) != fingerprint.of_module(networks[1])
    networks[1].load_state_dict(networks[0].state_dict())
    assert fingerprint.of_module(networks[0]) == fingerprint.of_module(networks[1])
    networks[1].bias.requires_grad_(False)
    assert fingerprint.of_module(networks[0]) != fingerprint.of_module(networks[1])
    elu = [nn.ELU(0.5), nn.ELU(0.5).eval(), nn.ELU(0.7)]
    assert len({fingerprint.of_module(each) for each in elu}) == 2


@dataclass
class Settings:
    skip: bool


class Holding(nn.Linear):
    """A network that computes by what it holds, in private attributes and in objects."""

    def __init__(self, **held: Any) -> None:
        super().__init__(2, 2)
        for name, value in held.items():
            setattr(self, name, value)


def held(**values: Any) -> str:
    network = Holding(**values)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.fill_(0.5)
    return fingerprint.of_module(network)


@pytest.mark.parametrize(
    "one, other",
    [
        ({"_scale": 1.0}, {"_scale": 0.01}),
        ({"config": Settings(False)}, {"config": Settings(True)}),
        ({"_config": [Settings(False)]}, {"_config": [Settings(True)]}),
        ({"mask": torch.zeros(2)}, {"mask": torch.ones(2)}),
        ({"table": np.zeros(2)}, {"table": np.ones(2)}),
        ({"names": np.array(["a", "b"])}, {"names": np.array(["a", "c"])}),
        ({"mode": Kind.SUM}, {"mode": Kind.MEAN}),
        ({"act": functools.partial(torch.clamp, min=0)}, {"act": functools.partial(torch.clamp, min=1)}),
        ({"pick": Settings(True).__eq__}, {"pick": Settings(False).__eq__}),
    ],
)
def test_what_a_network_holds_counts_by_its_content(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert held(**one) == held(**one)
    assert held(**one) != held(**other)


def test_hooks_and_buffers_that_are_not_saved_count() -> None:
    networks = [nn.Linear(2, 2) for _ in range(3)]
    for network in networks:
        network.load_state_dict(networks[0].state_dict())
    networks[1].register_forward_hook(lambda module, inputs, outputs: outputs * 0)
    networks[2].register_buffer("scale", torch.ones(1), persistent=False)
    assert len({fingerprint.of_module(network) for network in networks}) == 3


def test_a_network_that_holds_itself_has_a_fingerprint() -> None:
    inner, outer = Holding(), nn.Sequential()
    outer.append(inner)
    inner.__dict__["_parent"] = [outer]
    assert fingerprint.of_module(outer) == fingerprint.of_module(outer)


def test_code_that_lies_in_no_file_is_told_apart() -> None:
    spaces: list[dict[str, Any]] = [{"__name__": "__main__"} for _ in range(3)]
    for space, width in zip(spaces, (2, 2, 3), strict=True):
        exec(f"def small(classes): return [classes, {width}]", space)
    first, again, other = (fingerprint.of_callable(space["small"]) for space in spaces)
    assert first == again
    assert first != other


@pytest.mark.parametrize(
    "before, after",
    [
        ("WIDTH = 300", "WIDTH = 20"),
        ("class Net: factor = lambda self: 1", "class Net: factor = lambda self: 0"),
        ("def helper(): return 1", "def helper(): return 0"),
        (
            "class Base:\n def f(self): return 1\nclass Net(Base): pass",
            "class Base:\n def f(self): return 0\nclass Net(Base): pass",
        ),
    ],
    ids=["a number", "a class", "a function", "what a class derives from"],
)
def test_what_code_at_a_prompt_names_counts(before: str, after: str) -> None:
    def named(globals_of: str) -> str:
        space: dict[str, Any] = {"__name__": "__main__", "WIDTH": 1, "Net": None, "helper": None}
        exec(globals_of, space)
        exec("def small(classes): return [WIDTH, Net, helper]", space)
        return fingerprint.of_callable(space["small"])

    assert named(before) == named(before)
    assert named(before) != named(after)


def test_a_function_that_holds_what_cannot_be_told_apart_is_refused() -> None:
    opaque = iter([1])
    with pytest.raises(
        RecipeError, match=r"the network's function holds a list_iterator, and nothing tells one of these from"
    ):
        fingerprint.of_callable(lambda classes: opaque)
