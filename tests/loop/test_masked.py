"""What `winnow.masked` promises: exact zeros, whatever the loop does, and a model that nothing was done to."""

from __future__ import annotations

import copy
import io
import pickle
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrizations
from torch.nn.utils import prune as torch_prune

import winnow
from winnow.errors import MaskError
from winnow.pruning import Mask


def network(dtype: torch.dtype = torch.float32) -> nn.Sequential:
    torch.manual_seed(0)
    layers = nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3), nn.ReLU(), nn.Flatten(), nn.Linear(12, 4)
    return nn.Sequential(*layers).to(dtype)


def half_of(model: nn.Module) -> Mask:
    stream = torch.Generator().manual_seed(1)
    return Mask(
        {name: torch.rand(p.shape, generator=stream) < 0.5 for name, p in model.named_parameters() if p.ndim > 1}
    )


def batch(number: int, dtype: torch.dtype = torch.float32) -> tuple[Tensor, Tensor]:
    stream = torch.Generator().manual_seed(number)
    return torch.randn(8, 1, 4, 4, generator=stream).to(dtype), torch.randint(0, 4, (8,), generator=stream)


def backward(model: nn.Module, number: int) -> Tensor:
    images, labels = batch(number)
    loss = nn.functional.cross_entropy(model(images), labels)
    loss.backward()
    return loss


def assert_held(model: nn.Module, mask: Mask, optimizer: torch.optim.Optimizer) -> None:
    for name, parameter in model.named_parameters():
        if name not in mask:
            continue
        assert (parameter[~mask[name]] == 0).all(), name
        assert (parameter[mask[name]] != 0).all(), name
        for key, value in optimizer.state[parameter].items():
            if isinstance(value, Tensor) and value.shape == parameter.shape:
                assert (value[~mask[name]] == 0).all(), (name, key)


OPTIMIZERS: dict[str, Callable[..., torch.optim.Optimizer]] = {
    "sgd": lambda p: torch.optim.SGD(p, lr=0.1, weight_decay=0.1),
    "momentum": lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, weight_decay=0.1, foreach=True),
    "nesterov": lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, nesterov=True, fused=True),
    "adam": lambda p: torch.optim.Adam(p, weight_decay=0.1, amsgrad=True),
    "adam fused": lambda p: torch.optim.Adam(p, fused=True),
    "adamw foreach": lambda p: torch.optim.AdamW(p, weight_decay=0.1, foreach=True),
    "nadam": lambda p: torch.optim.NAdam(p),
    "radam": lambda p: torch.optim.RAdam(p),
    "adamax": lambda p: torch.optim.Adamax(p),
    "rmsprop": lambda p: torch.optim.RMSprop(p, momentum=0.9, centered=True, weight_decay=0.1),
    "adagrad": lambda p: torch.optim.Adagrad(p, initial_accumulator_value=0.1, weight_decay=0.1),
    "adadelta": lambda p: torch.optim.Adadelta(p, weight_decay=0.1),
    "rprop": lambda p: torch.optim.Rprop(p),
    "asgd": lambda p: torch.optim.ASGD(p, weight_decay=0.1),
    "adafactor": lambda p: torch.optim.Adafactor(p, weight_decay=0.1),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_pruned_weights_and_their_state_are_zero_after_every_step_of_any_optimizer(name: str) -> None:
    model = network()
    mask, optimizer = half_of(model), OPTIMIZERS[name](model.parameters())
    for number in range(3):  # dense first, so that there is state to be zeroed
        optimizer.zero_grad()
        backward(model, number)
        optimizer.step()
    with winnow.masked(model, mask, optimizer):
        assert_held(model, mask, optimizer)
        for number in range(5):
            optimizer.zero_grad()
            backward(model, number)
            optimizer.step()
            assert_held(model, mask, optimizer)


def test_a_closure_is_followed_as_well() -> None:
    model = network()
    mask = half_of(model)
    optimizer = torch.optim.LBFGS(model.parameters(), lr=0.1, max_iter=5)

    def closure() -> Tensor:
        optimizer.zero_grad()
        return backward(model, 0)

    with winnow.masked(model, mask, optimizer):
        for _ in range(3):
            optimizer.step(closure)
            assert_held(model, mask, optimizer)


def test_gradients_are_masked_before_the_loop_can_clip_them() -> None:
    model = network()
    mask, optimizer = half_of(model), torch.optim.SGD(model.parameters(), lr=0.1)
    with winnow.masked(model, mask, optimizer):
        for number in range(2):  # accumulated
            backward(model, number)
        named = dict(model.named_parameters())
        assert all(
            (named[name].grad[~kept] == 0).all() and (named[name].grad[kept] != 0).any() for name, kept in mask.items()
        )


