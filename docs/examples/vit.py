"""A small vision transformer on a part of CIFAR-10."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from winnow import data


def part(train: int = 2000, test: int = 500) -> dict[str, np.ndarray]:
    """The first images of CIFAR-10, which `winnow data fetch cifar10` gets."""
    whole = data.load("cifar10")
    return {
        "train_inputs": whole.train_images[:train],
        "train_targets": whole.train_labels[:train],
        "test_inputs": whole.test_images[:test],
        "test_targets": whole.test_labels[:test],
    }


class Attention(nn.Module):
    """Self-attention: its class's name is why Winnow takes its layers for projections of attention."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)

    def forward(self, hidden: Tensor) -> Tensor:
        """(batch, patches, width) -> the same."""
        q, k, v = self.qkv(hidden).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        return self.out(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2))


class Block(nn.Module):
    """Attention between patches, then a hidden layer for each."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention = Attention(width, heads)
        self.fc1, self.fc2 = nn.Linear(width, 2 * width), nn.Linear(2 * width, width)

    def forward(self, hidden: Tensor) -> Tensor:
        """(batch, patches, width) -> the same."""
        hidden = hidden + self.attention(self.norm1(hidden))
        return hidden + self.fc2(F.gelu(self.fc1(self.norm2(hidden))))


class ViT(nn.Module):
    """Patches, blocks, the mean over patches, one linear layer. After Dosovitskiy et al. 2021 (arXiv 2010.11929)."""

    def __init__(
        self, shape: tuple[int, ...], classes: int, patch: int = 8, width: int = 48, depth: int = 2, heads: int = 4
    ) -> None:
        super().__init__()
        channels, height, across = shape
        self.patches = nn.Conv2d(channels, width, patch, stride=patch)
        self.place = nn.Parameter(0.02 * torch.randn(height // patch * (across // patch), width))
        self.blocks = nn.Sequential(*(Block(width, heads) for _ in range(depth)))
        self.norm = nn.LayerNorm(width)
        self.output = nn.Linear(width, classes)

    def forward(self, images: Tensor) -> Tensor:
        """(batch, channels, height, width) -> (batch, classes)."""
        hidden = self.patches(images).flatten(2).mT + self.place
        return self.output(self.norm(self.blocks(hidden)).mean(1))
