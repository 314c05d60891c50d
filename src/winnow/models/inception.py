"""Inception-v3, with its auxiliary classifier in training."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from winnow.errors import RecipeError
from winnow.models.registry import Shape, register

_GRID = 17
"""The side of the feature map before the auxiliary classifier, for images of 299."""


class Conv(nn.Module):
    """A convolution without bias, batch norm with an epsilon of 0.001, ReLU."""

    def __init__(
        self, inputs: int, outputs: int, kernel: int | tuple[int, int], stride: int = 1, is_padded: bool = True
    ) -> None:
        super().__init__()
        height, width = (kernel, kernel) if isinstance(kernel, int) else kernel
        padding = (height // 2, width // 2) if is_padded else 0
        self.conv = nn.Conv2d(inputs, outputs, (height, width), stride=stride, padding=padding, bias=False)
        self.norm = nn.BatchNorm2d(outputs, eps=0.001)

    def forward(self, inputs: Tensor) -> Tensor:
        """(batch, inputs, height, width) -> (batch, outputs, ...)."""
        return F.relu(self.norm(self.conv(inputs)))


class Mixed(nn.Module):
    """Branches side by side over one input, their outputs joined."""

    def __init__(self, *branches: nn.Module) -> None:
        super().__init__()
        self.branches = nn.ModuleList(branches)

    def forward(self, inputs: Tensor) -> Tensor:
        """(batch, inputs, height, width) -> (batch, the branches' outputs, ...)."""
        return torch.cat([branch(inputs) for branch in self.branches], 1)


def _pooled(inputs: int, outputs: int) -> nn.Module:
    return nn.Sequential(nn.AvgPool2d(3, stride=1, padding=1), Conv(inputs, outputs, 1))


def _at_35(inputs: int, pooled: int, w: int) -> nn.Module:
    """A 1x1, a 5x5, two 3x3 in a row (Figure 5), and a pooled branch."""
    return Mixed(
        Conv(inputs, 2 * w, 1),
        nn.Sequential(Conv(inputs, 3 * w // 2, 1), Conv(3 * w // 2, 2 * w, 5)),
        nn.Sequential(Conv(inputs, 2 * w, 1), Conv(2 * w, 3 * w, 3), Conv(3 * w, 3 * w, 3)),
        _pooled(inputs, pooled),
    )


def _to_17(inputs: int, w: int) -> nn.Module:
    return Mixed(
        Conv(inputs, 12 * w, 3, stride=2, is_padded=False),
        nn.Sequential(Conv(inputs, 2 * w, 1), Conv(2 * w, 3 * w, 3), Conv(3 * w, 3 * w, 3, stride=2, is_padded=False)),
        nn.MaxPool2d(3, stride=2),
    )


def _at_17(inputs: int, hidden: int, w: int) -> nn.Module:
    """Figure 6: 7x7 convolutions as rows and columns."""
    across, down = (1, 7), (7, 1)
    return Mixed(
        Conv(inputs, 6 * w, 1),
        nn.Sequential(Conv(inputs, hidden, 1), Conv(hidden, hidden, across), Conv(hidden, 6 * w, down)),
        nn.Sequential(
            Conv(inputs, hidden, 1),
            Conv(hidden, hidden, down),
            Conv(hidden, hidden, across),
            Conv(hidden, hidden, down),
            Conv(hidden, 6 * w, across),
        ),
        _pooled(inputs, 6 * w),
    )


def _to_8(inputs: int, w: int) -> nn.Module:
    return Mixed(
        nn.Sequential(Conv(inputs, 6 * w, 1), Conv(6 * w, 10 * w, 3, stride=2, is_padded=False)),
        nn.Sequential(
            Conv(inputs, 6 * w, 1),
            Conv(6 * w, 6 * w, (1, 7)),
            Conv(6 * w, 6 * w, (7, 1)),
            Conv(6 * w, 6 * w, 3, stride=2, is_padded=False),
        ),
        nn.MaxPool2d(3, stride=2),
    )


def _at_8(inputs: int, w: int) -> nn.Module:
    """Figure 7: the filter banks spread out."""

    def spread() -> nn.Module:
        return Mixed(Conv(12 * w, 12 * w, (1, 3)), Conv(12 * w, 12 * w, (3, 1)))

    return Mixed(
        Conv(inputs, 10 * w, 1),
        nn.Sequential(Conv(inputs, 12 * w, 1), spread()),
        nn.Sequential(Conv(inputs, 14 * w, 1), Conv(14 * w, 12 * w, 3), spread()),
        _pooled(inputs, 6 * w),
    )


class Auxiliary(nn.Module):
    """The classifier at the side, on the 17x17 map: pooled to 5x5, two convolutions, one linear layer.

    A map smaller than 17x17, of images smaller than 299, is pooled to 5x5 as evenly as may be.
    """

    def __init__(self, inputs: int, classes: int, w: int) -> None:
        super().__init__()
        self.conv1 = Conv(inputs, 4 * w, 1)
        self.conv2 = Conv(4 * w, 24 * w, 5, is_padded=False)
        self.linear = nn.Linear(24 * w, classes)

    def forward(self, inputs: Tensor) -> Tensor:
        """(batch, inputs, height, width) -> (batch, classes)."""
        if min(inputs.shape[2:]) < _GRID:
            pooled = F.adaptive_avg_pool2d(inputs, 5)
        else:
            pooled = F.avg_pool2d(inputs, 5, stride=3)
        return self.linear(self.conv2(self.conv1(pooled)).mean((2, 3)))


class Inception(nn.Module):
    """The stem, eleven mixed blocks, the mean over the image, dropout, one linear layer."""

    def __init__(self, shape: Shape, classes: int, width: int) -> None:
        super().__init__()
        w = width
        self.stem = nn.Sequential(
            Conv(shape[0], w, 3, stride=2, is_padded=False),
            Conv(w, w, 3, is_padded=False),
            Conv(w, 2 * w, 3),
            nn.MaxPool2d(3, stride=2),
            Conv(2 * w, 5 * w // 2, 1, is_padded=False),
            Conv(5 * w // 2, 6 * w, 3, is_padded=False),
            nn.MaxPool2d(3, stride=2),
        )
        self.middle = nn.Sequential(
            _at_35(6 * w, w, w),
            _at_35(8 * w, 2 * w, w),
            _at_35(9 * w, 2 * w, w),
            _to_17(9 * w, w),
            *(_at_17(24 * w, hidden, w) for hidden in (4 * w, 5 * w, 5 * w, 6 * w)),
        )
        self.auxiliary = Auxiliary(24 * w, classes, w)
        self.end = nn.Sequential(_to_8(24 * w, w), _at_8(40 * w, w), _at_8(64 * w, w))
        self.dropout = nn.Dropout(0.2)
        self.output = nn.Linear(64 * w, classes)

    def forward(self, images: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        """(batch, channels, height, width) -> (batch, classes); in training, the auxiliary classifier's as well."""
        hidden = self.middle(self.stem(images))
        logits = self.output(self.dropout(self.end(hidden).mean((2, 3))))
        return (logits, self.auxiliary(hidden)) if self.training else logits


@register("inception")
def inception(shape: Shape, classes: int, version: int, width: int = 32) -> nn.Module:
    """Inception, by its version, 3, and, if given, its first width, an even number: `inception-3`, `inception-3-4`.

    For images of 75 pixels and more; the papers' have 299. In training it gives two logits for each class, the second
    from the auxiliary classifier; when it is evaluated, the first alone. For 1,000 classes it has 27,161,264
    parameters, 27,123,040 of them kernel weights: 3,323,904 in the auxiliary classifier (768,000 in its linear layer)
    and 2,048,000 in the output layer. Batch norm has an epsilon of 0.001, and a fifth of the last features is dropped
    in training, as in the authors' published code.

    Source: Szegedy et al. 2016 (arXiv 1512.00567), Table 1 and §4 for the auxiliary classifier.
    """
    if version != 3:
        raise RecipeError(f"'inception-{version}': there is version 3 alone, 'inception-3'.")
    if width % 2:
        raise RecipeError(f"'inception-3-{width}': the first width is an even number, such as the paper's 32.")
    if min(shape[1:]) < 75:
        raise RecipeError(
            f"'inception-3' halves images five times, so they have 75 pixels on a side at least; these have "
            f"{shape[1]}x{shape[2]}. Give data.size = 299, as in the paper."
        )
    return Inception(shape, classes, width)
