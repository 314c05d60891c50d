"""Products: the same numbers whichever library multiplies."""

from __future__ import annotations

import pytest
import torch

from winnow.training.products import masked_products, product, products


@pytest.mark.parametrize("inner", [3, 1000], ids=["small", "large"])
@pytest.mark.parametrize("is_transposed", [False, True])
def test_products_are_those_of_torch(inner, is_transposed):
    stream = torch.Generator().manual_seed(0)
    left = torch.rand(2, 60, inner, generator=stream)
    right = torch.rand(2, 50, inner, generator=stream).mT if is_transposed else torch.rand(2, inner, 50)
    expected = left.double() @ right.double()
    torch.testing.assert_close(products(left, right).double(), expected, rtol=1e-5, atol=1e-4)
    torch.testing.assert_close(product(left[0], right[0]).double(), expected[0], rtol=1e-5, atol=1e-4)
    mask = (torch.rand(2, 60, 50, generator=stream) < 0.5).float()
    out = torch.empty_like(mask)
    assert masked_products(left, right, mask, out) is out
    torch.testing.assert_close(out.double(), expected * mask, rtol=1e-5, atol=1e-4)
    assert not out[mask == 0].any()


def test_float64_stays_float64():
    left, right = torch.rand(2000, 60).double(), torch.rand(60, 100).double()
    assert torch.equal(product(left, right), left @ right)
