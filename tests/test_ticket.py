from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from winnow.errors import MaskError, StoreError, TicketError
from winnow.pruning import Mask
from winnow.ticket import Ticket


def network(hidden: int = 4) -> nn.Sequential:
    return nn.Sequential(nn.Linear(3, hidden), nn.BatchNorm1d(hidden), nn.Linear(hidden, 2))


@pytest.fixture
def ticket() -> Ticket:
    draw = torch.Generator().manual_seed(3)
    values = {
        name: torch.rand(value.shape, generator=draw) if value.is_floating_point() else torch.tensor(7)
        for name, value in network().state_dict().items()
    }
    kept = {name: torch.rand(values[name].shape, generator=draw) < 0.5 for name in ("2.weight", "0.weight")}
    return Ticket(Mask(kept), values, {"level": 3, "recipe": 'name = "ä"\n', "mask": None})


def bits(value: Tensor) -> bytes:
    return value.numpy().tobytes()


def test_a_ticket_is_read_back_as_it_was_written(ticket: Ticket, tmp_path: Path) -> None:
    path = tmp_path / "made" / "ticket.safetensors"
    ticket.save(path)
    read = Ticket.read(path)
    assert read.mask == ticket.mask and list(read.mask) == ["2.weight", "0.weight"]
    assert list(read.state) == list(ticket.state)
    for name, value in ticket.state.items():
        assert (read.state[name].dtype, read.state[name].shape) == (value.dtype, value.shape)
        assert bits(read.state[name]) == bits(value)
    assert read.provenance == ticket.provenance
    again = tmp_path / "again.safetensors"
    read.save(str(again))
    assert again.read_bytes() == path.read_bytes()


def test_a_network_becomes_the_ticket_with_pruned_weights_exactly_zero(ticket: Ticket) -> None:
    made = network()
    ticket.apply_(made)
    for name, value in made.state_dict().items():
        kept = ticket.mask[name] if name in ticket.mask else torch.ones_like(value, dtype=torch.bool)
        assert torch.equal(value[kept], ticket.state[name][kept])
        assert not value[~kept].any()
    assert torch.equal(made[1].running_mean, ticket.state["1.running_mean"])


def test_the_ticket_itself_is_not_changed_by_the_network_it_was_applied_to(ticket: Ticket) -> None:
    before = {name: value.clone() for name, value in ticket.state.items()}
    made = network()
    ticket.apply_(made)
    with torch.no_grad():
        made[0].weight.add_(1)
    assert all(torch.equal(ticket.state[name], value) for name, value in before.items())


@pytest.mark.parametrize(
    "other, message",
    [
        (network(5), r"the ticket's '0.weight' has shape \(4, 3\); the network's has \(5, 3\)."),
        (nn.Sequential(nn.Linear(3, 4)), "the ticket holds '1.weight'; the network has 0.weight, 0.bias."),
        (
            nn.DataParallel(network()),
            r"is wrapped, .* 'module.NAME'.\nGive the network inside, network.module: ",
        ),
        (nn.Sequential(*network(), nn.Linear(2, 2)), "the ticket has no value for '3.weight' of the network; it has 0"),
    ],
)
def test_a_network_that_does_not_fit_is_left_as_it_was(other: nn.Module, message: str, ticket: Ticket) -> None:
    before = {name: value.clone() for name, value in other.state_dict().items()}
    with pytest.raises(TicketError, match=message):
        ticket.apply_(other)
    assert all(value.is_meta or torch.equal(value, before[name]) for name, value in other.state_dict().items())


def test_a_mask_that_does_not_fit_the_rewind_point_makes_no_ticket(ticket: Ticket) -> None:
    with pytest.raises(MaskError, match=r"mask '9\.weight' names no parameter"):
        Ticket(Mask({"9.weight": torch.ones(2, 2, dtype=torch.bool)}), ticket.state, {})
    with pytest.raises(MaskError, match=r"mask '0.weight' has shape \(2, 2\); the model has \(4, 3\)."):
        Ticket(Mask({"0.weight": torch.ones(2, 2, dtype=torch.bool)}), ticket.state, {})


@pytest.mark.parametrize("damage", ["cut short", "empty", "text", "other safetensors"])
def test_a_file_that_is_no_ticket_is_named(damage: str, ticket: Ticket, tmp_path: Path) -> None:
    path = tmp_path / "ticket.safetensors"
    ticket.save(path)
    content = path.read_bytes()
    path.write_bytes(
        {
            "cut short": content[:-5],
            "empty": b"",
            "text": b"I am no ticket, though I am long enough to be one.",
            "other safetensors": ticket.mask.to_bytes(),
        }[damage]
    )
    with pytest.raises(TicketError, match=r"ticket\.safetensors' is not a ticket: "):
        Ticket.read(path)


def test_a_ticket_of_a_later_format_says_so(ticket: Ticket, tmp_path: Path) -> None:
    path = tmp_path / "ticket.safetensors"
    ticket.save(path)
    path.write_bytes(path.read_bytes().replace(b'{\\"format\\": 1', b'{\\"format\\": 9'))
    with pytest.raises(TicketError, match="is a ticket of format 9; this Winnow reads 1"):
        Ticket.read(path)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(TicketError, match=r"there is no file '.*missing\.safetensors'"):
        Ticket.read(tmp_path / "missing.safetensors")


@pytest.mark.parametrize("name, reader", [("a.pt", "torch.load"), ("a.npz", "numpy.load")])
def test_a_name_of_another_kind_of_file_is_refused(name: str, reader: str, ticket: Ticket, tmp_path: Path) -> None:
    with pytest.raises(TicketError, match=rf"would be taken for a file of {reader}, .*\nName it '.*/a.safetensors'"):
        ticket.save(tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_a_place_that_cannot_be_written_to_leaves_no_half_file(ticket: Ticket, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match=r"writing to .* failed"):
        ticket.save(tmp_path / "file" / "ticket.safetensors")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
