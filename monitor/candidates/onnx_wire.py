"""What an ONNX file says, read from its bytes before any library sees it, and refused where it says too much.

ONNX is protobuf; these few messages of onnx.proto3 (onnx 1.19, IR version 13) are all that a policy network needs. A
field that is not named here is refused, whatever it may mean, and so is a known field of another wire type, because
readers disagree about those.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from monitor.candidates.scored import CandidateError

MAX_FIELDS = 250_000
MAX_NODES = 10_000
DOMAINS = ("", "ai.onnx", "ai.onnx.ml")
FLOATS = {1: "float", 11: "double"}
_LUCK = {"Bernoulli", "Multinomial", "RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike"}

# Fields of each message: number -> "varint", "fixed", "bytes" (not looked into), or the message inside.
_KINDS: dict[str, dict[int, str]] = {
    "model": {1: "varint", 2: "bytes", 3: "bytes", 4: "bytes", 5: "varint", 6: "bytes", 7: "graph", 8: "opset"}
    | {14: "bytes"},
    "opset": {1: "bytes", 2: "varint"},
    "graph": {1: "node", 2: "bytes", 5: "tensor", 10: "bytes", 11: "value", 12: "output", 13: "bytes", 14: "bytes"}
    | {15: "sparse", 16: "bytes"},
    "node": {1: "bytes", 2: "bytes", 3: "bytes", 4: "bytes", 5: "attribute", 6: "bytes", 7: "bytes", 9: "bytes"},
    "attribute": {1: "bytes", 2: "fixed", 3: "varint", 4: "bytes", 5: "tensor", 6: "refused", 7: "list", 8: "list"}
    | {9: "bytes", 10: "tensor", 11: "refused", 13: "bytes", 20: "varint", 22: "sparse", 23: "sparse"},
    "tensor": {1: "list", 2: "varint", 4: "list", 5: "list", 6: "bytes", 7: "list", 8: "bytes", 9: "bytes"}
    | {10: "list", 11: "list", 12: "bytes", 13: "external", 14: "varint", 16: "bytes"},
    "sparse": {1: "tensor", 2: "tensor", 3: "list"},
    "value": {1: "bytes", 2: "type", 3: "bytes", 4: "bytes"},
    "output": {1: "bytes", 2: "bytes", 3: "bytes", 4: "bytes"},
    "type": {1: "dense", 6: "bytes"},
    "dense": {1: "varint", 2: "shape"},
    "shape": {1: "dim"},
    "dim": {1: "varint", 2: "bytes", 3: "bytes"},
}
_NAMES = {
    ("model", 20): "training_info",
    ("model", 25): "functions: inline them before exporting",
    ("graph", 14): "metadata",
    ("type", 4): "an input that is a sequence",
    ("type", 5): "an input that is a map",
    ("type", 8): "an input that is sparse",
    ("type", 9): "an input that is optional",
}
_WIRES = {"varint": (0,), "fixed": (1, 5), "list": (0, 1, 2, 5)}  # all others: 2, bytes with their length before them


@dataclass
class Network:
    """What was found: enough to know how to ask it.

    Parameters
    ----------
    inputs
        Name, element types and dimensions (0: open) of each input that no initializer fills.
    outputs
        Names of the outputs.
    """

    inputs: dict[str, tuple[list[int], list[int]]] = field(default_factory=dict)
    outputs: list[str] = field(default_factory=list)


def inspect(path: Path, data: bytes) -> Network:
    """Walk a file and refuse what a policy has no need of.

    Data kept in other files, operators of other domains, functions, networks inside of networks (loops, branches),
    operators that draw lots, training, unknown fields, and more fields or nodes than a policy has.

    Raises
    ------
    CandidateError
        If any of that is found, or the bytes are no ONNX; names the part.
    """
    try:
        return _Walk(path).network(data)
    except (IndexError, UnicodeDecodeError):
        raise CandidateError(f"{path}: not an ONNX file, or cut short (pickle and torch.save are never read)") from None


def check_input(path: Path, network: Network, features: int) -> None:
    """Require one input of float or double with this number of features.

    Raises
    ------
    CandidateError
        If it is otherwise.
    """
    if len(network.inputs) != 1:
        names = ", ".join(f"{name!a}" for name in list(network.inputs)[:5])
        raise CandidateError(f"{path}: it has {len(network.inputs)} inputs ({names}); a policy takes one, the state")
    ((name, (kinds, dims)),) = network.inputs.items()
    if len(kinds) != 1 or kinds[0] not in FLOATS:
        raise CandidateError(f"{path}: input {name!a} must be of type {' or '.join(FLOATS.values())}")
    if len(dims) == 2 and dims[0] != 0:
        raise CandidateError(
            f"{path}: input {name!a} takes exactly {dims[0]} states: export it with an open first axis"
        )
    if len(dims) != 2 or dims[1] not in (0, features):
        raise CandidateError(f"{path}: input {name!a} has shape {dims}; expected [states, {features}] (0: any)")


def output_of(path: Path, network: Network, wanted: str | None) -> str:
    """Return the output that answers.

    Raises
    ------
    CandidateError
        If it is not there, or there are several and the JSON does not say which.
    """
    listed = ", ".join(f"{name!a}" for name in network.outputs[:5]) or "none"
    if wanted is None and len(network.outputs) != 1:
        raise CandidateError(f"{path}: its outputs are {listed}: name one as output in the JSON beside it")
    if wanted is not None and wanted not in network.outputs:
        raise CandidateError(f"{path}: it has no output {wanted!a}; its outputs are {listed}")
    return network.outputs[0] if wanted is None else wanted


class _Walk:
    """One pass over one file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._fields = self._nodes = 0
        self._filled: set[str] = set()
        self._found = Network()

    def _refuse(self, said: str) -> CandidateError:
        return CandidateError(f"{self._path}: {said}")

    def network(self, data: bytes) -> Network:
        graphs = sum(number == 7 for number, _, _ in self._parts("model", data, 0, len(data)))
        if graphs != 1:
            raise self._refuse(f"not an ONNX file: it has {graphs} graphs")
        for name in self._filled & set(self._found.inputs):  # an initializer may be listed as an input, too
            del self._found.inputs[name]
        return self._found

    def _parts(self, message: str, data: bytes, at: int, end: int) -> list[tuple[int, int, int]]:
        """Return a message's fields, and where their content is, after everything inside was walked."""
        kinds, found = _KINDS[message], list[tuple[int, int, int]]()
        for number, wire, value, begin, stop in self._split(data, at, end):
            kind = kinds.get(number)
            if kind is None or kind == "refused":
                raise self._refuse(self._unknown(message, number))
            if wire not in _WIRES.get(kind, (2,)):
                raise self._refuse(f"{message} field {number} has wire type {wire}: the file is damaged or made up")
            if kind == "external" or (message == "tensor" and number == 14 and value != 0):
                raise self._refuse("a tensor keeps its data in another file: save the model as one file")
            if kind in _KINDS:
                self._inside(kind, data, begin, stop)
            found.append((number, begin, stop))
        return found

    def _unknown(self, message: str, number: int) -> str:
        if message == "attribute":
            return "a network inside the network (If, Loop, Scan): export the policy without control flow"
        known = _NAMES.get((message, number))
        return f"it has {known}" if known else f"not an ONNX file, or a newer one: field {number} of {message}"

    def _inside(self, kind: str, data: bytes, begin: int, end: int) -> None:
        parts = self._parts(kind, data, begin, end)

        def texts(wanted: int) -> list[str]:
            return [data[a:b].decode() for number, a, b in parts if number == wanted]

        if kind in ("opset", "node"):
            for domain in texts(1 if kind == "opset" else 7):
                if domain not in DOMAINS:
                    raise self._refuse(f"operators of {domain[:80]!a} are not known here: use ai.onnx ones only")
        if kind == "node":
            self._nodes += 1
            if self._nodes > MAX_NODES:
                raise self._refuse(f"it has more than {MAX_NODES:,} nodes")
            if luck := sorted(set(texts(4)) & _LUCK):
                raise self._refuse(f"{luck[0]} draws lots: answer probabilities, not a drawn action")
        elif kind == "tensor":
            self._filled.update(texts(8))
        elif kind == "output":
            self._found.outputs += texts(1)
        elif kind == "value":
            self._input(texts(1), data, begin, end)

    def _input(self, names: list[str], data: bytes, begin: int, end: int) -> None:
        kinds, dims = list[int](), list[int]()
        for _, _, _, a, b in self._split(data, begin, end, only=2):
            for _, _, _, c, d in self._split(data, a, b, only=1):
                for number, _, value, e, f in self._split(data, c, d):
                    if number == 1:
                        kinds.append(value)
                    else:
                        for _, _, _, g, h in self._split(data, e, f, only=1):
                            dims.append(sum(v for n, _, v, _, _ in self._split(data, g, h) if n == 1))
        if len(names) != 1 or names[0] in self._found.inputs:
            raise self._refuse("an input has no name of its own")
        self._found.inputs[names[0]] = (kinds, dims)

    def _split(
        self, data: bytes, at: int, end: int, only: int | None = None
    ) -> Iterator[tuple[int, int, int, int, int]]:
        """Yield number, wire type, value, and where the content is, of each field between two places."""
        while at < end:
            self._fields += 1
            if self._fields > MAX_FIELDS:
                raise self._refuse(f"it has more than {MAX_FIELDS:,} fields: save its tensors as raw data")
            tag, at = self._varint(data, at, end)
            number, wire, value, begin = tag >> 3, tag & 7, 0, at
            if wire == 0:
                value, at = self._varint(data, at, end)
            elif wire == 2:
                length, begin = self._varint(data, at, end)
                at = begin + length
            elif wire in (1, 5):
                at += 8 if wire == 1 else 4
            else:
                raise IndexError
            if at > end or not 0 < number < 2**29:
                raise IndexError
            if only is None or number == only:
                yield number, wire, value, begin, at

    @staticmethod
    def _varint(data: bytes, at: int, end: int) -> tuple[int, int]:
        value = 0
        for shift in range(0, 70, 7):
            if at >= end:
                raise IndexError
            byte = data[at]
            at += 1
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value, at
        raise IndexError
