"""Tasks that are not classification, and the task that a recipe names."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

import torch.nn.functional as F
from torch import Tensor

from winnow.course import Course, Objective
from winnow.errors import RecipeError
from winnow.named import named
from winnow.training.tasks import Classification, Task

FIELD = "train.task"


@dataclass(frozen=True)
class Regression:
    """One number or several for each example: squared error, and the fraction of the variance explained, R².

    The loss is the mean over an example's numbers. Outputs are of the targets' shape, or have another axis of length 1.

    >>> import torch
    >>> task = Regression(variance=(4.0,))
    >>> outputs, targets = torch.tensor([[1.0], [5.0]]), torch.tensor([1.0, 3.0])
    >>> task.each(outputs, targets).tolist(), task.scores(outputs, targets).tolist()
    ([0.0, 4.0], [1.0, 0.0])
    """

    variance: tuple[float, ...]
    """Of the training targets, each of an example's numbers: what a constant would leave unexplained."""

    score = "R²"

    def each(self, outputs: Any, targets: Tensor) -> Tensor:
        """See Task."""
        return self._squares(outputs, targets).mean(1)

    def losses(self, outputs: Any, targets: Tensor) -> Tensor:
        """See Task."""
        return self.each(outputs, targets)

    def scores(self, outputs: Any, targets: Tensor) -> Tensor:
        """1 - squared error / variance, the mean over an example's numbers; its mean over a split is R² there."""
        squares = self._squares(outputs, targets)
        return (1 - squares / squares.new_tensor(self.variance)).mean(1)

    def _squares(self, outputs: Any, targets: Tensor) -> Tensor:
        """Of each example and number: (examples, numbers)."""
        shape = (len(targets), -1)
        return (cast(Tensor, outputs).reshape(targets.shape).view(shape) - targets.view(shape)).square()


@dataclass(frozen=True)
class TokenPrediction:
    """A token for every position: the mean cross-entropy in nats, and the fraction of positions predicted right.

    Outputs are (examples, positions, tokens), targets (examples, positions).

    >>> import torch
    >>> outputs, targets = torch.zeros(1, 2, 4), torch.tensor([[0, 3]])
    >>> round(float(TokenPrediction().each(outputs, targets)), 4), TokenPrediction().scores(outputs, targets).tolist()
    (1.3863, [0.5])
    """

    score = "token accuracy"

    def each(self, outputs: Any, targets: Tensor) -> Tensor:
        """See Task."""
        logits = cast(Tensor, outputs)
        return F.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="none").view(targets.shape).mean(1)

    def losses(self, outputs: Any, targets: Tensor) -> Tensor:
        """See Task."""
        return self.each(outputs, targets)

    def scores(self, outputs: Any, targets: Tensor) -> Tensor:
        """See Task."""
        return (outputs.max(2).indices == targets).float().mean(1)


def task(course: Course, targets: Tensor) -> Task:
    """The task of a course, for its training targets: classification, or as `named_task`."""
    if course.task is None:
        return Classification(smoothing=course.label_smoothing or 0.0, auxiliary=course.auxiliary)
    return named_task(course.task, targets)


def named_task(objective: Objective, targets: Tensor) -> Task:
    """The task that is no classification, for its training targets. Raises RecipeError where there can be none.

    One's own is a class or a function that gives a `Task`, called with no arguments.
    """
    if objective.name == "regression":
        variances = targets.double().view(len(targets), -1).var(0, correction=0)
        variance = tuple(float(each) for each in variances)
        if not all(each > 0 for each in variance):
            raise RecipeError(
                "train.task is 'regression', but the training targets are all the same: nothing to learn."
            )
        return Regression(variance)
    if objective.name == "tokens":
        return TokenPrediction()
    made = _function(objective.place or objective.name)()
    missing = [name for name in ("each", "losses", "scores") if not callable(getattr(made, name, None))]
    if missing:
        raise RecipeError(
            f"field {FIELD}: '{objective.place}' gives a {type(made).__name__} without {' and '.join(missing)}; "
            f"a task has each, losses and scores (winnow.training.Task)."
        )
    return cast(Task, made)


def score_in_words(task: str) -> str:
    """What the score of the task that a recipe names is called: of one's own its `score`, if it has such a word.

    >>> score_in_words("classification"), score_in_words("regression")
    ('accuracy', 'R²')
    """
    known = {"classification": "accuracy", "regression": Regression.score, "tokens": TokenPrediction.score}
    if task in known:
        return known[task]
    try:
        return str(getattr(_function(task), "score", "score"))
    except RecipeError:  # results can be read where the code is not
        return "score"


def loss_in_words(task: str) -> str:
    """What the loss of the task that a recipe names is called, with its unit; of one's own task, just that.

    >>> loss_in_words("classification"), loss_in_words("regression"), loss_in_words("mine.py:Task")
    ('cross-entropy (nats)', 'mean squared error', 'loss')
    """
    cross_entropy = "cross-entropy (nats)"
    known = {"classification": cross_entropy, "regression": "mean squared error", "tokens": cross_entropy}
    return known.get(task, "loss")


def _function(place: str) -> Callable[[], Any]:
    function = named(place, field=FIELD)
    if not callable(function):
        raise RecipeError(f"field {FIELD}: '{place}' is a {type(function).__name__}; expected a class or function.")
    return cast("Callable[[], Any]", function)
