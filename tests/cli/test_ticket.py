from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

import winnow as library
from winnow.data import load
from winnow.results import Results
from winnow.store.experiments import identity
from winnow.ticket import Ticket

from .conftest import EDITS, TINY, Winnow


def test_a_ticket_of_a_finished_run_is_written(winnow: Winnow, finished: Path, tmp_path: Path) -> None:
    out = tmp_path / "ticket.safetensors"
    words = ("digits", *TINY, "--store", finished, "--level", "2", "--replicate", "1", "--out", out)
    said = winnow("ticket", *words)
    assert (said.code, said.err) == (0, "")
    assert said.out.startswith(f"{out}: ") and "level 2 of replicate 1: 386 of 1,184 weights remain" in said.out
    ticket = Ticket.read(out)
    run = library.run(library.read("digits").edited(EDITS), store=finished)
    assert ticket.mask == run.mask(2, 1)
    rewound = run.rewind_point(1).values()
    assert all(torch.equal(ticket.state[name], value) for name, value in rewound.items())
    assert library.Recipe and ticket.provenance["k"] == 0
    shown = winnow("ticket", "--show", out)
    assert shown.code == 0 and shown.out == said.out.partition("\n")[2]


def test_a_network_is_not_written_as_what_it_is_not(winnow: Winnow, finished: Path, tmp_path: Path) -> None:
    words = ("digits", *TINY, "--store", finished, "--level", "1", "--trained", "--out", tmp_path / "network.pt")
    said = winnow("ticket", *words)
    assert said.code == 1 and "network.pt' would be taken for a file of torch.load" in said.err


