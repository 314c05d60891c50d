"""One training over several processes: each computes its share of every batch, and all apply the same update.

This is what torch's DistributedDataParallel does, written for lanes: its wrapper owns one module whose parameters have
`.grad`, while engines take the parameters of many lanes from outside and return gradients.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from winnow.models.normalization import BATCH_NORM
from winnow.training.engines import Engine
from winnow.training.state import State


class Peers(Protocol):
    """The processes that train together."""

    @property
    def size(self) -> int:
        """How many they are."""
        ...

    def sum_(self, tensor: Tensor) -> Tensor:
        """A tensor with its values of all processes added up, in place; all must call it, in the same order."""
        ...


class Together:
    """An engine whose gradients are of this process's share of the batch, averaged over all processes.

    Shares must be of equal size. Gradients go round in one vector, and every process gets the same bits of it, so
    that states stay equal without being compared.
    """

    def __init__(self, inner: Engine, peers: Peers) -> None:
        self.inner, self.peers = inner, peers

    def enter(self, state: State, masks: Mapping[str, Tensor]) -> tuple[State, Mapping[str, Tensor]]:
        """See Engine."""
        return self.inner.enter(state, masks)

    def leave(self, state: State) -> State:
        """See Engine."""
        return self.inner.leave(state)

    def gradients(self, state: State, images: Tensor, labels: Tensor) -> tuple[Tensor, list[Tensor]]:
        """See Engine. The losses are those of the whole batch."""
        losses, gradients = self.inner.gradients(state, images, labels)
        parts = [losses.to(gradients[0].dtype), *gradients]
        flat = self.peers.sum_(torch.cat([part.reshape(-1) for part in parts])).div_(self.peers.size)
        summed = [
            piece.view(part.shape)
            for piece, part in zip(torch.split(flat, [part.numel() for part in parts]), parts, strict=True)
        ]
        return summed[0].clone(), summed[1:]

    def evaluate(self, state: State, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """See Engine; of what this process was given alone."""
        return self.inner.evaluate(state, images, labels)


def synchronize_(network: nn.Module, peers: Peers) -> None:
    """Have every batch normalization of a network take its statistics over the batches of all processes.

    torch's own SyncBatchNorm does this on GPUs alone.
    """
    for module in network.modules():
        if isinstance(module, BATCH_NORM):
            module.__class__ = _Synchronized
            cast(_Synchronized, module).peers = peers


class _Synchronized(BATCH_NORM):
    """Batch normalization over all processes. In evaluation it is PyTorch's."""

    peers: Peers

    def _check_input_dim(self, input: Tensor) -> None:  # noqa: A002  its name in PyTorch
        """Any: the module that this was has been built for its inputs."""

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002  its name in PyTorch
        if not self.training:
            return F.batch_norm(
                input, self.running_mean, self.running_var, self.weight, self.bias, training=False, eps=self.eps
            )
        values = input.float() if input.dtype == torch.bfloat16 else input
        dims = [dim for dim in range(input.ndim) if dim != 1]
        shape = [1, -1, *[1] * (input.ndim - 2)]
        count = input.numel() // input.shape[1] * self.peers.size
        mean = _summed(values.sum(dims), self.peers) / count  # (channels,)
        centred = values - mean.view(shape)
        variance = _summed(centred.square().sum(dims), self.peers) / count
        self._remember_(mean.detach(), variance.detach(), count)
        normal = centred * torch.rsqrt(variance + self.eps).view(shape)
        if self.affine:
            normal = normal * self.weight.view(shape) + self.bias.view(shape)
        return normal.to(input.dtype)

    @torch.no_grad()
    def _remember_(self, mean: Tensor, variance: Tensor, count: int) -> None:
        """Update the running statistics, as PyTorch does: with the unbiased variance."""
        if self.running_mean is None or self.running_var is None or self.num_batches_tracked is None:
            return
        self.num_batches_tracked.add_(1)
        weight = 1 / float(self.num_batches_tracked) if self.momentum is None else self.momentum
        self.running_mean.lerp_(mean.to(self.running_mean.dtype), weight)
        self.running_var.lerp_((variance * (count / (count - 1))).to(self.running_var.dtype), weight)


def _summed(tensor: Tensor, peers: Peers) -> Tensor:
    return cast(Tensor, _Sum.apply(tensor, peers))


class _Sum(torch.autograd.Function):
    """A sum over processes. What each contributed moves the loss of all, so gradients are summed too."""

    @staticmethod
    def forward(ctx: Any, tensor: Tensor, peers: Peers) -> Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx.peers = peers
        return peers.sum_(tensor.clone())

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor, None]:
        return ctx.peers.sum_(grad_outputs[0].contiguous().clone()), None
