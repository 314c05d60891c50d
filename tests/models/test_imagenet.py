"""The networks for ImageNet: the weights the papers count, and one whole step at full size."""

from __future__ import annotations

from typing import NamedTuple

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.func import functional_call

from winnow.errors import RecipeError
from winnow.models import build, families, initialize
from winnow.pruning import prunable_layers
from winnow.recipes import read
from winnow.seeds import generator


class Counts(NamedTuple):
    """What a network has for 1,000 classes."""

    side: int
    parameters: int
    kernels: int
    layers: int
    output: int
    papers: float
    """In millions, as SLTH (arXiv 1903.01611), §4, prints it."""


COUNTS = {
    "imagenet-resnet-50": Counts(224, 25_557_032, 25_502_912, 54, 2_048_000, 25.5),
    "inception-3": Counts(299, 27_161_264, 27_123_040, 98, 2_048_000, 27.1),
    "squeezenet": Counts(224, 1_248_424, 1_244_448, 26, 512_000, 1.25),
}


def images(name: str) -> tuple[int, int, int]:
    return (3, COUNTS[name].side, COUNTS[name].side)


@pytest.mark.parametrize("name", COUNTS)
def test_a_network_has_the_weights_that_the_paper_counts(name: str) -> None:
    network, counts = build(name, images(name), 1_000), COUNTS[name]
    kernels = {path: p.numel() for path, p in network.named_parameters() if p.ndim > 1}
    assert sum(p.numel() for p in network.parameters()) == counts.parameters
    assert (sum(kernels.values()), len(kernels)) == (counts.kernels, counts.layers)
    assert kernels["output.weight"] == counts.output
    total = counts.parameters if name == "squeezenet" else counts.kernels  # 1.25M with biases, 1.24M without
    assert int(total / 1e4 + (0.5 if name == "squeezenet" else 0)) / 100 == pytest.approx(counts.papers, abs=0.05)


@pytest.mark.parametrize("name", COUNTS)
def test_the_counts_in_a_familys_docstring_are_true(name: str) -> None:
    family = next(family for family in families() if name.startswith(family))
    text = families()[family].__doc__ or ""
    assert f"{COUNTS[name].kernels:,}" in text and f"{COUNTS[name].output:,}" in text


@pytest.mark.parametrize(
    "recipe, name",
    [
        ("resnet50-imagenet", "imagenet-resnet-50"),
        ("inception3-imagenet", "inception-3"),
        ("squeezenet-imagenet", "squeezenet"),
    ],
)
def test_every_kernel_is_pruned_in_shortcuts_output_and_auxiliary_classifier_too(recipe: str, name: str) -> None:
    prune = read(recipe).prune
    layers = prunable_layers(build(name, images(name), 1_000), prune.rate_at(1), prune.exclude)
    assert sum(layer.size for layer in layers.values()) == COUNTS[name].kernels


@pytest.mark.parametrize(
    "part, kernels",
    [
        ("imagenet-resnet-50 shortcut", 2_768_896),
        ("inception-3 auxiliary", 3_323_904),
        ("inception-3 x.linear", 768_000),
    ],
)
def test_the_counts_of_parts_are_true(part: str, kernels: int) -> None:
    name, _, within = part.partition(" ")
    found = build(name, images(name), 1_000).named_parameters()
    assert sum(p.numel() for path, p in found if p.ndim > 1 and within.removeprefix("x") in path) == kernels


@pytest.mark.parametrize("name, side", [("imagenet-resnet-50", 224), ("inception-3", 299), ("squeezenet", 224)])
def test_a_network_of_full_size_takes_a_training_step_on_images_of_full_size(name: str, side: int) -> None:
    network = build(name, (3, side, side), 1_000)
    stream = generator(0, 0, "init")
    values = initialize(network, "kaiming-normal", stream)
    inputs, labels = torch.rand(2, 3, side, side, generator=stream), torch.tensor([3, 5])
    parameters = {path: values[path].requires_grad_() for path, _ in network.named_parameters()}
    network.train()
    outputs = functional_call(network, values, (inputs,))
    logits = outputs if isinstance(outputs, tuple) else (outputs,)
    assert [each.shape for each in logits] == [(2, 1_000)] * (2 if name == "inception-3" else 1)
    loss = torch.stack([F.cross_entropy(each, labels) for each in logits]).sum()
    assert loss.isfinite()
    gradients = torch.autograd.grad(loss, list(parameters.values()))
    assert all(gradient.isfinite().all() for gradient in gradients)
    assert sum(gradient.any() for gradient in gradients) > 0.95 * len(gradients)


@pytest.mark.parametrize(
    "name, side", [("imagenet-resnet-50-4", 32), ("inception-3-2", 75), ("inception-3-2", 110), ("squeezenet-2", 32)]
)
def test_narrow_networks_on_small_images_give_one_logit_for_each_class(name: str, side: int) -> None:
    network = build(name, (3, side, side), 7)
    values = initialize(network, "kaiming-normal", generator(0, 0, "init"))
    inputs = torch.rand(3, 3, side, side)
    outputs = functional_call(network.train(), values, (inputs,))
    assert [each.shape for each in outputs] == [(3, 7)] * 2 if isinstance(outputs, tuple) else outputs.shape == (3, 7)
    assert isinstance(outputs, tuple) == name.startswith("inception")
    assert functional_call(network.eval(), values, (inputs,)).shape == (3, 7)  # the auxiliary classifier is left out


def test_the_auxiliary_classifier_at_299_pixels_is_the_published_one() -> None:
    """On the 17x17 map: 5x5 windows 3 apart, then a 5x5 convolution over all of them."""
    network = build("inception-3-2", (3, 299, 299), 5)
    sizes: list[torch.Size] = []
    for path in ("middle", "auxiliary.conv1", "auxiliary.conv2"):
        network.get_submodule(path).register_forward_hook(lambda module, inputs, output: sizes.append(output.shape[2:]))
    functional_call(
        network.train(), initialize(network, "kaiming-normal", generator(0, 0, "init")), (torch.rand(2, 3, 299, 299),)
    )
    assert sizes == [(17, 17), (5, 5), (1, 1)]


def test_the_stride_of_a_bottleneck_is_on_its_3x3_convolution() -> None:
    strided = {
        path: module.kernel_size
        for path, module in build("imagenet-resnet-50", (3, 224, 224), 10).named_modules()
        if isinstance(module, nn.Conv2d) and module.stride == (2, 2) and "shortcut" not in path
    }
    assert strided == {"conv": (7, 7)} | {f"stages.{stage}.0.conv2": (3, 3) for stage in (1, 2, 3)}


def test_the_families_names_do_not_clash_with_the_cifar_networks() -> None:
    assert type(build("resnet-50", (3, 32, 32), 10)) is not type(build("imagenet-resnet-50", (3, 32, 32), 10))


@pytest.mark.parametrize(
    "name, side, message",
    [
        ("imagenet-resnet-18", 224, r"'imagenet-resnet-18': there are depths 50, 101, 152\."),
        ("inception-4", 299, r"'inception-4': there is version 3 alone, 'inception-3'"),
        ("inception-3-5", 299, r"'inception-3-5': the first width is an even number"),
        ("inception-3", 74, r"they have 75 pixels on a side at least; these have 74x74\. Give data\.size = 299"),
    ],
)
def test_networks_that_there_are_not_are_refused(name: str, side: int, message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        build(name, (3, side, side), 10)
