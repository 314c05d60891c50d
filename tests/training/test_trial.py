from __future__ import annotations

import re

import pytest
import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from winnow.errors import RecipeError
from winnow.models.drawing import values_of
from winnow.pruning import Mask
from winnow.pruning.units import units
from winnow.training import Classification, Trial, choose, draws
from winnow.training.objective import Regression, TokenPrediction
from winnow.training.outputs import outputs_of


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.hidden, self.output = nn.Linear(4, 6), nn.Linear(6, 3)
        self.register_buffer("table", torch.ones(6), persistent=False)

    def forward(self, inputs: Tensor) -> Tensor:
        return self.output(torch.tanh(self.hidden(inputs)) * self.table)


class Branching(Net):
    def forward(self, inputs: Tensor) -> Tensor:
        outputs = super().forward(inputs)
        return outputs if outputs.sum() > 0 else -outputs


class Sharing(Net):
    """Changes, in training, a buffer that no state holds."""

    def forward(self, inputs: Tensor) -> Tensor:
        with torch.no_grad():
            self.table += inputs.mean()
        return self.output(torch.tanh(self.hidden(inputs)) * self.table.clone())


class Different(Net):
    """Comes out otherwise under vmap, whose tensors it can tell."""

    def forward(self, inputs: Tensor) -> Tensor:
        return super().forward(inputs) * (2 if torch._C._functorch.is_batchedtensor(inputs) else 1)


class Attending(Net):
    def forward(self, inputs: Tensor) -> Tensor:
        heads = self.hidden(inputs).view(len(inputs), 1, 2, 3)
        attended = nn.functional.scaled_dot_product_attention(heads, heads, heads, is_causal=True)
        return self.output(attended.reshape(len(inputs), 6))


class Unused(Net):
    def __init__(self) -> None:
        super().__init__()
        self.spare = nn.Linear(2, 2)


def trial(network: nn.Module, **changes: object) -> Trial:
    stream = torch.Generator().manual_seed(0)
    inputs, targets = torch.randn(2, 4, generator=stream), torch.tensor([0, 2])
    settings = {"task": Classification(), "inputs": inputs, "targets": targets} | changes
    return Trial(network, values_of(network), **settings)  # pyright: ignore


@pytest.mark.parametrize("network", [Net(), Unused()])
def test_a_network_that_can_be_stacked_is(network: nn.Module) -> None:
    tried = trial(network)
    tried.check()
    assert tried.obstacle_to_stacking() is None
    assert choose(network, torch.device("cpu"), trial=tried).name == "stacked"


@pytest.mark.parametrize(
    "network, obstacle",
    [
        (Branching(), "data-dependent control flow"),
        (Sharing(), "broadcast shape"),
        (Different(), "two lanes do not come out stacked as they do one by one"),
        (Attending(), r"vmap knows no rule for aten::_scaled_dot_product_flash_attention_for_cpu and would go"),
    ],
)
def test_what_cannot_be_stacked_is_trained_lane_by_lane_and_told(network: nn.Module, obstacle: str) -> None:
    tried = trial(network)
    choice = choose(network, torch.device("cpu"), trial=tried)
    assert (choice.name, choice.width) == ("plain", 1)
    assert re.search(obstacle, choice.reason)
    with pytest.raises(RecipeError, match=r"the engine 'stacked' cannot train this network: .*\nUse 'auto' or 'plain'"):
        choose(network, torch.device("cpu"), trial=tried, engine="stacked")


def test_a_trial_changes_nothing() -> None:
    network = Net()
    before, state = {name: value.clone() for name, value in values_of(network).items()}, torch.get_rng_state()
    tried = trial(network)
    tried.check()
    tried.obstacle_to_stacking()
    assert all(torch.equal(value, before[name]) for name, value in values_of(network).items())
    assert torch.equal(state, torch.get_rng_state())


class Checkpointed(Net):
    def forward(self, inputs: Tensor) -> Tensor:
        hidden = checkpoint(lambda images: torch.tanh(self.hidden(images)), inputs, use_reentrant=False)
        return self.output(hidden * self.table)


class Listed(Net):
    """Computes with a weight that it keeps in a list too."""

    def __init__(self) -> None:
        super().__init__()
        self.kept = [self.hidden.weight]

    def forward(self, inputs: Tensor) -> Tensor:
        return self.output(torch.tanh(inputs @ self.kept[0].mT))


@pytest.mark.parametrize("network", [Checkpointed(), Listed()])
def test_a_network_that_computes_with_values_of_its_own_is_refused(network: nn.Module) -> None:
    values = {name: value.clone() for name, value in values_of(network).items()}
    tried = Trial(network, values, Classification(), torch.randn(2, 4), torch.tensor([0, 2]))
    with pytest.raises(RecipeError, match=r"computes with its own 'hidden.weight' in place of.*\nLeave checkpoints"):
        tried.check()


class Silent(Net):
    """As many do, its `train` gives nothing back, and so neither does its `eval`."""

    def train(self, mode: bool = True) -> None:
        super().train(mode)


def test_a_network_whose_train_gives_nothing_back_is_a_network_like_any_other() -> None:
    network = Silent()
    assert not draws(network, torch.zeros(2, 4))
    assert outputs_of(network, values_of(network), torch.zeros(2, 4)).shape == (2, 3)
    found = units(network, values_of(network), Mask.ones({"hidden.weight": (6, 4)}), torch.zeros(1, 4))
    assert list(found) == ["hidden.weight", "output.weight"]


class Narrow(Net):
    def forward(self, inputs: Tensor) -> Tensor:
        return super().forward(inputs)[:, 0]


