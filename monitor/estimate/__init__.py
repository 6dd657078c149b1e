"""`checkrein estimate`: off-policy values of candidates over a log file or directory, without a configuration."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from monitor.candidates import Candidate, CandidateError, load
from monitor.candidates.column import Column
from monitor.estimate.log import Facts, behaviour, decisions, propensity
from monitor.estimate.tally import Tally
from monitor.settings import Candidate as Spec
from monitor.settings import ConfigurationError
from ope import INTERVALS, LIVE

__all__ = ["estimate"]


def estimate(
    log: Path,
    candidates: Sequence[str],
    *,
    kind: str | None = None,
    q: str | None = None,
    gamma: float = 1.0,
    estimators: Sequence[str] | None = None,
    interval: str = "delta",
    level: float = 0.95,
) -> dict[str, Any]:
    r"""Estimate what candidates would have earned per decision; the answer is the public JSON of `estimate`.

    The log passes through the same sources and the same validation as a watched one, chunk by chunk, so that memory
    does not grow with it. Shadow rows are left out: their action was not executed.

    Parameters
    ----------
    log
        A file or directory of Parquet, JSON lines or CSV (gzip allowed) with columns named by role.
    candidates
        ``column:NAME``, ``linear:FILE`` or ``mlp:DIR``.
    kind
        A SOURCES entry, such as ``obd``, whose columns have their roles already; None: by the names of the files.
    q, gamma
        For model-based and for trajectory estimators. None is registered yet, so anything but the default is refused.
    estimators
        Names from LIVE; None: all.
    interval, level
        Kind and coverage of the interval.

    Raises
    ------
    ConfigurationError
        If the log, a column, a candidate or an option cannot be used; names it and the fix.

    Examples
    --------
    >>> import json, tempfile
    >>> rows = [{"action": a, "propensity": 0.5, "reward": float(a + i % 3), "candidate_probs": {"c": [0.3, 0.7]}}
    ...         for i in range(500) for a in (0, 1)]
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "log.jsonl")
    ...     _ = path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    ...     found = estimate(path, ["column:candidate_probs.c"], estimators=["snips"])
    >>> answer = found["candidates"][0]
    >>> found["log"]["rows"], answer["verdict"], round(answer["estimates"][0]["value"], 3)
    (1000, 'trusted', 1.698)
    """
    names = list(dict.fromkeys(LIVE if estimators is None else estimators))
    available = ", ".join(LIVE)
    for name in names:
        if name not in LIVE:
            raise ConfigurationError(f"no estimator is called {name!r}; available: {available}")
    if q is not None:
        raise ConfigurationError(f"--q {q}: only model-based estimators use it; available: {available}")
    if gamma != 1.0:
        raise ConfigurationError(f"--gamma {gamma:g}: only trajectory estimators use it; available: {available}")
    if interval not in INTERVALS:
        raise ConfigurationError(f"no interval is called {interval!r}; available: {', '.join(INTERVALS)}")
    if not candidates:
        raise ConfigurationError("no candidate: name one with --candidate column:NAME, linear:FILE or mlp:DIR")
    loaded = {spec: _load(spec) for spec in candidates}
    tallies = [Tally(spec, candidate) for spec, candidate in loaded.items()]
    literal = [candidate.column for candidate in loaded.values() if isinstance(candidate, Column)]
    facts = Facts()
    for table in decisions(log, literal, facts, kind):
        scored = behaviour(table)
        acted = propensity(log, table, scored)
        for tally in tallies:
            tally.add(table, acted, scored)
    facts.check(log)
    try:
        answers = [tally.answer(facts, names, interval, level) for tally in tallies]
    except ValueError as error:  # level, interval
        raise ConfigurationError(str(error)) from None
    return {"log": facts.to_dict([tally.actions for tally in tallies]), "candidates": answers}


def _load(spec: str) -> Candidate:
    try:
        return load(spec, Spec(policy=spec, features=()), Path())
    except ValidationError:
        raise CandidateError(f"candidate {spec!r}: write column:NAME, linear:FILE or mlp:DIR") from None
