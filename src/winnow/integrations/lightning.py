"""Iterative Magnitude Pruning with a true rewind, trained by Lightning.

imp = IMP(levels=3, rate=0.2, rewind=500)
levels = imp.fit(Trainer(max_steps=10_000, callbacks=[imp]), module, winnow.RewindableLoader(examples, batch=60))
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from copy import deepcopy
from pathlib import Path
from types import MappingProxyType
from typing import Any

from winnow.errors import MissingExtra, RewindError
from winnow.integrations.rounds import Level, Rewinding
from winnow.loop import masked
from winnow.loop.random import random_state, set_random_

try:
    from lightning.pytorch import Callback, LightningModule, Trainer
except ModuleNotFoundError as error:
    if error.name != "lightning":  # it is there, and something that it needs is not: its own error says what
        raise
    raise MissingExtra("lightning", "lightning", "Pruning what Lightning trains") from None


class IMP(Rewinding, Callback):
    """Train, prune, rewind to iteration k, train again: `levels` times, by a Trainer that has this among its callbacks.

    `rewind` is k, in optimizer steps as Lightning counts them: those of all optimizers together, where a module steps
    several. What goes back is Lightning's own checkpoint of k (weights, batch-norm statistics, optimizers, schedulers,
    loops, precision) and the random numbers; the data order goes back through the training loader's own state, so it
    must have one: `winnow.RewindableLoader` does. `rate`, `scope`, `score`, `include` and `exclude` are those of
    `winnow.prune`. Masks are of the LightningModule, by its own names.

    Source: SLTH (arXiv 1903.01611), Algorithm 1.
    """

    _point: Path | None = None
    """Where the checkpoint of k lies while `fit` runs."""

    _random: Mapping[str, Any] = MappingProxyType({})
    _orders: Sequence[Mapping[str, Any]] = ()
    """Where the training loaders stood at k. Lightning gives that back in mid-epoch, not where an epoch begins."""

    _is_saved = False

    def fit(self, trainer: Trainer, model: LightningModule, *data: Any, **named: Any) -> list[Level]:
        """Run all levels, each as `trainer.fit(model, *data)`; gives what became of each, the dense network first.

        Raises RecipeError where training ends before k, RewindError where the data order cannot be rewound.
        """
        if self not in trainer.callbacks:  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]
            raise RewindError("the Trainer does not know this IMP.\nBuild it with Trainer(callbacks=[imp]).")
        levels: list[Level] = []
        with tempfile.TemporaryDirectory(prefix="winnow-") as folder:
            self._point, self.mask, self._is_saved = Path(folder) / "rewind-point.ckpt", None, False
            try:
                for level in range(self.rounds.levels + 1):
                    self.level = level
                    if self.level == 0:
                        trainer.fit(model, *data, **named)
                        self.rounds.check_was_reached(self._is_saved, trainer.global_step)
                    else:
                        self.mask = self.rounds.pruned(model, self.mask, self.level)
                        # Tensors and plain values alone are read back: what needs code to load stops with an error.
                        trainer.fit(model, *data, **named, ckpt_path=self._point, weights_only=True)
                    measured = {name: float(value) for name, value in trainer.callback_metrics.items()}
                    levels.append(Level(self.level, self.mask, measured))
            finally:
                self._point = None
                self._let_go()
        return levels

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Hold the level's mask, on weights and optimizers that Lightning has just put back to iteration k."""
        if self._point is None:  # trained as ever, not through `fit` above
            return
        loaders = _loaders(trainer)
        if self.level == 0:
            self._save_at_rewind_point(trainer)
        else:
            assert self.mask is not None
            self._held = masked(pl_module, self.mask, trainer.optimizers)
            for loader, state in zip(loaders, self._orders, strict=True):
                loader.load_state_dict(deepcopy(state))
            set_random_(self._random)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Save the rewind point when the dense training passes iteration k."""
        if self._point is not None and self.level == 0:
            self._save_at_rewind_point(trainer)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Let go of the mask; the pruned weights are zero."""
        self._let_go()

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Let go of the mask."""
        self._let_go()

    def _save_at_rewind_point(self, trainer: Trainer) -> None:
        if not self._is_saved and trainer.global_step == self.rounds.rewind:
            assert self._point is not None
            trainer.save_checkpoint(self._point)
            self._orders = [deepcopy(loader.state_dict()) for loader in _loaders(trainer)]
            self._random, self._is_saved = random_state(), True


def _loaders(trainer: Trainer) -> list[Any]:
    """The training loaders; raises RewindError unless each has a state that can be saved and restored."""
    combined = trainer.fit_loop._combined_loader  # pyright: ignore[reportPrivateUsage]
    loaders: list[Any] = list(combined.flattened) if combined is not None else []
    for loader in loaders:
        if not (hasattr(loader, "state_dict") and hasattr(loader, "load_state_dict")):
            raise RewindError(
                f"the order of a {type(loader).__name__} cannot be rewound: it has no state.\n"
                f"Train on a winnow.RewindableLoader(examples, batch=...), or another loader with state_dict and "
                f"load_state_dict, such as torchdata's StatefulDataLoader."
            )
    return loaders
