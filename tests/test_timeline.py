from __future__ import annotations

import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from winnow.errors import RecipeError
from winnow.timeline import Amount

VGG_19 = {"per_epoch": 703, "total": 112_480}


@pytest.mark.parametrize(
    "written, iterations",
    [
        ("0it", 0),
        ("500it", 500),
        ("112_480it", 112_480),
        ("1 it", 1),
        (" 500it ", 500),
        ("500.0it", 500),
        ("1ep", 703),
        ("160ep", 112_480),
        ("0.5ep", 352),  # 351.5, half up
        ("2.5ep", 1758),  # 1757.5, half up and not to even
        ("0.001ep", 1),  # 0.703
        ("0.0001ep", 0),  # 0.0703
        ("0%", 0),
        ("1.7%", 1912),  # 1912.16
        ("50%", 56_240),
        ("100%", 112_480),
    ],
)
def test_an_amount_is_the_nearest_whole_number_of_iterations(written: str, iterations: int) -> None:
    assert Amount.parse(written).iterations(**VGG_19) == iterations


@pytest.mark.parametrize("written", ["500it", "0it", "2ep", "1.4ep", "1.7%", "0.00001%", "0.1ep"])
def test_an_amount_is_written_as_it_was_read(written: str) -> None:
    assert str(Amount.parse(written)) == written


@given(value=st.decimals(0, 100, allow_nan=False, places=12), unit=st.sampled_from(["ep", "%"]))
def test_writing_an_amount_and_reading_it_back_gives_the_same_amount(value: object, unit: str) -> None:
    amount = Amount.parse(f"{value:f}{unit}")
    assert Amount.parse(str(amount)) == amount


@given(value=st.fractions(0, 100), per_epoch=st.integers(1, 10_000), total=st.integers(1, 10**6))
def test_a_percentage_is_never_half_an_iteration_off_nor_beyond_the_whole(
    value: Fraction, per_epoch: int, total: int
) -> None:
    iterations = Amount(value, "%").iterations(per_epoch=per_epoch, total=total)
    exact = value * total / 100
    assert -Fraction(1, 2) < iterations - exact <= Fraction(1, 2)
    assert 0 <= iterations <= math.ceil(exact) <= total


def test_an_amount_that_was_read_already_stays_itself() -> None:
    amount = Amount.parse("2ep")
    assert Amount.parse(amount) is amount


@pytest.mark.parametrize(
    "written, message",
    [
        ("50000", r"'50000' is not an amount of training.\nWrite '50000it' \(iterations\), '2ep' \(epochs\)"),
        (50000, r"'50000' is not an amount.*\nWrite '50000it'"),
        ("", r"'' is not an amount of training.\nWrite '500it'"),
        ("soon", r"'soon' is not an amount of training.\nWrite '500it'"),
        ("-5it", r"'-5it' is not an amount"),
        ("5 epochs", r"'5 epochs' is not an amount"),
        ("2ep 50it", r"'2ep 50it' is not an amount"),
        ("1_00it", r"'1_00it' is not an amount"),
        ("1e3it", r"'1e3it' is not an amount"),
        ("1.5it", r"'1.5it' is not a whole number of iterations"),
        ("100.1%", r"'100.1%' is more than the whole of training"),
        (None, r"'None' is not an amount"),
    ],
)
def test_what_is_no_amount_is_refused_with_what_to_write(written: object, message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        Amount.parse(written)


def test_the_length_of_training_cannot_be_a_percentage_of_itself() -> None:
    with pytest.raises(RecipeError, match=r"'50%' is a percentage of a length that is itself to be given: use 'it'"):
        Amount.parse("50%").iterations(per_epoch=10)
