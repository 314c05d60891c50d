"""The residual networks of He et al. for ImageNet, with bottleneck blocks: ResNet-50, 101 and 152."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from winnow.errors import RecipeError
from winnow.models.registry import Shape, register

_STAGES = {50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3)}
_EXPANSION = 4


class Bottleneck(nn.Module):
    """A 1x1, a 3x3 and a 1x1 convolution; around them goes the input, through a 1x1 convolution if its size changes.

    The stride is on the 3x3 convolution.
    """

    def __init__(self, inputs: int, width: int, stride: int) -> None:
        super().__init__()
        outputs = _EXPANSION * width
        self.conv1 = nn.Conv2d(inputs, width, 1, bias=False)
        self.norm1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride=stride, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, outputs, 1, bias=False)
        self.norm3 = nn.BatchNorm2d(outputs)
        self.shortcut = nn.Sequential()
        if stride != 1 or inputs != outputs:
            self.shortcut.append(nn.Conv2d(inputs, outputs, 1, stride=stride, bias=False))
            self.shortcut.append(nn.BatchNorm2d(outputs))

    def forward(self, inputs: Tensor) -> Tensor:
        """(batch, inputs, height, width) -> (batch, 4 width, height / stride, width / stride)."""
        hidden = F.relu(self.norm1(self.conv1(inputs)))
        hidden = F.relu(self.norm2(self.conv2(hidden)))
        return F.relu(self.norm3(self.conv3(hidden)) + self.shortcut(inputs))


class ImagenetResNet(nn.Module):
    """A 7x7 convolution and pooling, four stages of bottlenecks, the mean over the image, and one linear layer."""

    def __init__(self, shape: Shape, classes: int, blocks: tuple[int, ...], width: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(shape[0], width, 7, stride=2, padding=3, bias=False)
        self.norm = nn.BatchNorm2d(width)
        self.stages = nn.ModuleList()
        inputs = width
        for stage, count in enumerate(blocks):
            stack = nn.Sequential()
            for block in range(count):
                stack.append(Bottleneck(inputs, width << stage, stride=2 if stage and not block else 1))
                inputs = _EXPANSION * (width << stage)
            self.stages.append(stack)
        self.output = nn.Linear(inputs, classes)

    def forward(self, images: Tensor) -> Tensor:
        """(batch, channels, height, width) -> (batch, classes)."""
        hidden = F.relu(self.norm(self.conv(images)))
        hidden = F.max_pool2d(hidden, 3, stride=2, padding=1)
        for stack in self.stages:
            hidden = stack(hidden)
        return self.output(hidden.mean((2, 3)))


@register("imagenet-resnet")
def imagenet_resnet(shape: Shape, classes: int, depth: int, width: int = 64) -> nn.Module:
    """residual with bottlenecks, for large images, by its depth and, if given, its first width: `imagenet-resnet-50`.

    Depths are 50, 101 and 152. The stride of a block that halves the image is on its 3x3 convolution, as in
    most published results ("v1.5"), and not on the first 1x1 one, as He et al. describe it. For 1,000 classes
    ResNet-50 has 25,502,912 kernel weights: 23,454,912 in convolutions (2,768,896 of them in shortcuts) and
    2,048,000 in the output layer.

    Source: He et al. 2016 (arXiv 1512.03385), Table 1; Goyal et al. 2017 (arXiv 1706.02677), §5.1, for the stride.
    """
    if depth not in _STAGES:
        raise RecipeError(f"'imagenet-resnet-{depth}': there are depths {', '.join(map(str, _STAGES))}.")
    return ImagenetResNet(shape, classes, _STAGES[depth], width)
