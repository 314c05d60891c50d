from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from winnow.data import Resident
from winnow.models import build, initialize
from winnow.seeds import generator
from winnow.training import Curve, Plain, State, evaluated
from winnow.training import metrics as module
from winnow.training.metrics import METRICS

VALUES = st.dictionaries(st.sampled_from(METRICS), st.floats(allow_nan=False), max_size=5)
CURVES = st.dictionaries(st.integers(0, 10**6), VALUES, max_size=20).map(lambda rows: Curve(dict(sorted(rows.items()))))


@given(curve=CURVES)
def test_a_curve_survives_being_written_to_the_bit(curve: Curve) -> None:
    assert Curve.from_csv(curve.to_csv()) == curve


def test_a_curve_that_is_not_finite_survives_too() -> None:
    again = Curve.from_csv(Curve({3: {"test_loss": math.nan, "train_loss": math.inf}}).to_csv())
    assert math.isnan(again.rows[3]["test_loss"])
    assert again.rows[3]["train_loss"] == math.inf


def test_a_curve_is_a_table_that_others_can_read() -> None:
    curve = Curve({0: {"validation_loss": 2.5}, 100: dict.fromkeys(METRICS, 0.25)})
    assert curve.to_csv().splitlines() == [
        "iteration,train_loss,validation_loss,validation_accuracy,test_loss,test_accuracy",
        "0,,2.5,,,",
        "100,0.25,0.25,0.25,0.25,0.25",
    ]


@pytest.mark.parametrize(
    "losses, early_stop",
    [
        ({0: 2.3, 100: 1.0, 200: 0.5, 300: 0.7}, 200),
        ({0: 2.3, 100: 0.5, 200: 0.7, 300: 0.5}, 100),  # the first of equals
        ({0: 0.1, 100: 1.0}, 0),  # training made it worse
        ({500: 1.0}, 500),
        ({0: 2.3, 100: 1.0, 200: math.inf}, 100),
        ({0: 2.3, 100: 1.0, 200: math.nan, 300: 0.5}, 300),
        ({0: math.nan, 100: 1.0}, 100),
    ],
)
def test_early_stop_is_the_iteration_of_least_validation_loss(losses: dict[int, float], early_stop: int) -> None:
    curve = Curve({iteration: {"validation_loss": loss, "test_loss": -iteration} for iteration, loss in losses.items()})
    assert curve.early_stop == early_stop
    assert curve.last == max(losses)


def test_the_grid_leaves_out_what_was_looked_at_on_the_way() -> None:
    curve = Curve({iteration: {} for iteration in (30, 40, 57, 60, 80)})
    assert list(curve.on_grid(20, start=30).rows) == [30, 40, 60, 80]
    assert list(curve.on_grid(20, start=0).rows) == [40, 60, 80]


def test_a_series_holds_a_metric_where_it_was_taken() -> None:
    curve = Curve({0: {"test_loss": 1.0}, 100: {"test_loss": 0.5, "train_loss": 0.7}})
    assert curve.series("train_loss") == {100: 0.7}
    assert curve.series("test_loss") == {0: 1.0, 100: 0.5}
    assert curve.series("validation_loss") == {}


def test_loss_and_accuracy_are_means_over_the_split_for_each_lane(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_CHUNK", 7)  # 7, 7, 7 and 2
    network = build("lenet-5", (1, 4, 4), 3)
    values = [initialize(network, "kaiming-normal", generator(0, replicate, "init")) for replicate in range(3)]
    names = [name for name, _ in network.named_parameters()]
    state = State.stacked([State.of_values(lane, names) for lane in values], torch.device("cpu"))
    stream = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (23, 1, 4, 4), dtype=torch.uint8, generator=stream)
    labels = torch.randint(0, 3, (23,), generator=stream)
    split = Resident(images, labels, mean=None, std=None, scale=255, device="cpu")

    rows = evaluated(Plain(network), state, {"test": split})

    def expected(lane: dict[str, Tensor]) -> dict[str, float]:
        logits = (images.flatten(1) / 255) @ lane["fc1.weight"].T + lane["fc1.bias"]
        logits = logits.relu() @ lane["output.weight"].T + lane["output.bias"]
        loss = nn.functional.cross_entropy(logits.double(), labels)
        return {"test_loss": float(loss), "test_accuracy": float((logits.argmax(1) == labels).double().mean())}

    assert len(rows) == 3
    for row, lane in zip(rows, values, strict=True):
        assert row == pytest.approx(expected(lane), rel=1e-6)
    assert rows[0] != rows[1]
