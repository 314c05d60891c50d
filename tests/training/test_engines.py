"""Engines: each gives the plain engine's numbers, and no lane notices its companions."""

from __future__ import annotations

import contextlib
import warnings
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from winnow.course import Noise, Updates
from winnow.data import Resident
from winnow.errors import RecipeError
from winnow.models import build, initialize, register
from winnow.training import (
    Batches,
    Compiled,
    Graphed,
    LaneRandomness,
    Perceptron,
    Plain,
    Stacked,
    State,
    choose,
    draws,
    exempt,
    optimizer,
    slot_names,
    train_,
)
from winnow.training.perceptron import linear_layers

CLASSES = 4


@register("normed-for-engines")
def normed(shape, classes):
    """a convolution, batch norm and a linear layer."""
    width = 6 * shape[1] * shape[2]
    return nn.Sequential(
        nn.Conv2d(shape[0], 6, 3, padding=1, bias=False),
        nn.BatchNorm2d(6),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(width, classes),
    )


@register("dropped-for-engines")
def dropped(shape, classes):
    """convolutional, with dropout of channels and of units, and attention that drops weights."""

    class Attending(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.mix = nn.Linear(6, 6)

        def forward(self, images):
            tokens = self.mix(images.flatten(2).mT)  # (batch, pixels, 6)
            return nn.functional.scaled_dot_product_attention(
                tokens, tokens, tokens, dropout_p=0.2 if self.training else 0.0
            )

    width = 6 * shape[1] * shape[2]
    return nn.Sequential(
        nn.Conv2d(shape[0], 6, 3, padding=1),
        nn.ReLU(),
        nn.Dropout2d(0.2),
        Attending(),
        nn.Flatten(),
        nn.Dropout(0.5),
        nn.Linear(width, classes),
    )


def updates(**changes) -> Updates:
    fields = {
        "optimizer": "sgd",
        "learning_rate": 0.02,
        "momentum": 0.0,
        "beta1": 0.9,
        "beta2": 0.999,
        "epsilon": 1e-8,
        "weight_decay": 0.0,
        "warmup": 0,
        "drops": (),
        "factor": 0.1,
    }
    return Updates(**(fields | changes))


OPTIMIZERS = {
    "momentum": updates(momentum=0.9),
    "momentum and decay": updates(momentum=0.9, weight_decay=1e-3),
    # With the usual epsilon, Adam turns a gradient that is zero but for rounding into a whole step.
    "adam": updates(optimizer="adam", learning_rate=1e-3, epsilon=1e-4),
    "nesterov and decay of kernels alone": updates(momentum=0.9, nesterov=True, weight_decay=1e-2, no_decay=("bias",)),
    "rmsprop and decay": updates(
        optimizer="rmsprop", learning_rate=1e-3, smoothing=0.9, momentum=0.5, epsilon=1e-2, weight_decay=1e-3
    ),
    "adam and decay": updates(optimizer="adam", learning_rate=1e-3, epsilon=1e-4, weight_decay=1e-3),
}


def examples(shape) -> Resident:
    stream = torch.Generator().manual_seed(5)
    labels = torch.randint(0, CLASSES, (96,), generator=stream)
    noise = torch.randint(0, 120, (96, *shape), dtype=torch.uint8, generator=stream)
    return Resident(
        noise + 40 * labels[:, None, None, None].byte(), labels, mean=None, std=None, scale=255, device="cpu"
    )


def starting_states(name: str, shape, lanes: int, course: Updates, first: int = 0) -> list[State]:
    network = build(name, shape, CLASSES)
    names = [parameter for parameter, _ in network.named_parameters()]
    values = [
        initialize(network, "kaiming-normal", torch.Generator().manual_seed(lane))
        for lane in range(first, first + lanes)
    ]
    return [State.of_values(value, names).with_slots(slot_names(course)) for value in values]


def drawn_masks(state: State, density: float, *, biases: bool = False) -> dict[str, Tensor]:
    """A mask of about that density for each kernel, another for each lane; the state is masked with it."""
    stream = torch.Generator().manual_seed(9)
    kernels = {name: p for name, p in state.parameters.items() if biases or (p.ndim > 2 and name.endswith("weight"))}
    masks = {name: (torch.rand(p.shape, generator=stream) < density).double() for name, p in kernels.items()}
    for name, mask in masks.items():
        state.parameters[name].mul_(mask)
    return masks


class InDouble:
    """Batches in float64: fifty steps of a deep network would magnify float32's rounding beyond any tolerance."""

    def __init__(self, batches: Batches) -> None:
        self.batches = batches

    def at(self, iteration: int) -> tuple[Tensor, Tensor]:
        images, labels = self.batches.at(iteration)
        return images.double(), labels


def doubled(state: State) -> State:
    for tensors in (state.parameters, state.buffers, *state.slots.values()):
        for name, tensor in tensors.items():
            tensors[name] = tensor.double() if tensor.is_floating_point() else tensor
    return state


def trained(
    engine, name, shape, states, course, *, replicates, iterations=50, augment=None, density=0.5, biases=False
) -> State:
    state = doubled(State.stacked(states, torch.device("cpu")))
    noises = [Noise(seed=0, replicate=replicate) for replicate in replicates]
    batches = InDouble(Batches(examples(shape), noises, 16, augment))
    masks = drawn_masks(state, density, biases=biases) if density < 1 else {}
    module = build(name, shape, CLASSES)
    randomness = LaneRandomness(noises, torch.device("cpu")) if draws(module, torch.zeros(2, *shape)) else None
    if engine is Perceptron:
        made = Perceptron(module, masks)
    else:
        made = engine(module, randomness=randomness) if randomness else engine(module)
    state, masks = made.enter(state, masks)
    train_(
        state,
        iterations,
        batches=batches,
        engine=made,
        optimizer=optimizer(course, exempt(course, module, state.parameters)),
        rate=lambda _: course.learning_rate,
        masks=masks,
    )
    return made.leave(state)


def assert_close(left: State, right: State, *, atol: float = 1e-9) -> None:
    for name, values in (left.parameters | left.buffers).items():
        torch.testing.assert_close(values, (right.parameters | right.buffers)[name], rtol=1e-9, atol=atol)
    for slot, tensors in left.slots.items():
        for name, values in tensors.items():
            torch.testing.assert_close(values, right.slots[slot][name], rtol=1e-9, atol=atol)


@pytest.mark.parametrize("course", OPTIMIZERS.values(), ids=OPTIMIZERS.keys())
@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("lenet-16-8", (1, 6, 6)),
        ("conv-2", (3, 4, 4)),
        ("normed-for-engines", (2, 5, 5)),
        ("resnet-8-4", (3, 8, 8)),
        ("vgg-11-2", (3, 16, 16)),
        ("dropped-for-engines", (2, 5, 5)),
    ],
)
def test_stacked_lanes_equal_plain_ones_over_fifty_steps(name, shape, course):
    lanes, replicates, augment = 2, [0, 1], ("crop", "flip")
    states = starting_states(name, shape, lanes, course)
    plain = trained(Plain, name, shape, states, course, replicates=replicates, augment=augment)
    stacked = trained(Stacked, name, shape, states, course, replicates=replicates, augment=augment)
    assert_close(plain, stacked)


