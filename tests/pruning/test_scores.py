"""Scores beside their definitions, computed otherwise: by finite differences in float64, or from a direct formula."""

from __future__ import annotations

import dataclasses
import math
from collections import OrderedDict
from collections.abc import Callable, Mapping
from fractions import Fraction
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional

from winnow.errors import RecipeError, UnknownName
from winnow.pruning import Context, Layer, Mask, prune, scores
from winnow.pruning.gradients import TEMPERATURE
from winnow.pruning.prune import kept_weights
from winnow.pruning.scores import Registered, named_score, taken

INPUTS, HIDDEN, CLASSES, EXAMPLES = 6, 5, 3, 12


def network() -> nn.Module:
    """With batch norm, so that training and evaluation differ, and smooth, so that differences converge."""
    layers = OrderedDict(
        flatten=nn.Flatten(),
        fc1=nn.Linear(INPUTS, HIDDEN),
        norm=nn.BatchNorm1d(HIDDEN),
        act=nn.Softplus(),
        fc2=nn.Linear(HIDDEN, CLASSES),
    )
    return nn.Sequential(layers).double()


def context(*, pruned: int = 4) -> Context:
    """A network with values drawn in float64, some weights of it pruned, and twelve examples."""
    stream = torch.Generator().manual_seed(3)
    module = network()
    values = {
        name: torch.randn(value.shape, generator=stream, dtype=torch.float64) if value.is_floating_point() else value
        for name, value in module.state_dict().items()
    }
    values["norm.running_var"] = values["norm.running_var"].abs() + 0.5
    mask = Mask({name: torch.arange(values[name].numel()).view_as(values[name]) >= pruned for name in WEIGHTS})
    mask.apply_(values)
    images = torch.randn(EXAMPLES, 1, 2, 3, generator=stream, dtype=torch.float64)
    labels = torch.arange(EXAMPLES) % CLASSES

    def given(count: int, per_class: bool) -> tuple[Tensor, Tensor]:
        GIVEN.append((count, per_class))
        return images, labels

    return Context(
        values=values,
        initial={name: torch.randn(value.shape, generator=stream).double() for name, value in values.items()},
        mask=mask,
        network=module,
        images=given,
        batch=60,
        shape=(1, 2, 3),
        generator=torch.Generator().manual_seed(0),
    )


WEIGHTS = ("fc1.weight", "fc2.weight")
_RATE = Fraction(1, 5)
GIVEN: list[tuple[int, bool]] = []


def loss(of: Context, weights: Mapping[str, Tensor], temperature: float = 1.0) -> Tensor:
    """The mean cross entropy of all the examples, by PyTorch's own module in training mode."""
    images, labels = of.examples(1)
    module = network().train()
    values = {name: value.clone() for name, value in of.values.items()}
    return functional.cross_entropy(functional_call(module, values | dict(weights), (images,)) / temperature, labels)


def difference(of: Context, f: Callable[[dict[str, Tensor]], float], name: str, at: int, step: float = 1e-5) -> float:
    """The central difference of a function of the weights in one of them."""
    ends: list[float] = []
    for sign in (1, -1):
        weights = {layer: weight.clone() for layer, weight in of.weights.items()}
        weights[name].view(-1)[at] += sign * step
        ends.append(f(weights))
    return (ends[0] - ends[1]) / (2 * step)


def by_differences(of: Context, f: Callable[[dict[str, Tensor]], float], step: float = 1e-5) -> dict[str, Tensor]:
    return {
        name: torch.tensor([difference(of, f, name, at, step) for at in range(weight.numel())]).view_as(weight)
        for name, weight in of.weights.items()
    }


def assert_close(found: Mapping[str, Tensor], expected: Mapping[str, Tensor], rtol: float = 1e-4) -> None:
    assert list(found) == list(expected)
    for name, tensor in expected.items():
        torch.testing.assert_close(found[name].double(), tensor.double(), rtol=rtol, atol=1e-8)


@pytest.mark.parametrize("name, asked", [("snip", (10, True)), ("gradient-x-weight", (60, False))])
def test_snip_and_gradient_x_weight_are_the_size_of_the_weight_times_the_losss_slope(
    name: str, asked: tuple[int, bool]
) -> None:
    of = context()
    slopes = by_differences(of, lambda weights: loss(of, weights).item())
    GIVEN.clear()
    found = scores()[name](of)
    assert [asked] == GIVEN  # ten of each class; or a batch
    assert_close(found, {layer: (of.weights[layer] * slope).abs() for layer, slope in slopes.items()})


def squared_norm(of: Context, weights: dict[str, Tensor]) -> float:
    """Of the gradient in the prunable weights, with GraSP's temperature."""
    leaves = {name: weight.clone().requires_grad_() for name, weight in weights.items()}
    gradients = torch.autograd.grad(loss(of, leaves, TEMPERATURE), list(leaves.values()))
    return sum((gradient**2).sum().item() for gradient in gradients)


