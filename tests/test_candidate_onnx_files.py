"""Every ONNX file that is refused before a library sees it, and where two readers could disagree about a file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from monitor.candidates import CandidateError, onnx_wire
from monitor.candidates.files import MAX_BYTES
from monitor.candidates.onnx_wire import MAX_NODES, inspect
from tests.candidate_files import ACTIONS, of, states
from tests.onnx_files import (
    LINEAR,
    STRING,
    TENSORS,
    constant,
    field,
    graph,
    heavy,
    logits,
    model,
    node,
    onnx,
    probabilities,
    tensor,
    value,
    varint,
    whole,
)

IDENTITY = node("Identity", ["z"], ["y"])
PLAIN = graph([*LINEAR, IDENTITY], TENSORS)


def entry(key: str, said: str) -> bytes:
    return field(1, key) + field(2, said)


def outside(where: str, location: int = 1) -> bytes:
    """Return weights whose numbers are in another file."""
    shape = field(1, 2) + field(1, 3) + field(2, 1) + field(8, "W")
    return shape + field(13, entry("location", where)) + field(14, location)


def with_tensor(one: bytes) -> bytes:
    return model(graph([*LINEAR, IDENTITY], [one, TENSORS[1]]))


def with_node(one: bytes) -> bytes:
    return model(graph([*LINEAR, one], TENSORS))


def with_inputs(*inputs: bytes) -> bytes:
    return model(graph([*LINEAR, IDENTITY], TENSORS, list(inputs)))


def inside(body: bytes) -> bytes:
    """Return an attribute with a network in it."""
    return field(1, "then_branch") + field(6, body) + field(20, 5)


EXTERNAL = "a tensor keeps its data in another file"
DAMAGED = "not an ONNX file, or cut short"


CASES = [
    (with_tensor(outside("../../etc/passwd")), EXTERNAL),
    (with_tensor(outside("/etc/passwd")), EXTERNAL),
    (with_tensor(outside("v8.json")), EXTERNAL),
    (with_tensor(outside("v8.json", 0)), EXTERNAL),
    (with_tensor(field(14, 1) + TENSORS[0]), EXTERNAL),
    (with_tensor(TENSORS[0] + field(14, 1) + field(14, 0)), EXTERNAL),
    (with_tensor(TENSORS[0] + field(14, 2**32 + 1)), EXTERNAL),
    (with_node(node("Constant", [], ["y"], field(1, "value") + field(5, outside("/etc/passwd")))), EXTERNAL),
    (with_node(node("Constant", [], ["y"], field(1, "v") + field(22, field(1, outside("/etc/x"))))), EXTERNAL),
    (model(PLAIN + field(15, field(2, outside("/etc/passwd")))), EXTERNAL),
    (with_node(node("Gelu", ["z"], ["y"], domain="com.microsoft")), "operators of 'com.microsoft' are not known"),
    (with_node(node("Any", ["z"], ["y"], domain="x" * 10_000)), "operators of 'xxxx"),
    (model(PLAIN, field(8, field(1, "evil") + field(2, 1))), "operators of 'evil' are not known"),
    (with_node(node("If", ["z"], ["y"], inside(PLAIN))), r"a network inside the network \(If, Loop, Scan\)"),
    (with_node(node("Loop", ["z"], ["y"], field(1, "b") + field(11, PLAIN))), "a network inside the network"),
    (model(PLAIN, field(25, field(1, "f"))), "it has functions"),
    (model(PLAIN, field(20, field(1, PLAIN))), "it has training_info"),
    (with_node(node("Multinomial", ["z"], ["y"])), "Multinomial draws lots"),
    (model(PLAIN, field(99, b"x")), "not an ONNX file, or a newer one: field 99 of model"),
    (model(PLAIN + field(77, 1)), "field 77 of graph"),
    (model(PLAIN, field(7, b"")), "it has 2 graphs"),
    (field(1, 8), "it has 0 graphs"),
    (model(PLAIN, field(7, 3)), "model field 7 has wire type 0"),
    (with_tensor(TENSORS[0] + field(14, b"\x01")), "tensor field 14 has wire type 2"),
    (model(PLAIN, varint(7 << 3 | 3)), DAMAGED),
    (with_inputs(value("x", "n", 2), value("h", "n", 2)), r"it has 2 inputs \('x', 'h'\)"),
    (with_inputs(), "it has 0 inputs"),
    (with_inputs(value("x", "n", 2, kind=STRING)), "input 'x' must be of type float or double"),
    (with_inputs(value("x", "n", 2) + field(2, field(1, field(1, STRING)))), "input 'x' must be of type"),
    (with_inputs(field(1, "x") + field(2, field(4, b""))), "an input that is a sequence"),
    (with_inputs(value("x", "n", 3)), r"has shape \[0, 3\]; expected \[states, 2\]"),
    (with_inputs(value("x", 2)), r"has shape \[2\]; expected"),
    (with_inputs(value("x", 4, 2)), "takes exactly 4 states: export it with an open first axis"),
    (model(graph([*LINEAR, IDENTITY], TENSORS, outputs=[])), "its outputs are none: name one"),
    (model(graph([IDENTITY] * (MAX_NODES + 1), [])), "more than 10,000 nodes"),
    (b"", "it has 0 graphs"),
    (b"\x80" * 64, DAMAGED),
    (logits()[:-9], DAMAGED),
    (logits()[:40], DAMAGED),
    (b"PK\x03\x04" + b"\x00" * 60, "not an ONNX file"),
]


@pytest.mark.parametrize(("content", "reason"), CASES, ids=[reason for _, reason in CASES])
def test_a_network_with_more_in_it_than_a_policy_needs_is_refused(tmp_path: Path, content: bytes, reason: str) -> None:
    with pytest.raises(CandidateError, match=rf"v8\.onnx: .*{reason}"):
        of(f"onnx:{onnx(tmp_path, content)}")


def test_a_network_of_more_fields_than_are_walked_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnx_wire, "MAX_FIELDS", 1000)
    with pytest.raises(CandidateError, match="more than 1,000 fields: save its tensors as raw data"):
        of(f"onnx:{onnx(tmp_path, model(PLAIN, field(5, 1) * 1000))}")


def test_a_network_over_the_size_limit_is_refused_before_it_is_read(tmp_path: Path) -> None:
    with onnx(tmp_path).open("wb") as file:
        file.truncate(MAX_BYTES + 1)
    with pytest.raises(CandidateError, match=r"v8\.onnx: 67,108,865 bytes; .* at most 67,108,864"):
        of(f"onnx:{tmp_path / 'v8.onnx'}")


def test_a_file_that_is_also_of_the_runtimes_other_format_is_read_as_what_was_inspected(tmp_path: Path) -> None:
    """onnxruntime takes bytes with ORTM at the fifth place for a flatbuffer unless it is told what they are."""
    both = field(1, 8) + field(2, "ORTM") + logits()[2:]
    assert both[4:8] == b"ORTM"
    found = of(f"onnx:{onnx(tmp_path, both)}").probabilities(states(), ACTIONS)
    np.testing.assert_array_equal(found, of(f"onnx:{onnx(tmp_path)}").probabilities(states(), ACTIONS))


def test_an_input_that_an_initializer_fills_is_none(tmp_path: Path) -> None:
    old = with_inputs(value("x", "n", 2), value("W", 2, 3), value("b", 3))
    assert of(f"onnx:{onnx(tmp_path, old)}").probabilities(states(3), ACTIONS).shape == (3,)


def test_any_damage_is_an_error_of_this_kind_and_no_other() -> None:
    rng, refused = np.random.default_rng(0), 0
    constants = with_node(
        node("Constant", [], ["y"], field(1, "value") + field(5, tensor("c", [[1.0]])), whole("a", 1))
    )
    for content in (logits(), probabilities(), constant([1.0, 2.0, 3.0]), heavy(10, 3), constants):
        for _ in range(400):
            damaged = bytearray(content)
            for at in rng.integers(0, len(damaged), rng.integers(1, 4)):
                damaged[at] = rng.integers(0, 256)
            end = rng.integers(1, len(damaged) + 1) if rng.random() < 0.3 else len(damaged)
            try:
                inspect(Path("v8.onnx"), bytes(damaged[:end]))
            except CandidateError:
                refused += 1
    assert 500 < refused < 2000
