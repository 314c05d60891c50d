"""Products: the same numbers whichever library multiplies."""

from __future__ import annotations

import pytest
import torch

from winnow.training import products as module
from winnow.training.products import masked_products, product, products


@pytest.mark.parametrize("library", ["mkl", "onednn"])
@pytest.mark.parametrize("inner", [3, 1000], ids=["small", "large"])
@pytest.mark.parametrize("is_transposed", [False, True])
@pytest.mark.parametrize("lanes", [1, 2, 5])
@pytest.mark.parametrize("threads", [1, 2, 7], ids="{} threads".format)  # 60 rows are not divided by seven
def test_products_are_those_of_torch(library, inner, is_transposed, lanes, threads, monkeypatch):
    if library == "onednn" and not torch.backends.mkldnn.is_available():
        pytest.skip("PyTorch without oneDNN")
    monkeypatch.setattr(module, "_linear", torch.ops.mkldnn._linear_pointwise if library == "onednn" else None)
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads)
    stream = torch.Generator().manual_seed(0)
    left = torch.rand(lanes, 60, inner, generator=stream)
    shape = (lanes, 50, inner) if is_transposed else (lanes, inner, 50)
    right = torch.rand(shape, generator=stream).mT if is_transposed else torch.rand(shape, generator=stream)
    expected = left.double() @ right.double()
    torch.testing.assert_close(products(left, right).double(), expected, rtol=1e-5, atol=1e-4)
    torch.testing.assert_close(product(left[0], right[0]).double(), expected[0], rtol=1e-5, atol=1e-4)
    mask = (torch.rand(lanes, 60, 50, generator=stream) < 0.5).float()
    out = torch.full_like(mask, float("nan"))  # what lies there counts for nothing
    assert masked_products(left, right, mask, out) is out
    torch.testing.assert_close(out.double(), expected * mask, rtol=1e-5, atol=1e-4)
    assert not out[mask == 0].any()


def test_float64_stays_float64():
    left, right = torch.rand(2000, 60).double(), torch.rand(60, 100).double()
    assert torch.equal(product(left, right), left @ right)