def test_grasp_is_half_of_how_the_gradients_squared_norm_grows_with_a_weight_and_so_its_sign() -> None:
    # d|g|^2/dw = 2 Hg. GraSP removes the highest -w (Hg): the weights without which |g|^2 falls least. The lowest of
    # our scores go, so they are +w (Hg): half of the slope of |g|^2 along the weight.
    of = context()
    slopes = by_differences(of, lambda weights: squared_norm(of, weights), step=1e-4)
    found = scores()["grasp"](of)
    assert_close(found, {layer: of.weights[layer] * slope / 2 for layer, slope in slopes.items()})
    assert any((score < 0).any() for score in found.values()) and any((score > 0).any() for score in found.values())


def test_grasp_removes_first_the_weight_whose_shrinking_makes_the_gradient_largest() -> None:
    of = context(pruned=0)
    shrunk: dict[tuple[str, int], float] = {}
    for name, weight in of.weights.items():
        for at in range(weight.numel()):
            weights = {layer: each.clone() for layer, each in of.weights.items()}
            weights[name].view(-1)[at] *= 1 - 1e-4
            shrunk[name, at] = squared_norm(of, weights)
    name, at = max(shrunk, key=lambda place: shrunk[place])
    score = torch.cat([each.flatten() for each in scores()["grasp"](of).values()])
    assert score.argmin() == at + (0 if name == "fc1.weight" else INPUTS * HIDDEN)


def test_the_temperature_divides_outputs_and_so_is_no_mere_factor() -> None:
    of = context()
    images, labels = of.examples(1)
    hot = of.outputs(images, of.weights)
    assert loss(of, of.weights, TEMPERATURE).item() == pytest.approx(
        functional.cross_entropy(hot / 200, labels).item(), rel=1e-12
    )


def test_synflow_is_the_weight_times_the_slope_of_the_summed_outputs_of_absolute_values_for_ones() -> None:
    of = context()
    absolute = {name: value.abs() for name, value in of.values.items()}

    def flow(weights: dict[str, Tensor]) -> float:
        module = network().eval()
        return functional_call(module, absolute | weights, (torch.ones(1, 1, 2, 3).double(),)).sum().item()

    positive = dataclasses.replace(of, values=absolute)
    slopes = by_differences(positive, flow)
    GIVEN.clear()
    found = scores()["synflow"](of)
    assert_close(found, {layer: absolute[layer] * slope for layer, slope in slopes.items()})
    assert GIVEN == []  # without any example
    assert all((score >= 0).all() for score in found.values())


def test_synflow_of_a_linear_network_is_the_sum_over_paths_of_the_products_of_absolute_weights() -> None:
    module = nn.Sequential(nn.Flatten(), nn.Linear(2, 2, bias=False), nn.ReLU(), nn.Linear(2, 1, bias=False))
    weights = {"1.weight": torch.tensor([[1.0, -2.0], [0.5, 3.0]]), "3.weight": torch.tensor([[-4.0, 0.1]])}
    mask = Mask.ones({name: tuple(weight.shape) for name, weight in weights.items()})
    of = Context(values=weights, initial=weights, mask=mask, network=module, shape=(1, 1, 2))
    found = scores()["synflow"](of)
    assert_close(
        found,
        {"1.weight": torch.tensor([[4.0, 8.0], [0.05, 0.3]]), "3.weight": torch.tensor([[12.0, 0.35]])},
    )
    assert all(score.dtype == torch.float64 for score in found.values())
    # The flow into a layer is the flow out of it: what Tanaka et al. call conservation.
    assert found["1.weight"].sum().item() == pytest.approx(found["3.weight"].sum().item())


def test_synflow_prunes_in_a_hundred_passes_along_an_exponential_to_exactly_the_levels_count() -> None:
    seen: list[Mask] = []
    synflow = named_score("synflow")

    def watched(of: Context) -> Mapping[str, Tensor]:
        seen.append(of.mask)
        assert all((of.weights[name][~kept] == 0).all() for name, kept in of.mask.items())
        return synflow.function(of)

    stream = torch.Generator().manual_seed(0)
    module = nn.Sequential(nn.Flatten(), nn.Linear(20, 30), nn.ReLU(), nn.Linear(30, 20))
    values = {name: torch.randn(value.shape, generator=stream) for name, value in module.state_dict().items()}
    layers = {name: Layer("linear", tuple(values[name].shape), _RATE) for name in ("1.weight", "3.weight")}
    mask = Mask.ones({name: layer.shape for name, layer in layers.items()})
    of = Context(values=values, initial=values, mask=mask, network=module, shape=(1, 4, 5))
    score = dataclasses.replace(synflow, function=watched)
    found = prune(of, layers=layers, level=10, scope="global", score=score)
    assert found.kept == kept_weights(1_200, _RATE, 10)
    assert len(seen) == 100
    density = found.kept / 1_200
    for number, before in enumerate(seen):
        assert before.kept == pytest.approx(1_200 * density ** (number / 100), abs=0.51)
        assert found.is_within(before)


