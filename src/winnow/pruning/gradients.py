"""Scores that ask the network: how the loss, its gradient or the signal would change without each weight."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.utils._pytree import tree_map_only

from winnow.errors import RecipeError
from winnow.pruning.context import Context
from winnow.pruning.scores import register_score

_PER_CLASS = 10
"""Examples of each class for SNIP and GraSP, as in PAI (arXiv 2009.08576), §3."""

TEMPERATURE = 200.0
"""What GraSP divides the network's outputs by, as in its authors' experiments and in PAI."""


@register_score("gradient-x-weight")
def gradient_x_weight(context: Context) -> Mapping[str, Tensor]:
    """The size of each weight's product with its gradient, |w g|, on one batch of training.

    To first order, how much the loss changes without the weight. Source: "gradient magnitude pruning", Blalock et al.
    2020 (arXiv 2003.03033).
    """
    return _products(context, *context.examples())


@register_score("snip")
def snip(context: Context) -> Mapping[str, Tensor]:
    """|w g| on ten examples of each class, in training mode: made for initialization (prune.at "rewind", k = 0).

    SNIP divides by the sum over the network, which changes no order. Source: Lee, Ajanthan & Torr 2019 (arXiv
    1810.02340); PAI (arXiv 2009.08576), §3.
    """
    return _products(context, *context.examples(_PER_CLASS, per_class=True))


def _products(context: Context, images: Tensor, labels: Tensor) -> dict[str, Tensor]:
    gradients = context.gradients(images, labels)
    return {name: (weight * gradients[name]).abs() for name, weight in context.weights.items()}


@register_score("grasp")
def grasp(context: Context) -> Mapping[str, Tensor]:
    """w (Hg) of each weight, with the gradient g and the Hessian H of the loss on ten examples of each class.

    GraSP removes the weights with the highest -w (Hg), those without which the squared norm of the gradient would fall
    least or grow most: to first order it changes by -2 w (Hg). Ours is the negative, since the lowest go. The outputs
    are divided by a temperature of 200. In training mode. Source: Wang, Zhang & Grosse 2020 (arXiv 2002.07376); PAI
    (arXiv 2009.08576), §3.
    """
    images, labels = context.examples(_PER_CLASS, per_class=True)
    weights = {name: weight.detach().clone().requires_grad_() for name, weight in context.weights.items()}
    outputs = tree_map_only(Tensor, lambda each: each / TEMPERATURE, context.outputs(images, weights))
    loss = context.loss(outputs, labels)
    gradients = torch.autograd.grad(loss, list(weights.values()), create_graph=True)
    flow = sum(((g.detach() * g).sum() for g in gradients), torch.zeros((), device=images.device))
    products = torch.autograd.grad(flow, list(weights.values()))  # Hg, with g held fixed
    return {name: weight.detach() * hg for (name, weight), hg in zip(weights.items(), products, strict=True)}


@register_score("synflow", passes=100)
def synflow(context: Context) -> Mapping[str, Tensor]:
    """Each weight's share of the flow through the network: w dR/dw, where R sums the outputs for an input of ones.

    Every parameter and buffer is taken by its absolute value, in float64 and in evaluation mode; no example is looked
    at. Taken anew in each of a hundred passes, of exponentially falling density. Raises RecipeError for tokens. Source:
    Tanaka et al. 2020 (arXiv 2006.05467), Algorithm 1.
    """
    if context.tokens:
        raise RecipeError(
            "prune.score 'synflow' sends an input of ones through the network, and the inputs are tokens, which are no "
            "numbers.\nChoose another score, such as 'magnitude'."
        )
    values = {name: value.double().abs() if value.is_floating_point() else value for name, value in _all(context)}
    weights = {name: values[name].clone().requires_grad_() for name in context.mask}
    ones = torch.ones(1, *context.shape, dtype=torch.float64, device=next(iter(weights.values())).device)
    flow = context.outputs(ones, values | weights, training=False).sum()
    gradients = torch.autograd.grad(flow, list(weights.values()))
    return {name: weight.detach() * g for (name, weight), g in zip(weights.items(), gradients, strict=True)}


def _all(context: Context) -> list[tuple[str, Tensor]]:
    return [(name, value.detach()) for name, value in context.values.items()]