@pytest.mark.parametrize("course", OPTIMIZERS.values(), ids=OPTIMIZERS.keys())
@pytest.mark.parametrize("density", [1.0, 0.5, 0.08])
def test_the_perceptron_engine_equals_the_plain_one_over_fifty_steps(course, density):
    name, shape = "lenet-16-8", (1, 6, 6)
    states = starting_states(name, shape, 3, course)
    plain, perceptron = (
        trained(engine, name, shape, states, course, replicates=[0, 1, 2], density=density)
        for engine in (Plain, Perceptron)
    )
    assert_close(plain, perceptron)


@pytest.mark.parametrize("density", [0.5, 0.08])
def test_the_perceptron_engine_holds_pruned_biases_too(density):
    course, name, shape = OPTIMIZERS["adam and decay"], "lenet-16-8", (1, 6, 6)
    states = starting_states(name, shape, 2, course)
    plain, perceptron = (
        trained(engine, name, shape, states, course, replicates=[0, 1], density=density, biases=True)
        for engine in (Plain, Perceptron)
    )
    assert_close(plain, perceptron)
    masks = drawn_masks(doubled(State.stacked(states, torch.device("cpu"))), density, biases=True)
    assert not any(perceptron.parameters[parameter][mask == 0].any() for parameter, mask in masks.items())


