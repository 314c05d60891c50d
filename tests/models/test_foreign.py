from __future__ import annotations

import json
import sys
from collections.abc import Callable
from importlib import import_module, reload
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call

from winnow import named
from winnow.course import Network
from winnow.data import described
from winnow.errors import MissingExtra, RecipeError, UnknownName
from winnow.from_recipe import network
from winnow.models import build, draw_own, foreign, tied, trained
from winnow.models.drawing import seeded, unsaved_buffers
from winnow.recipes import read

SHAPE = (3, 8, 8)

OWN = """
import torch
from torch import nn

def small(shape, classes, width=4):
    return nn.Sequential(nn.Flatten(), nn.Linear(shape[0] * shape[1] * shape[2], width), nn.Linear(width, classes))

def constant():
    return nn.Linear(2, 2)

def number(classes):
    return classes

def broken(shape):
    raise ZeroDivisionError("as it happens")

def greedy(shape, depth):
    return nn.Identity()

def lazy(classes):
    return nn.Sequential(nn.LazyLinear(4), nn.LazyBatchNorm1d(), nn.Linear(4, classes))

def called(shape, classes):
    network = lazy(classes)
    network(torch.zeros(2, *shape))
    return network

class Stubborn(nn.Module):
    'Asks its weights for a number, which tensors without values do not have.'
    def __init__(self, classes):
        super().__init__()
        self.layer = nn.Linear(2, classes)
        self.scale = self.layer.weight.abs().max().item()

class Held(nn.Module):
    'Computes with tensors that no state dict holds.'
    def __init__(self, classes):
        super().__init__()
        self.layer = nn.Linear(2, classes)
        self.twice = torch.tensor(2.0)
        self.register_buffer("table", torch.arange(2.0), persistent=False)
        self.register_buffer("ids", torch.arange(2))
    def forward(self, inputs):
        return self.layer(inputs + self.table + self.ids) * self.twice
"""


@pytest.fixture
def own(tmp_path: Path) -> Callable[[str], str]:
    """Gives the name of a function in a file of networks."""
    file = tmp_path / "nets.py"
    file.write_text(OWN)
    return lambda function: f"{file}:{function}"


def test_a_function_in_a_file_is_called_with_what_it_takes(own: Callable[[str], str]) -> None:
    made = build(own("small"), SHAPE, 5)
    assert [tuple(p.shape) for p in made.parameters()] == [(4, 192), (4,), (5, 4), (5,)]
    assert all(p.is_meta for p in made.parameters())
    assert next(build(own("small(width=7)"), SHAPE, 5).parameters()).shape == (7, 192)
    assert isinstance(build(own("constant"), SHAPE, 5), nn.Linear)


@pytest.mark.parametrize(
    "function, message",
    [
        ("number", r"nets.py:number' gives a int; expected a torch.nn.Module"),
        ("broken", r"cannot be built: ZeroDivisionError: as it happens \(nets.py, line 15\)"),
        ("greedy", r"greedy' takes \(shape, depth\), which does not fit: missing a required argument: 'depth'"),
        ("small(depth=3)", r"small' takes \(shape, classes, width=4\), which does not fit: got an unexpected keyword"),
        ("small(3)", r"in parentheses come settings by name, such as '\(depth=4, width=64\)'"),
        ("small(width=", r"in parentheses come settings by name"),
        (
            "lazy",
            r"network's 0.weight, 0.bias, 1.weight, 1.bias, 1.running_mean .* no shape .*\n.* call it once where it",
        ),
        ("smal", r"unknown name in .*nets.py 'smal'. Did you mean 'small'"),
    ],
)
def test_a_name_that_gives_no_network_is_told(own: Callable[[str], str], function: str, message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        build(own(function), SHAPE, 5)


def test_a_file_imports_what_lies_beside_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [*sys.path])
    (tmp_path / "its_layers.py").write_text("from torch import nn\nlayer = nn.Linear(2, 2)\n")
    (tmp_path / "nets.py").write_text("def small():\n    from its_layers import layer\n    return layer\n")
    assert isinstance(build(f"{tmp_path}/nets.py:small", SHAPE, 5), nn.Linear)


def test_a_file_that_fails_is_told_and_is_read_again_once_it_is_mended(tmp_path: Path) -> None:
    file = tmp_path / "failing.py"
    file.write_text("1 / 0")
    with pytest.raises(RecipeError, match=r"field model.name: '.*failing.py' cannot be run: ZeroDivisionError: div"):
        build(f"{file}:small", SHAPE, 5)
    assert not [name for name in sys.modules if name.startswith("winnow_own_failing")]
    file.write_text(OWN)
    assert isinstance(build(f"{file}:small", SHAPE, 5), nn.Module)


