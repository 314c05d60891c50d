"""A small causal language model on a text that is here already: the licence of this repository, letter by letter."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

TEXT = Path(__file__).parents[2] / "LICENSE"


def text(length: int = 32) -> dict[str, np.ndarray]:
    """The text in pieces of `length` letters and the one after them; the last fifth of it is the test.

    Without targets, each token's target is the next one.
    """
    written = TEXT.read_text("utf-8")
    letters = sorted(set(written))
    tokens = np.array([letters.index(letter) for letter in written])
    pieces = tokens[: len(tokens) // (length + 1) * (length + 1)].reshape(-1, length + 1)
    train = len(pieces) * 4 // 5
    return {"train_inputs": pieces[:train], "test_inputs": pieces[train:], "classes": np.array(len(letters))}


class Block(nn.Module):
    """Attention to what came before, then a hidden layer for each position."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.heads = heads
        self.attention = nn.ModuleDict({"qkv": nn.Linear(width, 3 * width), "out": nn.Linear(width, width)})
        self.fc1, self.fc2 = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, hidden: Tensor) -> Tensor:
        """(batch, positions, width) -> the same."""
        qkv = self.attention["qkv"](self.norm1(hidden)).unflatten(-1, (3, self.heads, -1))
        q, k, v = qkv.permute(2, 0, 3, 1, 4)  # (3, batch, heads, positions, width / heads)
        attended = F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2).flatten(2)
        hidden = hidden + self.attention["out"](attended)
        return hidden + self.fc2(F.gelu(self.fc1(self.norm2(hidden))))


class Language(nn.Module):
    """Embeddings, blocks, and an output that shares the embedding's weights."""

    def __init__(self, shape: tuple[int, ...], classes: int, width: int = 48, depth: int = 2, heads: int = 4) -> None:
        super().__init__()
        self.embed = nn.Embedding(classes, width)
        self.place = nn.Embedding(shape[0], width)
        self.register_buffer("positions", torch.arange(shape[0]), persistent=False)
        self.blocks = nn.Sequential(*(Block(width, heads) for _ in range(depth)))
        self.norm = nn.LayerNorm(width)
        self.output = nn.Linear(width, classes, bias=False)
        self.output.weight = self.embed.weight
        nn.init.normal_(self.embed.weight, std=0.2)

    def forward(self, tokens: Tensor) -> Tensor:
        """(batch, positions) -> (batch, positions, tokens)."""
        return self.output(self.norm(self.blocks(self.embed(tokens) + self.place(self.positions))))
