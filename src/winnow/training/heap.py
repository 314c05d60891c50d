"""Memory that an iteration frees is kept for the next one."""

from __future__ import annotations

import ctypes
import os
import platform
from functools import cache

_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4  # as malloc.h of glibc numbers them

_MOST_KEPT = (1 << 31) - 1

_SETTINGS = ("GLIBC_TUNABLES", "MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_", "MALLOC_MMAP_MAX_")


@cache
def keep_freed_memory() -> bool:
    """Have the C library of this process keep up to 2 GiB of freed memory; whether it does.

    Left alone, glibc gives large blocks back to the system as soon as they are free and takes them anew in the next
    iteration, page by page: a convolutional network's step spends a tenth to a quarter of its time so (see
    benchmarks/precision.py). Other C libraries, and one whose allocator the user has set by environment
    variables, are left as they are.
    """
    if platform.libc_ver()[0] != "glibc" or any(name in os.environ for name in _SETTINGS):
        return False
    mallopt = ctypes.CDLL(None).mallopt
    return bool(mallopt(_M_MMAP_MAX, 0)) and bool(mallopt(_M_TRIM_THRESHOLD, _MOST_KEPT))
