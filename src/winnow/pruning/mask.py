"""A mask: which of a network's prunable weights remain."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor, nn

from winnow.errors import MaskError

FORMAT = 1
"""The version of the mask file: safetensors, one uint8 tensor of packed bits for each layer (numpy's `packbits`,
most significant bit first, weights in row-major order) and the layers' shapes as JSON in the metadata."""

WRAPPERS = {"module.": "module", "_orig_mod.": "_orig_mod"}
"""What DataParallel's kin and torch.compile put before a network's names, and where they keep the network itself."""


class Mask(Mapping[str, Tensor]):
    """Which weights remain, as one boolean tensor for each prunable parameter, by its name in the state dict.

    Parameters that a mask does not name are not pruned. A mask does not change: operations give new ones.

    >>> mask = Mask({"fc1.weight": torch.tensor([[True, False], [True, True]])})
    >>> mask.density
    0.75
    """

    def __init__(self, kept: Mapping[str, Tensor]) -> None:
        for name, tensor in kept.items():
            if tensor.dtype != torch.bool:
                raise MaskError(
                    f"mask '{name}' has dtype {tensor.dtype}; a mask is boolean: True for weights that remain."
                )
        self._kept = MappingProxyType({name: tensor.detach().clone() for name, tensor in kept.items()})

    @classmethod
    def ones(cls, shapes: Mapping[str, tuple[int, ...]]) -> Mask:
        """The dense network's mask: everything remains."""
        return cls({name: torch.ones(shape, dtype=torch.bool) for name, shape in shapes.items()})

    def __getitem__(self, name: str) -> Tensor:
        return self._kept[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._kept)

    def __len__(self) -> int:
        return len(self._kept)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Mask):
            return NotImplemented
        return list(self) == list(other) and all(torch.equal(self[name], other[name]) for name in self)

    def __reduce__(self) -> tuple[type[Mask], tuple[dict[str, Tensor]]]:
        """How a mask is copied and pickled, which what keeps it from changing would not allow."""
        return Mask, (dict(self._kept),)

    def __hash__(self) -> int:
        return hash(tuple((name, int(tensor.sum())) for name, tensor in self.items()))

    def __repr__(self) -> str:
        return f"Mask({self.kept:,} of {self.size:,} weights, {len(self)} layers)"

    @property
    def size(self) -> int:
        """How many weights there are to prune."""
        return sum(tensor.numel() for tensor in self.values())

    @property
    def kept(self) -> int:
        """How many of them remain."""
        return sum(int(tensor.sum()) for tensor in self.values())

    @property
    def density(self) -> float:
        """The fraction of prunable weights that remains: P_m of LTH (arXiv 1803.03635), §1."""
        return self.kept / self.size

    def layer_densities(self) -> dict[str, float]:
        """The fraction that remains in each layer."""
        return {name: int(tensor.sum()) / tensor.numel() for name, tensor in self.items()}

    def is_within(self, other: Mask) -> bool:
        """Whether every weight that remains here remains in `other` too, as at the levels of iterative pruning."""
        return list(self) == list(other) and not any(bool((self[name] & ~other[name]).any()) for name in self)

    def check_fits(self, parameters: Mapping[str, Tensor]) -> None:
        """Raise MaskError unless every masked parameter is there with the mask's shape."""
        for name, tensor in self.items():
            if name not in parameters:
                raise MaskError(f"mask '{name}' names no parameter of the model; it has {', '.join(parameters)}.")
            if parameters[name].shape != tensor.shape:
                raise MaskError(
                    f"mask '{name}' has shape {tuple(tensor.shape)}; the model has {tuple(parameters[name].shape)}."
                )

    def apply_(self, model: nn.Module | Mapping[str, Tensor]) -> None:
        """Set the pruned weights of a model, or of a state dict, to exactly zero, in place."""
        parameters = dict(model.named_parameters()) if isinstance(model, nn.Module) else model
        self.check_fits(parameters)
        with torch.no_grad():
            for name, tensor in self.items():
                parameters[name].masked_fill_(~tensor.to(parameters[name].device), 0)

    def to_bytes(self) -> bytes:
        """The mask as a file's content, one bit a weight; the same mask gives the same bytes."""
        packed = {name: torch.from_numpy(np.packbits(tensor.cpu().numpy())) for name, tensor in self.items()}
        shapes = {name: list(tensor.shape) for name, tensor in self.items()}
        return save(packed, metadata={"winnow": json.dumps({"format": FORMAT, "mask": shapes})})

    @classmethod
    def from_bytes(cls, content: bytes) -> Mask:
        """The mask in a file's content; raises MaskError where it is not one."""
        try:
            length = int.from_bytes(content[:8], "little")  # safetensors: eight bytes of length, then JSON
            header: dict[str, Any] = json.loads(json.loads(content[8 : 8 + length])["__metadata__"]["winnow"])
            if header["format"] != FORMAT:
                raise MaskError(f"the mask has format {header['format']}; this Winnow reads {FORMAT}.")
            packed = load(content)
            return cls({name: _unpacked(packed[name].numpy(), shape) for name, shape in header["mask"].items()})
        except (SafetensorError, AttributeError, KeyError, ValueError, TypeError) as error:
            raise MaskError(f"this is not a mask: {error}.") from None


def _unpacked(packed: np.ndarray[tuple[int], np.dtype[np.uint8]], shape: list[int]) -> Tensor:
    size = math.prod(shape)
    if min(shape, default=1) < 0 or len(packed) != -(-size // 8):
        raise ValueError(f"{len(packed)} bytes cannot hold a mask of shape {tuple(shape)}")
    bits = np.unpackbits(packed, count=size)
    return torch.from_numpy(bits.astype(bool)).reshape(shape)
