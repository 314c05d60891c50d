"""What `import winnow` gives, and what it costs."""

from __future__ import annotations

import subprocess
import sys

import pytest

import winnow

NAMES = [
    "DataOrder",
    "Mask",
    "Masked",
    "Recipe",
    "RewindPoint",
    "RewindableLoader",
    "Run",
    "Store",
    "Ticket",
    "WinnowError",
    "masked",
    "names",
    "prune",
    "read",
    "register",
    "register_control",
    "register_score",
    "rewind",
    "rewind_point",
    "run",
]


def test_the_public_names_are_these_and_no_others() -> None:
    assert winnow.__all__ == NAMES
    assert dir(winnow) == sorted(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_every_public_name_can_be_imported_and_is_documented(name: str) -> None:
    assert getattr(winnow, name).__doc__


def test_any_other_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'winnow' has no attribute 'wun'"):
        _ = winnow.wun


@pytest.mark.parametrize(
    "program",
    [
        "import winnow",
        "from winnow import Recipe, read; read('digits')",
        "from winnow.cli import main; main(['list'])",
        "from winnow.cli import main; main(['show', 'lenet-mnist', '--levels', '3'])",
        "from winnow.cli import main; main(['--help'])",
        "from winnow.cli import main; main(['rnu'])",
    ],
)
def test_what_computes_nothing_does_not_wait_for_pytorch(program: str) -> None:
    check = f"import sys; {program}; raise SystemExit('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-W", "error", "-c", check], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
