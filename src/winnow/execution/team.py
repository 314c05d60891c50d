"""The processes that `torchrun` starts, as one run: the first leads, the others compute what it says.

The leader is the ordinary run: it alone plans, holds locks, and reads and writes the store, so that nothing needs to
be agreed on there. For each batch of lanes it tells the others what to train and how far; from then on all go through
the same iterations, each with its share of every batch, and exchange gradients (winnow.training.together).
"""

from __future__ import annotations

import atexit
import os
import signal
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed.distributed_c10d import PrefixStore
from torch.distributed.rendezvous import rendezvous  # pyright: ignore[reportUnknownVariableType]

from winnow.data.shard import Shard
from winnow.errors import WinnowError

_PATIENCE = timedelta(days=30)
"""How long the others wait for the leader's word, while it prunes, writes, or waits for other runs on the store."""


@dataclass
class Team:
    """This process among those of a run. The leader has rank 0."""

    rank: int
    size: int
    words: Any
    """The group by which the leader's words go round, on CPUs."""

    is_training: bool = field(default=False, init=False)
    """Whether the others are within an exchange with the leader that they do not leave on a word of its."""

    @property
    def shard(self) -> Shard:
        """The part of every batch that this process takes."""
        return Shard(self.rank, self.size)

    def sum_(self, tensor: Tensor) -> Tensor:
        """See Peers."""
        with _together():
            dist.all_reduce(tensor)
        return tensor

    def share_(self, tensor: Tensor) -> None:
        """Give everybody the leader's values, in place."""
        with _together():
            dist.broadcast(tensor, 0)

    def tell(self, word: Any) -> None:
        """Tell the others something, as the leader. It goes between processes of one run, and into no file."""
        with _together():
            dist.broadcast_object_list([word], 0, group=self.words)

    def hear(self) -> Any:
        """Wait for the leader's word."""
        heard: list[Any] = [None]
        with _together():
            dist.broadcast_object_list(heard, 0, group=self.words)
        return heard[0]


_team: Team | None = None


def current() -> Team | None:
    """The team that this process leads, where there is one."""
    return _team


@contextmanager
def led() -> Generator[Team | None]:
    """Within, the leader works, with its team or alone. To any other process its team is given, to follow.

    What processes there are is told by the environment that torchrun makes.
    """
    global _team
    if int(os.environ.get("WORLD_SIZE", "1")) == 1 or "RANK" not in os.environ or _team is not None:
        yield None
        return
    team = _joined()
    if team.rank:
        with _deaf_to_signals():
            yield team
        return
    _team = team
    try:
        yield None
    finally:
        _team = None
        if not team.is_training:
            team.tell(None)


def _joined() -> Team:
    has_gpu = torch.cuda.is_available()
    if has_gpu:
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
    if not dist.is_initialized():
        with _together():
            store, rank, size = next(iter(rendezvous("env://")))
            # torchrun keeps its store when it starts workers again, and with it the addresses of those that have died.
            store = PrefixStore(f"winnow/{os.environ.get('TORCHELASTIC_RESTART_COUNT', '0')}", store)
            backend = "cpu:gloo,cuda:nccl" if has_gpu else "gloo"
            dist.init_process_group(backend, store=store, rank=rank, world_size=size)
        atexit.register(_part)
    return Team(dist.get_rank(), dist.get_world_size(), dist.new_group(backend="gloo", timeout=_PATIENCE))


def _part() -> None:
    """Leave the group as the process ends; its threads would abort an interpreter that ends without."""
    if dist.is_initialized():
        dist.destroy_process_group()


@contextmanager
def _together() -> Generator[None]:
    """Within, processes exchange something. Raises WinnowError where one of them has ended."""
    try:
        yield
    except (dist.DistError, RuntimeError) as error:
        if isinstance(error, torch.OutOfMemoryError):
            raise
        raise WinnowError(
            f"another process of this run has ended ({str(error).splitlines()[0].partition('. ')[0]}).\n"
            f"The same command resumes; torchrun --max-restarts N gives it itself."
        ) from error


@contextmanager
def _deaf_to_signals() -> Generator[None]:
    """Within, Ctrl-C and SIGTERM are for the leader, which saves what is under way, and whose end ends the others."""
    before = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
