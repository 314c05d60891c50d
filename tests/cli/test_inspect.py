from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.cli.conftest import EDITS, Winnow
from winnow.recipes import read
from winnow.store.experiments import identity

NETS = """
from torch import nn

class Tied(nn.Module):
    def __init__(self, classes):
        super().__init__()
        self.embed = nn.Embedding(classes, 4)
        self.middle = nn.Linear(4, 4)
        self.head = nn.Linear(4, classes, bias=False)
        self.head.weight = self.embed.weight
"""


def test_a_recipes_network_is_shown_with_what_is_pruned_and_why_not(winnow: Winnow) -> None:
    said = winnow("inspect", "lenet-mnist")
    assert said.code == 0
    assert said.out.startswith("lenet-300-100 for images 1x28x28 in 10 classes (mnist)")
    assert re.search(r"fc1.weight +300x784 +linear +235,200 +20 %", said.out)
    assert re.search(r"fc1.bias +300 +300 +no: bias", said.out)
    assert re.search(r"output.weight +10x100 +output +1,000 +10 %", said.out)
    assert "266,610 weights in 6 parameters; prunable are 266,200 in 3." in said.out
    assert re.search(r"3 +51.28 % +136,511", said.out)
    assert re.search(r"16 +2.87 % +7,649", said.out), "the recipe's last level"


def test_fields_change_what_is_pruned(winnow: Winnow) -> None:
    changes = ("--prune.exclude", "*.shortcut.*", "output.*", "--prune.scope", "global", "--levels", "2")
    said = winnow("inspect", "resnet-20", "--data.name", "cifar10", *changes, "--prune.rate.output", "0.2")
    assert "prunable are 267,696 in 19." in said.out
    assert re.search(r"stages.1.0.shortcut.0.weight .* no: prune.exclude", said.out)
    assert re.search(r" 2 +64.00 % +171,325", said.out)


@pytest.mark.parametrize(
    "changes, lines",
    [
        ((), ["1   80.20 %        40,260"]),
        (("--prune.granularity", "2:4"), ["1   50.00 %        25,100"]),
        (("--prune.granularity", "unit", "--prune.rate.output", "None"), ["1   80.00 %        39,360"]),
        (("--prune.scope", "global", "--prune.rate.output", "None", "--prune.granularity", "unit"), []),
        (("--prune.densities", "0.7", "0.2"), ["1   70.00 %        35,140", "2   20.00 %        10,040"]),
    ],
)
def test_what_a_level_keeps_goes_by_the_pieces_that_are_removed(
    winnow: Winnow, changes: tuple[str, ...], lines: list[str]
) -> None:
    levels = "1" if "2:4" in changes else "2"
    said = winnow("inspect", "digits", "--levels", levels, *changes)
    assert said.code == 0, said.err
    assert all(line in said.out for line in lines)
    assert ("known once units of all layers together are ranked" in said.out) == (not lines)


def test_a_density_below_a_hundredth_of_a_per_cent_is_not_told_as_nothing(winnow: Winnow) -> None:
    said = winnow("inspect", "lenet-mnist", "--levels", "45", "--prune.rate.output", "0.2")
    assert re.search(r" 35 +0.040 % +107", said.out)
    assert re.search(r" 45 +0.0041 % +11", said.out)


def test_an_experiment_of_the_store_is_shown_by_its_identity(
    winnow: Winnow, finished: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WINNOW_STORE", str(finished))
    said = winnow("inspect", identity(read("digits").edited(EDITS)))
    assert said.code == 0 and said.out.startswith("lenet-16 for images 1x8x8 in 10 classes (digits)")


def test_tied_tensors_are_told(winnow: Winnow, tmp_path: Path) -> None:
    (tmp_path / "nets.py").write_text(NETS)
    said = winnow("inspect", f"{tmp_path / 'nets.py'}:Tied")
    assert "head.weight is embed.weight: one tensor, pruned and trained once." in said.out
    assert re.search(r"embed.weight +10x4 +embedding +40 +no: no rate for embedding", said.out)
    said = winnow("inspect", f"{tmp_path / 'nets.py'}:Tied", "--prune.include", "embed.*")
    assert re.search(r"embed.weight +10x4 +embedding +40 +20 % \(prune.include\)", said.out)


@pytest.mark.parametrize(
    "words, message",
    [
        (
            ("lenet-mnist", "--prune.include", "fc9.*"),
            "prune.include: 'fc9.*' matches none of the network's parameters",
        ),
        (("lenett-300",), "unknown recipe or network 'lenett'. Did you mean 'lenet'?"),
        (("digts",), "unknown recipe or network 'digts'. Did you mean 'digits'?\n        Valid: "),
        (("lnet-300-100",), "unknown recipe or network 'lnet'. Did you mean 'lenet'?"),
        (("resnet20-cifar",), "unknown recipe or network 'resnet20-cifar'. Did you mean 'resnet20-cifar10'?"),
        (("nets.py",), "network 'nets.py' is a file. Say which function or class of it: 'nets.py:NAME'"),
        (("missing.toml",), "no recipe file 'missing.toml'"),
        (("missing.py:net",), "there is no file"),
        (("lenet-mnist", "--prune.exclude", "*"), "so nothing would be pruned"),
    ],
)
def test_what_cannot_be_shown_is_told(winnow: Winnow, words: tuple[str, ...], message: str) -> None:
    said = winnow("inspect", *words)
    assert said.code == 2
    assert message in said.err
