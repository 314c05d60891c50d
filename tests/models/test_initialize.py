from __future__ import annotations

import math
from collections import OrderedDict

import pytest
import torch
from torch import Tensor, nn

from winnow.errors import RecipeError
from winnow.models import build, initialize
from winnow.models.initialize import Scheme
from winnow.seeds import generator


def normalized() -> nn.Module:
    return nn.Sequential(
        OrderedDict(conv=nn.Conv2d(3, 16, 3), norm=nn.BatchNorm2d(16), flatten=nn.Flatten(), fc=nn.Linear(16, 4))
    )


@pytest.mark.parametrize(
    "scheme, layer, variance",
    [
        ("glorot-normal", "fc1.weight", 2 / (128 * 8 * 8 + 256)),
        ("glorot-normal", "conv3.weight", 2 / ((64 + 128) * 9)),
        ("glorot-normal", "conv4.weight", 2 / ((128 + 128) * 9)),
        ("kaiming-normal", "fc1.weight", 2 / (128 * 8 * 8)),
        ("kaiming-normal", "conv3.weight", 2 / (64 * 9)),
    ],
)
def test_kernels_are_gaussian_with_the_schemes_variance(scheme: Scheme, layer: str, variance: float) -> None:
    network = build("conv-4", (3, 32, 32), 10)
    drawn = initialize(network, scheme, generator(0, 0, "init"))[layer].double().flatten() / math.sqrt(variance)
    error = 1 / math.sqrt(len(drawn))
    assert abs(drawn.mean()) < 4 * error
    assert abs(drawn.var() - 1) < 4 * math.sqrt(2) * error
    assert abs((drawn.abs() < 1).double().mean() - 0.6827) < 4 * 0.47 * error  # within one standard deviation
    assert drawn.abs().max() > 3.5  # not truncated


def test_biases_are_zero_and_normalizations_the_identity() -> None:
    values = initialize(normalized(), "kaiming-normal", generator(0, 0, "init"))
    for name in ("conv.bias", "norm.bias", "fc.bias", "norm.running_mean", "norm.num_batches_tracked"):
        assert not values[name].any(), name
    for name in ("norm.weight", "norm.running_var"):
        assert bool((values[name] == 1).all()), name


def test_there_is_a_value_of_the_right_kind_for_every_name_in_the_state_dict() -> None:
    network = normalized()
    values = initialize(network, "glorot-normal", generator(0, 0, "init"))
    expected = {name: (tensor.shape, tensor.dtype) for name, tensor in network.state_dict().items()}
    assert {name: (tensor.shape, tensor.dtype) for name, tensor in values.items()} == expected
    network.load_state_dict(values)


def test_values_come_from_the_generator_alone_and_the_network_stays_as_it_is() -> None:
    network = normalized()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    torch.manual_seed(1)
    first = initialize(network, "glorot-normal", generator(0, 0, "init"))
    torch.manual_seed(2)
    second = initialize(network, "glorot-normal", generator(0, 0, "init"))
    other = initialize(network, "glorot-normal", generator(0, 1, "init"))
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert not torch.equal(first["fc.weight"], other["fc.weight"])
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())


class Scaled(nn.Module):
    def __init__(self, parameter: Tensor | None = None, buffer: Tensor | None = None) -> None:
        super().__init__()
        if parameter is not None:
            self.scale = nn.Parameter(parameter)
        if buffer is not None:
            self.register_buffer("table", buffer)


@pytest.mark.parametrize(
    "network, message",
    [
        (Scaled(parameter=torch.ones(3)), r"no rule initializes 'scale' of shape \(3,\) in a Scaled"),
        (nn.Sequential(Scaled(parameter=torch.ones(()))), r"no rule initializes '0.scale' of shape \(\) in a Scaled"),
        (Scaled(buffer=torch.ones(2, 2, device="meta")), r"no rule initializes the buffer 'table' of shape \(2, 2\)"),
        (nn.Embedding(3, 2), r"no rule initializes 'weight' of shape \(3, 2\) in a Embedding.\nLet the network init"),
    ],
)
def test_what_has_no_rule_is_refused_by_name(network: nn.Module, message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        initialize(network, "glorot-normal", generator(0, 0, "init"))


def test_the_linear_layer_of_transformers_has_its_inputs_first() -> None:
    network = type("Conv1D", (nn.Module,), {})()
    network.weight = nn.Parameter(torch.empty(2_000, 50))  # (inputs, outputs)
    weight = initialize(network, "kaiming-normal", generator(0, 0, "init"))["weight"]
    assert weight.std().item() == pytest.approx((2 / 2_000) ** 0.5, rel=0.02)


def test_a_buffer_that_is_not_saved_needs_no_value() -> None:
    network = nn.Sequential(nn.Linear(2, 2))
    network.register_buffer("scratch", torch.zeros(3), persistent=False)
    assert list(initialize(network, "glorot-normal", generator(0, 0, "init"))) == ["0.weight", "0.bias"]
