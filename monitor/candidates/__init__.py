"""Candidate policies: what probability would they have given to the action that was executed?

A candidate is data, never code: a column of the log, parameters in a JSON, safetensors beside a JSON architecture, or
ONNX, which is run in a process apart. Nothing is unpickled, sizes are bounded before reading, the hash is compared
before parsing, and what a model answers is checked.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from monitor import settings
from monitor.candidates.column import load_column
from monitor.candidates.linear import load_linear
from monitor.candidates.linucb import load_linucb
from monitor.candidates.mlp import load_mlp
from monitor.candidates.onnx import load_onnx
from monitor.candidates.scored import Candidate, CandidateError, Scored
from monitor.candidates.table import load_table
from monitor.candidates.thompson import load_thompson

_Load = Callable[[str, Path, tuple[str, ...], str | None], Candidate]


def _in_file(load_it: _Load) -> Callable[[str, str, settings.Candidate, Path], Candidate]:
    return lambda name, where, spec, base: load_it(name, base / where, spec.features, spec.sha256)


# Kind of candidate: (name, where, its configuration, directory of the configuration) -> Candidate.
KINDS: dict[str, Callable[[str, str, settings.Candidate, Path], Candidate]] = {
    "column": lambda name, where, spec, _base: load_column(name, where, spec.sha256),
    "table": _in_file(load_table),
    "linear": _in_file(load_linear),
    "linucb": _in_file(load_linucb),
    "thompson": _in_file(load_thompson),
    "mlp": _in_file(load_mlp),
    "onnx": _in_file(load_onnx),
}
SPECS = "column:NAME, table:FILE, linear:FILE, linucb:FILE, thompson:FILE, mlp:DIR or onnx:FILE"

__all__ = ["KINDS", "SPECS", "Candidate", "CandidateError", "Scored", "load"]


def load(name: str, spec: settings.Candidate, base: Path) -> Candidate:
    """Load a candidate policy.

    Parameters
    ----------
    name
        What messages call it.
    spec
        Its configuration: its kind and where it is, the order of features where the file itself does not name them,
        and the SHA-256 of the JSON that describes it.
    base
        Directory that FILE and DIR are relative to.

    Raises
    ------
    CandidateError
        If the file is missing, too large, of another format, of other content than its hash says, or if its numbers
        do not fit together; names the file and the field.

    Examples
    --------
    >>> import pyarrow as pa
    >>> candidate = load("c", settings.Candidate(policy="column:c"), Path())
    >>> log = pa.table({"action": ["1", "0"], "candidate_probs.c": [[0.2, 0.8], [0.5, 0.5]]})
    >>> candidate.probabilities(log, ("0", "1")).tolist()
    [0.8, 0.5]
    """
    kind, _, where = spec.policy.partition(":")
    if kind not in KINDS or not where:
        raise CandidateError(f"candidate {name}: {spec.policy!r} is none of {SPECS}")
    return KINDS[kind](name, where, spec, base)
