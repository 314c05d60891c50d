"""What the processor is, as far as it decides which of two ways to compute is the faster one."""

from __future__ import annotations

import platform
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import torch

_LINUX = Path("/proc/cpuinfo")


@dataclass(frozen=True)
class Processor:
    """Who made a processor, and what it can do."""

    maker: str
    """As it names itself: `GenuineIntel`, `AuthenticAMD`; empty where that is not known."""

    features: frozenset[str] | None
    """The names that Linux has for its instructions; None elsewhere."""

    @classmethod
    def described(cls, text: str) -> Processor:
        """From the text of /proc/cpuinfo, by its first core.

        >>> Processor.described("vendor_id : GenuineIntel").maker
        'GenuineIntel'
        """
        lines = (line.partition(":") for line in text.partition("\n\n")[0].splitlines())
        fields = {name.strip(): value.strip() for name, _, value in lines}
        flags = fields.get("flags")
        return cls(fields.get("vendor_id", ""), None if flags is None else frozenset(flags.split()))

    @property
    def is_amd(self) -> bool:
        """Whether AMD made it."""
        return self.maker == "AuthenticAMD"

    def obstacle_to_bfloat16(self, capability: str) -> str | None:
        """Why layers compute no faster in bfloat16 than in float32; None where they do, or nothing is known.

        `capability` is what PyTorch says of its vector instructions.
        """
        if "AVX512" not in capability or (self.features is not None and "avx512_bf16" not in self.features):
            return "this processor has no instructions for bfloat16: training will be many times slower"
        if self.features is not None and self.maker == "GenuineIntel" and "amx_bf16" not in self.features:
            return (
                "this processor is Intel's and offers no AMX: where that was measured, training in bfloat16 was slower "
                "than in float32"
            )
        return None


@cache
def processor() -> Processor:
    """The processor this runs on."""
    if _LINUX.is_file():
        return Processor.described(_LINUX.read_text(encoding="utf-8"))
    return Processor(platform.processor().rpartition(" ")[2], None)  # on Windows "AMD64 Family 25 ..., AuthenticAMD"


def obstacle_to_bfloat16() -> str | None:
    """Why bfloat16 does not pay on the processor this runs on; None where it does, or nothing is known."""
    return processor().obstacle_to_bfloat16(torch.backends.cpu.get_cpu_capability())
