"""Shapes and types in the core's signatures are checked whenever it is called, and tests take one thread each."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest
import torch
from hypothesis import settings
from jaxtyping import install_import_hook

from .browser import chromium
from .docs.blocks import summary

# Before winnow is first imported. Left out are modules whose annotations name protocols, which say nothing at run time.
install_import_hook(
    [
        "winnow.course",
        "winnow.experiments",
        "winnow.from_recipe",
        "winnow.pruning",
        "winnow.recipes",
        "winnow.seeds",
        "winnow.steps",
        "winnow.store",
        "winnow.timeline",
        "winnow.training.batches",
        "winnow.training.state",
    ],
    "beartype.beartype",
)

# The same examples every time, however busy the machine.
settings.register_profile("winnow", max_examples=50, deadline=None, derandomize=True, database=None)
settings.load_profile("winnow")


def pytest_report_header() -> list[str]:
    """Say what is not run here: tests that need a browser, and blocks of code in the documentation."""
    browser = chromium() or "nothing: no Chromium is on the PATH (apt-get install chromium)"
    return [f"pages are looked at with {browser}", *summary()]


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> Iterator[None]:
    """Tiny networks train fastest, and to the same bits, on one thread."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def torchvision() -> None:
    """Makes torchvision, and timm with it, import beside a PyTorch that its compiled part was not built for.

    What fails is the registration of two operators for detection, whose schemas that part would have brought.
    """
    try:
        import torchvision
    except RuntimeError:
        for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
            del sys.modules[name]
        fragment = torch.library.Library("torchvision", "FRAGMENT")
        fragment.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        fragment.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        import torchvision  # noqa: F401

        _FRAGMENTS.append(fragment)


_FRAGMENTS: list[torch.library.Library] = []
"""What must stay alive as long as its operators are to be known."""
