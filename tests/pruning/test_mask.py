from __future__ import annotations

import copy
import json
import math
import pickle
from collections.abc import Callable

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load, save
from torch import Tensor, nn

from winnow.errors import MaskError
from winnow.pruning import Mask

CORNER = Mask(
    {"fc1.weight": torch.tensor([[True, False], [True, True]]), "output.weight": torch.tensor([[False, False]])}
)

SHAPES = st.lists(st.integers(1, 5), max_size=4).map(tuple)


@st.composite
def masks(draw: st.DrawFn) -> Mask:
    kept: dict[str, Tensor] = {}
    for name in draw(st.lists(st.sampled_from(["conv1.weight", "fc1.weight", "output.weight"]), unique=True)):
        shape = draw(SHAPES)
        size = math.prod(shape)
        bits = draw(st.lists(st.booleans(), min_size=size, max_size=size))
        kept[name] = torch.tensor(bits, dtype=torch.bool).reshape(shape)
    return Mask(kept)


@given(mask=masks())
def test_a_mask_survives_being_written_to_the_bit(mask: Mask) -> None:
    again = Mask.from_bytes(mask.to_bytes())
    assert again == mask
    assert list(again) == list(mask)
    assert {name: tensor.shape for name, tensor in again.items()} == {name: t.shape for name, t in mask.items()}
    assert hash(again) == hash(mask)


@pytest.mark.parametrize("again", [copy.copy, copy.deepcopy, lambda mask: pickle.loads(pickle.dumps(mask))])
def test_a_mask_can_be_copied_and_pickled(again: Callable[[Mask], Mask]) -> None:
    assert again(CORNER) == CORNER


@given(mask=masks())
def test_the_same_mask_gives_the_same_bytes(mask: Mask) -> None:
    assert Mask({name: tensor.clone() for name, tensor in mask.items()}).to_bytes() == mask.to_bytes()


def test_a_written_mask_takes_one_bit_a_weight_most_significant_first() -> None:
    content = Mask({"fc1.weight": torch.tensor([True, False, True, True, False, False, False, False, True])}).to_bytes()
    assert load(content)["fc1.weight"].tolist() == [0b10110000, 0b10000000]
    dense = Mask.ones({"fc1.weight": (300, 784)})
    assert len(dense.to_bytes()) < 300 * 784 / 8 + 500


def test_a_masks_numbers_are_those_of_its_bits() -> None:
    assert (CORNER.size, CORNER.kept, CORNER.density) == (6, 3, 0.5)
    assert CORNER.layer_densities() == {"fc1.weight": 0.75, "output.weight": 0.0}
    assert repr(CORNER) == "Mask(3 of 6 weights, 2 layers)"
    dense = Mask.ones({"fc1.weight": (300, 784), "output.weight": ()})
    assert (dense.size, dense.kept, dense.density) == (235_201, 235_201, 1.0)


def test_a_mask_is_not_changed_through_the_tensors_it_was_made_from() -> None:
    given_kept = {"fc1.weight": torch.tensor([True, False])}
    mask = Mask(given_kept)
    given_kept["fc1.weight"].fill_(True)
    given_kept["more"] = torch.tensor([True])
    assert mask == Mask({"fc1.weight": torch.tensor([True, False])})


@pytest.mark.parametrize(
    "other",
    [
        Mask({"fc1.weight": torch.tensor([True, True])}),
        Mask({"fc2.weight": torch.tensor([True, False])}),
        Mask({"fc1.weight": torch.tensor([[True, False]])}),
        Mask({}),
        {"fc1.weight": torch.tensor([True, False])},
    ],
)
def test_masks_that_differ_in_a_bit_a_name_or_a_shape_are_not_equal(other: object) -> None:
    assert Mask({"fc1.weight": torch.tensor([True, False])}) != other


@pytest.mark.parametrize(
    "inner, outer, is_within",
    [
        ([1, 0, 0], [1, 1, 0], True),
        ([1, 0, 0], [1, 0, 0], True),
        ([0, 0, 0], [1, 0, 0], True),
        ([1, 0, 1], [1, 1, 0], False),
        ([1, 1, 0], [1, 0, 0], False),
    ],
)
def test_a_mask_is_within_another_when_that_keeps_all_its_weights(
    inner: list[int], outer: list[int], is_within: bool
) -> None:
    masks = [Mask({"fc1.weight": torch.tensor(bits, dtype=torch.bool)}) for bits in (inner, outer)]
    assert masks[0].is_within(masks[1]) == is_within
    assert not masks[0].is_within(Mask({"fc2.weight": masks[1]["fc1.weight"]}))


