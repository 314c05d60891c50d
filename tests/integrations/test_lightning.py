"""Lightning trains; what it trains again after a rewind is, to the bit, what it trained before."""

from __future__ import annotations

import logging
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

import winnow
from winnow.errors import RecipeError, RewindError

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of what Lightning imports
    import lightning.pytorch as pl

    from winnow.integrations.lightning import IMP

pytestmark = [
    pytest.mark.filterwarnings("ignore:The '.*_dataloader' does not have many workers"),
    pytest.mark.filterwarnings("ignore:You defined a `validation_step` but have no"),
    pytest.mark.filterwarnings("ignore:.*LeafSpec.*:FutureWarning"),
]

LENGTH, BATCH = 26, 4


def examples() -> TensorDataset:
    stream = torch.Generator().manual_seed(0)
    return TensorDataset(torch.randn(LENGTH, 6, generator=stream), torch.randint(0, 3, (LENGTH,), generator=stream))


class Classifier(pl.LightningModule):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.net = nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.3), nn.Linear(8, 3))
        self.rates: list[float] = []
        self.is_sparse: list[bool] = []

    def training_step(self, batch: tuple[Tensor, Tensor], number: int) -> Tensor:
        loss = nn.functional.cross_entropy(self.net(batch[0]), batch[1])
        self.log("loss", loss)
        self.rates.append(self.optimizers().param_groups[0]["lr"])
        self.is_sparse.append(bool((self.net[0].weight == 0).any()))
        return loss

    def validation_step(self, batch: tuple[Tensor, Tensor], number: int) -> None:
        self.log("val_loss", nn.functional.cross_entropy(self.net(batch[0]), batch[1]))

    def configure_optimizers(self) -> Any:
        optimizer = torch.optim.AdamW(self.parameters(), lr=0.02, weight_decay=0.1)
        schedule = torch.optim.lr_scheduler.MultiStepLR(optimizer, [5, 9], gamma=0.5)
        return [optimizer], [{"scheduler": schedule, "interval": "step"}]


def trainer(imp: IMP | None, tmp_path: Path, **options: Any) -> pl.Trainer:
    return pl.Trainer(
        **{"max_steps": 15, "gradient_clip_val": 0.5} | options,
        accelerator="cpu",
        callbacks=[imp] if imp else [],
        default_root_dir=tmp_path,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )


@pytest.fixture(autouse=True)
def quiet() -> None:
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    torch.manual_seed(1)


def loader() -> winnow.RewindableLoader:
    return winnow.RewindableLoader(examples(), BATCH)


@pytest.mark.parametrize("k", [0, 4, 6, 8])  # at the start, in mid-epoch, at an epoch's end, and in the next epoch
def test_a_rewind_without_pruning_trains_the_dense_network_again_to_the_bit(k: int, tmp_path: Path) -> None:
    model = Classifier()
    imp = IMP(levels=2, rate=0.0, rewind=k)
    levels = imp.fit(trainer(imp, tmp_path), model, loader(), DataLoader(examples(), BATCH))
    assert [level.density for level in levels] == [1.0, 1.0, 1.0]
    assert levels[0].metrics == levels[1].metrics == levels[2].metrics
    assert set(levels[0].metrics) == {"loss", "val_loss"}
    dense, again = model.rates[:15], model.rates[15 : 30 - k]
    assert again == dense[k:] and len(model.rates) == 15 + 2 * (15 - k)


@pytest.mark.parametrize("k", [0, 4, 6])
def test_a_training_of_whole_epochs_is_rewound_too(k: int, tmp_path: Path) -> None:
    model, imp = Classifier(), IMP(levels=2, rate=0.0, rewind=k)
    whole = trainer(imp, tmp_path, max_steps=-1, max_epochs=2)
    levels = imp.fit(whole, model, loader(), DataLoader(examples(), BATCH))
    assert levels[0].metrics == levels[1].metrics == levels[2].metrics
    assert len(model.rates) == 12 + 2 * (12 - k)


class TwoOptimizers(Classifier):
    automatic_optimization = False

    def training_step(self, batch: tuple[Tensor, Tensor], number: int) -> Tensor:
        first, second = self.optimizers()
        loss = nn.functional.cross_entropy(self.net(batch[0]), batch[1])
        self.log("loss", loss)
        first.zero_grad()
        second.zero_grad()
        self.manual_backward(loss)
        first.step()
        second.step()
        return loss

    def configure_optimizers(self) -> Any:
        below = torch.optim.AdamW(self.net[:2].parameters(), lr=0.02)
        return [below, torch.optim.SGD(self.net[2:].parameters(), lr=0.02, momentum=0.9)]