def test_a_lazy_network_that_has_been_called_is_one_like_any_other(own: Callable[[str], str]) -> None:
    assert build(own("called"), (7,), 5).get_parameter("0.weight").shape == (4, 7)
    assert draw_own(own("called"), (7,), 5, seed=0)["1.running_mean"].shape == (4,)


def test_what_cannot_lie_on_the_meta_device_is_built_on_the_cpu(own: Callable[[str], str]) -> None:
    assert not build(own("Stubborn"), SHAPE, 5).layer.weight.is_meta


def test_tensors_that_no_state_holds_have_their_values(own: Callable[[str], str]) -> None:
    made = build(own("Held"), SHAPE, 3)
    assert unsaved_buffers(made)["table"].tolist() == [0.0, 1.0]
    values = draw_own(own("Held"), SHAPE, 3, seed=0)
    assert list(values) == ["layer.weight", "layer.bias", "ids"]
    expected = (torch.tensor([0.5, 2.5]) @ values["layer.weight"].T + values["layer.bias"]) * 2
    torch.testing.assert_close(functional_call(made, values, (torch.tensor([0.5, 0.5]),)), expected)


def test_own_values_come_from_the_seed_alone_and_leave_the_global_generators_as_they_were() -> None:
    torch.manual_seed(1)
    np.random.seed(1)
    before = torch.get_rng_state(), np.random.get_state()[1].tolist()  # pyright: ignore
    first = draw_own("lenet-5", (1, 8, 8), 10, seed=3)
    assert torch.equal(before[0], torch.get_rng_state())
    assert before[1] == np.random.get_state()[1].tolist()  # pyright: ignore
    torch.manual_seed(2)
    again, other = draw_own("lenet-5", (1, 8, 8), 10, seed=3), draw_own("lenet-5", (1, 8, 8), 10, seed=4)
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["fc1.weight"], other["fc1.weight"])


def test_a_network_that_is_built_on_the_cpu_for_what_it_holds_draws_from_no_global_generator(
    own: Callable[[str], str],
) -> None:
    before = torch.get_rng_state()
    first, again = (build(own("Held"), SHAPE, 3).state_dict() for _ in range(2))
    assert torch.equal(before, torch.get_rng_state())
    assert all(torch.equal(first[name], again[name]) for name in first)


def test_seeded_code_that_fails_leaves_the_generators_as_they_were() -> None:
    before = torch.get_rng_state()
    with pytest.raises(RuntimeError, match=r"size mismatch|inconsistent"), seeded(1):
        torch.rand(2).dot(torch.rand(3))
    assert torch.equal(before, torch.get_rng_state())


def test_own_initialization_is_pytorchs_for_winnows_networks() -> None:
    own_network = Network(name="lenet-300", init="own", shape=(1, 8, 8), classes=10)
    weight = own_network.initial_values(0, 0)["fc1.weight"]
    assert weight.abs().max() <= 1 / 8  # uniform within 1 / sqrt(fan_in)
    assert weight.abs().max() > 0.12


class Tied(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(7, 4)
        self.middle = nn.Linear(4, 4)
        self.head = nn.Linear(4, 7, bias=False)
        self.head.weight = self.embed.weight
        self.middle.bias.requires_grad_(False)


def test_tied_tensors_are_one_under_their_first_name_and_frozen_ones_are_not_trained() -> None:
    assert tied(Tied()) == {"head.weight": "embed.weight"}
    assert trained(Tied()) == ["embed.weight", "middle.weight"]


def test_a_file_that_is_edited_counts_as_it_was_loaded_and_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "mine.py"
    path.write_text("import torch\n\ndef one():\n    return torch.nn.ReLU()\n\ndef other():\n    return one()\n")
    before = foreign(f"{path}:one")
    assert before
    known = before.identity
    path.write_text(path.read_text().replace("ReLU", "Tanh"))
    assert before.identity == known  # ReLU it is that would be trained
    assert type(before.construct((1,), 2)).__name__ == "ReLU"
    assert (also := foreign(f"{path}:other")) and also.identity[1] == known[1]
    assert caplog.messages == [
        f"'{path}' has been edited since this process loaded it, and is used as it was; a new process uses it as it is"
    ]


def test_a_module_counts_as_it_was_imported_until_it_is_imported_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    path = tmp_path / "module_that_is_edited.py"
    path.write_text("import torch\n\ndef net():\n    return torch.nn.ReLU()\n")
    module = import_module(path.stem)
    known = named.code(module.net)
    path.write_text("import torch\n\ndef net():\n    return torch.nn.LeakyReLU()\n")
    assert named.code(module.net) == known
    reload(module)
    assert named.code(module.net) != known


def test_a_network_that_moves_keeps_its_identity_and_one_that_is_edited_does_not(tmp_path: Path) -> None:
    names: list[str] = []
    for folder, code in (("a", OWN), ("b", "# a comment\n" + OWN), ("c", OWN.replace("width=4", "width=8"))):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "nets.py").write_text(code)
        names.append(f"{tmp_path}/{folder}/nets.py:small")
    digits = described("digits")
    made = [network(read("digits").edited({"model.name": name}), digits) for name in names]
    assert made[0] == made[1]
    assert made[0].place != made[1].place
    assert made[0].name == made[2].name == "own:small"
    assert made[0].source != made[2].source
    assert network(read("digits").edited({"model.name": f"{names[0]}(width=4)"}), digits) != made[0]


