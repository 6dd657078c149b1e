"""ONNX files written field by field, so that a test can write the ones that no exporter would."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

FLOAT, DOUBLE, STRING = 1, 11, 8


def varint(value: int) -> bytes:
    found = bytearray()
    while True:
        value, low = value >> 7, value & 0x7F
        found.append(low | (0x80 if value else 0))
        if not value:
            return bytes(found)


def field(number: int, value: int | bytes | str) -> bytes:
    """Write one field: a whole number as varint, anything else with its length before it."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value & 0xFFFFFFFFFFFFFFFF)
    data = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(data)) + data


def tensor(name: str, values: Any, *more: bytes) -> bytes:
    array = np.asarray(values, dtype=np.float32)
    dims = b"".join(field(1, size) for size in array.shape)
    return dims + field(2, FLOAT) + field(8, name) + field(9, array.tobytes()) + b"".join(more)


def sizes(name: str, *shape: int) -> bytes:
    """Return a tensor of whole numbers."""
    return field(1, len(shape)) + field(2, 7) + field(8, name) + field(9, np.array(shape, np.int64).tobytes())


def value(name: str, *shape: int | str, kind: int = FLOAT) -> bytes:
    dims = b"".join(field(1, field(2 if isinstance(size, str) else 1, size)) for size in shape)
    return field(1, name) + field(2, field(1, field(1, kind) + field(2, dims)))


def node(op: str, inputs: list[str], outputs: list[str], *attributes: bytes, domain: str = "") -> bytes:
    named = b"".join(field(1, name) for name in inputs) + b"".join(field(2, name) for name in outputs)
    return named + field(4, op) + b"".join(field(5, one) for one in attributes) + field(7, domain)


def whole(name: str, number: int) -> bytes:
    """Return an attribute that is a whole number."""
    return field(1, name) + field(3, number) + field(20, 2)


def graph(
    nodes: list[bytes], tensors: list[bytes], inputs: list[bytes] | None = None, outputs: list[bytes] | None = None
) -> bytes:
    given = [value("x", "rows", 2)] if inputs is None else inputs
    answered = [value("y", "rows", 3)] if outputs is None else outputs
    parts = [(1, nodes), (5, tensors), (11, given), (12, answered)]
    return field(2, "policy") + b"".join(field(number, one) for number, ones in parts for one in ones)


def model(body: bytes, *more: bytes, opset: int = 17) -> bytes:
    return field(1, 8) + field(7, body) + field(8, field(1, "") + field(2, opset)) + b"".join(more)


WEIGHTS = np.array([[0.0, 1.5, -1.0], [0.0, 0.2, 0.3]], dtype=np.float32)
BIAS = np.array([0.0, -1.0, 0.5], dtype=np.float32)
LINEAR = [node("MatMul", ["x", "W"], ["xW"]), node("Add", ["xW", "b"], ["z"])]
TENSORS = [tensor("W", WEIGHTS), tensor("b", BIAS)]


def logits(*more: bytes) -> bytes:
    return model(graph([*LINEAR, node("Identity", ["z"], ["y"])], [*TENSORS]), *more)


def probabilities() -> bytes:
    return model(graph([*LINEAR, node("Softmax", ["z"], ["y"], whole("axis", 1))], [*TENSORS]))


def constant(values: Any) -> bytes:
    """Return a network that answers the same row whatever it is asked."""
    zero = [node("MatMul", ["x", "Z"], ["z"]), node("Add", ["z", "c"], ["y"])]
    return model(graph(zero, [tensor("Z", np.zeros((2, np.size(values)))), tensor("c", values)]))


def heavy(side: int, steps: int, of_state: bool = True) -> bytes:
    """Return a network that makes a matrix of this side, from the state or not, and multiplies it with itself."""
    made = [node("ReduceMax", ["x" if of_state else "W"], ["m"]), node("Expand", ["m", "s"], ["h0"])]
    chain = [node("MatMul", [f"h{i}", f"h{i}"], [f"h{i + 1}"]) for i in range(steps)]
    last = [node("ReduceMax", [f"h{steps}"], ["n"]), node("Add", ["z", "n"], ["y"])]
    return model(graph([*LINEAR, *made, *chain, *last], [*TENSORS, sizes("s", side, side)]))


SIDECAR: dict[str, Any] = {
    "kind": "onnx",
    "features": ["inlet", "load"],
    "actions": ["hold", "cool", "heat"],
    "answers": "logits",
    "mean": [22.0, 0.5],
    "scale": [3.0, 0.2],
}


def onnx(folder: Path, content: bytes | None = None, **changes: Any) -> Path:
    """Write a network and the JSON beside it; returns the network's path."""
    path = folder / "v8.onnx"
    path.write_bytes(logits() if content is None else content)
    said = {key: one for key, one in {**SIDECAR, **changes}.items() if one is not None}
    (folder / "v8.json").write_text(json.dumps(said))
    return path