def test_sparse_layers_give_pruned_weights_back_as_exact_zeros():
    course, name, shape = OPTIMIZERS["adam and decay"], "lenet-16-8", (1, 6, 6)
    states = starting_states(name, shape, 2, course)
    state = trained(Perceptron, name, shape, states, course, replicates=[0, 1], density=0.08)
    masks = drawn_masks(doubled(State.stacked(states, torch.device("cpu"))), 0.08)
    for kernel, mask in masks.items():
        for tensors in (state.parameters, *state.slots.values()):
            assert not tensors[kernel][mask == 0].any()
            assert tensors[kernel][mask == 1].any()


def test_a_layer_without_a_single_weight_left_in_a_lane_is_trained_all_the_same():
    course, name, shape = OPTIMIZERS["momentum"], "lenet-16-8", (1, 6, 6)
    states = starting_states(name, shape, 2, course)
    state = doubled(State.stacked(states, torch.device("cpu")))
    network = build(name, shape, CLASSES)
    masks = {"fc1.weight": torch.zeros_like(state.parameters["fc1.weight"])}
    masks["fc1.weight"][1, 3, 4] = 1.0
    state.parameters["fc1.weight"].mul_(masks["fc1.weight"])
    images, labels = examples(shape).images_at(torch.arange(20).reshape(2, 10)).double(), torch.zeros(2, 10).long()
    engine = Perceptron(network, masks)
    packed, _ = engine.enter(state, masks)
    losses, _ = engine.gradients(packed, images, labels)
    expected, _ = Plain(network).gradients(state, images, labels)
    torch.testing.assert_close(losses, expected)


@pytest.mark.parametrize(
    "words",
    [
        "Sparse CSR tensor support is in beta state.",
        "Sparse invariant checks are implicitly disabled. Memory errors (e.g. SEGFAULT) will occur",
    ],
)
def test_what_pytorch_says_once_of_sparse_matrices_does_not_reach_the_user(words, monkeypatch, recwarn):
    """Which of the two it says, and whether it has said it yet, depends on its version and on the tests before."""
    made = torch.sparse_csr_tensor

    def warned(*arguments: Any, **options: Any) -> Tensor:
        warnings.warn(words, UserWarning, stacklevel=2)
        return made(*arguments, **options)

    monkeypatch.setattr(torch, "sparse_csr_tensor", warned)
    Perceptron(build("lenet-16-8", (1, 6, 6), CLASSES), {})
    assert not recwarn.list


@pytest.mark.parametrize("engine", [Plain, Stacked, Perceptron])
def test_a_lanes_result_does_not_depend_on_its_companions(engine):
    course, name, shape = OPTIMIZERS["adam"], "lenet-16-8", (1, 6, 6)
    wanted = starting_states(name, shape, 1, course, first=7)
    others = starting_states(name, shape, 2, course, first=20)
    first = trained(engine, name, shape, [*wanted, *others], course, replicates=[7, 1, 2], density=1.0)
    second = trained(engine, name, shape, [others[1], *wanted], course, replicates=[4, 7], density=1.0)
    assert_close(first.lane(0), second.lane(1))


