"""A ticket: a mask, the rewind point it trains from, and where both came from; in one file that can be handed over."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor, nn

from winnow.errors import MaskError, StoreError, TicketError
from winnow.pruning.mask import WRAPPERS, Mask
from winnow.store.files import write_file

FORMAT = 1
"""The version of the ticket file: safetensors, with the rewind point's parameters and buffers under `state/NAME`,
the mask's booleans under `mask/NAME`, and the provenance as JSON in the metadata."""


@dataclass(frozen=True, eq=False)
class Ticket:
    """A subnetwork that can be trained alone.

    `apply_` makes a network the ticket: W_k where the mask is 1, exactly zero where it is 0.

    >>> import torch
    >>> network = nn.Sequential(nn.Linear(2, 1, bias=False))
    >>> mask = Mask({"0.weight": torch.tensor([[True, False]])})
    >>> Ticket(mask, {"0.weight": torch.tensor([[0.5, 0.7]])}, {}).apply_(network)
    >>> network[0].weight.tolist()
    [[0.5, 0.0]]
    """

    mask: Mask
    state: Mapping[str, Tensor]
    """Parameters and buffers at iteration k, by their names in the network's state dict; unmasked."""

    provenance: Mapping[str, Any]
    """The recipe, the replicate, the level, k and the keys of the steps it came from."""

    def __post_init__(self) -> None:
        self.mask.check_fits(self.state)

    def __repr__(self) -> str:
        """In a line: the tensors would be pages."""
        made = ", ".join(
            f"{name} {self.provenance[name]}" for name in ("level", "replicate", "k") if name in self.provenance
        )
        return f"<Ticket: {self.mask.kept:,} of {self.mask.size:,} weights{made and '; ' + made}>"

    def apply_(self, network: nn.Module) -> None:
        """Load the rewind point into a network and set its pruned weights to zero.

        Raises TicketError where names or shapes differ, and then leaves the network as it was.
        """
        own = network.state_dict()
        for prefix, inside in WRAPPERS.items():
            if own and all(name.startswith(prefix) for name in own) and not any(map(own.__contains__, self.state)):
                raise TicketError(
                    f"the network is wrapped, and calls its parameters '{prefix}NAME'.\n"
                    f"Give the network inside, network.{inside}: the two share their parameters."
                )
        if missing := [name for name in own if name not in self.state]:
            raise TicketError(
                f"the ticket has no value for '{missing[0]}' of the network; it has {', '.join(self.state)}."
            )
        for name, value in self.state.items():
            if name not in own:
                raise TicketError(f"the ticket holds '{name}'; the network has {', '.join(own)}.")
            if own[name].shape != value.shape:
                shapes = tuple(value.shape), tuple(own[name].shape)
                raise TicketError(f"the ticket's '{name}' has shape {shapes[0]}; the network's has {shapes[1]}.")
        if empty := next((name for name, tensor in own.items() if getattr(tensor, "is_meta", False)), ""):
            raise TicketError(
                f"the network's '{empty}' lies on the meta device, which holds no values.\n"
                f"Build it on the CPU, or give it room: network.to_empty(device='cpu')."
            )
        network.load_state_dict(dict(self.state))
        self.mask.apply_(network)

    def save(self, path: Path | str) -> None:
        """Write the ticket to a file of safetensors, whole or not at all."""
        check_file_name(Path(path))
        tensors = {f"state/{name}": value.detach().cpu().contiguous() for name, value in self.state.items()}
        tensors |= {f"mask/{name}": kept for name, kept in self.mask.items()}
        order = {"state": list(self.state), "mask": list(self.mask)}
        header = json.dumps({"format": FORMAT, "order": order, "provenance": dict(self.provenance)})
        write_file(Path(path), save(tensors, metadata={"winnow": header}), option="--out FILE")

    @classmethod
    def read(cls, path: Path | str) -> Ticket:
        """Read a ticket; raises TicketError where the file is not one."""
        try:
            content = Path(path).read_bytes()
            length = int.from_bytes(content[:8], "little")
            header = json.loads(json.loads(content[8 : 8 + length])["__metadata__"]["winnow"])
            if "trained" in header:
                raise TicketError(
                    f"'{path}' holds a network after training, and no ticket. safetensors.torch.load_file reads it."
                )
            if header["format"] != FORMAT:
                raise TicketError(f"'{path}' is a ticket of format {header['format']}; this Winnow reads {FORMAT}.")
            tensors = load(content)
            mask = Mask({name: tensors[f"mask/{name}"] for name in header["order"]["mask"]})
            state = {name: tensors[f"state/{name}"] for name in header["order"]["state"]}
            return cls(mask, state, header["provenance"])
        except FileNotFoundError:
            raise TicketError(f"there is no file '{path}'.") from None
        except (OSError, SafetensorError, KeyError, ValueError, TypeError, MaskError, StoreError) as error:
            raise TicketError(f"'{path}' is not a ticket: {error}.") from None


_OTHERS = dict.fromkeys((".pt", ".pth", ".ckpt", ".bin"), "torch.load") | {".npz": "numpy.load", ".onnx": "ONNX"}


def check_file_name(path: Path) -> None:
    """Raise TicketError for a name by which a file of safetensors would be taken for another kind."""
    if path.suffix in _OTHERS:
        raise TicketError(
            f"'{path}' would be taken for a file of {_OTHERS[path.suffix]}, and what is written is safetensors.\n"
            f"Name it '{path.with_suffix('.safetensors')}'."
        )
