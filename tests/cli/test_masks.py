"""`winnow masks` on the tiny run."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

import pytest

from winnow.execution.executor import Executor
from winnow.execution.masks import anatomy
from winnow.execution.run import run
from winnow.execution.studies import run_study
from winnow.experiments import imp, instability
from winnow.recipes import read
from winnow.steps import Content
from winnow.store import Store
from winnow.timeline import Amount

from .conftest import EDITS, TINY, Winnow


def lines(text: str, *beginning: str) -> list[list[str]]:
    return [words for line in text.splitlines() if (words := line.split())[: len(beginning)] == list(beginning)]


def test_masks_tells_overlap_and_chance_densities_dead_units_and_signs(
    winnow: Winnow, finished: Path, tmp_path: Path
) -> None:
    table = tmp_path / "masks.csv"
    said = winnow("masks", "digits", *TINY, "--store", finished, "--out", table)
    assert said.code == 0, said.err
    levels = lines(said.out, "1") + lines(said.out, "2")
    assert len(levels) == 2 and all("(" in line[-1] for line in levels)
    assert "with none of their own: reinit" in said.out
    assert "Under other noise: none" in said.out
    assert [len(line) for line in lines(said.out, "fc1.weight")] == [3, 3]  # density and signs, at two levels
    assert lines(said.out, "fc1.weight,", "16") and "No layer is close to collapse" in said.out
    (figure,) = [line for line in said.out.splitlines() if line.startswith("figure: ")]
    assert all(Path(path).stat().st_size > 1000 for path in figure.removeprefix("figure: ").split(", "))

    rows = list(csv.DictReader(table.read_text("utf-8").splitlines()))
    assert {row["relation"] for row in rows} == {"", "replicates", "levels"}
    assert {row["metric"] for row in rows if not row["relation"]} == {
        *("density", "units", "no_incoming", "no_outgoing", "dead", "weights_per_unit", "sign_agreement")
    }
    nested = [row for row in rows if row["relation"] == "levels" and row["metric"] == "jaccard"]
    densities = {(row["replicate"], row["level"]): float(row["density"]) for row in rows if not row["relation"]}
    for row in nested:
        ratio = densities[row["replicate"], "2"] / densities[row["replicate"], "1"]
        assert float(row["value"]) == pytest.approx(ratio)


def test_a_layer_that_loses_nearly_everything_is_warned_of(winnow: Winnow, finished: Path) -> None:
    limits = ("--weights-per-unit", "20", "--relative-density", "0.01")
    said = winnow("masks", "digits", *TINY, "--store", finished, *limits)
    assert "ticket, fc1.weight: from level 2 on; at level 2 down to 16.00 weights a unit" in " ".join(said.out.split())
    assert "output.weight: from level 1 on" in said.out


def test_without_masks_it_says_what_makes_them(winnow: Winnow, tmp_path: Path) -> None:
    said = winnow("masks", "digits", "--store", Store(tmp_path / "none").root)
    assert (
        said.code == 1 and "holds no masks of digits" in said.err and "`winnow run` with the same options" in said.err
    )


def test_masks_that_are_missing_are_counted_and_signs_that_are_unknown_are_said(winnow: Winnow, tmp_path: Path) -> None:
    store = tmp_path / "store"
    assert winnow("run", "digits", *TINY, "--keep", "last", "--store", store, "--progress", "quiet").code == 0
    said = winnow("masks", "digits", *TINY, "--levels", "3", "--store", store)
    assert "left out: 2 of the masks" in said.out
    assert "Of 2 trainings the weights were not kept" in said.out
    for state in store.glob("results/??/*/state.safetensors"):
        Store(store).reduce(state.parent.name, Content.METRICS)
    said = winnow("masks", "digits", *TINY, "--store", store)
    assert "Signs: not known, since the trained weights were not kept" in said.out


def test_a_network_that_a_study_trained_under_other_noise_gives_masks_to_compare(finished: Path) -> None:
    from dataclasses import replace

    experiment, store = imp(read("digits").edited(EDITS)), Store(finished)
    dense = [row.trained for row in experiment.rows if row.level == 0]
    others = [replace(each, noise=replace(each.noise, sample=sample)) for each in dense for sample in (1, 2)]
    Executor(store, keep_all=True).run(dict.fromkeys(others, Content.WEIGHTS))
    found = anatomy(experiment, store, identity="imp-0")
    noise = {"relation": "noise", "other": "ticket"}
    assert len(found.values("jaccard", 1, **noise)) == 4
    assert found.mean("jaccard", 1, **noise) > found.mean("chance_jaccard", 1, **noise) + 0.1
    assert not found.values("jaccard", 2, **noise)
    assert all(store.has(other, Content.WEIGHTS) for other in others), "measuring must not take weights away"
    again = anatomy(experiment, Store(shutil.copytree(finished, finished.parent / "copy")), identity="imp-0")
    assert again.records == found.records


def test_networks_that_a_study_trained_from_a_later_k_give_masks_to_compare_too(tmp_path: Path) -> None:
    recipe, store = read("digits").edited({**EDITS, "rewind": "10it", "control": []}), Store(tmp_path / "store")
    run(recipe, store=store)
    run_study(instability(recipe, at=[Amount.parse("10it")], points=3, examples=50), Executor(store))
    found = anatomy(imp(recipe), store, identity="imp-0")
    assert len(found.values("jaccard", 1, relation="noise", other="ticket")) == 2


@pytest.mark.parametrize(
    "option, value", [("weights-per-unit", "nan"), ("weights-per-unit", "-1"), ("relative-density", "-1")]
)
def test_limits_that_mean_nothing_are_refused(winnow: Winnow, finished: Path, option: str, value: str) -> None:
    said = winnow("masks", "digits", *TINY, "--store", finished, f"--{option}", value)
    assert said.code == 2 and said.err.startswith(f"winnow: --{option} is {value}; give ")


def test_of_ones_own_network_masks_tell_what_computes_units_and_leave_out_what_does_not(
    winnow: Winnow, tmp_path: Path
) -> None:
    place = tmp_path / "mixing.py"
    place.write_text(
        "import torch\n"
        "class Mixing(torch.nn.Module):\n"
        "    def __init__(self, shape, classes):\n"
        "        super().__init__()\n"
        "        self.first, self.last = torch.nn.Linear(64, 8), torch.nn.Linear(8, classes)\n"
        "        self.mix = torch.nn.Parameter(torch.eye(8))\n"
        "    def forward(self, images):\n"
        "        return self.last(self.first(images.flatten(1)).relu() @ self.mix)\n"
    )
    own = ("digits", *TINY, "--model.name", f"{place}:Mixing", "--model.init", "own", "--prune.include", "mix")
    assert winnow("run", *own, "--progress", "quiet", "--store", tmp_path / "store").code == 0
    said = winnow("masks", *own, "--store", tmp_path / "store")
    assert said.code == 0, said.err
    assert len(lines(said.out, "mix")) == 2  # density and signs, and no units
    assert lines(said.out, "first.weight,", "8") and "nan" not in said.out