@pytest.mark.parametrize("engine", [Plain, Stacked])
def test_a_lane_drops_the_same_whatever_its_companions_drop(engine):
    course, name, shape = OPTIMIZERS["momentum"], "dropped-for-engines", (2, 5, 5)
    wanted = starting_states(name, shape, 1, course, first=7)
    others = starting_states(name, shape, 2, course, first=20)
    first = trained(engine, name, shape, [*wanted, *others], course, replicates=[7, 1, 2], density=1.0)
    second = trained(engine, name, shape, [others[1], *wanted], course, replicates=[4, 7], density=1.0)
    assert_close(first.lane(0), second.lane(1))


@pytest.mark.parametrize("engine", [Plain, Stacked])
def test_dropout_differs_from_lane_to_lane_and_from_iteration_to_iteration(engine):
    name, shape = "dropped-for-engines", (2, 5, 5)
    states = starting_states(name, shape, 1, OPTIMIZERS["adam"]) * 2
    state, data = State.stacked(states, torch.device("cpu")), examples(shape)
    randomness = LaneRandomness([Noise(seed=0, replicate=n) for n in range(2)], torch.device("cpu"))
    made = engine(build(name, shape, CLASSES), randomness=randomness)
    index = torch.arange(16).repeat(2, 1)
    batch = data.images_at(index), data.labels_at(index)
    before = torch.get_rng_state()
    first, _ = made.gradients(state, *batch)
    assert first[0] != first[1]
    state.iteration = 1
    second, _ = made.gradients(state, *batch)
    assert not (first == second).any()
    assert torch.equal(before, torch.get_rng_state())  # the global generator is left alone
    assert torch.equal(made.evaluate(state, *data_of(data))[0][0], made.evaluate(state, *data_of(data))[0][1])


def data_of(data: Resident) -> tuple[Tensor, Tensor]:
    index = torch.arange(len(data))
    return data.images_at(index), data.labels_at(index)


@pytest.mark.parametrize("engine", [Plain, Stacked])
def test_a_draw_that_cannot_be_told_apart_by_lane_is_refused(engine):
    class Shuffling(nn.Module):
        def forward(self, images):
            return images.flatten(1)[:, torch.randperm(CLASSES)]

    randomness = LaneRandomness([Noise(seed=0, replicate=0)], torch.device("cpu"))
    made = engine(nn.Sequential(nn.Linear(5, 5), Shuffling()), randomness=randomness)
    state = State(0, 0, {"0.weight": torch.ones(1, 5, 5), "0.bias": torch.ones(1, 5)}, {})
    with pytest.raises(RecipeError, match=r"the network draws by aten.randperm.*cannot give every lane a stream"):
        made.gradients(state, torch.ones(1, 4, 5), torch.zeros(1, 4).long())


@pytest.mark.parametrize("refusing_zeros", [torch.linalg.inv, lambda width: torch.distributions.Normal(width, width)])
def test_a_network_that_cannot_be_tried_with_zeros_is_taken_to_draw(refusing_zeros):
    class Refusing(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.eye(5))

        def forward(self, images):
            refusing_zeros(self.weight)
            return images @ self.weight

    network = Refusing().eval()
    assert draws(network, torch.ones(4, 5))
    assert not network.training and torch.equal(network.weight, torch.eye(5))


@pytest.mark.parametrize("engine", ["compiled", "graphed"])
def test_engines_that_record_the_network_refuse_one_with_dropout(engine):
    with pytest.raises(RecipeError, match=f"the engine '{engine}' records the network once, and this one draws"):
        choose(build("lenet-8", (1, 8, 8), 10), torch.device("cpu"), engine=engine, draws=True)


