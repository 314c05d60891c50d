"""The plain engine with the network compiled, and the same captured in a CUDA graph."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from winnow.training.engines import Plain, Precision, side_by_side
from winnow.training.state import State
from winnow.training.tasks import Task


class Compiled(Plain):
    """One lane after the other, the network's forward and backward pass compiled by `torch.compile`.

    Needs a C++ compiler on a CPU. The first iteration, and the first evaluation, take as long as compiling does.
    """

    def __init__(self, network: nn.Module, precision: Precision = None, task: Task | None = None) -> None:
        super().__init__(network, precision, task)
        self._compiled: Any = torch.compile(functional_call, dynamic=False)

    def _call(self, values: dict[str, Tensor], images: Tensor) -> Tensor:
        return self._compiled(self.network, values, (images,))


class Graphed(Plain):
    """All lanes' gradients recorded once as a CUDA graph, a branch for each lane, and replayed every iteration.

    A replay starts all kernels at once, so a small network is no longer bound by the time it takes Python to launch
    them, and lanes overlap. The state's tensors, the images and the labels keep their places in memory: the state is
    trained in place anyway, and the batch is copied into place.
    """

    def __init__(self, network: nn.Module, precision: Precision = None, task: Task | None = None) -> None:
        super().__init__(network, precision, task)
        self._graph: torch.cuda.CUDAGraph | None = None
        self._captured: tuple[int, ...] = ()

    def gradients(self, state: State, images: Tensor, labels: Tensor) -> tuple[Tensor, list[Tensor]]:
        """See Engine."""
        places = tuple(tensor.data_ptr() for tensor in (state.parameters | state.buffers).values())
        if self._graph is None or places != self._captured or images.shape != self._images.shape:
            self.network.train()
            self._capture(state, images, labels)
            self._captured = places
        self._images.copy_(images)
        self._labels.copy_(labels)
        assert self._graph is not None
        self._graph.replay()
        return self._losses.clone(), self._gradients  # the next replay writes over both

    def _capture(self, state: State, images: Tensor, labels: Tensor) -> None:
        """Run the lanes once to warm up, then record them. Neither counts: buffers are put back as they were."""
        self._images, self._labels = images.clone(), labels.clone()
        before = {name: buffer.clone() for name, buffer in state.buffers.items()}
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(3):
                super().gradients(state, self._images, self._labels)
        torch.cuda.current_stream().wait_stream(side)
        self._graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self._graph):
            self._losses, self._gradients = self._branched(state)
        _restore(state.buffers, before)

    def _branched(self, state: State) -> tuple[Tensor, list[Tensor]]:
        """Every lane's gradients, on parallel branches that meet again at the end."""
        trunk = torch.cuda.current_stream()
        streams = [torch.cuda.Stream() for _ in range(state.lanes)]
        by_lane: list[tuple[Tensor, tuple[Tensor, ...]]] = []
        for lane, stream in enumerate(streams):
            stream.wait_stream(trunk)
            with torch.cuda.stream(stream):
                by_lane.append(self._lane(state, lane, self._images[lane], self._labels[lane]))
        for stream in streams:
            trunk.wait_stream(stream)
        return side_by_side(by_lane)


def _restore(buffers: Mapping[str, Tensor], before: Mapping[str, Tensor]) -> None:
    for name, value in before.items():
        buffers[name].copy_(value)