def test_magnitude_change_and_movement_compare_with_iteration_0_and_keep_their_signs() -> None:
    mask = Mask({"w": torch.tensor([True, True, True, False])})
    values, initial = {"w": torch.tensor([3.0, -1.0, 0.5, 0.0])}, {"w": torch.tensor([-2.0, -1.5, 0.5, 9.0])}
    of = Context(values=values, initial=initial, mask=mask)
    assert_close(scores()["magnitude-change"](of), {"w": torch.tensor([1.0, -0.5, 0.0, 0.0])})
    assert_close(scores()["movement"](of), {"w": torch.tensor([5.0, 0.5, 0.0, 0.0])})


def test_random_scores_come_from_the_contexts_generator_alone() -> None:
    of = context()
    one = scores()["random"](of)
    other = scores()["random"](dataclasses.replace(of, generator=torch.Generator().manual_seed(0)))
    third = scores()["random"](dataclasses.replace(of, generator=torch.Generator().manual_seed(1)))
    assert_close(one, other)
    assert not torch.equal(one["fc1.weight"], third["fc1.weight"])


@pytest.mark.parametrize("name", sorted(scores()))
def test_no_score_changes_what_it_looks_at(name: str) -> None:
    of = context()
    before = {key: value.clone() for key, value in (*of.values.items(), *of.initial.items())}
    found = taken(named_score(name), of)
    assert {key: tuple(score.shape) for key, score in found.items()} == {
        key: tuple(kept.shape) for key, kept in of.mask.items()
    }
    assert all(torch.equal(value, before[key]) for key, value in of.initial.items())
    again = context()
    assert all(torch.equal(value, again.values[key]) for key, value in of.values.items())


def test_synflow_of_tokens_is_refused() -> None:
    with pytest.raises(RecipeError, match=r"'synflow' sends an input of ones .* tokens, which are no numbers.\nChoose"):
        taken(named_score("synflow"), dataclasses.replace(context(), tokens=True))


# Scores of one's own


@pytest.mark.parametrize("text, message", [
    ("def score(context): return {}", r"gives no score for 'w'. It must give one for w."),
    ("def score(context): return None", r"gives no score for 'w'"),
    ("def score(context): return {'w': context.weights['w'].sum()}", r"gives 'w' scores of shape \(\), not \(2,\)"),
    ("def score(context): return {'w': context.weights['w'] / 0 * 0}", r"gives weights of 'w' scores that are no num"),
    ("\ndef score(context): return 1 / 0", r"of this network: ZeroDivisionError: division by zero \(own.py, line 2\)"),
    ("score = 3", r"is no function but int"),
    ("def other(context): ...", r"unknown name in .*own.py 'score'"),
])  # fmt: skip
def test_a_score_that_does_not_fit_is_told_with_its_name(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "own.py"
    path.write_text(text)
    of = Context.of_weights({"w": torch.tensor([1.0, 2.0])}, Mask.ones({"w": (2,)}))
    with pytest.raises(RecipeError, match=f"field prune.score: .*{message}"):
        taken(named_score(f"{path}:score"), of)


def test_scores_of_pruned_weights_need_be_no_numbers() -> None:
    of = Context.of_weights({"w": torch.tensor([1.0, 0.0])}, Mask({"w": torch.tensor([True, False])}))
    own = Registered(lambda context: {"w": 1 / context.weights["w"] * torch.tensor([1.0, math.nan])})
    assert taken(own, of)["w"][0] == 1.0


def test_a_score_of_ones_own_carries_a_fingerprint_of_its_code_that_comments_do_not_change(tmp_path: Path) -> None:
    texts = ["def score(c): return c.weights", "# why\ndef score(c): return c.weights", "def score(c): return c.mask"]
    prints: list[str | None] = []
    for number, text in enumerate(texts):
        path = tmp_path / f"own{number}.py"
        path.write_text(text)
        prints.append(named_score(f"{path}:score").code)
    assert prints[0] == prints[1] != prints[2]
    assert named_score("magnitude").code is None


def test_an_unknown_score_is_told_with_the_way_to_name_ones_own() -> None:
    with pytest.raises(UnknownName, match=r"Did you mean 'synflow'\?\nValid: .*path/to/file.py:function"):
        named_score("synflo")


def test_grasp_is_of_the_loss_that_training_lowers() -> None:
    def of_both(outputs: tuple[Tensor, Tensor], labels: Tensor) -> Tensor:
        return sum((functional.cross_entropy(each, labels) for each in outputs), torch.zeros(()))

    of = context()
    network = of.network
    assert network is not None

    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            for name, module in network.named_children():
                self.add_module(name, module)

        def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
            logits = network(images)
            return logits, logits

    once = scores()["grasp"](of)
    twice = scores()["grasp"](dataclasses.replace(of, network=Twice(), loss=of_both))
    assert_close(twice, {name: 4 * score for name, score in once.items()}, rtol=1e-3)
