from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from tests.execution.conftest import RECIPE
from winnow.data import Resident
from winnow.execution.examples import splits
from winnow.execution.measuring import _Some, along_the_line, distances
from winnow.execution.training import initial_state
from winnow.experiments import imp
from winnow.from_recipe import course
from winnow.models import build, register
from winnow.pruning import Mask
from winnow.store import Store
from winnow.training import State

CPU = torch.device("cpu")


def random_weights(seed: int) -> dict[str, torch.Tensor]:
    stream = torch.Generator().manual_seed(seed)
    return {"fc1.weight": torch.randn(7, 5, generator=stream), "fc2.weight": torch.randn(3, 7, generator=stream)}


def random_mask(seed: int) -> Mask:
    stream = torch.Generator().manual_seed(seed)
    return Mask({name: torch.rand(w.shape, generator=stream) < 0.6 for name, w in random_weights(0).items()})


def test_distances_are_those_of_the_masked_weights_as_one_vector() -> None:
    first, second, mask = random_weights(1), random_weights(2), random_mask(3)
    a = torch.cat([(first[name] * kept).flatten() for name, kept in mask.items()]).double()
    b = torch.cat([(second[name] * kept).flatten() for name, kept in mask.items()]).double()
    whole, *layers = distances(first, second, mask)
    assert whole["l2"] == pytest.approx(float((a - b).norm()), rel=1e-12)
    assert whole["angle"] == pytest.approx(math.degrees(math.acos(float(a @ b / (a.norm() * b.norm())))), rel=1e-9)
    assert whole["weights"] == mask.kept
    assert [row["layer"] for row in layers] == list(mask)
    assert sum(float(row["l2"]) ** 2 for row in layers) == pytest.approx(float(whole["l2"]) ** 2, rel=1e-12)


@pytest.mark.parametrize(
    "a, b, angle",
    [
        ([1.0, 0.0], [2.0, 0.0], 0.0),
        ([1.0, 0.0], [-3.0, 0.0], 180.0),
        ([1.0, 0.0], [0.0, 5.0], 90.0),
        ([1.0, 1e-9], [1.0, 0.0], math.degrees(1e-9)),  # an arc cosine would say 0
        ([0.0, 0.0], [1.0, 0.0], math.nan),
    ],
)
def test_angles(a: list[float], b: list[float], angle: float) -> None:
    mask = Mask({"w": torch.tensor([True, True])})
    given = {"w": torch.tensor(a, dtype=torch.float64)}, {"w": torch.tensor(b, dtype=torch.float64)}
    assert distances(*given, mask)[0]["angle"] == pytest.approx(angle, rel=1e-6, nan_ok=True)


def drawn(replicate: int) -> State:
    """Initial values of the tiny network with batch norm, with statistics that are not the initial ones."""
    point = imp(RECIPE.edited({"rewind": "0it"})).rewind_points[replicate]
    state = initial_state(point, Store("unused", make=False))
    state.buffers["norm.running_mean"] += 0.3
    return state


def test_every_point_of_the_line_is_evaluated_with_statistics_of_its_own() -> None:
    shared = course(RECIPE)
    data = splits(shared.examples, CPU)
    first, second = drawn(0), drawn(1)
    rows = along_the_line(first, second, shared, CPU, points=3, examples=500)
    assert [row["position"] for row in rows] == [0.0, 0.5, 1.0]

    drawn_at = torch.randperm(len(data.train), generator=torch.Generator().manual_seed(0))[:500]
    images = data.train.images_at(drawn_at)
    test_images, test_labels = next(iter(data.test.chunks(10_000)))
    for row in rows:
        network = build(shared.network.name, shared.network.shape, shared.network.classes).to_empty(device="cpu")
        position = float(row["position"])
        values = {name: torch.lerp(p, second.parameters[name], position)[0] for name, p in first.parameters.items()}
        network.load_state_dict(values, strict=False)
        norm = network.get_submodule("norm")
        assert isinstance(norm, nn.BatchNorm1d)
        norm.reset_running_stats()
        norm.momentum = None
        network.train()(images)  # the 500 examples are one batch, whose statistics are the mean over batches
        logits = network.eval()(test_images).detach()
        assert row["test_error"] == pytest.approx(float((logits.argmax(1) != test_labels).float().mean()), abs=1e-6)
        assert row["test_loss"] == pytest.approx(float(nn.functional.cross_entropy(logits, test_labels)), rel=1e-5)


