from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from winnow.cli import COMMANDS
from winnow.recipes import names

from .conftest import Winnow


@pytest.mark.parametrize("words, code", [((), 2), (("--help",), 0), (("-h",), 0), (("help",), 0)])
def test_without_a_command_and_with_help_it_tells_all_commands(
    words: tuple[str, ...], code: int, winnow: Winnow
) -> None:
    said = winnow(*words)
    assert said.code == code
    assert all(f"\n  {name} " in said.out for name in COMMANDS)
    assert "exit codes: 0 done" in said.out


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(command: str, winnow: Winnow) -> None:
    said = winnow(command, "--help")
    assert (said.code, said.err) == (0, "")
    assert said.out.startswith(f"usage: winnow {command}")
    assert not re.search(r"None\}|: None\)|: ''\)|: \)", said.out), (
        "an option that may be left out has no default to tell"
    )


@pytest.mark.parametrize(
    "words, message",
    [
        ("--levels many", "--levels: expected a whole number, given 'many'"),
        ("--data.size big", "--data.size: expected a whole number, given 'big'"),
        ("--prune.rate.linear x", "--prune.rate.linear: expected a number, given 'x'"),
        ("--prune.train-levels 1 b", "--prune.train-levels: expected whole numbers, given '1 b'"),
        ("--data.mean 0.1 a", "--data.mean: expected numbers, given '0.1 a'"),
        ("--matching.tolerance sd", "--matching.tolerance: expected 'std' or a number, given 'sd'"),
        ("--data.corrupt leave", "invalid choice 'leave' for argument '--data.corrupt'"),
        ("--rewind soon", "--rewind: 'soon' is not an amount of training"),
    ],
)
def test_what_an_option_expects_is_told_in_words(words: str, message: str, winnow: Winnow) -> None:
    said = winnow("plan", "digits", *words.split())
    assert said.code == 2
    assert message in " ".join(said.err.replace("│", " ").split())


def test_an_option_that_may_be_left_out_can_be_taken_back(winnow: Winnow) -> None:
    shown = winnow("show", "digits", "--data.mean", "0.5", "--data.std", "0.2", "--data.size", "32").out
    assert "mean = [0.5]" in shown and "size = 32" in shown
    taken_back = winnow("show", "digits", "--data.mean", "None", "--data.std", "None", "--data.size", "None").out
    assert taken_back == winnow("show", "digits").out


@pytest.mark.parametrize("command", ["store ls", "store show", "store verify", "store gc", "data list", "data fetch"])
def test_so_has_every_part_of_a_command(command: str, winnow: Winnow) -> None:
    said = winnow(*command.split(), "--help")
    assert (said.code, said.err) == (0, "")
    assert said.out.startswith(f"usage: winnow {command}")


@pytest.mark.parametrize("command", ["run", "plan", "ticket", "show"])
def test_every_field_of_a_recipe_is_an_option_with_its_own_help(command: str, winnow: Winnow) -> None:
    out = winnow(command, "--help").out
    for option in ("--levels", "--rewind", "--train.length", "--prune.rate.linear", "--matching.tolerance", "--seed"):
        assert option in out
    assert "k, the iteration whose weights every ticket restarts from" in out


def test_the_version_is_told(winnow: Winnow) -> None:
    assert winnow("--version").out.startswith("winnow 0.")


def test_an_unknown_command_is_wrong_usage_and_suggests_the_nearest(winnow: Winnow) -> None:
    said = winnow("rn", "digits")
    assert said.code == 2
    assert said.err.startswith("winnow: unknown command 'rn'. Did you mean 'run'?\n        Valid: ")


@pytest.mark.parametrize("words", [("run", "digits", "--levles", "3"), ("store", "sho"), ("run", "--levels", "many")])
def test_wrong_options_are_wrong_usage(words: tuple[str, ...], winnow: Winnow) -> None:
    assert winnow(*words).code == 2


def test_list_names_every_bundled_recipe(winnow: Winnow) -> None:
    said = winnow("list")
    assert said.code == 0
    assert [line.split()[0] for line in said.out.splitlines() if line[:1].strip()][1:] == names()


@pytest.mark.parametrize("words", [["show", "digits"], ["list"], ["--help"]])
@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_output_that_cannot_be_written_is_told(words: list[str], unbuffered: str) -> None:
    command, environment = [sys.executable, "-m", "winnow", *words], {**os.environ, "PYTHONUNBUFFERED": unbuffered}
    with Path("/dev/full").open("w") as full:
        ended = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, env=environment, check=False)
    assert ended.returncode == 1
    assert ended.stderr.decode().startswith("winnow: writing to standard output failed: No space left on device.")
    assert "Traceback" not in ended.stderr.decode() and "Exception ignored" not in ended.stderr.decode()


def test_an_encoding_that_lacks_a_letter_is_told() -> None:
    words = [sys.executable, "-m", "winnow", "show", "digits", "--name", "±"]
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    ended = subprocess.run(words, env=environment, capture_output=True, check=False)
    assert (ended.returncode, ended.stdout) == (1, b"")
    assert "standard output is in the encoding 'ascii', which has no '\\xb1'" in ended.stderr.decode()
    assert "Traceback" not in ended.stderr.decode()