def test_an_infinite_gradient_of_a_pruned_weight_does_no_harm() -> None:
    model = nn.Linear(2, 1, bias=False)
    optimizer = torch.optim.Adam(model.parameters())
    with winnow.masked(model, Mask({"weight": torch.tensor([[True, False]])}), optimizer):
        model(torch.tensor([[1.0, float("inf")]])).sum().backward()  # 0 * inf: the output is NaN, the gradient inf
        assert model.weight.grad is not None
        assert model.weight.grad.tolist() == [[1.0, 0.0]]


def test_gradients_that_come_without_a_backward_pass_are_masked_at_the_step() -> None:
    model = nn.Linear(2, 1, bias=False)
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0, momentum=0.9)
    with winnow.masked(model, Mask({"weight": torch.tensor([[True, False]])}), optimizer):
        model.weight.grad = torch.ones(1, 2)
        optimizer.step()
        assert model.weight.grad.tolist() == [[1.0, 0.0]]


def test_mixed_precision_with_a_gradient_scaler_is_held() -> None:
    model = network()
    mask, optimizer = half_of(model), torch.optim.AdamW(model.parameters())
    scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)
    with winnow.masked(model, mask, optimizer):
        for number in range(4):
            images, labels = batch(number)
            optimizer.zero_grad()
            with torch.autocast("cpu", dtype=torch.bfloat16):
                loss = nn.functional.cross_entropy(model(images), labels)
            scaler.scale(loss).backward()
            scaler.unscale_(optimizer)
            nn.utils.clip_grad_norm_(model.parameters(), 0.1)
            scaler.step(optimizer)
            scaler.update()
            assert_held(model, mask, optimizer)


def test_nothing_is_renamed_and_copies_and_pickles_are_plain() -> None:
    model = network()
    names, mask = list(model.state_dict()), half_of(model)
    optimizer = torch.optim.Adam(model.parameters())
    with winnow.masked(model, mask, optimizer) as held:
        backward(model, 0)
        optimizer.step()
        assert list(model.state_dict()) == names
        assert "Masked(" in repr(held)
        file = io.BytesIO()
        torch.save(model, file)
        file.seek(0)
        for other, its in (
            copy.deepcopy((model, optimizer)),
            pickle.loads(pickle.dumps((model, optimizer))),
            (torch.load(file, weights_only=False), None),
        ):
            assert_same(other, model)
            assert not any(p._post_accumulate_grad_hooks for p in other.parameters())
            its = its or torch.optim.Adam(other.parameters())
            assert not its._optimizer_step_post_hooks
            other.zero_grad()
            backward(other, 1)
            its.step()  # a copy is nobody's to hold
            assert not all((p[~mask[name]] == 0).all() for name, p in other.named_parameters() if name in mask)
            with winnow.masked(other, mask, its):
                backward(other, 2)
                its.step()
                assert_held(other, mask, its)
        assert_held(model, mask, optimizer)


def assert_same(first: nn.Module, second: nn.Module) -> None:
    for (name, one), (_, other) in zip(first.state_dict().items(), second.state_dict().items(), strict=True):
        assert torch.equal(one, other), name


def test_a_mask_is_held_on_when_the_model_moves_to_another_type_and_until_it_is_removed() -> None:
    model = network()
    mask, optimizer = half_of(model), torch.optim.SGD(model.parameters(), lr=0.1)
    held = winnow.masked(model, mask, optimizer)
    model.double()
    images, labels = batch(0, torch.float64)
    nn.functional.cross_entropy(model(images), labels).backward()
    optimizer.step()
    assert_held(model, mask, optimizer)
    held.remove()
    assert "removed" in repr(held)
    optimizer.zero_grad()
    nn.functional.cross_entropy(model(images), labels).backward()
    optimizer.step()
    assert not all((p[~mask[name]] == 0).all() for name, p in model.named_parameters() if name in mask)


def test_what_is_loaded_into_the_optimizer_is_masked_and_into_the_model_when_asked() -> None:
    model = network()
    mask, optimizer = half_of(model), torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    backward(model, 0)
    optimizer.step()
    dense = copy.deepcopy((model.state_dict(), optimizer.state_dict()))
    with winnow.masked(model, mask, optimizer) as held:
        optimizer.load_state_dict(dense[1])
        assert_held(model, mask, optimizer)
        model.load_state_dict(dense[0])
        held.apply_()
        assert_held(model, mask, optimizer)


