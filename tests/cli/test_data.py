from __future__ import annotations

from pathlib import Path

import pytest

from winnow.data import names

from .conftest import TINY, Winnow


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("WINNOW_DATA", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_list_tells_which_data_sets_are_here(winnow: Winnow) -> None:
    said = winnow("data", "list")
    assert (said.code, said.err) == (0, "")
    rows = {line.split()[0]: line.split()[4] for line in said.out.splitlines()[1:] if line[0] != " "}
    assert rows == dict.fromkeys(names(), "no") | {"digits": "yes"}


def test_where_prints_the_file_and_nothing_else(winnow: Winnow, cache: Path) -> None:
    said = winnow("data", "where", "mnist")
    assert (said.code, said.out) == (0, f"{cache / 'mnist.safetensors'}\n")
    assert said.err == "winnow: it is not there yet: `winnow data fetch mnist` gets it.\n"
    winnow("data", "fetch", "digits")
    assert winnow("data", "where", "digits").err == ""


def test_fetch_says_where_the_data_set_lies(winnow: Winnow, cache: Path) -> None:
    said = winnow("data", "fetch", "digits")
    assert (said.code, said.out) == (0, f"digits: {cache / 'digits.safetensors'}\n")
    assert (cache / "digits.safetensors").is_file()


def test_several_are_fetched_at_once_and_none_where_one_is_misspelt(winnow: Winnow, cache: Path) -> None:
    said = winnow("data", "fetch", "digits", "minst")
    assert said.code == 2 and "unknown data set 'minst'. Did you mean 'mnist'?" in said.err
    assert not (cache / "digits.safetensors").exists()
    assert winnow("data", "fetch", "digits", "digits").out == 2 * f"digits: {cache / 'digits.safetensors'}\n"
    said = winnow("data", "fetch")
    assert said.code == 2 and "give one or more: `winnow data list` shows them." in said.err


def test_a_folder_without_the_files_is_an_error_that_names_them(winnow: Winnow, tmp_path: Path) -> None:
    said = winnow("data", "fetch", "mnist", "--directory", tmp_path)
    assert said.code == 1
    assert f"the folder {tmp_path}: " in said.err
    assert "`winnow data fetch mnist --directory DIR` takes them from there." in said.err


def test_an_unknown_data_set_suggests_the_nearest(winnow: Winnow) -> None:
    for command in ("fetch", "where"):
        said = winnow("data", command, "cifar")
        assert said.code == 2 and "unknown data set 'cifar'. Did you mean 'cifar10'?" in said.err


def test_a_damaged_data_set_is_told_and_fetched_again(winnow: Winnow, cache: Path, tmp_path: Path) -> None:
    winnow("data", "fetch", "digits")
    (cache / "digits.safetensors").write_bytes(b"rubbish")
    said = winnow("data", "fetch", "digits")
    path = cache / "digits.safetensors"
    assert said.code == 0
    assert f"winnow: {path} is damaged: moved to digits.corrupt; fetching digits again\n" in said.err


def test_digits_need_no_cache(winnow: Winnow, cache: Path, tmp_path: Path) -> None:
    unseen = ("--data.validation", "137", "--store", tmp_path / "store")  # this process holds the usual split already
    assert winnow("run", "digits", *TINY, *unseen, "--progress", "quiet").code == 0
    assert not (cache / "digits.safetensors").exists()