def test_the_steps_of_several_optimizers_are_counted_together(tmp_path: Path) -> None:
    imp = IMP(levels=1, rate=0.0, rewind=8)  # after four batches
    options: dict[str, Any] = {"max_steps": 20, "gradient_clip_val": None}
    levels = imp.fit(trainer(imp, tmp_path, **options), TwoOptimizers(), loader())
    assert levels[0].metrics == levels[1].metrics
    imp = IMP(levels=1, rate=0.0, rewind=5)
    with pytest.raises(RecipeError, match=r"rewind is 5, and training passed it without being there: it took several"):
        imp.fit(trainer(imp, tmp_path, **options), TwoOptimizers(), loader())


def test_the_dense_network_is_the_one_that_lightning_trains_alone(tmp_path: Path) -> None:
    alone = Classifier()
    torch.manual_seed(1)
    trainer(None, tmp_path).fit(alone, loader())
    torch.manual_seed(1)
    together, imp = Classifier(), IMP(levels=1, rate=0.0, rewind=4)
    torch.manual_seed(1)
    imp.fit(trainer(imp, tmp_path), together, loader())
    for (name, one), other in zip(alone.state_dict().items(), together.state_dict().values(), strict=True):
        assert torch.equal(one, other), name


def test_each_level_prunes_a_fifth_and_its_weights_stay_zero(tmp_path: Path) -> None:
    model = Classifier()
    imp = IMP(levels=3, rate=0.2, rewind=4, exclude=["net.4.weight"])
    levels = imp.fit(trainer(imp, tmp_path, accumulate_grad_batches=2, max_steps=8), model, loader())
    assert [level.mask.kept for level in levels[1:] if level.mask] == [38, 31, 25]  # of 48
    mask = levels[-1].mask
    assert mask is not None and levels[1].mask is not None and mask.is_within(levels[1].mask)
    assert (model.net[0].weight[~mask["net.0.weight"]] == 0).all()
    assert (model.net[0].weight[mask["net.0.weight"]] != 0).all()
    dense_batches = 16  # 8 updates of 2
    assert not any(model.is_sparse[:dense_batches]) and all(model.is_sparse[dense_batches:])
    model.net[0].weight.grad = torch.ones_like(model.net[0].weight)  # nothing holds the mask any more
    assert not model.net[0].weight._post_accumulate_grad_hooks


def test_a_trainer_that_is_called_as_ever_is_left_alone(tmp_path: Path) -> None:
    model, imp = Classifier(), IMP(levels=1, rate=0.5, rewind=0)
    trainer(imp, tmp_path).fit(model, DataLoader(examples(), BATCH))
    assert len(model.rates) == 15 and not any(model.is_sparse)


def test_after_a_training_that_failed_no_mask_is_held(tmp_path: Path) -> None:
    class Failing(Classifier):
        def training_step(self, batch: tuple[Tensor, Tensor], number: int) -> Tensor:
            if len(self.rates) == 20:  # at level 1
                raise RuntimeError("out of cheese")
            return super().training_step(batch, number)

    imp = IMP(levels=1, rate=0.5, rewind=4)
    with pytest.raises(RuntimeError, match="out of cheese"):
        imp.fit(trainer(imp, tmp_path), Failing(), loader())
    fresh = Classifier()
    trainer(imp, tmp_path).fit(fresh, loader())
    assert len(fresh.rates) == 15 and not any(fresh.is_sparse)


def test_a_loader_whose_order_is_lost_is_an_error(tmp_path: Path) -> None:
    imp = IMP(levels=1, rate=0.5, rewind=0)
    with pytest.raises(
        RewindError, match=r"the order of a DataLoader cannot be rewound: it has no state.\nTrain on a winnow.Rew"
    ):
        imp.fit(trainer(imp, tmp_path), Classifier(), DataLoader(examples(), BATCH))


def test_what_cannot_be_rewound_says_so(tmp_path: Path) -> None:
    imp = IMP(levels=1, rate=0.5, rewind=20)
    with pytest.raises(RecipeError, match="rewind is 20, but training ended at 15 optimizer steps"):
        imp.fit(trainer(imp, tmp_path), Classifier(), loader())
    with pytest.raises(RewindError, match=r"the Trainer does not know this IMP.\nBuild it with Trainer\(callbacks"):
        imp.fit(trainer(None, tmp_path), Classifier(), loader())
    with pytest.raises(RecipeError, match="levels is 0; give at least 1"):
        IMP(levels=0, rate=0.5, rewind=20)
    with pytest.raises(RecipeError, match="rewind is -1; give the iteration k"):
        IMP(levels=1, rate=0.5, rewind=-1)