@pytest.mark.parametrize("engine", [Plain, Stacked])
def test_a_lane_that_diverges_leaves_the_others_bitwise_alone(engine):
    course, name, shape = OPTIMIZERS["momentum"], "normed-for-engines", (2, 5, 5)
    sound = starting_states(name, shape, 3, course)
    spoiled = starting_states(name, shape, 3, course)
    spoiled[1].parameters["4.weight"].fill_(float("nan"))
    left = trained(engine, name, shape, sound, course, replicates=[0, 1, 2], density=1.0)
    right = trained(engine, name, shape, spoiled, course, replicates=[0, 1, 2], density=1.0)
    assert torch.isnan(right.parameters["4.weight"][1]).all()
    for lane in (0, 2):
        for tensor_name, values in left.lane(lane).values().items():
            assert torch.equal(values, right.lane(lane).values()[tensor_name])


@pytest.mark.parametrize(("name", "shape"), [("lenet-16-8", (1, 6, 6)), ("normed-for-engines", (2, 5, 5))])
def test_engines_evaluate_alike(name, shape):
    states = starting_states(name, shape, 3, OPTIMIZERS["adam"])
    state, data = State.stacked(states, torch.device("cpu")), examples(shape)
    index = torch.arange(len(data))
    network = build(name, shape, CLASSES)
    plain, stacked = (
        e(network).evaluate(state, data.images_at(index), data.labels_at(index)) for e in (Plain, Stacked)
    )
    torch.testing.assert_close(plain[0], stacked[0])
    assert torch.equal(plain[1], stacked[1])


@pytest.mark.parametrize("density", [1.0, 0.08])
def test_the_perceptron_engine_evaluates_as_the_plain_one(density):
    name, shape = "lenet-16-8", (1, 6, 6)
    states, data = starting_states(name, shape, 3, OPTIMIZERS["adam"]), examples(shape)
    state = doubled(State.stacked(states, torch.device("cpu")))
    masks = drawn_masks(state, density)
    network, index = build(name, shape, CLASSES), torch.arange(len(data))
    engine, images, labels = Perceptron(network, masks), data.images_at(index).double(), data.labels_at(index)
    losses, scores = engine.evaluate(engine.enter(state, masks)[0], images, labels)
    expected_losses, expected_scores = Plain(network).evaluate(state, images, labels)
    torch.testing.assert_close(losses, expected_losses)
    assert torch.equal(scores.double(), expected_scores.double())


@pytest.mark.parametrize("engine_of", [Plain, Stacked, Perceptron])
def test_a_network_that_says_the_same_of_every_class_is_taken_to_say_the_first(engine_of):
    name, shape = "lenet-16-8", (1, 6, 6)
    states, data = starting_states(name, shape, 2, OPTIMIZERS["adam"]), examples(shape)
    state = State.stacked(states, torch.device("cpu"))
    state.parameters["output.weight"].zero_()
    state.parameters["output.bias"].zero_()
    network = build(name, shape, CLASSES)
    engine = engine_of(network, {}) if engine_of is Perceptron else engine_of(network)
    labels = data.labels_at(torch.arange(len(data)))
    _, scores = engine.evaluate(state, data.images_at(torch.arange(len(data))), labels)
    assert scores.tolist() == [(labels == 0).sum().item()] * 2


def test_bfloat16_computes_layers_coarsely_and_keeps_weights_in_float32():
    course, name, shape = OPTIMIZERS["momentum"], "lenet-16-8", (1, 6, 6)
    state = State.stacked(starting_states(name, shape, 2, course), torch.device("cpu"))
    network, data = build(name, shape, CLASSES), examples(shape)
    index = torch.arange(32).reshape(2, 16)
    images, labels = data.images_at(index), data.labels_at(index)
    exact, _ = Plain(network).gradients(state, images, labels)
    for engine in (Plain(network, "bfloat16"), Stacked(network, "bfloat16")):
        coarse, gradients = engine.gradients(state, images, labels)
        assert {gradient.dtype for gradient in gradients} == {torch.float32}
        torch.testing.assert_close(coarse, exact, rtol=0.05, atol=0.05)
        assert not torch.equal(coarse, exact)


