"""A training state to bytes and back: safetensors, exact to the bit.

One tensor for each parameter, buffer and optimizer buffer, without the lane axis, under `parameters/NAME`,
`buffers/NAME`, `slots/SLOT/NAME` and, of a mask that changes, `masks/NAME`; iteration and age as JSON in the metadata.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from winnow.errors import CorruptResult
from winnow.steps import Content
from winnow.training.state import State

FORMAT = 1


def encode(state: State, content: Content) -> bytes:
    """The file of a state of one lane; without the optimizer's buffers unless `content` is FULL."""
    tensors = {f"parameters/{name}": tensor[0] for name, tensor in state.parameters.items()}
    tensors |= {f"buffers/{name}": tensor[0] for name, tensor in state.buffers.items()}
    if content is Content.FULL:
        for slot, by_name in state.slots.items():
            tensors |= {f"slots/{slot}/{name}": tensor[0] for name, tensor in by_name.items()}
        tensors |= {f"masks/{name}": tensor[0].bool() for name, tensor in state.masks.items()}
    header = {
        "format": FORMAT,
        "iteration": state.iteration,
        "age": state.age,
        "order": {"parameters": list(state.parameters), "buffers": list(state.buffers), "slots": list(state.slots)},
    }
    tensors["window"] = state.window[0]
    contiguous = {name: tensor.cpu().contiguous() for name, tensor in tensors.items()}
    return save(contiguous, metadata={"winnow": json.dumps(header)})


def decode(content: bytes) -> State:
    """The state in a file; raises CorruptResult where it is not one."""
    try:
        header = _header(content)
        if header["format"] != FORMAT:
            raise CorruptResult(f"its state has format {header['format']}; this Winnow reads {FORMAT}")
        tensors = load(content)
        order: dict[str, list[str]] = header["order"]

        def taken(prefix: str, names: list[str]) -> dict[str, Tensor]:
            return {name: tensors[f"{prefix}/{name}"].unsqueeze(0) for name in names}

        parameters = taken("parameters", order["parameters"])
        has_slots = any(name.startswith("slots/") for name in tensors)
        slots = {slot: taken(f"slots/{slot}", list(parameters)) for slot in order["slots"]} if has_slots else {}
        buffers = taken("buffers", order["buffers"])
        window = tensors["window"].unsqueeze(0)
        masks = taken("masks", [name for name in parameters if f"masks/{name}" in tensors])
        masks = {name: mask.to(parameters[name].dtype) for name, mask in masks.items()}
        return State(header["iteration"], header["age"], parameters, buffers, slots, window, masks)
    except (SafetensorError, KeyError, ValueError, TypeError) as error:
        raise CorruptResult(f"its state cannot be read ({error})") from None


def encode_rows(rows: Sequence[Mapping[str, float | str]]) -> bytes:
    """Rows of the same columns as CSV; numbers exact to the bit."""
    out = io.StringIO()
    writer = csv.DictWriter(out, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(
        {name: repr(value) if isinstance(value, float) else value for name, value in row.items()} for row in rows
    )
    return out.getvalue().encode()


def decode_rows(content: bytes) -> list[dict[str, float | str]]:
    """Read what `encode_rows` wrote. A column is of numbers where every value of it is one."""
    rows = list(csv.DictReader(io.StringIO(content.decode())))
    numeric = {name for name in (rows[0] if rows else ()) if all(_is_number(row[name]) for row in rows)}
    return [{name: float(value) if name in numeric else value for name, value in row.items()} for row in rows]


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _header(content: bytes) -> dict[str, Any]:
    """safetensors' own header, whose metadata its `load` leaves out: eight bytes of length, then JSON."""
    length = int.from_bytes(content[:8], "little")
    return json.loads(json.loads(content[8 : 8 + length])["__metadata__"]["winnow"])
