"""Dead units, in networks small enough to see them, and in one with shortcuts."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from winnow.models import build, initialize
from winnow.pruning import Mask
from winnow.pruning.units import Units, units
from winnow.seeds import generator


def of(name: str, shape: tuple[int, int, int], edits: dict[str, tuple[slice | int, ...]]) -> dict[str, Units]:
    """The units of a network from which some parts of kernels are removed."""
    network = build(name, shape, 3)
    values = initialize(network, "glorot-normal", generator(0, 0, "init"))
    kept = {
        name: torch.ones(parameter.shape, dtype=torch.bool)
        for name, parameter in network.named_parameters()
        if parameter.ndim > 1
    }
    for name, place in edits.items():
        kept[name][place] = False
    return units(network, values, Mask(kept), torch.zeros(1, *shape))


def at(lacking: Tensor) -> list[int]:
    return (~lacking).nonzero().flatten().tolist()


ALL = slice(None)


def test_a_neuron_without_weights_on_one_side_is_dead() -> None:
    found = of("lenet-5-4", (1, 2, 2), {"fc1.weight": (2,), "fc2.weight": (ALL, 3), "output.weight": (1,)})
    assert (at(found["fc1.weight"].incoming), at(found["fc1.weight"].outgoing)) == ([2], [3])
    assert (found["fc1.weight"].count, found["fc1.weight"].dead, found["fc1.weight"].weights) == (5, 2, 16)
    assert found["fc2.weight"].dead == 0
    assert (at(found["output.weight"].incoming), at(found["output.weight"].outgoing)) == ([1], [])


def test_a_unit_that_lacks_both_is_dead_once() -> None:
    found = of("lenet-5-4", (1, 2, 2), {"fc1.weight": (2,), "fc2.weight": (ALL, 2)})
    assert found["fc1.weight"].dead == 1


def test_a_channel_is_read_at_all_its_places() -> None:
    """Conv-2 pools 4x4 images to 2x2: a channel has four inputs of the linear layer after it."""
    some, every = slice(0, 3), slice(0, 4)
    assert of("conv-2", (3, 4, 4), {"fc1.weight": (ALL, some)})["conv2.weight"].dead == 0
    found = of("conv-2", (3, 4, 4), {"fc1.weight": (ALL, every), "conv2.weight": (ALL, 7)})
    assert at(found["conv2.weight"].outgoing) == [0]
    assert at(found["conv1.weight"].outgoing) == [7]


def test_in_a_residual_network_the_shortcut_reads_too() -> None:
    """With no kernel of the first block reading channel 3 of the stem, the shortcut still carries it to the second."""
    first = {"stages.0.0.conv1.weight": (ALL, 3)}
    assert of("resnet-8-8", (3, 8, 8), first)["conv.weight"].dead == 0
    everywhere = first | {"stages.1.0.conv1.weight": (ALL, 3), "stages.1.0.shortcut.0.weight": (ALL, 3)}
    found = of("resnet-8-8", (3, 8, 8), everywhere)
    assert at(found["conv.weight"].outgoing) == [3]
    assert at(found["stages.0.0.conv2.weight"].outgoing) == [3]
    assert at(found["stages.0.0.conv1.weight"].outgoing) == []


@pytest.mark.parametrize(
    "between",
    [nn.LayerNorm(6), nn.GroupNorm(2, 6), nn.Softmax(dim=1), nn.Hardtanh(-0.8, 0.8), nn.Sequential(nn.RMSNorm(6))],
    ids=lambda module: type(module).__name__,
)
def test_what_lies_between_layers_hides_no_unit(between: nn.Module) -> None:
    network = nn.Sequential(nn.Linear(4, 6), between, nn.Linear(6, 3))
    kept = {"0.weight": torch.ones(6, 4, dtype=torch.bool), "2.weight": torch.ones(3, 6, dtype=torch.bool)}
    kept["2.weight"][:, 5] = False
    found = units(network, network.state_dict(), Mask(kept), torch.zeros(1, 4))
    mixes = isinstance(between, nn.Softmax)  # a unit that changes all others is read by what reads these
    assert at(found["0.weight"].outgoing) == ([] if mixes else [5])


def test_a_layer_that_is_called_twice_is_read_where_either_is() -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.both, self.first, self.last = nn.Linear(4, 4), nn.Linear(4, 2), nn.Linear(4, 2)

        def forward(self, inputs: Tensor) -> Tensor:
            hidden = self.both(inputs)
            return self.first(hidden) + self.last(self.both(hidden.detach()))

    network = Twice()
    kept = {f"{name}.weight": torch.ones(size, 4, dtype=torch.bool) for name, size in (("both", 4), ("last", 2))}
    kept["last.weight"][:] = False
    kept["last.weight"][:, 0] = True
    assert units(network, network.state_dict(), Mask(kept), torch.zeros(1, 4))["both.weight"].dead == 0


def test_units_of_a_transposed_convolution_lie_in_groups() -> None:
    network = nn.Sequential(nn.ConvTranspose1d(4, 6, 2, groups=2), nn.Conv1d(6, 1, 1))
    kept = {"0.weight": torch.ones(4, 3, 2, dtype=torch.bool)}
    kept["0.weight"][2:, 1] = False  # the second group's second output
    found = units(network, network.state_dict(), Mask(kept), torch.zeros(1, 4, 5))["0.weight"]
    assert (found.count, at(found.incoming), found.weights) == (6, [4], 20)


def test_the_units_of_a_transposed_convolution_are_its_output_channels() -> None:
    network = nn.Sequential(nn.ConvTranspose2d(2, 3, 2), nn.Conv2d(3, 1, 2))
    kept = {name: torch.ones(p.shape, dtype=torch.bool) for name, p in network.named_parameters() if p.ndim > 1}
    kept["0.weight"][:, 2] = False  # (inputs, outputs, height, width)
    found = units(network, network.state_dict(), Mask(kept), torch.zeros(1, 2, 3, 3))
    assert at(found["0.weight"].incoming) == [2] and found["0.weight"].count == 3
