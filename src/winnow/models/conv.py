"""Conv-2, Conv-4, Conv-6: the small VGG-like networks of LTH."""

from __future__ import annotations

from collections import OrderedDict

from torch import nn

from winnow.errors import RecipeError
from winnow.models.registry import Shape, register


@register("conv")
def conv(shape: Shape, classes: int, depth: int) -> nn.Module:
    """convolutional, with an even number of 3x3 layers and two hidden linear ones: `conv-2`, `conv-4`, `conv-6`.

    Pairs of convolutions of 64, 128, 256 ... channels, each pair followed by 2x2 max-pooling; then linear
    layers of 256, 256 and the classes. On CIFAR-10: 4,300,992, 2,425,024 and 2,261,184 kernel weights. (LTH's
    table prints 1.7M for Conv-6; the layers it describes, and its densities, give 2.26M.)

    Source: LTH (arXiv 1803.03635), Fig. 2.
    """
    channels, height, width = shape
    pairs, odd = divmod(depth, 2)
    if odd or min(height, width) >> pairs == 0:
        raise RecipeError(
            f"'conv-{depth}' on {height}x{width} images: the depth is even, and each pair halves the image."
        )
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    for pair in range(pairs):
        outputs = 64 << pair
        for number in (2 * pair + 1, 2 * pair + 2):
            layers[f"conv{number}"] = nn.Conv2d(channels, outputs, 3, padding=1)
            if number % 2 == 0:  # before its ReLU: the same to the bit, gradients too, and a quarter of the work
                layers[f"pool{pair + 1}"] = nn.MaxPool2d(2)
            layers[f"relu{number}"] = nn.ReLU()
            channels = outputs
    layers["flatten"] = nn.Flatten()
    inputs = channels * (height >> pairs) * (width >> pairs)
    for number in (1, 2):
        layers[f"fc{number}"] = nn.Linear(inputs, 256)
        layers[f"fc{number}_relu"] = nn.ReLU()
        inputs = 256
    layers["output"] = nn.Linear(inputs, classes)
    return nn.Sequential(layers)
