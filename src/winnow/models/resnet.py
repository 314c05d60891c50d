"""The residual networks of He et al. for CIFAR-10. ResNet-20 is what LTH and SLTH call "ResNet-18"."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from winnow.errors import RecipeError
from winnow.models.registry import Shape, register


class Block(nn.Module):
    """Two 3x3 convolutions; around them goes the input as it is, or through a 1x1 convolution if its size changes."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(outputs)
        self.shortcut = nn.Sequential()
        if stride != 1 or inputs != outputs:
            self.shortcut.append(nn.Conv2d(inputs, outputs, 1, stride=stride, bias=False))
            self.shortcut.append(nn.BatchNorm2d(outputs))

    def forward(self, inputs: Tensor) -> Tensor:
        """(batch, inputs, height, width) -> (batch, outputs, height / stride, width / stride)."""
        hidden = F.relu(self.norm1(self.conv1(inputs)))
        return F.relu(self.norm2(self.conv2(hidden)) + self.shortcut(inputs))


class ResNet(nn.Module):
    """Three stages of blocks, of width, 2 and 4 times width channels; then the mean over the image, and one layer."""

    def __init__(self, shape: Shape, classes: int, blocks: int, width: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(shape[0], width, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(width)
        self.stages = nn.ModuleList()
        inputs = width
        for stage in range(3):
            outputs = width << stage
            strides = [1 if stage == 0 else 2] + [1] * (blocks - 1)
            stack = nn.ModuleList()
            for stride in strides:
                stack.append(Block(inputs, outputs, stride))
                inputs = outputs
            self.stages.append(stack)
        self.output = nn.Linear(inputs, classes)

    def forward(self, images: Tensor) -> Tensor:
        """(batch, channels, height, width) -> (batch, classes)."""
        hidden = F.relu(self.norm(self.conv(images)))
        for stack in self.stages:
            assert isinstance(stack, nn.ModuleList)
            for block in stack:
                hidden = block(hidden)
        return self.output(hidden.mean((2, 3)))


@register("resnet")
def resnet(shape: Shape, classes: int, depth: int, width: int = 16) -> nn.Module:
    """residual, with 6n + 2 layers and, if given, a first width: `resnet-20`, `resnet-56`, `resnet-20-32`.

    On CIFAR-10 ResNet-20 has 270,896 kernel weights, of which 2,560 are in shortcuts and 640 in the output layer.

    Source: He et al. 2016 (arXiv 1512.03385), §4.2; the "ResNet-18" of LTH (arXiv 1803.03635), Fig. 2.
    """
    blocks, rest = divmod(depth - 2, 6)
    if rest or blocks < 1:
        raise RecipeError(f"'resnet-{depth}': the depth of a CIFAR ResNet is 6n + 2: 8, 14, 20, 32, 44, 56, 110.")
    return ResNet(shape, classes, blocks, width)
