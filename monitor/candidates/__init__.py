"""Candidate policies: what probability would they have given to the action that was executed?

A candidate is data, never code: a column of the log, a JSON of a linear softmax, or safetensors beside a JSON
architecture. Nothing is unpickled, sizes are bounded before reading, and what a model answers is checked.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from monitor import settings
from monitor.candidates.column import Column
from monitor.candidates.linear import load_linear
from monitor.candidates.mlp import load_mlp
from monitor.candidates.scored import Candidate, CandidateError, Scored

# Kind of candidate: (name, where, features that the configuration names, directory of the configuration) -> Candidate.
KINDS: dict[str, Callable[[str, str, tuple[str, ...], Path], Candidate]] = {
    "column": lambda name, where, _features, _base: Column(name, where),
    "linear": lambda name, where, features, base: load_linear(name, base / where, features),
    "mlp": lambda name, where, features, base: load_mlp(name, base / where, features),
}

__all__ = ["KINDS", "Candidate", "CandidateError", "Scored", "load"]


def load(name: str, spec: settings.Candidate, base: Path) -> Candidate:
    """Load a candidate policy.

    Parameters
    ----------
    name
        What messages call it.
    spec
        Its configuration: ``column:NAME``, ``linear:FILE`` or ``mlp:DIR``, and the order of features where the file
        itself does not name them.
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
        known = ", ".join(f"{item}:..." for item in KINDS)
        raise CandidateError(f"candidate {name}: {spec.policy!r} is none of {known}")
    return KINDS[kind](name, where, spec.features, base)
