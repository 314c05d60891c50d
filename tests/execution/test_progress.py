from __future__ import annotations

from pathlib import Path

import pytest
import torch

from winnow.errors import CorruptResult
from winnow.execution import progress
from winnow.training import Curve, State

STATE = State(
    13,
    13,
    {"fc.weight": torch.randn(1, 4, 3, generator=torch.Generator().manual_seed(0))},
    {"norm.num_batches_tracked": torch.tensor([13])},
    {"momentum": {"fc.weight": torch.ones(1, 4, 3)}},
    torch.tensor([[0.125, 0.5]]),
)
CURVE = Curve({0: {"validation_loss": 2.302585}, 8: {"validation_loss": 0.5, "train_loss": 1.1}})


def test_progress_is_read_back_to_the_bit(tmp_path: Path) -> None:
    path = tmp_path / "progress" / "key.progress"
    progress.save(path, STATE, Curve(), 1.0)
    progress.save(path, STATE, CURVE, 2.5)
    saved = progress.load(path)
    assert saved is not None
    state = saved.state
    assert (state.iteration, state.age, saved.curve, saved.seconds) == (13, 13, CURVE, 2.5)
    assert torch.equal(state.parameters["fc.weight"], STATE.parameters["fc.weight"])
    assert torch.equal(state.buffers["norm.num_batches_tracked"], torch.tensor([13]))
    assert torch.equal(state.slots["momentum"]["fc.weight"], torch.ones(1, 4, 3))
    assert torch.equal(state.window, STATE.window)
    assert [path.name for path in path.parent.iterdir()] == ["key.progress"]


def test_where_nothing_was_saved_there_is_no_progress(tmp_path: Path) -> None:
    assert progress.load(tmp_path / "key.progress") is None


@pytest.mark.parametrize("place", ["first", "curve", "middle", "last"])
def test_progress_with_a_bit_flipped_is_not_used(tmp_path: Path, place: str) -> None:
    path = tmp_path / "key.progress"
    progress.save(path, STATE, CURVE, 2.5)
    content = bytearray(path.read_bytes())
    position = {"first": 0, "curve": content.index(b"2.302585") + 3, "middle": len(content) // 2, "last": -1}[place]
    content[position] ^= 1
    path.write_bytes(content)
    assert progress.load(path) is None
    with pytest.raises(CorruptResult, match="was changed while it was being read"):
        progress.state(path)


def test_progress_that_was_cut_off_is_not_used(tmp_path: Path) -> None:
    path = tmp_path / "key.progress"
    progress.save(path, STATE, CURVE, 2.5)
    content = path.read_bytes()
    for length in range(0, len(content), 7):
        path.write_bytes(content[:length])
        assert progress.load(path) is None