def network() -> nn.Module:
    layers = nn.Sequential()
    layers.add_module("fc1", nn.Linear(2, 2))
    layers.add_module("output", nn.Linear(2, 1))
    return layers


def test_applying_a_mask_zeroes_the_pruned_weights_and_touches_nothing_else() -> None:
    model = network()
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    CORNER.apply_(model)
    after = dict(model.named_parameters())
    for name, p in after.items():
        expected = before[name] * CORNER[name] if name in CORNER else before[name]
        assert torch.equal(p, expected), name
    values = {name: tensor.clone() for name, tensor in before.items()}
    CORNER.apply_(values)
    assert all(torch.equal(values[name], after[name]) for name in values)


def test_a_pruned_weight_that_is_not_finite_becomes_zero() -> None:
    values = {
        "fc1.weight": torch.tensor([[1.0, math.nan], [1.0, 1.0]]),
        "output.weight": torch.tensor([[-math.inf, 1.0]]),
    }
    CORNER.apply_(values)
    assert values["fc1.weight"][0, 1] == 0
    assert not values["output.weight"].any()


@pytest.mark.parametrize(
    "kept, message",
    [
        ({"fc1.weight": (300, 784)}, r"mask 'fc1.weight' has shape \(300, 784\); the model has \(2, 2\)."),
        ({"fc1.weight": (4,)}, r"mask 'fc1.weight' has shape \(4,\); the model has \(2, 2\)."),
        (
            {"fc3.weight": (2, 2)},
            r"mask 'fc3.weight' names no parameter of the model; it has fc1.weight, fc1.bias, output.weight, output.",
        ),
    ],
)
def test_a_mask_that_does_not_fit_is_refused_before_anything_changes(
    kept: dict[str, tuple[int, ...]], message: str
) -> None:
    model = network()
    before = [p.detach().clone() for p in model.parameters()]
    mask = Mask({"output.weight": torch.zeros(1, 2, dtype=torch.bool), **Mask.ones(kept)})
    with pytest.raises(MaskError, match=message):
        mask.apply_(model)
    assert all(torch.equal(p, old) for p, old in zip(model.parameters(), before, strict=True))


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32, torch.int64])
def test_a_mask_that_is_not_boolean_is_refused(dtype: torch.dtype) -> None:
    with pytest.raises(MaskError, match=rf"mask 'fc1.weight' has dtype {dtype}; a mask is boolean: True for weights"):
        Mask({"fc1.weight": torch.ones(2, dtype=dtype)})


def described(header: object) -> bytes:
    return save({"fc1.weight": torch.tensor([255], dtype=torch.uint8)}, metadata={"winnow": json.dumps(header)})


@pytest.mark.parametrize(
    "content, message",
    [
        (b"", "this is not a mask"),
        (b"{}", "this is not a mask"),
        (b"\xff" * 40, "this is not a mask"),
        (CORNER.to_bytes()[:-1], "this is not a mask"),
        (CORNER.to_bytes()[:20], "this is not a mask"),
        (save({"fc1.weight": torch.ones(3)}), "this is not a mask"),
        (save({"fc1.weight": torch.ones(3)}, metadata={"other": "1"}), "this is not a mask"),
        (described([]), "this is not a mask"),
        (described({"format": 1}), "this is not a mask"),
        (described({"format": 1, "mask": []}), "this is not a mask"),
        (described({"format": 1, "mask": {"fc2.weight": [8]}}), "this is not a mask"),
        (described({"format": 1, "mask": {"fc1.weight": [9]}}), "this is not a mask"),  # more weights than bits
        (described({"format": 1, "mask": {"fc1.weight": [2, 100]}}), "this is not a mask"),
        (described({"format": 1, "mask": {"fc1.weight": [-1]}}), "this is not a mask"),
        (described({"format": 2, "mask": {}}), "the mask has format 2; this Winnow reads 1."),
    ],
)
def test_what_is_not_a_mask_file_is_refused(content: bytes, message: str) -> None:
    with pytest.raises(MaskError, match=message):
        Mask.from_bytes(content)