@pytest.mark.filterwarnings("ignore::DeprecationWarning:torch")  # of the compiler's own modules, on loading
@pytest.mark.parametrize(("name", "shape"), [("lenet-16-8", (1, 6, 6)), ("normed-for-engines", (2, 5, 5))])
def test_the_compiled_engine_equals_the_plain_one_over_fifty_steps(name, shape):
    course, states = OPTIMIZERS["adam"], starting_states(name, shape, 2, OPTIMIZERS["adam"])
    plain, compiled = (
        trained(engine, name, shape, states, course, replicates=[0, 1], augment=("flip",))
        for engine in (Plain, Compiled)
    )
    assert_close(plain, compiled)


class FakeGraph:
    """Stands in for a CUDA graph where there is no GPU: what was recorded is computed anew, into the same tensors."""

    def replay(self) -> None:
        engine, state = self.recorded
        losses, gradients = engine._branched(state)
        engine._losses.copy_(losses)
        for static, gradient in zip(engine._gradients, gradients, strict=True):
            static.copy_(gradient)


class FakeStream:
    def wait_stream(self, other) -> None: ...


@pytest.fixture
def without_gpu(monkeypatch):
    """Every call of torch.cuda that the graphed engine makes, doing nothing."""
    stack = contextlib.nullcontext
    monkeypatch.setattr(torch.cuda, "CUDAGraph", FakeGraph)
    monkeypatch.setattr(torch.cuda, "Stream", FakeStream)
    monkeypatch.setattr(torch.cuda, "current_stream", FakeStream)
    monkeypatch.setattr(torch.cuda, "stream", lambda stream: stack())
    monkeypatch.setattr(torch.cuda, "graph", lambda graph: stack())
    original = Graphed._capture

    def capture(self, state, images, labels):
        original(self, state, images, labels)
        self._graph.recorded = (self, state)

    monkeypatch.setattr(Graphed, "_capture", capture)


@pytest.mark.parametrize("name", ["normed-for-engines", "lenet-16-8"])
def test_what_the_graphed_engine_does_around_its_graph_equals_the_plain_one(without_gpu, name):
    shape, course = (2, 5, 5), OPTIMIZERS["momentum and decay"]
    states = starting_states(name, shape, 3, course)
    plain, graphed = (trained(engine, name, shape, states, course, replicates=[0, 1, 2]) for engine in (Plain, Graphed))
    assert_close(plain, graphed)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="records real CUDA graphs")
def test_the_graphed_engine_equals_the_plain_one_on_a_gpu():
    name, shape, course = "normed-for-engines", (2, 5, 5), OPTIMIZERS["momentum and decay"]
    network, data = build(name, shape, CLASSES), examples(shape)
    index = torch.arange(48).reshape(3, 16)
    images, labels = data.images_at(index).cuda(), data.labels_at(index).cuda()
    plain, graphed = (State.stacked(starting_states(name, shape, 3, course), torch.device("cuda")) for _ in range(2))
    recorded = Graphed(network)
    for _ in range(5):
        expected = Plain(network).gradients(plain, images, labels)
        found = recorded.gradients(graphed, images, labels)
        torch.testing.assert_close(found[0], expected[0])
        torch.testing.assert_close(found[1], expected[1])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"width": 0}, "lanes is 0; give at least 1"),
        ({"width": -1}, "lanes is -1; give at least 1"),
        ({"engine": "stacked", "deterministic": True}, "deterministic runs train lanes singly"),
    ],
)
def test_lanes_and_engines_that_cannot_be_are_refused(options, message):
    with pytest.raises(RecipeError, match=message):
        choose(build("lenet-16", (1, 28, 28), 10), torch.device("cpu"), **options)


