"""What people write, which Winnow is compared with: a module, an optimizer, and weights masked after each step."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from winnow.models import build, initialize


def initialized(name: str, shape: tuple[int, int, int], classes: int) -> nn.Module:
    """One of Winnow's networks as a module of its own, with its values."""
    model = build(name, shape, classes).to_empty(device="cpu")
    model.load_state_dict(initialize(model, "kaiming-normal", torch.Generator().manual_seed(0)))
    return model


def masked_step(model: nn.Module, optimizer: torch.optim.Optimizer) -> Callable[[Tensor, Tensor], None]:
    """An iteration on images and labels, in float32."""
    masks = {name: torch.ones_like(p) for name, p in model.named_parameters() if p.ndim > 1}

    def step(images: Tensor, labels: Tensor) -> None:
        optimizer.zero_grad()
        F.cross_entropy(model(images), labels).backward()
        optimizer.step()
        with torch.no_grad():
            for name, p in model.named_parameters():
                if name in masks:
                    p.mul_(masks[name])

    return step
