"""Iterative Magnitude Pruning with a true rewind, trained by Hugging Face's Trainer.

imp = IMP(levels=3, rate=0.2, rewind=500)
levels = imp.train(Trainer(model, arguments, train_dataset=examples, callbacks=[imp]))
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any, cast

from torch import nn
from torch.optim import Optimizer

from winnow.errors import MissingExtra, RecipeError, RewindError
from winnow.integrations.rounds import Level, Rewinding
from winnow.loop import RewindPoint, masked, rewind, rewind_point

try:
    from transformers import Trainer, TrainerCallback, TrainerControl, TrainerState, TrainingArguments
except ModuleNotFoundError as error:
    if error.name != "transformers":  # it is there, and something that it needs is not: its own error says what
        raise
    raise MissingExtra("transformers", "transformers", "Pruning what Hugging Face's Trainer trains") from None


class IMP(Rewinding, TrainerCallback):
    """Train, prune, rewind to iteration k, train again: `levels` times, by a Trainer that has this among its callbacks.

    `rewind` is k, in optimizer steps. What goes back is the Trainer's own checkpoint of k (weights, optimizer,
    schedule, scaler, random numbers), and the data order with it, since the Trainer's is a function of the seed and the
    epoch, and it skips the batches that are behind. A dataset that draws random numbers of its own, as to augment, or
    such a collator, as for masked language models, draws others after a rewind into an epoch, others at every level:
    choose k at an epoch's end for these. `rate`, `scope`, `score`, `include` and `exclude` are those of `winnow.prune`.

    Source: SLTH (arXiv 1903.01611), Algorithm 1.
    """

    _folder: Path | None = None
    """Where the checkpoint of k lies while `train` runs."""

    _start: RewindPoint | None = None
    _is_ours = False

    def train(self, trainer: Trainer) -> list[Level]:
        """Run all levels, each as `trainer.train()`, and evaluate each where there is something to evaluate on.

        Gives what became of each, the dense network first. Raises RecipeError where training ends before k, or where
        the Trainer's arguments contradict a rewind.
        """
        _check(trainer.args)
        if self not in trainer.callback_handler.callbacks:
            raise RewindError("the Trainer does not know this IMP.\nBuild it with Trainer(..., callbacks=[imp]).")
        levels: list[Level] = []
        with tempfile.TemporaryDirectory(prefix="winnow-") as folder:
            self._folder, self._start, self.mask = Path(folder) / "rewind-point", None, None
            try:
                for level in range(self.rounds.levels + 1):
                    self.level = level
                    if self.level > 0:
                        self.mask = self.rounds.pruned(cast(nn.Module, trainer.model), self.mask, self.level)
                    point = str(self._folder) if self.level > 0 and self.rounds.rewind > 0 else None
                    metrics: dict[str, Any] = trainer.train(resume_from_checkpoint=point).metrics
                    is_saved = self._start is not None or self._folder.exists()
                    self.rounds.check_was_reached(is_saved, trainer.state.global_step)
                    if trainer.eval_dataset is not None:
                        metrics |= trainer.evaluate()
                    levels.append(Level(self.level, self.mask, metrics))
            finally:
                self._folder = None
                self._let_go()
        return levels

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Hold the level's mask, on weights and an optimizer that have just gone back to iteration k."""
        if self._folder is None:  # trained as ever, not through `train` above
            return
        model, scheduler = kwargs["model"], kwargs["lr_scheduler"]
        optimizer: Optimizer = getattr(kwargs["optimizer"], "optimizer", kwargs["optimizer"])  # Accelerate wraps it
        if self.level == 0 and self.rounds.rewind == 0:
            self._start = rewind_point(model, optimizer, scheduler, iteration=0)
        if self.mask is not None:
            if self._start is not None:
                rewind(self._start, model, optimizer, scheduler)
            self._held = masked(model, self.mask, optimizer)

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        """Have the Trainer save itself when the dense training passes iteration k."""
        if self._folder is not None and self.level == 0 and state.global_step == self.rounds.rewind:
            self._is_ours = not control.should_save
            control.should_save = True

    def on_save(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        """Put the checkpoint of k where the Trainer does not clear it away; one that nobody else asked for is moved.

        At an epoch's end the Trainer may save the same step once more, for its own.
        """
        if self._folder is None or self._folder.exists():
            return
        if self.level == 0 and state.global_step == self.rounds.rewind:
            saved = Path(str(args.output_dir)) / f"checkpoint-{state.global_step}"
            (shutil.move if self._is_ours else shutil.copytree)(saved, self._folder)

    def on_train_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Let go of the mask; the pruned weights are zero."""
        self._let_go()


def _check(args: TrainingArguments) -> None:
    """Raise RecipeError for arguments under which the Trainer would rewind to less, or prune another network."""
    wrong = {
        "load_best_model_at_end": "the network that is pruned is the trained one, not the best on the way",
        "save_only_model": "a rewind needs the optimizer's state too",
        "ignore_data_skip": "the data order must go on from k",
    }
    for name, reason in wrong.items():
        if getattr(args, name):
            raise RecipeError(f"TrainingArguments({name}=True) contradicts a rewind: {reason}. Leave it at False.")