def test_without_a_level_it_is_the_smallest_matching_one(
    winnow: Winnow, finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    said = winnow("ticket", "digits", *TINY, "--matching.tolerance", "100", "--store", finished)
    assert said.code == 0
    (path,) = tmp_path.glob("*.safetensors")
    provenance = Ticket.read(path).provenance
    assert path.name == f"digits-{provenance['experiment']}-level-2-replicate-0.safetensors"
    assert provenance["level"] == 2


def test_an_experiment_of_the_store_is_named_by_its_identity(
    winnow: Winnow, finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WINNOW_STORE", str(finished))
    name = identity(library.read("digits").edited(EDITS))
    words = ("--matching.tolerance", "100", "--out", tmp_path / "ticket")
    for written in (name, name[:8], f"digits-{name}"):
        said = winnow("ticket", written, *words)
        assert said.code == 0 and f"digits ({name}), level 2 of replicate 0" in said.out
    said = winnow("ticket", "imp-0000000", *words)
    assert said.code == 1 and f"holds no experiment 'imp-0000000'. It holds digits ({name})." in said.err
    assert library.run(name, levels=1, control=[]).recipe.levels == 1


def test_a_name_that_an_experiment_was_given_is_answered_with_its_identity(winnow: Winnow, finished: Path) -> None:
    assert winnow("run", "digits", *TINY, "--name", "mine", "--store", finished).code == 0
    said = winnow("ticket", "mine", "--store", finished)
    assert said.code == 2 and f"as {identity(library.read('digits').edited(EDITS))}: name that." in said.err


def test_levels_that_are_not_asked_for_are_those_that_were_run(winnow: Winnow, finished: Path, tmp_path: Path) -> None:
    settings = [word for word in zip(TINY[::2], TINY[1::2], strict=True) if word[0] not in ("--levels", "--replicates")]
    words = ("digits", *(word for pair in settings for word in pair), "--store", finished)
    said = winnow("ticket", *words, "--matching.tolerance", "100", "--out", tmp_path / "ticket")
    assert said.code == 0 and "level 2 of replicate 0" in said.out
    said = winnow("ticket", *words, "--replicates", "3")
    assert "2 of the run's tickets and 1 of its dense networks are not trained yet" in said.err


def test_the_trained_network_is_a_state_dict_that_scores_what_was_measured(
    winnow: Winnow, finished: Path, tmp_path: Path
) -> None:
    out = tmp_path / "trained"
    said = winnow("ticket", "digits", *TINY, "--store", finished, "--level", "2", "--trained", "--out", out)
    assert (said.code, said.err) == (0, "")
    run = library.run(library.read("digits").edited(EDITS), store=finished)
    weights = load_file(out)
    network = run.row(2).trained.course.network.build()
    network = network.to_empty(device="cpu")
    network.load_state_dict(weights)
    data = load("digits")
    hits = network(torch.tensor(data.test_images / 16).float()).argmax(1) == torch.tensor(data.test_labels)
    (training,) = [each for each in run.results.trainings if each.row is run.row(2)]
    assert hits.float().mean().item() == pytest.approx(training.curve.rows[40]["test_accuracy"])
    assert f"test accuracy {100 * hits.float().mean():.2f} %" in said.out and "trained to iteration 40" in said.out
    for name, kept in run.mask(2).items():
        assert not weights[name][~kept].any() and weights[name][kept].any()
    said = winnow("ticket", "--show", out)
    assert said.code == 1 and "holds a network after training, and no ticket" in said.err


def test_trained_weights_that_were_not_kept_are_told_with_a_way_to_them(winnow: Winnow, tmp_path: Path) -> None:
    words = ("digits", *TINY, "--control", "--store", tmp_path / "store")
    assert winnow("run", *words, "--keep", "last", "--progress", "quiet").code == 0
    said = winnow("ticket", *words, "--level", "1", "--trained", "--out", tmp_path / "trained")
    assert said.code == 1 and "holds what that training measured and not its weights, as --keep last asks" in said.err
    assert "run it into another store: winnow run digits" in said.err and "--trained" not in said.err
    assert said.err.count("--store") == 1 and said.err.endswith(" --store DIR\n")
    again = winnow("run", *words, "--keep", "weights")
    assert "2 results stored before hold less than --keep weights asks, and stay so." in again.out
    assert "stored before" not in winnow("run", *words).out
    assert winnow("ticket", *words, "--level", "2", "--trained", "--out", tmp_path / "trained").code == 0, "the last"


def test_a_file_is_described_and_other_options_beside_that_are_refused(winnow: Winnow, tmp_path: Path) -> None:
    said = winnow("ticket", "--show", tmp_path / "ticket", "--level", "2")
    assert said.code == 2 and "--show describes a file, and --level has no effect on that" in said.err


def test_a_ticket_that_is_not_stored_names_the_command_that_makes_it(
    winnow: Winnow, finished: Path, tmp_path: Path
) -> None:
    words = ("digits", *TINY, "--levels", "3", f"--store={finished}")
    for level in (("--level", "3"), ("--level=3",)):
        said = winnow("ticket", *words, *level, "--out", tmp_path / "no")
        assert said.code == 1
        command = said.err.strip().rpartition("Make it with: winnow ")[2].split()
        assert command == ["run", *words]
    unfinished = winnow("ticket", *words)
    assert unfinished.code == 1 and "2 of the run's tickets are not trained yet" in unfinished.err
    assert not (tmp_path / "no").exists()


@pytest.mark.parametrize(
    "level, replicate, sentence",
    [
        ("0", "0", "level 0 is the dense network, which has no mask. Levels begin at 1."),
        ("9", "0", "there is no level 9 of replicate 0: levels go from 0 to 2, replicates from 0 to 1."),
        ("1", "7", "there is no level 1 of replicate 7"),
    ],
)
def test_a_level_that_was_not_run_is_an_error(
    level: str, replicate: str, sentence: str, winnow: Winnow, finished: Path
) -> None:
    said = winnow("ticket", "digits", *TINY, "--store", finished, "--level", level, "--replicate", replicate)
    assert said.code == 2 and said.err.startswith(f"winnow: {sentence}")


def test_without_a_level_it_says_what_is_not_trained_and_that_none_matches(
    winnow: Winnow, finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ("digits", *TINY, "--store", finished, "--out", tmp_path / "no")
    said = winnow("ticket", *words, "--seed", "7")
    assert "holds no digits with these settings; `winnow run digits" in said.err
    assert "The store holds these experiments 'digits', to be named so:" in said.err and "seed = 0" in said.err
    said = winnow("ticket", *words, "--levels", "4")
    assert "4 of the run's tickets are not trained yet" in said.err
    monkeypatch.setattr(Results, "smallest_matching", None)
    said = winnow("ticket", *words)
    assert said.code == 1 and "no level matches the dense network. Name a level, such as --level 1" in said.err