class Several(Net):
    def forward(self, inputs: Tensor) -> tuple[Tensor, Tensor]:  # pyright: ignore[reportIncompatibleMethodOverride]
        return super().forward(inputs), inputs


class OfSeveral:
    """A task of one's own: of the first of several outputs, and of the second."""

    def each(self, outputs: tuple[Tensor, Tensor], targets: Tensor) -> Tensor:
        return Classification().each(outputs[0], targets) + outputs[1].square().mean(1)

    losses = each

    def scores(self, outputs: tuple[Tensor, Tensor], targets: Tensor) -> Tensor:
        return Classification().scores(outputs[0], targets)


class Whole(OfSeveral):
    def scores(self, outputs: tuple[Tensor, Tensor], targets: Tensor) -> Tensor:
        return super().scores(outputs, targets).mean()


class Failing(OfSeveral):
    def losses(self, outputs: tuple[Tensor, Tensor], targets: Tensor) -> Tensor:
        raise KeyError("other")


def test_a_task_of_ones_own_takes_several_outputs() -> None:
    tried = trial(Several(), task=OfSeveral(), classes=3)
    tried.check()
    assert tried.obstacle_to_stacking() is None


class Wide(Net):
    def forward(self, inputs: Tensor) -> Tensor:
        return super().forward(inputs)[:, :, None, None]


class Reading(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed, self.head = nn.Embedding(9, 4), nn.Linear(4, 5)

    def forward(self, inputs: Tensor) -> Tensor:
        return self.head(self.embed(inputs))


TOKENS = {"inputs": torch.zeros(2, 3, dtype=torch.int64), "targets": torch.zeros(2, 3, dtype=torch.int64)}


@pytest.mark.parametrize(
    "network, changes, message",
    [
        (Sharing(), {}, r"the network's buffer 'table' changes in training, but is not saved.*\nRegister it with pers"),
        (
            Net(),
            {"inputs": torch.randn(2, 5)},
            r"does not train on inputs of shape \(5,\) .*\n.*mat1 and mat2.*\nIs it",
        ),
        (
            Net(),
            {"targets": torch.tensor([0, 3])},
            r"IndexError: Target 3 is out of bounds.\nFor two examples its outp",
        ),
        (
            Net(),
            {"task": TokenPrediction()},
            r"its outputs are of shape \(2, 3\), which the task must fit \(TokenPredi",
        ),
        (
            Net(),
            {"classes": 4, "targets": torch.tensor([0, 1])},  # which it could train on
            r"the network has 3 outputs, too few for the 4 classes of the data \(0 to 3\).\nGive its last layer "
            r"\('output', Linear\) 4 outputs; .* parameter `classes`",
        ),
        (nn.Linear(4, 1), {"classes": 2}, r"has 1 output, too few .*\nEach class has an output of its own, also .*two"),
        (
            Several(),
            {"classes": 3},
            r"network Several gives a tuple; expected a tensor, .*\nWhat several outputs are h",
        ),
        (Several(), {"task": Whole()}, r"Whole: `scores` gives a tensor of shape \(\) for 2 examples; .* shape \(2,\)"),
        (Several(), {"task": Failing()}, r"the task Failing: `losses` fails: KeyError: 'other' \(test_trial.py, line"),
        (
            Narrow(),
            {"classes": 3},
            r"outputs for 2 examples have shape \(2,\); expected \(2, 3\), .*\nIt is called with",
        ),
        (
            Wide(),
            {"classes": 3},
            r"shape \(2, 3, 1, 1\); expected \(2, 3\), a number for each class.\nTake off the axes",
        ),
        (
            Net(),
            {"classes": 2, "task": Regression((1.0, 1.0)), "targets": torch.zeros(2, 2)},
            r"the network gives 3 numbers for an example, and its targets are 2: of shape \(2,\).*\n.*'output', Linear",
        ),
        (
            Reading(),
            {"classes": 6, "task": TokenPrediction(), **TOKENS},
            r"has 5 outputs, too few for the 6 tokens of the data \(0 to 5\).\nGive its last layer \('head', Lin",
        ),
    ],
)
def test_a_network_that_does_not_fit_its_examples_is_told(
    network: nn.Module, changes: dict[str, object], message: str
) -> None:
    with pytest.raises(RecipeError, match=message):
        trial(network, **changes).check()


def test_a_network_that_needs_several_examples_is_told_where_one_comes_alone() -> None:
    trial(Net()).check_alone()
    network = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4), nn.Linear(4, 3))
    with pytest.raises(RecipeError, match=r"one example at a time.*\nValueError: Expected more than 1 .*\nGive a"):
        trial(network).check_alone()


def test_more_outputs_than_classes_are_trained() -> None:
    tried = trial(Net(), classes=2, targets=torch.tensor([0, 1]))
    tried.check()
    assert tried.obstacle_to_stacking() is None


@pytest.mark.parametrize(
    "network, changes, message",
    [
        (Net().double(), {}, r"It has parameters of torch.float64, and is trained in torch.float32: model.float\(\)"),
        (nn.DataParallel(Net()), {}, r"Hand over the network inside: model.module"),
        (Net(), {"inputs": torch.ones(2, 4, dtype=torch.int64)}, r"Whole numbers come to it as they are, as tokens do"),
    ],
)
def test_what_keeps_a_network_from_training_is_told_with_its_mending(
    network: nn.Module, changes: dict[str, object], message: str
) -> None:
    with pytest.raises(RecipeError, match=message):
        trial(network, **changes).check()
