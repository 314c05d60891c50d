"""A data order for anybody's DataLoader that can be asked for any iteration, and so can be rewound."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Mapping, Sized
from typing import Any, cast

import numpy as np
import torch
from torch.utils.data import DataLoader, Sampler, get_worker_info

from winnow.data.shard import Shard
from winnow.errors import RecipeError
from winnow.seeds import derive, generator


class _Positions(list[int]):
    """A batch of positions that seeds the worker process which looks at them, by `seed`.

    What workers draw, as for augmentation, so depends on the batch, and not on which batches a worker has seen before:
    a rewind brings it back, in mid-epoch too, and where workers persist.
    """

    def __init__(self, positions: Iterable[int], seed: int) -> None:
        super().__init__(positions)
        self.seed = seed

    def __iter__(self) -> Iterator[int]:
        if get_worker_info() is not None:
            torch.manual_seed(self.seed)
            np.random.seed(self.seed % 2**32)
            random.seed(self.seed)
        return super().__iter__()


class DataOrder(Sampler[list[int]]):
    """Batches of positions in an order that depends on (seed, replicate, sample) and the epoch alone.

    Give it to a DataLoader as its `batch_sampler`. It is the order of Winnow's own trainings: a new one every epoch,
    without the last partial batch. `iteration` is where the next pass begins; a pass ends with its epoch. Set it, or
    let `winnow.rewind` set it, and the data goes on from there, in mid-epoch too, whatever the loader has fetched
    ahead. What a DataLoader's workers draw from PyTorch, NumPy and Python for a batch depends on these alone, too. In
    several processes, each gives its `part` of `parts`: its share of every batch.

    >>> order = DataOrder(6, batch=2)
    >>> epoch = list(order)
    >>> order.iteration = 1
    >>> list(order) == epoch[1:]
    True
    """

    def __init__(
        self,
        examples: int | Sized,
        batch: int,
        *,
        seed: int = 0,
        replicate: int = 0,
        sample: int = 0,
        part: int = 0,
        parts: int = 1,
    ) -> None:
        self.examples = examples if isinstance(examples, int) else len(examples)
        if not 1 <= batch <= self.examples:
            raise RecipeError(f"batch is {batch}; there are {self.examples} examples to take it from.")
        if not 0 <= part < parts:
            raise RecipeError(f"part is {part} of {parts} parts; parts count from 0 to {parts - 1}.")
        if batch % parts:
            raise RecipeError(f"batch is {batch}, which {parts} processes cannot share evenly. Choose a multiple.")
        self.batch = batch
        self.iteration = 0
        self._noise = (seed, replicate, sample)
        self._shard = Shard(part, parts)

    def __len__(self) -> int:
        """The batches of a whole epoch."""
        return self.examples // self.batch

    def __iter__(self) -> Iterator[list[int]]:
        epoch, position = divmod(self.iteration, len(self))
        self.iteration = (epoch + 1) * len(self)
        seed, replicate, sample = self._noise
        order = torch.randperm(self.examples, generator=generator(seed, replicate, "order", sample, epoch))
        for number in range(position, len(self)):
            positions = self._shard.of(order[number * self.batch : (number + 1) * self.batch])
            drawn_from = derive(seed, replicate, "augment", sample, epoch, number, self._shard.part)
            yield _Positions(cast("list[int]", positions.tolist()), drawn_from)

    def state_dict(self) -> dict[str, Any]:
        """What tells this order, and the place in it, from others."""
        return {"iteration": self.iteration, "noise": list(self._noise), "batch": self.batch, "examples": self.examples}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go to the place of a state; raises RecipeError for that of another order."""
        own = self.state_dict()
        for name, value in state.items():
            if name != "iteration" and own.get(name) != value:
                raise RecipeError(f"the saved data order has {name} {value}; this one has {own.get(name)}.")
        self.iteration = state["iteration"]


class RewindableLoader(DataLoader[Any]):
    """A DataLoader in the order of a `DataOrder` that knows how many batches it has handed out, and can go back.

    `iteration` is that number; `winnow.rewind_point` and `winnow.rewind` save and restore it, as do trainers that
    know loaders with a state. An epoch that was left early goes on where it was left. Options are DataLoader's. What
    it draws it draws from a generator of its own, so that dropout does not depend on when an epoch begins.

    >>> loader = RewindableLoader(range(6), batch=2)
    >>> first, second, third = loader
    >>> loader.iteration = 1
    >>> next(iter(loader)).tolist() == second.tolist()
    True
    """

    def __init__(
        self,
        dataset: Any,
        batch: int,
        *,
        seed: int = 0,
        replicate: int = 0,
        sample: int = 0,
        part: int = 0,
        parts: int = 1,
        **options: Any,
    ) -> None:
        self.order = DataOrder(dataset, batch, seed=seed, replicate=replicate, sample=sample, part=part, parts=parts)
        self.iteration = 0
        own: dict[str, Any] = {"generator": torch.Generator().manual_seed(seed)}
        super().__init__(dataset, batch_sampler=self.order, **own | options)

    def __iter__(self) -> Iterator[Any]:  # pyright: ignore[reportIncompatibleMethodOverride]
        self.order.iteration = self.iteration  # what the order has reached is what workers were sent ahead
        for batch in super().__iter__():
            self.iteration += 1
            yield batch

    def state_dict(self) -> dict[str, Any]:
        """See DataOrder."""
        return {**self.order.state_dict(), "iteration": self.iteration}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """See DataOrder."""
        self.order.load_state_dict(state)
        self.iteration = self.order.iteration