@pytest.mark.parametrize("library", ["timm", "torchvision", "transformers"])
def test_a_library_that_is_missing_is_named_with_its_extra(library: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(MissingExtra, match=rf'needs the package \'{library}\', .*\n.*"winnow-lth\[{library}\]"'):
        _ = foreign(f"{library}:config.json").identity


def test_a_library_that_does_not_load_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "timm.py").write_text("raise RuntimeError('operator torchvision::nms does not exist')")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "timm", raising=False)
    with pytest.raises(RecipeError, match=r"'timm' is installed but does not load: RuntimeError: operator torchvision"):
        build("timm:resnet18", SHAPE, 10)


@pytest.mark.usefixtures("torchvision")
@pytest.mark.parametrize(
    "name, layer, shape",
    [
        ("timm:vit_tiny_patch16_224(img_size=8, patch_size=4, depth=1)", "patch_embed.proj.weight", (192, 3, 4, 4)),
        ("torchvision:squeezenet1_1", "classifier.1.weight", (5, 512, 1, 1)),
    ],
)
def test_libraries_build_networks_for_the_data(name: str, layer: str, shape: tuple[int, ...]) -> None:
    assert build(name, SHAPE, 5).get_parameter(layer).shape == shape
    known_as, source = foreign(name).identity
    assert known_as.startswith(name[:8])
    assert source.startswith(name.partition(":")[0] + " ")


@pytest.mark.usefixtures("torchvision")
@pytest.mark.parametrize("name", ["timm:resnet81", "torchvision:resnet81"])
def test_a_network_that_a_library_lacks_is_told_with_the_nearest(name: str) -> None:
    with pytest.raises(UnknownName, match=r"unknown network of \w+ 'resnet81'. Did you mean 'resnet\d+"):
        build(name, SHAPE, 5)


GPT2 = {
    "model_type": "gpt2",
    "architectures": ["GPT2LMHeadModel"],
    "vocab_size": 11,
    "n_positions": 8,
    "n_embd": 8,
    "n_layer": 1,
    "n_head": 2,
}


def test_a_config_of_transformers_is_a_network_whose_outputs_are_logits(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_text(json.dumps(GPT2))
    name = f"transformers:{path}"
    made = build(name, (8,), 11)
    values = draw_own(name, (8,), 11, seed=0)
    assert tied(made) == {"lm_head.weight": "transformer.wte.weight"}
    assert "lm_head.weight" not in values
    outputs: Tensor = functional_call(made.eval(), values, (torch.zeros(2, 8, dtype=torch.int64),))
    assert outputs.shape == (2, 8, 11)
    before = foreign(name).identity
    path.write_text(json.dumps(GPT2 | {"n_head": 4}))
    assert foreign(name).identity != before
    path.write_text(json.dumps(dict(reversed(GPT2.items()))))
    assert foreign(name).identity == before


@pytest.mark.parametrize("stated, outputs", [({}, 5), ({"num_labels": 3}, 3), ({"id2label": {"0": "a", "1": "b"}}, 2)])
def test_a_config_that_says_how_many_classes_there_are_has_the_last_word(
    tmp_path: Path, stated: dict[str, object], outputs: int
) -> None:
    path = tmp_path / "config.json"
    path.write_text(json.dumps(GPT2 | {"architectures": ["GPT2ForSequenceClassification"]} | stated))
    assert build(f"transformers:{path}", (8,), 5).get_parameter("score.weight").shape == (outputs, 8)


@pytest.mark.parametrize(
    "content, message",
    [
        (None, "there is no config file"),
        ("[1]", "holds no config"),
        ("{", "is no JSON file"),
        ('{"model_type": "gpt2"}', r"must say which model it is of: .*It has 'gpt2' and \[\]"),
    ],
)
def test_a_config_that_is_none_is_told(tmp_path: Path, content: str | None, message: str) -> None:
    path = tmp_path / "config.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(RecipeError, match=message):
        build(f"transformers:{path}", SHAPE, 5)
