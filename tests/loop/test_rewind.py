"""A rewind is true: what is trained after it is what was trained before it, to the bit."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, DistributedSampler, TensorDataset

import winnow
from winnow.errors import RecipeError, RewindError, TicketError
from winnow.loop.packing import packed, unpacked
from winnow.pruning import Mask
from winnow.ticket import Ticket

LENGTH, BATCH = 26, 4


def examples() -> TensorDataset:
    stream = torch.Generator().manual_seed(0)
    return TensorDataset(torch.randn(LENGTH, 6, generator=stream), torch.randint(0, 3, (LENGTH,), generator=stream))


class Training:
    """A loop like anybody's: batch normalization, dropout, momentum, a schedule and shuffled batches."""

    def __init__(self, order: str) -> None:
        torch.manual_seed(0)
        self.model = nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.3), nn.Linear(8, 3))
        self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=0.01)
        self.schedulers = [
            torch.optim.lr_scheduler.MultiStepLR(self.optimizer, [5, 9], gamma=0.5),
            torch.optim.lr_scheduler.ExponentialLR(self.optimizer, gamma=0.99),
        ]
        self.order: Any = {
            "data order": lambda: winnow.DataOrder(LENGTH, BATCH),
            "generator": lambda: torch.Generator().manual_seed(5),
            "global": lambda: None,
        }[order]()
        loader: dict[str, Any] = {"batch_size": BATCH, "shuffle": True, "drop_last": True, "generator": self.order}
        if order == "data order":
            loader = {"batch_sampler": self.order, "generator": torch.Generator()}
        self.loader = DataLoader(examples(), **loader)
        self.seen: list[float] = []

    def step(self, images: Tensor, labels: Tensor) -> None:
        self.optimizer.zero_grad()
        loss = nn.functional.cross_entropy(self.model(images), labels)
        loss.backward()
        self.optimizer.step()
        for scheduler in self.schedulers:
            scheduler.step()
        self.seen.append(float(loss.detach()))

    def run(self, start: int, stop: int, look: Callable[[int], None] = lambda iteration: None) -> None:
        """Train from one iteration to another; `look` is called after each, and after the last one of an epoch once
        the loader has come to its end, since a sampler may still draw there."""
        iteration = start
        while iteration < stop:
            for batch in self.loader:
                if iteration > start and iteration % 6:
                    look(iteration)
                if iteration == stop:
                    return
                self.step(*batch)
                iteration += 1
            look(iteration)

    def parts(self) -> dict[str, Any]:
        return {"scheduler": self.schedulers, "data_order": self.order}


@pytest.mark.parametrize("order, k", [("data order", 0), ("data order", 8), ("generator", 6), ("global", 6)])
@pytest.mark.parametrize("is_saved", [False, True])
def test_a_training_goes_on_after_a_rewind_as_it_did_before(order: str, k: int, is_saved: bool, tmp_path: Path) -> None:
    training = Training(order)
    points: dict[int, winnow.RewindPoint] = {}

    def look(iteration: int) -> None:
        if iteration == k:
            points[k] = winnow.rewind_point(training.model, training.optimizer, iteration=k, **training.parts())

    look(0)
    training.run(0, 15, look)
    point = points[k]
    weights = [p.clone() for p in training.model.state_dict().values()]
    losses, training.seen = training.seen, []
    if is_saved:
        point.save(tmp_path / "k.safetensors")
        point = winnow.RewindPoint.read(tmp_path / "k.safetensors")
    assert point.iteration == k
    for _ in range(2):  # the point is not used up
        winnow.rewind(point, training.model, training.optimizer, **training.parts())
        training.seen.clear()
        training.run(k, 15)
        assert training.seen == losses[k:]
        assert all(torch.equal(a, b) for a, b in zip(weights, training.model.state_dict().values(), strict=True))


def test_under_a_mask_pruned_weights_and_their_state_go_back_to_zero() -> None:
    training = Training("generator")
    training.run(0, 6)
    point = winnow.rewind_point(training.model, training.optimizer, **training.parts())
    mask = winnow.prune(training.model, rate=0.5)
    winnow.rewind(point, training.model, training.optimizer, mask=mask, **training.parts())
    for name, kept in mask.items():
        weight = training.model.get_parameter(name)
        assert torch.equal(weight, point.model[name] * kept)
        assert not training.optimizer.state[weight]["exp_avg_sq"][~kept].any()
        assert training.optimizer.state[weight]["exp_avg_sq"][kept].all()


