"""LeNet-300-100: the fully connected network of LeCun et al. 1998, and others of its kind."""

from __future__ import annotations

from collections import OrderedDict

from torch import nn

from winnow.errors import RecipeError
from winnow.models.registry import Shape, register


@register("lenet")
def lenet(shape: Shape, classes: int, *hidden: int) -> nn.Module:
    """fully connected, one size per hidden layer: `lenet-300-100`. ReLU between layers.

    On 28x28 images `lenet-300-100` has 266,200 kernel weights: 235,200 + 30,000 + 1,000.

    Source: LTH (arXiv 1803.03635), Fig. 2.
    """
    if not hidden:
        raise RecipeError("a LeNet needs the sizes of its hidden layers: 'lenet-300-100'.")
    channels, height, width = shape
    layers: OrderedDict[str, nn.Module] = OrderedDict(flatten=nn.Flatten())
    inputs = channels * height * width
    for number, outputs in enumerate(hidden, start=1):
        layers[f"fc{number}"] = nn.Linear(inputs, outputs)
        layers[f"relu{number}"] = nn.ReLU()
        inputs = outputs
    layers["output"] = nn.Linear(inputs, classes)
    return nn.Sequential(layers)
