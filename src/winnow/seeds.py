"""All randomness: (seed, replicate, role, index) -> a generator of its own.

Nothing in Winnow draws from PyTorch's global generator, so no draw can disturb another: a replicate's
data order stays the same whatever else is trained beside it, in which order, or after which restart.
"""

from __future__ import annotations

import hashlib
from typing import Literal

import torch

Role = Literal["init", "order", "augment", "dropout", "mask", "noise", "split"]
"""What a stream of random numbers is for. Each role's stream is independent of the others'."""


def generator(seed: int, replicate: int, role: Role, *index: int) -> torch.Generator:
    """A generator on the CPU for one role of one replicate.

    `index` tells apart the streams of one role: the epoch of a data order, the sample of a noise.

    >>> a = torch.rand(3, generator=generator(0, 1, "order", 7))
    >>> b = torch.rand(3, generator=generator(0, 1, "order", 7))
    >>> bool((a == b).all())
    True
    """
    return torch.Generator().manual_seed(derive(seed, replicate, role, *index))


def derive(seed: int, replicate: int, role: Role, *index: int) -> int:
    """The 63-bit seed of one stream: a hash, so that neighbouring replicates share no structure."""
    path = "/".join(str(part) for part in ("winnow", seed, replicate, role, *index))
    digest = hashlib.blake2b(path.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1