def test_a_frozen_parameter_needs_no_optimizer_and_several_optimizers_share_a_model() -> None:
    model = network()
    mask = half_of(model)
    model[0].weight.requires_grad_(False)
    with winnow.masked(model, mask, torch.optim.SGD(model[4].parameters(), lr=0.1)):
        assert (model[0].weight[~mask["0.weight"]] == 0).all()
    model[0].weight.requires_grad_(True)
    first, second = torch.optim.SGD(model[0].parameters(), lr=0.1), torch.optim.Adam(model[4].parameters())
    with winnow.masked(model, mask, [first, second]):
        backward(model, 0)
        first.step()
        second.step()
        assert (model[0].weight[~mask["0.weight"]] == 0).all() and (model[4].weight[~mask["4.weight"]] == 0).all()


def test_a_shared_parameter_goes_by_either_name() -> None:
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    model[1].weight = model[0].weight
    kept = torch.tensor([[True, False], [True, True]])
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with winnow.masked(model, Mask({"1.weight": kept}), optimizer):
        assert model[0].weight[0, 1] == 0
    both = Mask({"0.weight": kept, "1.weight": ~kept})
    with pytest.raises(MaskError, match=r"masks '0.weight' and '1.weight' differ, but the model has one parameter"):
        winnow.masked(model, both, optimizer)


def wrapped(model: nn.Module) -> nn.Module:
    outer = nn.Module()
    outer.module = model
    return outer


def spectral(model: nn.Sequential) -> nn.Module:
    parametrizations.spectral_norm(model[4])
    return model


def torch_pruned(model: nn.Sequential) -> nn.Module:
    torch_prune.identity(model[4], "weight")
    return model


@pytest.mark.parametrize(
    "change, message",
    [
        (
            lambda model: nn.Sequential(nn.Linear(3, 3)),
            r"mask '0.weight' has shape \(3, 1, 3, 3\); the model has \(3, 3\)",
        ),
        (lambda model: nn.Flatten(), "mask '0.weight' names no parameter of the model; it has"),
        (wrapped, r"the model is wrapped, and calls this parameter 'module.0.weight'.\nGive the model inside"),
        (spectral, r"'4.weight' by torch.nn.utils.parametrize.*\n.*remove_parametrizations\(module, 'weight'\)"),
        (torch_pruned, r"'4.weight' by torch.nn.utils.prune.*\n.*torch.nn.utils.prune.remove\(module, 'weight'\)"),
    ],
)
def test_a_mask_that_does_not_fit_says_why(change: Callable[[nn.Module], nn.Module], message: str) -> None:
    model = network()
    mask = half_of(model)
    changed = change(model)
    with pytest.raises(MaskError, match=message):
        winnow.masked(changed, mask, torch.optim.SGD(network().parameters(), lr=0.1))


def test_an_optimizer_of_other_parameters_is_an_error() -> None:
    model = network()
    with pytest.raises(MaskError, match=r"mask '0.weight', of shape \(3, 1, 3, 3\): the optimizer does not train this"):
        winnow.masked(model, half_of(model), torch.optim.SGD(network().parameters(), lr=0.1))
    with pytest.raises(MaskError, match=r"Module is no torch.optim.Optimizer whose steps can be followed"):
        winnow.masked(model, half_of(model), [nn.Module()])


def test_a_sparse_gradient_is_an_error_that_names_the_parameter() -> None:
    model = nn.Embedding(4, 2, sparse=True)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    mask = Mask({"weight": torch.ones(4, 2, dtype=torch.bool)})
    with (
        winnow.masked(model, mask, optimizer),
        pytest.raises(MaskError, match=r"mask 'weight': the gradient of this parameter is sparse.*\n.*sparse=False"),
    ):
        model(torch.tensor([1])).sum().backward()


def test_a_pruned_parameter_of_one_number_leaves_the_optimizers_count_of_steps_alone() -> None:
    model = nn.Module()
    model.scale, model.shift = nn.Parameter(torch.tensor(2.0)), nn.Parameter(torch.tensor(3.0))
    optimizer = torch.optim.Adam(model.parameters())
    with winnow.masked(model, Mask({"scale": torch.tensor(False)}), optimizer):
        for _ in range(3):
            (model.scale * 5 + model.shift).square().backward()
            optimizer.step()
    assert model.scale.item() == 0
    assert [optimizer.state[each]["step"].item() for each in (model.scale, model.shift)] == [3, 3]
