from __future__ import annotations

import pytest
import torch

from winnow.errors import RecipeError
from winnow.from_recipe import course
from winnow.recipes import read
from winnow.training import Classification
from winnow.training.objective import task

LOGITS = torch.tensor([[2.0, -1.0, 0.5], [0.1, 0.2, 0.3]], dtype=torch.float64)
SIDE = torch.tensor([[0.0, 3.0, 0.5], [1.0, 0.0, 0.0]], dtype=torch.float64)
TARGETS = torch.tensor([0, 2])


def entropy(logits: torch.Tensor, smoothing: float = 0.0) -> torch.Tensor:
    """Cross-entropy with (1 - s) of the target at its class and s spread over all, written out."""
    wanted = torch.full_like(logits, smoothing / 3)
    wanted[torch.arange(2), TARGETS] += 1 - smoothing
    return -(wanted * logits.log_softmax(1)).sum(1)


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.7])
def test_smoothing_is_of_the_loss_that_is_trained_by_and_not_of_the_one_that_is_told(smoothing: float) -> None:
    classification = Classification(smoothing=smoothing)
    torch.testing.assert_close(classification.each(LOGITS, TARGETS), entropy(LOGITS, smoothing))
    torch.testing.assert_close(classification.losses(LOGITS, TARGETS), entropy(LOGITS))


def test_the_auxiliary_classifiers_loss_is_added_by_its_weight_and_smoothed_as_well() -> None:
    classification = Classification(smoothing=0.1, auxiliary=0.4)
    expected = entropy(LOGITS, 0.1) + 0.4 * entropy(SIDE, 0.1)
    torch.testing.assert_close(classification.each((LOGITS, SIDE), TARGETS), expected)
    torch.testing.assert_close(classification.losses(LOGITS, TARGETS), entropy(LOGITS))
    assert classification.scores(LOGITS, TARGETS).tolist() == [1, 1]


def test_a_weight_without_an_auxiliary_classifier_and_the_other_way_round_are_refused() -> None:
    with pytest.raises(RecipeError, match=r"train\.auxiliary is 0\.4, and the network has no auxiliary classifier"):
        Classification(auxiliary=0.4).each(LOGITS, TARGETS)
    with pytest.raises(RecipeError, match=r"which train\.auxiliary gives no weight\.\nGive one, such as"):
        Classification().each((LOGITS, SIDE), TARGETS)


def test_a_courses_task_has_its_smoothing_and_its_weight() -> None:
    recipe = read("digits")
    assert task(course(recipe), TARGETS) == Classification()
    edited = recipe.edited({"train.label_smoothing": 0.1, "train.auxiliary": 0.4})
    assert task(course(edited), TARGETS) == Classification(smoothing=0.1, auxiliary=0.4)
