"""Which engine trains a network's lanes, how many at once, and why."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from winnow.errors import RecipeError
from winnow.training.accumulation import Accumulated
from winnow.training.compiled import Compiled, Graphed
from winnow.training.engines import CONVOLUTIONS, Engine, Plain, Precision, Stacked
from winnow.training.perceptron import Perceptron, linear_layers
from winnow.training.processor import obstacle_to_bfloat16
from winnow.training.randomness import LaneRandomness
from winnow.training.tasks import Classification, Task
from winnow.training.trial import Trial

_log = logging.getLogger(__name__)

EngineName = Literal["auto", "plain", "stacked", "perceptron", "compiled", "graphed"]
"""`plain`: lanes one by one. `stacked`: one batched computation. `perceptron`: the same for fully connected networks,
written out, on the remaining weights alone. `compiled`: one by one, by torch.compile. `graphed`: lanes side by side in
one CUDA graph. `auto` is what measured fastest; it never takes the last, which nobody has measured yet."""


@dataclass(frozen=True)
class Choice:
    """An engine for a network on a device, how many lanes it takes at once, and why."""

    name: Literal["plain", "stacked", "perceptron", "compiled", "graphed"]
    width: int
    reason: str

    def build(
        self,
        network: nn.Module,
        lanes: int,
        masks: Mapping[str, Tensor],
        precision: Precision = None,
        task: Task | None = None,
        randomness: LaneRandomness | None = None,
        accumulate: int | None = None,
    ) -> Engine:
        """The engine, for a batch of so many lanes of that network under masks (lanes, *shape).

        A single lane has nothing to be stacked with. `task` is classification where it is left out; `randomness` is
        what a network draws from that draws while it trains; `accumulate`, into how many parts a batch is split.
        """
        if accumulate is not None:
            return Accumulated(self.build(network, lanes, masks, precision, task, randomness), accumulate)
        if self.name == "perceptron":
            return Perceptron(network, masks)
        if self.name in ("compiled", "graphed"):
            return _RECORDING[self.name](network, precision, task)
        is_alone = self.name == "plain" or lanes == 1
        return (Plain if is_alone else Stacked)(network, precision, task, randomness)


def check(device: torch.device, *, deterministic: bool, engine: EngineName, width: int | None) -> None:
    """Raise RecipeError for what cannot be asked for together, whatever the network."""
    if width is not None and width < 1:
        raise RecipeError(f"lanes is {width}; give at least 1, or leave it out for what suits the network.")
    if deterministic and engine not in ("auto", "plain"):
        raise RecipeError(
            f"deterministic runs train lanes singly, not with the engine '{engine}'. Leave one of the two out."
        )
    if engine == "graphed" and device.type != "cuda":
        raise RecipeError(f"the engine 'graphed' records CUDA graphs, and this run is on '{device}'. Use 'auto'.")


def choose(
    network: nn.Module,
    device: torch.device,
    *,
    precision: Precision = None,
    deterministic: bool = False,
    clips: bool = False,
    draws: bool = False,
    task: Task | None = None,
    trial: Trial | None = None,
    rewires: bool = False,
    engine: EngineName = "auto",
    width: int | None = None,
) -> Choice:
    """The engine that trains lanes of a network fastest, as far as benchmarks/ have shown; or the one asked for.

    Under vmap a convolution of lanes becomes a grouped convolution, which is slower than the lanes one by one.
    `clips` is whether the lanes' gradients are clipped, which needs each lane's own; `draws`, whether the network draws
    random numbers while it trains; `task`, what its outputs are held against: classification where it is left out;
    `trial`, by which it is known whether vmap can vectorize the network: where it cannot, lanes are trained one by one;
    `rewires`, whether masks change, which needs the gradients of weights that are not there.
    Raises RecipeError for an engine that cannot train the network.
    """
    if draws and engine in ("compiled", "graphed"):
        raise RecipeError(
            f"the engine '{engine}' records the network once, and this one draws random numbers (dropout) at every "
            f"iteration, from a stream for each lane.\nUse 'auto', 'plain' or 'stacked'."
        )
    check(device, deterministic=deterministic, engine=engine, width=width)
    if precision is not None and device.type == "cpu" and (slow := obstacle_to_bfloat16()):
        _log.warning("%s", slow)
    if deterministic:
        return Choice("plain", 1, "deterministic: a lane's rounding must not depend on its companions")
    obstacle = _obstacle_to_perceptron(network, precision, clips, task, rewires)
    if engine == "perceptron" and obstacle:
        raise RecipeError(f"the engine 'perceptron' cannot train this network: {obstacle}. Use 'auto'.")
    if engine == "auto" and any(isinstance(module, CONVOLUTIONS) for module in network.modules()):
        return Choice("plain", 1, "convolutions train faster lane by lane than grouped")
    if engine in ("plain", "compiled"):
        return Choice(engine, 1, "asked for")
    weights = sum(parameter.numel() for parameter in network.parameters())
    lane_bytes = 20 * weights  # value, gradient, mask, two buffers: float32
    fitting = width or max(1, min(_MOST_LANES, lanes_bytes(device) // lane_bytes))
    if engine == "auto" and obstacle is None and device.type == "cpu":
        return Choice("perceptron", fitting, f"fully connected, up to {fitting} lanes in one product of each layer")
    cannot = trial.obstacle_to_stacking() if trial and engine in ("auto", "stacked") else None
    if cannot and engine == "stacked":
        raise RecipeError(f"the engine 'stacked' cannot train this network: {cannot}.\nUse 'auto' or 'plain'.")
    if cannot:
        return Choice("plain", 1, f"lanes of this network cannot be stacked ({cannot})")
    reason = f"up to {fitting} lanes in one batched computation" if engine == "auto" else "asked for"
    return Choice("stacked" if engine == "auto" else engine, fitting, reason)


_RECORDING = {"compiled": Compiled, "graphed": Graphed}

_MOST_LANES = 32

_CACHE = 60 << 20
"""What the states of lanes may take together on a CPU: about a last-level cache, beyond which the optimizer waits."""

_MARGIN = 0.5
"""The part of a GPU's free memory that states may take: what passes from layer to layer needs the rest."""


def lanes_bytes(device: torch.device) -> int:
    """What the states of all lanes of a batch may take together."""
    if device.type == "cuda":
        return int(_MARGIN * torch.cuda.mem_get_info(device)[0])
    return _CACHE


def _obstacle_to_perceptron(
    network: nn.Module, precision: Precision, clips: bool, task: Task | None, rewires: bool
) -> str | None:
    if linear_layers(network) is None:
        return "it is not a sequence of linear layers with ReLU between them"
    if precision is not None:
        return f"it computes in float32 alone, not in {precision}"
    if task not in (None, Classification()):
        return "its gradients are of cross-entropy alone"
    if rewires:
        return "it fixes the pattern of remaining weights when it starts, and here the mask changes"
    if clips:
        return "it keeps the sparse layers of all lanes in one vector, and optimizer.clip is of each lane's gradient"
    return None
