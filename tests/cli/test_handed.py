"""What was run from Python with objects, or with code of one's own, is read by the commands elsewhere and later."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from safetensors.torch import load_file

from winnow.store import Store
from winnow.ticket import Ticket

from .conftest import Winnow

RUN = """
import torch, winnow
from torch import nn
from torch.utils.data import TensorDataset

class Tiny(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.last = nn.Linear(4, 8), nn.Linear(8, 2)
        self.middle, self.again = nn.Linear(8, 8, bias=False), nn.Linear(8, 8, bias=False)
        self.again.weight = self.middle.weight
    def forward(self, inputs):
        return self.last(torch.relu(self.again(torch.relu(self.middle(torch.relu(self.first(inputs)))))))

inputs = torch.randn(120, 4, generator=torch.Generator().manual_seed(0))
targets = (inputs[:, 0] > 0).long()
data = TensorDataset(inputs[:100], targets[:100]), TensorDataset(inputs[100:], targets[100:])
winnow.run(model=Tiny, data=data, store="store", levels=1, replicates=1, train__length="20it", train__batch=20,
           data__validation=20, rewind="4it", rival=["gmp"], dynamic__every="2it", prune__include=["first.bias"])
"""


@pytest.fixture(scope="module")
def run_elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store in which another process has run a network and data handed over as objects."""
    folder = tmp_path_factory.mktemp("elsewhere")
    subprocess.run([sys.executable, "-c", RUN], cwd=folder, check=True)
    return folder / "store"


@pytest.fixture
def handed(run_elsewhere: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The same store on a machine that has never seen the data."""
    monkeypatch.setenv("WINNOW_DATA", str(tmp_path / "nothing"))
    return Path(shutil.copytree(run_elsewhere, tmp_path / "store"))


def test_results_of_objects_are_read_where_the_objects_are_not(handed: Path, winnow: Winnow, tmp_path: Path) -> None:
    said = winnow("results", "Tiny", "--store", handed)
    assert said.code == 0 and said.err == "" and said.out.startswith("Tiny (imp-")
    name = said.out.split("(")[1].split(")")[0]
    assert winnow("report", name, "--store", handed, "--out", tmp_path / "page.html").code == 0
    assert "winnow.run(model=..., data=...)" in (tmp_path / "page.html").read_text("utf-8")
    assert "4 of 4" in winnow("store", "ls", "--store", handed).out
    said = winnow("run", name, "--store", handed)
    assert said.code == 0 and "nothing to train" in said.err


def test_tickets_and_networks_come_from_a_store_whose_objects_are_not_here(
    handed: Path, winnow: Winnow, tmp_path: Path
) -> None:
    name, file = f"Tiny-{_identity(handed)}", tmp_path / "file"
    said = winnow("ticket", "Tiny", "--store", handed)
    assert said.code == 2 and f"The store has 'Tiny' as {_identity(handed)}: name that." in said.err
    assert winnow("ticket", name, "--level", "1", "--store", handed, "--out", file).code == 0
    mask, state = Ticket.read(file).mask, Ticket.read(file).state
    assert set(mask) == {"first.weight", "first.bias", "middle.weight", "last.weight"}
    assert state["again.weight"].equal(state["middle.weight"])
    assert winnow("ticket", name, "--level", "1", "--trained", "--store", handed, "--out", file).code == 0
    weights = load_file(file)
    assert weights.keys() == state.keys() and not weights["again.weight"][~mask["middle.weight"]].any()


def test_of_masks_whose_network_is_not_here_all_is_told_but_units(handed: Path, winnow: Winnow) -> None:
    said = winnow("masks", f"Tiny-{_identity(handed)}", "--store", handed)
    assert said.code == 0, said.err
    assert "first.weight     81.25" in said.out and "gmp" in said.out
    assert "Dead units: not known, since the network was handed over" in said.out
    assert "Signs: not known, since trained or initial weights are not stored" in said.out
    assert "close to collapse, which is told by their units" in said.out


def test_what_needs_the_objects_says_so(handed: Path, winnow: Winnow) -> None:
    said = winnow("run", f"Tiny-{_identity(handed)}", "--levels", "2", "--store", handed)
    assert said.code == 2 and "was handed over from Python as an object, which this process does not have" in said.err
    kept = Store(handed).result_keys()
    winnow("store", "gc", "--delete", "--store", handed)
    assert Store(handed).result_keys() == kept


def test_notes_of_an_older_winnow_are_read_and_made_whole(handed: Path, winnow: Winnow) -> None:
    (path,) = (handed / "experiments").glob("given-Tiny-*.json")
    known = json.loads(path.read_text("utf-8"))
    path.write_text(json.dumps({name: known[name] for name in ("kinds", "has_batch_norm")}))
    said = winnow("results", "Tiny", "--store", handed)
    assert said.code == 1 and "was handed over from Python as an object" in said.err, "a bias may be pruned"
    subprocess.run([sys.executable, "-c", RUN], cwd=handed.parent, check=True)
    assert json.loads(path.read_text("utf-8")) == known
    assert winnow("results", "Tiny", "--store", handed).code == 0


def test_notes_of_objects_that_are_damaged_or_gone_are_told(handed: Path, winnow: Winnow) -> None:
    notes = sorted((handed / "experiments").glob("given-*.json"))
    assert len(notes) == 2
    for damage in ("[]", "{}", "{", None):
        for path in notes:
            path.unlink(missing_ok=True) if damage is None else path.write_text(damage)
        said = winnow("results", "--store", handed)
        assert said.code == 1 and "was handed over from Python as an object" in said.err, damage


def _identity(store: Path) -> str:
    (path,) = (store / "experiments").glob("*.toml")
    return path.stem.removeprefix("Tiny-")


def test_code_that_has_changed_is_told_and_its_results_are_kept(
    winnow: Winnow, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    code = "from torch import nn\ndef small():\n    return nn.Sequential(nn.Flatten(), nn.Linear(64, 10))\n"
    Path("net.py").write_text(code)
    words = ("--levels", "1", "--replicates", "1", "--train.length", "20it", "--control", "--progress", "quiet")
    assert winnow("run", "digits", "--model.name", "net.py:small", "--model.init", "own", *words).code == 0
    keys = Store("winnow-store").result_keys()
    Path("net.py").write_text(code.replace("nn.Linear(64, 10)", "nn.Linear(64, 16), nn.ReLU(), nn.Linear(16, 10)"))
    monkeypatch.setattr("winnow.named._LOADED", {})  # as in a new process
    said = winnow("results")
    assert said.code == 1 and "has changed since it was run as imp-" in " ".join(said.err.split())
    said = winnow("store", "gc", "--delete")
    assert "so every result is kept" in said.err and Store("winnow-store").result_keys() == keys
    Path("net.py").write_text(code)
    monkeypatch.setattr("winnow.named._LOADED", {})
    assert "ticket       1" in winnow("results").out