def test_the_random_numbers_of_all_three_libraries_go_back() -> None:
    model = nn.Linear(1, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    np.random.seed(0)
    point = winnow.rewind_point(model, optimizer)

    def drawn() -> tuple[float, float, float]:
        return float(torch.rand(())), float(np.random.rand()), random.random()

    before = drawn()
    winnow.rewind(point, model, optimizer)
    assert drawn() == before


class Stateful:
    """A sampler that knows its state."""

    position = 3

    def state_dict(self) -> dict[str, int]:
        return {"position": self.position}

    def load_state_dict(self, state: dict[str, int]) -> None:
        self.position = state["position"]


def epoch_of(sampler: Any) -> Any:
    return sampler.epoch


@pytest.mark.parametrize(
    "make, disturb, look",
    [
        (lambda: np.random.default_rng(0), lambda g: g.random(), lambda g: g.random()),
        (lambda: np.random.Generator(np.random.MT19937(0)), lambda g: g.random(), lambda g: g.random()),
        (lambda: random.Random(0), lambda g: g.random(), lambda g: g.random()),
        (Stateful, lambda s: setattr(s, "position", 9), lambda s: s.position),
        (lambda: DistributedSampler(examples(), 2, 0), lambda s: s.set_epoch(7), epoch_of),
    ],
)
def test_every_usual_kind_of_data_order_is_restored(
    make: Callable[[], Any], disturb: Callable[[Any], Any], look: Callable[[Any], Any], tmp_path: Path
) -> None:
    model, order = nn.Linear(1, 1), make()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    winnow.rewind_point(model, optimizer, data_order=order).save(tmp_path / "point")
    before = look(make())
    disturb(order)
    winnow.rewind(winnow.RewindPoint.read(tmp_path / "point"), model, optimizer, data_order=[order])
    assert look(order) == before


@pytest.mark.parametrize(
    "value",
    [
        {"a": [1, 2.5, None, True, "x"], "b": (1, (2,)), "$c": {}},
        {0: {"step": 1}, (1, 2): "pair"},
        Counter({30: 1, 60: 2}),
        [float("inf"), float("-inf"), 1 << 127, np.float64(0.1), np.int64(3)],
        {"$tensor": 0},
        [],
    ],
)
def test_what_is_packed_comes_back(value: Any) -> None:
    structure, tensors = packed(value, "value")
    back = unpacked(structure, tensors)
    assert back == value and type(back) is type(value)


def test_tensors_and_arrays_come_back_to_the_bit_with_type_and_shape() -> None:
    value = {
        "t": torch.tensor([[1, 2]], dtype=torch.bfloat16).t(),
        "n": np.arange(3, dtype=np.uint32),
        "s": torch.tensor(3.0),
    }
    structure, tensors = packed(value, "value")
    back = unpacked(structure, tensors)
    assert torch.equal(back["t"], value["t"]) and back["t"].dtype == torch.bfloat16
    assert back["n"].dtype == np.uint32 and back["n"].tolist() == [0, 1, 2]
    assert back["s"].shape == ()


@pytest.mark.parametrize(
    "value, message",
    [
        (
            {"lr_lambdas": [abs]},
            r"value\['lr_lambdas'\]\[0\] is of type builtins.builtin_function_or_method.*without pickle",
        ),
        ([torch.zeros(2).to_sparse()], r"value\[0\] is a torch.sparse_coo tensor"),
        (np.array(["a"]), "value is an array of <U1; stored are arrays of numbers"),
    ],
)
def test_what_cannot_be_stored_is_named(value: Any, message: str) -> None:
    with pytest.raises(RewindError, match=message):
        packed(value, "value")


def test_a_rewind_that_would_leave_something_out_is_an_error_and_changes_nothing() -> None:
    training = Training("generator")
    model, optimizer, parts = training.model, training.optimizer, training.parts()
    point = winnow.rewind_point(model, optimizer, **parts)
    training.run(0, 3)
    before = [value.clone() for value in model.state_dict().values()]
    other = nn.Sequential(nn.Linear(6, 9))
    unfit = Mask({"7.weight": torch.ones(1, dtype=torch.bool)})
    cases: list[tuple[type[Exception], str, Callable[[], None]]] = [
        (RewindError, r"the state of 2 schedulers, but none is given to restore it to.\n.*scheduler=...\) what rew",
         lambda: winnow.rewind(point, model, optimizer, data_order=training.order)),
        (RewindError, r"the state of 1 data order, but none is given",
         lambda: winnow.rewind(point, model, optimizer, training.schedulers)),
        (RewindError, r"1 scaler to restore, but the rewind point holds the state of none.\nGive it to rew",
         lambda: winnow.rewind(point, model, optimizer, scaler=torch.amp.GradScaler("cpu"), **parts)),
        (RewindError, r"the rewind point's '0.weight' has shape \(8, 6\); the model's has \(9, 6\)|holds '1.weight'",
         lambda: winnow.rewind(point, other, optimizer, **parts)),
        (RewindError, r"optimizer has groups of 6 parameters; this SGD has 1",
         lambda: winnow.rewind(point, model, torch.optim.SGD([other[0].weight]), **parts)),
        (winnow.WinnowError, r"mask '7.weight' names no parameter of the model",
         lambda: winnow.rewind(point, model, optimizer, mask=unfit, **parts)),
    ]  # fmt: skip
    for error, message, rewind in cases:
        with pytest.raises(error, match=message):
            rewind()
        assert all(torch.equal(a, b) for a, b in zip(before, model.state_dict().values(), strict=True))


def test_a_data_order_that_cannot_be_saved_says_what_can() -> None:
    model = nn.Linear(1, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with pytest.raises(
        RewindError, match=r"the data order of a range cannot be saved.\nGive what decides it: the DataLoader"
    ):
        winnow.rewind_point(model, optimizer, data_order=range(3))
    with pytest.raises(
        RewindError, match=r"loaders fetch ahead.\nGive the iterations that are behind: .*iteration=500"
    ):
        winnow.rewind_point(model, optimizer, data_order=winnow.DataOrder(4, 2))


def test_a_file_that_is_no_rewind_point_says_so(tmp_path: Path) -> None:
    with pytest.raises(RewindError, match="there is no file"):
        winnow.RewindPoint.read(tmp_path / "none")
    (tmp_path / "text").write_text("no")
    with pytest.raises(RewindError, match="is not a rewind point"):
        winnow.RewindPoint.read(tmp_path / "text")
    Ticket(Mask({"w": torch.ones(1, dtype=torch.bool)}), {"w": torch.ones(1)}, {}).save(tmp_path / "ticket")
    with pytest.raises(RewindError, match="is not a rewind point"):
        winnow.RewindPoint.read(tmp_path / "ticket")
    model = nn.Linear(1, 1)
    winnow.rewind_point(model, torch.optim.SGD(model.parameters(), lr=0.1)).save(tmp_path / "point")
    with pytest.raises(TicketError, match="is not a ticket"):
        Ticket.read(tmp_path / "point")


def test_a_scheduler_with_a_function_in_it_cannot_be_stored_and_is_named(tmp_path: Path) -> None:
    class Wave:
        def __init__(self) -> None:
            self.shape = abs

        def __call__(self, iteration: int) -> float:
            return 1.0

    model = nn.Linear(1, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    point = winnow.rewind_point(model, optimizer, torch.optim.lr_scheduler.LambdaLR(optimizer, Wave()))
    with pytest.raises(
        RewindError, match=r"\['parts'\]\['scheduler'\]\[0\]\['lr_lambdas'\]\[0\]\['shape'\] is of type builtins"
    ):
        point.save(tmp_path / "point")
    assert not list(tmp_path.iterdir())


def test_the_orders_of_several_processes_are_the_parts_of_one() -> None:
    whole = winnow.DataOrder(LENGTH, BATCH, seed=1)
    parts = [winnow.DataOrder(LENGTH, BATCH, seed=1, part=part, parts=2) for part in range(2)]
    for _ in range(2):  # epochs
        for batch, *shares in zip(whole, *parts, strict=True):
            assert sorted(batch) == sorted(position for share in shares for position in share)
    assert len(whole) == len(parts[0]) == 6 and whole.iteration == 12


def test_epochs_differ_and_a_state_belongs_to_its_own_order() -> None:
    order = winnow.DataOrder(LENGTH, BATCH)
    assert list(order) != list(order)
    with pytest.raises(RecipeError, match=r"the saved data order has batch 2; this one has 4"):
        order.load_state_dict(winnow.DataOrder(LENGTH, 2).state_dict())


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"batch": 30}, "batch is 30; there are 26 examples to take it from"),
        ({"batch": 4, "part": 2, "parts": 2}, "part is 2 of 2 parts; parts count from 0 to 1"),
        ({"batch": 5, "parts": 2}, "batch is 5, which 2 processes cannot share evenly"),
    ],
)
def test_an_order_that_cannot_be_says_why(arguments: dict[str, int], message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        winnow.DataOrder(LENGTH, **arguments)


def test_a_loader_goes_on_where_an_epoch_was_left_and_with_what_workers_fetched_ahead() -> None:
    whole = [batch.tolist() for batch in winnow.RewindableLoader(range(LENGTH), BATCH)]
    loader = winnow.RewindableLoader(range(LENGTH), BATCH, num_workers=1, prefetch_factor=3)
    seen = []
    for batch in loader:
        seen.append(batch.tolist())
        if len(seen) == 2:
            break
    assert loader.iteration == loader.state_dict()["iteration"] == 2
    assert seen + [batch.tolist() for batch in loader] == whole and loader.iteration == 6
    loader.load_state_dict({**loader.state_dict(), "iteration": 4})
    assert [batch.tolist() for batch in loader] == whole[4:]


class Drawing(Dataset[Tensor]):
    """What a worker draws when it looks at an example: from PyTorch, NumPy and Python."""

    def __len__(self) -> int:
        return LENGTH

    def __getitem__(self, at: int) -> Tensor:
        return torch.tensor([at, float(torch.rand(())), float(np.random.rand()), random.random()])


@pytest.mark.parametrize("is_persistent", [False, True])
@pytest.mark.parametrize("k", [0, 4, 6])  # at the start, in mid-epoch, at an epoch's end
def test_what_workers_draw_for_a_batch_is_the_same_after_a_rewind(k: int, is_persistent: bool) -> None:
    loader = winnow.RewindableLoader(Drawing(), BATCH, num_workers=2, persistent_workers=is_persistent)
    model = nn.Linear(1, 1)
    optimizer = torch.optim.SGD(model.parameters())
    first: list[Tensor] = []
    point = winnow.rewind_point(model, optimizer, data_order=loader)
    while len(first) < 8:
        for batch in loader:
            first.append(batch)
            if len(first) == k:
                point = winnow.rewind_point(model, optimizer, data_order=loader)
            if len(first) == 8:
                break
    winnow.rewind(point, model, optimizer, data_order=loader)
    again = [batch for _ in range(2) for batch in loader][: 8 - k]
    assert all(torch.equal(one, other) for one, other in zip(first[k:], again, strict=True))
    assert not torch.equal(first[0][:, 1:], first[6][:, 1:])  # every epoch's are new


def test_what_workers_draw_differs_between_replicates_samples_and_parts() -> None:
    orders: list[dict[str, int]] = [{}, {"seed": 1}, {"replicate": 1}, {"sample": 1}, {"parts": 2}]
    drawn: list[Tensor] = [
        next(iter(winnow.RewindableLoader(Drawing(), BATCH, num_workers=1, **order)))[0, 1:]
        for order in [*orders, {"parts": 2, "part": 1}]
    ]
    assert len({tuple(each.tolist()) for each in drawn}) == 5  # part 0 of several is seeded as the whole is


@pytest.mark.parametrize("k", [0, 3])
def test_a_gradient_scaler_goes_back_with_its_scale_and_how_long_it_has_grown(k: int, tmp_path: Path) -> None:
    model = nn.Linear(6, 3)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    scaler = torch.amp.GradScaler("cpu", init_scale=8.0, growth_interval=2)

    def step() -> tuple[float, list[float]]:
        optimizer.zero_grad()
        scaler.scale(model(torch.ones(2, 6)).square().sum()).backward()
        scaler.step(optimizer)
        scaler.update()
        return scaler.get_scale(), model.weight.flatten().tolist()

    for _ in range(k):
        step()
    winnow.rewind_point(model, optimizer, scaler=scaler, iteration=k).save(tmp_path / "point")
    before = [step() for _ in range(4)]
    winnow.rewind(winnow.RewindPoint.read(tmp_path / "point"), model, optimizer, scaler=scaler)
    assert [step() for _ in range(4)] == before
    assert before[0][0] != before[-1][0]
