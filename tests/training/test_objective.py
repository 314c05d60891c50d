from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from winnow.course import Objective
from winnow.errors import RecipeError, UnknownName
from winnow.from_recipe import course
from winnow.recipes import read
from winnow.steps import plain
from winnow.training import Classification
from winnow.training.objective import Regression, TokenPrediction, named_task, score_in_words, task

GENERATOR = torch.Generator().manual_seed(0)
NUMBERS = torch.randn(20, 3, generator=GENERATOR)
OUTPUTS = NUMBERS + torch.randn(20, 3, generator=GENERATOR)


def test_regression_is_mean_squared_error_and_its_score_r_squared() -> None:
    task = named_task(Objective(name="regression"), NUMBERS)
    assert isinstance(task, Regression)
    torch.testing.assert_close(task.each(OUTPUTS, NUMBERS).mean(), F.mse_loss(OUTPUTS, NUMBERS))
    explained = 1 - (OUTPUTS - NUMBERS).square().sum(0) / (NUMBERS - NUMBERS.mean(0)).square().sum(0)
    torch.testing.assert_close(task.scores(OUTPUTS, NUMBERS).mean(), explained.mean())
    assert torch.equal(task.losses(OUTPUTS, NUMBERS), task.each(OUTPUTS, NUMBERS))


def test_the_mean_explains_nothing_and_the_targets_everything() -> None:
    one = NUMBERS[:, 0]
    task = named_task(Objective(name="regression"), one)
    assert float(task.scores(one.mean().expand(20, 1), one).mean()) == pytest.approx(0, abs=1e-6)
    assert task.scores(one.unsqueeze(1), one).tolist() == [1.0] * 20


def test_targets_that_are_all_the_same_are_refused() -> None:
    with pytest.raises(RecipeError, match="the training targets are all the same"):
        named_task(Objective(name="regression"), torch.ones(4))


def test_tokens_are_predicted_at_every_position() -> None:
    outputs, targets = torch.randn(2, 5, 7, generator=GENERATOR), torch.randint(7, (2, 5), generator=GENERATOR)
    targets[0] = outputs[0].argmax(1)
    task = named_task(Objective(name="tokens"), targets)
    torch.testing.assert_close(
        task.each(outputs, targets).mean(), F.cross_entropy(outputs.flatten(0, 1), targets.flatten())
    )
    assert task.scores(outputs, targets)[0] == 1
    assert task.scores(outputs, targets)[1] == (outputs[1].argmax(1) == targets[1]).float().mean()


OWN = """
from winnow.training import Classification

class Top2(Classification):
    score = "top-2 accuracy"
    def scores(self, outputs, targets):
        return (outputs.topk(2).indices == targets[:, None]).any(1).float()

def nothing():
    return 3
"""


@pytest.fixture
def own(tmp_path: Path) -> str:
    (tmp_path / "tasks.py").write_text(OWN)
    return f"{tmp_path / 'tasks.py'}:"


def test_ones_own_task_is_in_the_key_by_its_code_and_has_its_word(own: str) -> None:
    found = course(read("digits").edited({"train.task": f"{own}Top2"})).task
    assert found is not None
    assert plain(found).keys() == {"name", "source"}
    assert found.name == "own:Top2"
    task = named_task(found, torch.zeros(2))
    assert task.scores(torch.tensor([[3.0, 2.0, 1.0]]), torch.tensor([1])).tolist() == [1.0]
    assert score_in_words(f"{own}Top2") == "top-2 accuracy"
    assert score_in_words("missing.py:Top2") == "score"


def test_what_is_no_task_is_told(own: str) -> None:
    with pytest.raises(RecipeError, match=r"nothing' gives a int without each and losses and scores; a task has each"):
        named_task(Objective(name="own:nothing", place=f"{own}nothing"), torch.zeros(2))
    with pytest.raises(UnknownName, match=r"unknown task 'regresion'. Did you mean 'regression'"):
        course(read("digits").edited({"train.task": "regresion"}))
    with pytest.raises(
        RecipeError, match=r"train.task is 'tokens', which is for tokens, and the targets of digits are cl"
    ):
        course(read("digits").edited({"train.task": "tokens"}))


def test_classification_is_in_no_key() -> None:
    found = course(read("digits"))
    assert found.task is None
    assert "task" not in plain(found)
    assert task(course(read("digits")), torch.zeros(2)) == Classification()
    assert (score_in_words("regression"), TokenPrediction.score) == ("R²", "token accuracy")
