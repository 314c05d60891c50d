"""What a network draws while it trains, dropout above all: each lane from a stream of its own.

PyTorch's dropout draws from one global generator, so a lane's draws would depend on its companions, and on what was
drawn before an interruption. Within `LaneRandomness` every random operation draws from generators made of (seed,
replicate, "dropout", sample, iteration) instead.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

import torch
from torch import Generator, Tensor, nn
from torch.func import functional_call
from torch.utils._python_dispatch import TorchDispatchMode

from winnow.course import Noise
from winnow.data import WHOLE, Shard
from winnow.errors import RecipeError
from winnow.models.drawing import values_of
from winnow.seeds import derive

_aten = torch.ops.aten


class LaneRandomness(TorchDispatchMode):
    """Within, random operations draw for every lane from the lane's own generator, for a shard of its batch.

    Under vmap an operation sees all lanes at once, (lanes, ...), and each lane's part is drawn apart; `only` says that
    the computation within is of a single lane instead. A lane thus draws the same alone and among others.
    """

    def __init__(self, noises: Sequence[Noise], device: torch.device, shard: Shard = WHOLE) -> None:
        super().__init__()
        self._noises, self._device, self._shard = noises, device, shard
        self._iteration = -1
        self._generators: list[Generator] = []
        self._lane: int | None = None

    def at(self, iteration: int, only: int | None = None) -> LaneRandomness:
        """The streams of an iteration, of all lanes or of one. Asked for again at the same iteration, they go on."""
        if iteration != self._iteration:
            self._iteration = iteration
            self._generators = [self._generator(noise, iteration) for noise in self._noises]
        self._lane = only
        return self

    def _generator(self, noise: Noise, iteration: int) -> Generator:
        seed = derive(noise.seed, noise.replicate, "dropout", noise.sample, iteration)
        return Generator(self._device).manual_seed(seed)

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Whether the compiler is told to look away: that alone would import it, for seconds. It is not used here."""
        return False

    def __torch_dispatch__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Run an operation; a random one on our generators. Raises RecipeError for one that takes none."""
        options = dict(kwargs or {})
        if func in _FILLING:
            # PyTorch fills in the order of memory, which lanes may change: the numbers are laid out plainly first.
            values = torch.empty(args[0].shape, dtype=args[0].dtype, device=args[0].device)
            for part, generator in self._parts(values):
                self._filled_(part, lambda whole, g=generator: func(whole, *args[1:], **options | {"generator": g}))
            return args[0].copy_(values)
        if func in _MAKING:
            make, fill, arguments = _MAKING[func]
            made = make(args[0], **options).contiguous()
            for values, generator in self._parts(made):
                self._filled_(values, lambda whole, g=generator: fill(whole, *args[1 : 1 + arguments], generator=g))
            return made
        if func is _aten.native_dropout.default:
            return self._dropped(cast(Tensor, args[0]), float(args[1]))
        if is_random(func):
            raise RecipeError(
                f"the network draws by {func}, and Winnow cannot give every lane a stream of its own for that.\n"
                f"Use dropout in its place, or torch.rand, randn, rand_like or randn_like."
            )
        return func(*args, **options)

    def _parts(self, values: Tensor) -> list[tuple[Tensor, Generator]]:
        """What to fill, and from which stream."""
        if self._lane is not None:
            return [(values, self._generators[self._lane])]
        return list(zip(values.unbind(0), self._generators, strict=True))

    def _filled_(self, values: Tensor, fill: Callable[[Tensor], object]) -> None:
        """Fill with random numbers, (examples, ...): of several processes, with this one's of those of the batch."""
        if self._shard.parts == 1 or values.ndim == 0:
            fill(values)
            return
        whole = values.new_empty((len(values) * self._shard.parts, *values.shape[1:]))
        fill(whole)
        values.copy_(whole[self._shard.part :: self._shard.parts])

    def _dropped(self, inputs: Tensor, probability: float) -> tuple[Tensor, Tensor]:
        """Dropout where PyTorch has one kernel for it, as on GPUs: the outputs, and what was kept."""
        kept = torch.empty_like(inputs, memory_format=torch.contiguous_format)
        for values, generator in self._parts(kept):
            self._filled_(values, lambda whole, g=generator: whole.bernoulli_(1 - probability, generator=g))
        return inputs * kept / (1 - probability), kept.bool()


_FILLING = {_aten.bernoulli_.float, _aten.uniform_.default, _aten.normal_.default}
"""Operations that fill a tensor with random numbers."""

_MAKING: dict[Any, tuple[Callable[..., Tensor], Callable[..., Tensor], int]] = {
    _aten.bernoulli.p: (torch.empty_like, Tensor.bernoulli_, 1),
    _aten.rand.default: (torch.empty, Tensor.uniform_, 0),
    _aten.randn.default: (torch.empty, Tensor.normal_, 0),
    _aten.rand_like.default: (torch.empty_like, Tensor.uniform_, 0),
    _aten.randn_like.default: (torch.empty_like, Tensor.normal_, 0),
}
"""Operations that make such a tensor: how it is made without them, how it is filled, and by how many arguments."""


def is_random(func: Any) -> bool:
    """Whether an operation draws random numbers."""
    return torch.Tag.nondeterministic_seeded in getattr(func, "tags", ())


def draws(network: nn.Module, inputs: Tensor) -> bool:
    """Whether a network draws random numbers in training mode, as with dropout: tried on `inputs`, (examples, ...).

    It is tried with zeros for its tensors, which are neither used nor changed; the global generator is put back. A
    network that refuses zeros, or such inputs (it inverts a matrix, it looks a number up), is taken to draw: giving
    each lane a stream of its own is right for one that does not, too.

    >>> draws(nn.Sequential(nn.Linear(2, 2), nn.Dropout(0.5)), torch.zeros(3, 2))
    True
    >>> draws(nn.Sequential(nn.Linear(2, 2), nn.Dropout(0.0)), torch.zeros(3, 2))
    False
    """
    values = {name: torch.zeros(tensor.shape, dtype=tensor.dtype) for name, tensor in values_of(network).items()}
    was_training = network.training
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        before = torch.get_rng_state()
        try:
            network.train()  # a network's own may give nothing back
            functional_call(network, values, (inputs,))
        except Exception:  # it is not our code that runs here
            return True
        finally:
            network.train(was_training)
        return not torch.equal(before, torch.get_rng_state())
