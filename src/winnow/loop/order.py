"""A data order for anybody's DataLoader that can be asked for any iteration, and so can be rewound."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sized
from typing import Any

import torch
from torch.utils.data import Sampler

from winnow.data.shard import Shard
from winnow.errors import RecipeError
from winnow.seeds import generator


class DataOrder(Sampler[list[int]]):
    """Batches of positions in an order that depends on (seed, replicate, sample) and the epoch alone.

    Give it to a DataLoader as its `batch_sampler`. It is the order of Winnow's own trainings: a new one every epoch,
    without the last partial batch. `iteration` is where the next pass begins; a pass ends with its epoch. Set it, or
    let `winnow.rewind` set it, and the data goes on from there, in mid-epoch too, whatever the loader has fetched
    ahead. In several processes, each gives its `part` of `parts`: its share of every batch.

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
            yield self._shard.of(order[number * self.batch : (number + 1) * self.batch]).tolist()

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
