"""VGG for CIFAR-10, with batch normalization and one linear layer."""

from __future__ import annotations

from collections import OrderedDict

from torch import nn

from winnow.errors import RecipeError
from winnow.models.registry import Shape, register

_STAGES = {11: (1, 1, 2, 2, 2), 13: (2, 2, 2, 2, 2), 16: (2, 2, 3, 3, 3), 19: (2, 2, 4, 4, 4)}
_WIDTHS = (1, 2, 4, 8, 8)


@register("vgg")
def vgg(shape: Shape, classes: int, depth: int, width: int = 64) -> nn.Module:
    """convolutional with batch norm, by its depth and, if given, its first width: `vgg-19`, `vgg-16`, `vgg-16-32`.

    Five stages of 3x3 convolutions, 2x2 max-pooling after all but the last, the mean over what is left of the image,
    one linear layer. On CIFAR-10 VGG-19 has 20,024,000 kernel weights (5,120 in the output layer), VGG-16 14,715,584.

    Source: Simonyan & Zisserman 2015 (arXiv 1409.1556); as LTH (arXiv 1803.03635), Fig. 2, uses it.
    """
    if depth not in _STAGES:
        raise RecipeError(f"'vgg-{depth}': VGG has 11, 13, 16 or 19 layers.")
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    inputs, number = shape[0], 0
    for stage, (count, factor) in enumerate(zip(_STAGES[depth], _WIDTHS, strict=True)):
        for _ in range(count):
            number += 1
            layers[f"conv{number}"] = nn.Conv2d(inputs, factor * width, 3, padding=1, bias=False)
            layers[f"norm{number}"] = nn.BatchNorm2d(factor * width)
            layers[f"relu{number}"] = nn.ReLU()
            inputs = factor * width
        if stage < 4:
            layers[f"pool{stage + 1}"] = nn.MaxPool2d(2)
    layers["mean"] = nn.AdaptiveAvgPool2d(1)
    layers["flatten"] = nn.Flatten()
    layers["output"] = nn.Linear(inputs, classes)
    return nn.Sequential(layers)