@register("tiny-instances")
def tiny_instances(shape, classes):
    """with other statistics behind those of batch normalization."""
    layers = [nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.InstanceNorm2d(2, track_running_stats=True)]
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(72, classes))


def test_the_ends_of_the_line_have_what_they_remember_beside_batch_norm() -> None:
    recipe = RECIPE.edited({"model.name": "tiny-instances", "rewind": "0it", "prune.rate.conv": 0.2})
    shared, store = course(recipe), Store("unused", make=False)
    ends = [initial_state(imp(recipe).rewind_points[replicate], store) for replicate in (0, 1)]
    for number, state in enumerate(ends, start=1):
        state.buffers["2.running_mean"] += 0.3 * number
    rows = along_the_line(*ends, shared, CPU, points=2, examples=500)
    images, labels = next(iter(splits(shared.examples, CPU).test.chunks(10_000)))
    for row, state in zip(rows, ends, strict=True):
        network = tiny_instances((1, 8, 8), 10)
        network.load_state_dict(state.values())
        network[1].momentum = None
        network[1].train()(network[0](next(iter(_Some(splits(shared.examples, CPU).train, 500).chunks(500)))[0]))
        loss = nn.functional.cross_entropy(network.eval()(images), labels)
        assert row["test_loss"] == pytest.approx(loss.item(), rel=1e-5)


class Frozen(nn.Sequential):
    """Batch normalization that is never in training mode; as many do, its `train` gives nothing back."""

    def train(self, mode: bool = True) -> None:
        super().train(mode)
        self[1].eval()


@register("tiny-frozen")
def tiny_frozen(shape, classes):
    """with batch normalization by statistics that stay."""
    return Frozen(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Flatten(), nn.Linear(72, classes))


def test_statistics_that_training_leaves_alone_stay_on_the_line_too() -> None:
    recipe = RECIPE.edited({"model.name": "tiny-frozen", "rewind": "0it", "prune.rate.conv": 0.2})
    shared = course(recipe)
    state = initial_state(imp(recipe).rewind_points[0], Store("unused", make=False))
    images, labels = next(iter(splits(shared.examples, CPU).test.chunks(10_000)))
    network = tiny_frozen((1, 8, 8), 10)
    network.load_state_dict(state.values())
    network.eval()
    loss = nn.functional.cross_entropy(network(images), labels)
    for row in along_the_line(state, state, shared, CPU, points=2, examples=500):
        assert row["test_loss"] == pytest.approx(loss.item(), rel=1e-5)


def test_measuring_changes_neither_network() -> None:
    first, second = drawn(0), drawn(1)
    before = [{name: value.clone() for name, value in state.values().items()} for state in (first, second)]
    along_the_line(first, second, course(RECIPE), CPU, points=3, examples=120)
    for state, values in zip((first, second), before, strict=True):
        assert all(torch.equal(value, values[name]) for name, value in state.values().items())


def test_training_error_is_of_so_many_examples_as_asked_for() -> None:
    errors = [along_the_line(drawn(0), drawn(1), course(RECIPE), CPU, points=2, examples=n) for n in (7, 700)]
    for rows, examples in zip(errors, (7, 700), strict=True):
        wrong = float(rows[0]["train_error"]) * examples
        assert wrong == pytest.approx(round(wrong), abs=1e-6)


def test_a_split_in_order_of_its_classes_is_measured_as_one_that_is_mixed() -> None:
    mixed = splits(course(RECIPE).examples, CPU).train
    index = mixed.targets.argsort(stable=True)
    by_class = Resident(
        (mixed.images_at(index) * 255).byte(), mixed.labels_at(index), mean=None, std=None, scale=255, device="cpu"
    )
    some = _Some(by_class, 400)
    images, labels = (torch.cat(parts) for parts in zip(*some.chunks(150), strict=True))
    assert len(some) == len(images) == 400
    assert torch.bincount(labels, minlength=10).min() > 20
    sizes = [len(part) for part, _ in some.chunks(150)]
    assert max(sizes) <= 150 and max(sizes) - min(sizes) <= 1
    for _, part in some.chunks(150):
        assert len(part.unique()) == 10
    again = torch.cat([part for part, _ in _Some(by_class, 400).chunks(150)])
    assert torch.equal(images, again)
