"""Several processes compute the gradients that one computes from the whole batch. Here they are threads."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import pytest
import torch
from torch import Tensor, nn

from winnow.course import Noise
from winnow.data import WHOLE, Shard
from winnow.from_recipe import course
from winnow.recipes import read
from winnow.training import LaneRandomness, Plain, Stacked, State
from winnow.training.engines import Engine
from winnow.training.together import Together, synchronize_

BATCH, SIZE, LANES = 12, 3, 2
NOISES = [Noise(seed=1, replicate=number) for number in range(LANES)]


@dataclass
class Threads:
    """Peers that are threads of one process."""

    size: int = SIZE
    _given: list[Tensor] = field(default_factory=list[Tensor])
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self._barrier = threading.Barrier(self.size, timeout=60)

    def sum_(self, tensor: Tensor) -> Tensor:
        with self._lock:
            self._given.append(tensor.clone())
        self._barrier.wait()
        total = torch.stack(self._given).sum(0)
        self._barrier.wait()
        with self._lock:
            self._given.clear()
        self._barrier.wait()
        return tensor.copy_(total)


def convolutional() -> nn.Module:
    norms = nn.BatchNorm2d(4), nn.BatchNorm1d(5, momentum=None)
    layers = nn.Conv2d(1, 4, 3), norms[0], nn.ReLU(), nn.Flatten(), nn.Linear(16, 5), norms[1], nn.Linear(5, 3)
    return nn.Sequential(*layers)


def dropping() -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(16, 8), nn.ReLU(), nn.Dropout(0.4), nn.Linear(8, 3))


def state_of(network: nn.Module) -> State:
    torch.manual_seed(0)
    names = [name for name, _ in network.named_parameters()]

    def value(tensor: Tensor) -> Tensor:
        return torch.randn_like(tensor, dtype=torch.float64) if tensor.is_floating_point() else tensor.clone()

    lanes = [State.of_values({name: value(each) for name, each in network.state_dict().items()}, names) for _ in NOISES]
    return State.stacked(lanes, torch.device("cpu"))


def batch() -> tuple[Tensor, Tensor]:
    stream = torch.Generator().manual_seed(2)
    images = torch.randn(LANES, BATCH, 1, 4, 4, generator=stream, dtype=torch.float64)
    return images, torch.randint(0, 3, (LANES, BATCH), generator=stream)


def copied(state: State) -> State:
    buffers = {name: buffer.clone() for name, buffer in state.buffers.items()}
    return dataclasses.replace(state, buffers=buffers)


@pytest.mark.parametrize(
    "build, kind", [(convolutional, Plain), (dropping, Plain), (dropping, Stacked)], ids=["norm", "dropout", "stacked"]
)
def test_shares_of_a_batch_give_the_gradients_of_the_whole(build: Callable[[], nn.Module], kind: type[Plain]) -> None:
    start = state_of(build())
    images, labels = batch()

    def engine(shard: Shard, peers: Threads | None) -> Engine:
        network = build()
        if peers is not None:
            synchronize_(network, peers)
        inner = kind(network, randomness=LaneRandomness(NOISES, torch.device("cpu"), shard))
        return inner if peers is None else Together(inner, peers)

    def computed(part: int, peers: Threads) -> tuple[State, Tensor, Sequence[Tensor]]:
        state, shard = copied(start), Shard(part, SIZE)
        index = shard.of(torch.arange(BATCH))
        return state, *engine(shard, peers).gradients(state, images[:, index], labels[:, index])

    whole = copied(start)
    losses, gradients = engine(WHOLE, None).gradients(whole, images, labels)
    peers = Threads()
    with ThreadPoolExecutor(SIZE) as pool:
        parts = list(pool.map(lambda part: computed(part, peers), range(SIZE)))
    for state, its_losses, its_gradients in parts:
        torch.testing.assert_close(its_losses, losses)
        for ours, theirs in zip(gradients, its_gradients, strict=True):
            torch.testing.assert_close(theirs, ours, rtol=1e-9, atol=1e-12)
        for name, buffer in whole.buffers.items():
            torch.testing.assert_close(state.buffers[name], buffer, rtol=1e-9, atol=1e-12)


def test_a_synchronized_network_evaluates_as_before() -> None:
    network, (images, _) = convolutional().double(), batch()
    before = network.eval()(images[0])
    synchronize_(network, Threads())
    assert torch.equal(network(images[0]), before)


def test_local_statistics_are_another_training_and_in_its_key_where_there_are_any() -> None:
    having = read("digits").edited({"model.name": "resnet-8-4"})
    synchronized, local = course(having), course(having.edited({"train.batch_norm": "local"}))
    assert synchronized.batch_norm is None and local.batch_norm == "local"
    assert synchronized != local
    assert course(read("digits")) == course(read("digits").edited({"train.batch_norm": "local"}))
