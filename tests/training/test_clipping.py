from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from winnow.errors import RecipeError
from winnow.models import build
from winnow.training import choose
from winnow.training.clipping import clipped

from ..states import assert_same_bits, tensors
from .test_loop import SGD, fresh, masked, masks, noises, train

SHAPES = [(4, 3), (5,), (2, 3, 3, 3), ()]


def drawn(lanes: int, scale: float = 1.0, dtype: torch.dtype = torch.float32) -> list[Tensor]:
    stream = torch.Generator().manual_seed(0)
    return [scale * torch.randn(lanes, *shape, generator=stream, dtype=dtype) for shape in SHAPES]


def norm(gradients: list[Tensor], lane: int) -> float:
    return float(torch.cat([gradient[lane].flatten().double() for gradient in gradients]).norm())


@pytest.mark.parametrize("lanes", [1, 3])
@pytest.mark.parametrize("greatest", [0.01, 1.0, 7.0, 100.0])
def test_every_lane_is_clipped_as_pytorch_clips_a_training_of_its_own(lanes: int, greatest: float) -> None:
    gradients = [gradient * torch.tensor([1.0, 0.01, 30.0])[:lanes].view(-1, *[1] * (gradient.ndim - 1))
                 for gradient in drawn(lanes)]  # fmt: skip
    found = clipped(gradients, greatest)
    for lane in range(lanes):
        theirs = [torch.zeros(shape, requires_grad=True) for shape in SHAPES]
        for parameter, gradient in zip(theirs, gradients, strict=True):
            parameter.grad = gradient[lane].clone()
        torch.nn.utils.clip_grad_norm_(theirs, greatest)
        for parameter, mine in zip(theirs, found, strict=True):
            # PyTorch adds 1e-6 to the norm, which makes a clipped gradient shorter by that much.
            torch.testing.assert_close(mine[lane], parameter.grad, rtol=2e-5, atol=0)


def test_a_shorter_gradient_stays_as_it_is_to_the_bit_and_a_longer_one_beside_it_gets_the_norm() -> None:
    gradients = drawn(2)
    for gradient in gradients:
        gradient[0] *= 0.01
    before = [gradient.clone() for gradient in gradients]
    greatest = 2 * norm(gradients, 0)
    found = clipped(gradients, greatest)
    assert all(torch.equal(mine[0], given[0]) for mine, given in zip(found, before, strict=True))
    assert norm(found, 1) == pytest.approx(greatest, rel=1e-6)
    # what was given is left alone: two parameters may share one gradient's memory
    assert all(torch.equal(now, given) for now, given in zip(gradients, before, strict=True))


@given(scale=st.floats(-37, 37).map(lambda power: 10.0**power), greatest=st.floats(1e-6, 1e6))
def test_no_gradient_is_longer_than_asked_for_whatever_its_length(scale: float, greatest: float) -> None:
    gradients = drawn(2, scale)
    found = clipped(gradients, greatest)
    for lane in range(2):
        assert norm(found, lane) == pytest.approx(min(greatest, norm(gradients, lane)), rel=1e-5, abs=1e-38)


def test_a_zero_gradient_stays_zero_and_one_that_is_not_finite_is_seen_in_its_lane_alone() -> None:
    gradients = drawn(4)
    for gradient in gradients:
        gradient[0] = 0
    gradients[0][1, 0, 0] = float("inf")
    gradients[1][2, 0] = float("nan")
    found = clipped(gradients, 1.0)
    assert all(torch.count_nonzero(gradient[0]) == 0 for gradient in found)
    for lane, is_finite in enumerate([True, False, False, True]):
        assert all(bool(torch.isfinite(gradient[lane]).all()) for gradient in found) is is_finite


def test_gradients_without_lanes_in_front_are_refused() -> None:
    with pytest.raises(ValueError, match="clipping needs every gradient with its lanes in front"):
        clipped([torch.zeros(2, 5), torch.zeros(7)], 1.0)


@pytest.mark.parametrize("lanes", [1, 2])
def test_the_loop_clips_what_is_left_after_masking_each_lane_by_itself(lanes: int) -> None:
    """One update of plain SGD from the same point: it is as long as the rate times the clipped norm."""
    plain = replace(SGD, momentum=0.0, weight_decay=0.0, warmup=0, drops=(), learning_rate=1.0)
    of = masks(lanes)
    lengths: dict[float | None, list[float]] = {}
    for clip in (None, 1e-3, 1e3):
        state = masked(fresh(list(range(lanes)), plain), of)
        before = {name: tensor.clone() for name, tensor in state.parameters.items()}
        train(state, 1, plain, noises(lanes), of, clip=clip)
        steps = [state.parameters[name] - tensor for name, tensor in before.items()]
        lengths[clip] = [norm(steps, lane) for lane in range(lanes)]
        for name in of[0]:
            assert all(torch.count_nonzero(state.parameters[name][lane][~of[lane][name]]) == 0 for lane in range(lanes))
    assert lengths[1e-3] == pytest.approx([1e-3] * lanes, rel=1e-3)
    assert lengths[1e3] == lengths[None]
    assert min(length for length in lengths[None]) > 0.1


def test_a_lane_trains_the_same_alone_as_beside_one_that_is_clipped() -> None:
    of = masks(2)
    together = masked(fresh([0, 1], SGD), of)
    for tensor in together.parameters.values():
        tensor[0] *= 3
    alone = together.lane(1)
    train(together, 20, SGD, noises(2), of, clip=0.5)
    train(alone, 20, SGD, [noises(2)[1]], [of[1]], clip=0.5)
    for name, tensor in tensors(together.lane(1)).items():
        torch.testing.assert_close(tensor, tensors(alone)[name], rtol=1e-5, atol=1e-6, msg=name)


def test_an_unreached_clip_changes_no_bit_of_a_training() -> None:
    left_alone, unreached = fresh([0], SGD), fresh([0], SGD)
    train(left_alone, 20, SGD, noises(1))
    train(unreached, 20, SGD, noises(1), clip=1e6)
    assert_same_bits(left_alone, unreached)


@pytest.mark.parametrize("asked, expected", [("auto", "stacked"), ("stacked", "stacked"), ("plain", "plain")])
def test_clipped_trainings_keep_out_of_the_engine_that_packs_lanes_together(asked: Any, expected: str) -> None:
    network, cpu = build("lenet-8", (1, 8, 8), 10), torch.device("cpu")
    assert choose(network, cpu).name == "perceptron"
    assert choose(network, cpu, clips=True, engine=asked).name == expected
    with pytest.raises(RecipeError, match="cannot train this network: it keeps the sparse layers of all lanes in one"):
        choose(network, cpu, clips=True, engine="perceptron")
