"""Lightning imports torchvision where there is one, which may have been built for another PyTorch."""

from __future__ import annotations

import importlib.util
import sys
import warnings

import torch

FRAGMENTS: list[torch.library.Library] = []

if importlib.util.find_spec("torchvision") is not None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            import torchvision  # noqa: F401
        except (RuntimeError, OSError):  # its compiled part does not load: what that would define is declared instead
            for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
                del sys.modules[name]
            fragment = torch.library.Library("torchvision", "FRAGMENT")
            fragment.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
            fragment.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
            FRAGMENTS.append(fragment)