def test_graphs_are_refused_without_a_gpu():
    with pytest.raises(RecipeError, match="'graphed' records CUDA graphs, and this run is on 'cpu'"):
        choose(build("conv-2", (1, 28, 28), 10), torch.device("cpu"), engine="graphed")


def test_an_engine_that_cannot_train_the_network_is_refused():
    with pytest.raises(RecipeError, match="'perceptron' cannot train this network: it is not a sequence"):
        choose(build("conv-2", (1, 28, 28), 10), torch.device("cpu"), engine="perceptron")


@pytest.mark.parametrize(("free", "width"), [(40 << 30, 32), (100 << 20, 9), (1 << 20, 1)])
def test_on_a_gpu_lanes_take_half_of_the_free_memory_at_most(monkeypatch, free, width):
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (free, 80 << 30))
    choice = choose(build("lenet-300-100", (1, 28, 28), 10), torch.device("cuda"))
    assert (choice.name, choice.width) == ("stacked", width)


@pytest.mark.parametrize(
    ("name", "options", "chosen"),
    [
        ("lenet-300-100", {}, ("perceptron", 11)),
        ("lenet-16", {}, ("perceptron", 32)),
        ("lenet-16", {"width": 3}, ("perceptron", 3)),
        ("lenet-16", {"precision": "bfloat16"}, ("stacked", 32)),
        ("lenet-16", {"engine": "stacked"}, ("stacked", 32)),
        ("lenet-16", {"engine": "plain"}, ("plain", 1)),
        ("lenet-16", {"deterministic": True}, ("plain", 1)),
        ("conv-2", {}, ("plain", 1)),
        ("conv-2", {"engine": "stacked", "width": 4}, ("stacked", 4)),
    ],
)
def test_the_engine_is_chosen_by_the_network_unless_asked_for(name, options, chosen):
    choice = choose(build(name, (1, 28, 28), 10), torch.device("cpu"), **options)
    assert (choice.name, choice.width) == chosen


class Skipping(nn.Sequential):
    """Looks like a sequence, and adds what goes around a layer."""

    def forward(self, images):
        hidden = self[1](self[0](images))
        return self[3](hidden + self[2](hidden))


class Doubling(nn.Linear):
    def forward(self, images):
        return 2 * super().forward(images)


def hooked():
    network = nn.Sequential(nn.Flatten(), nn.Linear(4, 3))
    network[1].register_forward_hook(lambda module, inputs, output: -output)
    return network


def frozen():
    network = nn.Sequential(nn.Flatten(), nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2))
    network[1].requires_grad_(False)
    return network


@pytest.mark.parametrize(
    "network",
    [
        Skipping(nn.Flatten(), nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 2)),
        nn.Sequential(nn.Flatten(), Doubling(4, 2)),
        nn.Sequential(nn.Flatten(), nn.Linear(4, 3), nn.ReLU6(), nn.Linear(3, 2)),
        nn.Sequential(nn.Flatten(2), nn.Linear(4, 2)),
        nn.Sequential(nn.Linear(4, 3), nn.Flatten(), nn.Linear(3, 2)),
        nn.Sequential(nn.Flatten(), nn.utils.parametrizations.weight_norm(nn.Linear(4, 2))),
        hooked(),
        frozen(),
    ],
    ids=["skip", "own layer", "other activation", "other flatten", "flatten within", "parametrized", "hook", "frozen"],
)
def test_a_network_that_only_looks_like_linear_layers_and_relu_is_left_to_other_engines(network):
    assert linear_layers(network) is None
    assert choose(network, torch.device("cpu")).name == "stacked"


def test_linear_layers_and_relu_are_known_with_and_without_a_flatten_before_them():
    layers = [nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2)]
    assert linear_layers(nn.Sequential(*layers)) == ["0", "2"]
    assert linear_layers(nn.Sequential(nn.Flatten(), *layers)) == ["1", "3"]
