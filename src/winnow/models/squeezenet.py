"""SqueezeNet 1.0: fire modules, and a convolution in place of the last linear layer."""

from __future__ import annotations

from collections import OrderedDict

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from winnow.models.registry import Shape, register

_FIRES = ((1, 1, 2), (2, 3, 3, 4), (4,))
"""The squeeze layers' sizes in multiples of the first, by stage; each stage ends in pooling but the last."""


class Fire(nn.Module):
    """A 1x1 convolution that squeezes the channels, then a 1x1 and a 3x3 one side by side that expand them again."""

    def __init__(self, inputs: int, squeezed: int) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(inputs, squeezed, 1)
        self.expand1 = nn.Conv2d(squeezed, 4 * squeezed, 1)
        self.expand3 = nn.Conv2d(squeezed, 4 * squeezed, 3, padding=1)

    def forward(self, inputs: Tensor) -> Tensor:
        """(batch, inputs, height, width) -> (batch, 8 squeezed, height, width)."""
        hidden = F.relu(self.squeeze(inputs))
        return F.relu(torch.cat((self.expand1(hidden), self.expand3(hidden)), 1))


@register("squeezenet")
def squeezenet(shape: Shape, classes: int, width: int = 16) -> nn.Module:
    """convolutional throughout, by the size of its first squeeze layer, if given: `squeezenet`, `squeezenet-4`.

    Version 1.0, without batch norm, half of the last features dropped in training. For 1,000 classes it has 1,248,424
    parameters, 1,244,448 of them kernel weights, all in convolutions: its output layer is `output`, a 1x1 one of
    512,000. (Version 1.1 has 1,235,496 parameters, which is not the 1.25M of SLTH.)

    Source: Iandola et al. 2016 (arXiv 1602.07360), Table 1.
    """
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    layers["conv"] = nn.Conv2d(shape[0], 6 * width, 7, stride=2)
    layers["relu"] = nn.ReLU()
    inputs, number = 6 * width, 1
    for stage, factors in enumerate(_FIRES, start=1):
        layers[f"pool{stage}"] = nn.MaxPool2d(3, stride=2, ceil_mode=True)
        for factor in factors:
            number += 1  # the paper's numbers: fire2 to fire9
            layers[f"fire{number}"] = Fire(inputs, factor * width)
            inputs = 8 * factor * width
    layers["dropout"] = nn.Dropout(0.5)
    layers["output"] = nn.Conv2d(inputs, classes, 1)
    layers["output_relu"] = nn.ReLU()
    layers["mean"] = nn.AdaptiveAvgPool2d(1)
    layers["flatten"] = nn.Flatten()
    return nn.Sequential(layers)
