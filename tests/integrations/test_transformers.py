"""Hugging Face's Trainer trains; what it trains again after a rewind is, to the bit, what it trained before."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import Dataset

from winnow.errors import RecipeError, RewindError

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of what transformers imports
    from transformers import BertConfig, BertForSequenceClassification, Trainer, TrainingArguments

    from winnow.integrations.transformers import IMP

LENGTH = 26


class Sentences(Dataset[dict[str, Tensor]]):
    def __len__(self) -> int:
        return LENGTH

    def __getitem__(self, at: int) -> dict[str, Tensor]:
        stream = torch.Generator().manual_seed(at)
        return {"input_ids": torch.randint(0, 20, (5,), generator=stream), "labels": torch.tensor(at % 3)}


class Watched(Trainer):
    """Notes every loss, rate and batch."""

    seen: list[tuple[float, float, list[int]]]

    def compute_loss(self, model: nn.Module, inputs: dict[str, Tensor], *args: Any, **kwargs: Any) -> Any:
        loss = super().compute_loss(model, inputs, *args, **kwargs)
        value = loss[0] if isinstance(loss, tuple) else loss
        if model.training:
            rate = self.lr_scheduler.get_last_lr()[0]
            self.seen.append((float(value.detach()), rate, inputs["input_ids"][:, 0].tolist()))
        return loss


def trainer(imp: IMP | None, tmp_path: Path, **options: Any) -> Watched:
    torch.manual_seed(0)
    small = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 12}
    model = BertForSequenceClassification(
        BertConfig(vocab_size=20, max_position_embeddings=8, num_labels=3, hidden_dropout_prob=0.2, **small)
    )
    arguments = TrainingArguments(
        **{"max_steps": 12, "save_strategy": "no"} | options,
        output_dir=str(tmp_path / "out"),
        per_device_train_batch_size=4,
        learning_rate=0.01,
        warmup_steps=3,
        weight_decay=0.1,
        report_to=[],
        disable_tqdm=True,
        logging_strategy="no",
        use_cpu=True,
        dataloader_pin_memory=False,
    )
    made = Watched(
        model, arguments, train_dataset=Sentences(), eval_dataset=Sentences(), callbacks=[imp] if imp else []
    )
    made.seen = []
    return made


@pytest.mark.parametrize("k", [0, 4, 7, 9])  # at the start, in mid-epoch, at an epoch's end, in the next epoch
def test_a_rewind_without_pruning_trains_the_dense_network_again_to_the_bit(k: int, tmp_path: Path) -> None:
    imp = IMP(levels=2, rate=0.0, rewind=k)
    it = trainer(imp, tmp_path)
    levels = imp.train(it)
    assert [level.density for level in levels] == [1.0, 1.0, 1.0]
    assert len({level.metrics["eval_loss"] for level in levels}) == 1
    again = 12 - k
    assert it.seen[:12][k:] == it.seen[12 : 12 + again] == it.seen[12 + again :]
    assert not list((tmp_path / "out").glob("checkpoint-*"))  # none that nobody asked for


def test_each_level_prunes_a_fifth_and_its_weights_stay_zero(tmp_path: Path) -> None:
    imp = IMP(levels=2, rate=0.2, rewind=4, exclude=["classifier.weight"])
    it = trainer(imp, tmp_path, save_strategy="steps", save_steps=4, save_total_limit=1, gradient_accumulation_steps=2)
    levels = imp.train(it)
    assert [round(level.density, 2) for level in levels] == [1.0, 0.8, 0.64]
    mask = levels[-1].mask
    assert mask is not None and "bert.encoder.layer.0.attention.self.query.weight" in mask
    for name, kept in mask.items():
        weight = it.model.get_parameter(name)
        assert (weight[~kept] == 0).all() and (weight[kept] != 0).any()
    assert [path.name for path in (tmp_path / "out").glob("checkpoint-*")] == ["checkpoint-12"]


def test_checkpoints_of_the_trainers_own_stay_where_they_are(tmp_path: Path) -> None:
    imp = IMP(levels=1, rate=0.2, rewind=7)  # at an epoch's end, when the Trainer saves for itself after we have
    imp.train(trainer(imp, tmp_path, save_strategy="epoch"))
    saved = {path.name for path in (tmp_path / "out").glob("checkpoint-*")}
    assert saved == {"checkpoint-7", "checkpoint-12"}


def test_a_trainer_that_is_called_as_ever_is_left_alone(tmp_path: Path) -> None:
    it = trainer(IMP(levels=1, rate=0.5, rewind=4), tmp_path)
    it.train()
    assert len(it.seen) == 12 and not any((p == 0).all() for p in it.model.parameters())


def test_what_cannot_be_rewound_says_so(tmp_path: Path) -> None:
    imp = IMP(levels=1, rate=0.5, rewind=20)
    with pytest.raises(RecipeError, match="rewind is 20, but training ended at 12 optimizer steps"):
        imp.train(trainer(imp, tmp_path))
    with pytest.raises(
        RewindError, match=r"the Trainer does not know this IMP.\nBuild it with Trainer\(..., callbacks"
    ):
        imp.train(trainer(None, tmp_path))
    with pytest.raises(
        RecipeError, match=r"TrainingArguments\(save_only_model=True\) contradicts a rewind: a rewind needs"
    ):
        imp.train(trainer(imp, tmp_path, save_only_model=True))


class Drawing(Sentences):
    """Sentences that are drawn anew whenever they are looked at, as augmented images are."""

    def __getitem__(self, at: int) -> dict[str, Tensor]:
        return {"input_ids": torch.randint(0, 20, (5,)), "labels": torch.tensor(at % 3)}


@pytest.mark.parametrize("k", [0, 7])  # where an epoch begins
def test_what_a_dataset_draws_comes_back_where_an_epoch_begins(k: int, tmp_path: Path) -> None:
    imp = IMP(levels=1, rate=0.0, rewind=k)
    it = trainer(imp, tmp_path)
    it.train_dataset = Drawing()
    imp.train(it)
    assert it.seen[k:12] == it.seen[12:]
