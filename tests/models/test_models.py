from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.func import functional_call

from winnow.errors import RecipeError, UnknownName
from winnow.models import build, families, initialize
from winnow.seeds import generator

MNIST, CIFAR, DIGITS = (1, 28, 28), (3, 32, 32), (1, 8, 8)


@pytest.mark.parametrize(
    "name, shape, kernels",
    [
        # LTH (arXiv 1803.03635), Fig. 2: 266K, 4.3M, 2.4M; its 1.7M for Conv-6 does not fit the layers it describes.
        ("lenet-300-100", MNIST, [235_200, 30_000, 1_000]),
        ("conv-2", CIFAR, [1_728, 36_864, 4_194_304, 65_536, 2_560]),
        ("conv-4", CIFAR, [1_728, 36_864, 73_728, 147_456, 2_097_152, 65_536, 2_560]),
        ("conv-6", CIFAR, [1_728, 36_864, 73_728, 147_456, 294_912, 589_824, 1_048_576, 65_536, 2_560]),
        ("lenet-5", DIGITS, [320, 50]),
        ("lenet-7-6-5", DIGITS, [448, 42, 30, 50]),
        ("conv-2", DIGITS, [576, 36_864, 262_144, 65_536, 2_560]),
    ],
)
def test_a_network_has_the_papers_weights(name: str, shape: tuple[int, int, int], kernels: list[int]) -> None:
    parameters = dict(build(name, shape, 10).named_parameters())
    assert [p.numel() for path, p in parameters.items() if path.endswith("weight")] == kernels
    outputs = [p.shape[0] for path, p in parameters.items() if path.endswith("weight")]
    assert [p.numel() for path, p in parameters.items() if path.endswith("bias")] == outputs


def test_conv_computes_what_the_paper_draws_where_every_convolution_is_rectified_before_pooling() -> None:
    network = build("conv-4", CIFAR, 10)
    layers = dict(network.named_children())
    drawn = nn.Sequential()
    for name in layers:
        if name.startswith("pool"):
            continue  # it comes after the ReLU that follows it here
        drawn.append(layers[name])
        if name in ("relu2", "relu4"):
            drawn.append(layers[f"pool{int(name[-1]) // 2}"])
    values = initialize(network, "glorot-normal", torch.Generator().manual_seed(0))
    images = torch.rand(8, *CIFAR, generator=torch.Generator().manual_seed(1))
    found: list[tuple[torch.Tensor, ...]] = []
    for each in (network, drawn):
        parameters = [values[name].clone().requires_grad_() for name, _ in network.named_parameters()]
        names = [name for name, _ in each.named_parameters()]
        outputs = functional_call(each, dict(zip(names, parameters, strict=True)), (images,))
        found.append((outputs, *torch.autograd.grad(outputs.square().sum(), parameters)))
    assert all(torch.equal(ours, theirs) for ours, theirs in zip(*found, strict=True))


@pytest.mark.parametrize("name, total", [("conv-2", 4_300_992), ("conv-4", 2_425_024), ("conv-6", 2_261_184)])
def test_the_weight_counts_in_the_docstring_of_conv_are_true(name: str, total: int) -> None:
    counted = sum(p.numel() for path, p in build(name, CIFAR, 10).named_parameters() if path.endswith("weight"))
    assert counted == total
    assert f"{total:,}" in (families()["conv"].__doc__ or "")


@pytest.mark.parametrize(
    "name, shape, classes",
    [("lenet-300-100", MNIST, 10), ("lenet-4", DIGITS, 3), ("conv-2", CIFAR, 10), ("conv-6", DIGITS, 7)],
)
def test_a_network_gives_one_logit_for_each_class(name: str, shape: tuple[int, int, int], classes: int) -> None:
    network = build(name, shape, classes)
    values = initialize(network, "glorot-normal", generator(0, 0, "init"))
    assert functional_call(network, values, (torch.rand(2, *shape),)).shape == (2, classes)


@pytest.mark.parametrize(
    "name, message",
    [
        ("lenet", r"a LeNet needs the sizes of its hidden layers: 'lenet-300-100'"),
        ("lenet-300-x", r"network 'lenet-300-x': after 'lenet' come whole numbers. 'lenet' is fully connected"),
        ("lenet-0", r"after 'lenet' come whole numbers"),
        ("lenet--3", r"after 'lenet' come whole numbers"),
        ("lenet-1.5", r"after 'lenet' come whole numbers"),
        ("conv", r"network 'conv': 'conv' is convolutional, with an even number"),
        ("conv-2-4", r"network 'conv-2-4': 'conv' is convolutional"),
        ("conv-3", r"'conv-3' on 28x28 images: the depth is even, and each pair halves the image"),
        ("conv-10", r"'conv-10' on 28x28 images"),
    ],
)
def test_sizes_that_a_family_does_not_take_are_refused(name: str, message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        build(name, MNIST, 10)


@pytest.mark.parametrize("name, nearest", [("lnet-300", "lenet"), ("convv-2", "conv")])
def test_an_unknown_family_is_told_with_the_nearest(name: str, nearest: str) -> None:
    with pytest.raises(UnknownName, match=rf"unknown network '\w+'. Did you mean '{nearest}'\?\nValid: .*conv.*lenet"):
        build(name, MNIST, 10)


def test_a_mistake_inside_a_family_is_not_taken_for_a_wrong_size(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(shape: tuple[int, int, int], classes: int, *sizes: int) -> nn.Module:
        raise TypeError("our own bug")

    from winnow.models import registry

    monkeypatch.setitem(registry._FAMILIES, "broken", broken)
    for name in ("broken-3", "broken"):
        with pytest.raises(TypeError, match="our own bug"):
            build(name, MNIST, 10)


def test_a_familys_name_may_hold_hyphens_and_the_longest_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    from winnow.models import registry

    seen: list[tuple[int, ...]] = []

    def family(shape: tuple[int, int, int], classes: int, *sizes: int) -> nn.Module:
        seen.append(sizes)
        return nn.Linear(1, 1)

    monkeypatch.setitem(registry._FAMILIES, "lenet-like", family)
    build("lenet-like-3-4", MNIST, 10)
    build("lenet-like", MNIST, 10)
    assert seen == [(3, 4), ()]
