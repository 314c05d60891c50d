from __future__ import annotations

import ctypes
import os
import platform
import subprocess
import sys

import pytest

from winnow.training.heap import keep_freed_memory

FAULTS = """
import resource, torch
from winnow.training.heap import keep_freed_memory
kept = keep_freed_memory()
def blocks():
    return [torch.ones(6 << 20) for _ in range(3)]
for _ in range(3):
    blocks()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(5):
    blocks()
print(kept, resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(**environment: str) -> tuple[bool, int]:
    """Whether memory is kept, and how many pages five iterations took anew that free 72 MiB each."""
    unset = {name: value for name, value in os.environ.items() if not name.startswith(("MALLOC_", "GLIBC_"))}
    done = subprocess.run(
        [sys.executable, "-c", FAULTS], env=unset | environment, capture_output=True, text=True, check=True
    )
    kept, count = done.stdout.split()
    return kept == "True", int(count)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the C library is another one")
def test_freed_memory_is_used_again_unless_the_user_has_set_the_allocator() -> None:
    is_kept, few = faults()
    is_left, many = faults(MALLOC_TRIM_THRESHOLD_="131072", MALLOC_MMAP_THRESHOLD_="131072")
    assert is_kept and not is_left
    assert 10 * few < many


def test_other_c_libraries_are_left_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "libc_ver", lambda: ("", ""))  # as on macOS
    monkeypatch.setattr(ctypes, "CDLL", lambda name: pytest.fail("it was loaded"))
    assert not keep_freed_memory.__wrapped__()
