"""A perceptron on a table of numbers: Friedman's function of ten inputs, of which five have no effect."""

from __future__ import annotations

import numpy as np
from torch import nn


def table(examples: int = 3000) -> dict[str, np.ndarray]:
    """Inputs and targets for training and test, computed: the target has mean 0 and deviation 1.

    y = 10 sin(pi x0 x1) + 20 (x2 - 1/2)^2 + 10 x3 + 5 x4 + noise of deviation 1; x5 to x9 change nothing.
    Source: J. H. Friedman, Multivariate adaptive regression splines, Annals of Statistics 19(1), 1991, §4.3.
    """
    random = np.random.default_rng(0)
    x = random.random((examples, 10))
    y = 10 * np.sin(np.pi * x[:, 0] * x[:, 1]) + 20 * (x[:, 2] - 0.5) ** 2 + 10 * x[:, 3] + 5 * x[:, 4]
    y += random.standard_normal(examples)
    x, y = 2 * x - 1, (y - y.mean()) / y.std()
    train = examples * 2 // 3
    return {
        "train_inputs": x[:train],
        "train_targets": y[:train],
        "test_inputs": x[train:],
        "test_targets": y[train:],
    }


def perceptron(shape: tuple[int, ...], classes: int, width: int = 64) -> nn.Module:
    """Two hidden layers; `classes` is how many numbers there are to learn: one."""
    return nn.Sequential(
        nn.Linear(shape[0], width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(), nn.Linear(width, classes)
    )
