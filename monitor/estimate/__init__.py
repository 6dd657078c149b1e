"""`checkrein estimate`: off-policy values of candidates over a log file or directory, without a configuration."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from monitor.candidates import SPECS, Candidate, CandidateError, load
from monitor.estimate.answer import Asked, answer
from monitor.estimate.clone import CLONE, Clone
from monitor.estimate.facts import Facts
from monitor.estimate.log import decisions
from monitor.estimate.propensities import Versions
from monitor.estimate.rows import Rows
from monitor.estimate.tally import Tally
from monitor.estimate.wanted import Wanted, split_behaviour
from monitor.settings import Candidate as Spec
from monitor.settings import ConfigurationError

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
    target: str = "reward",
    segment: str | None = None,
    cvar: Sequence[float] = (),
    quantiles: Sequence[float] = (),
    margin: str = "0",
    behaviour: Sequence[str] = (),
) -> dict[str, Any]:
    r"""Estimate what candidates would have earned; the answer is the public JSON of `estimate`.

    The log passes through the same sources and the same validation as a watched one, chunk by chunk; what is kept of a
    row are the numbers that the estimators asked for read. Shadow rows are left out: their action was not executed.

    Parameters
    ----------
    log
        A file or directory of Parquet, JSON lines or CSV (gzip allowed) with columns named by role.
    candidates
        ``column:NAME``, ``linear:FILE``, ``mlp:DIR`` or another of ``monitor.candidates.SPECS``; ``clone``
        imitates the log: the baseline that a learned candidate has to beat.
    kind
        A SOURCES entry, such as ``obd``, whose columns have their roles already; None: by the names of the files.
    q
        Column of per-action values, for model-based estimators; None: they are cross-fitted from the state features.
    gamma
        Discount of each further step, for estimators of trajectories.
    estimators
        Names from ESTIMATORS; None: every one that applies.
    interval, level
        Kind and coverage of the interval.
    target
        What is estimated: ``reward``, ``cost.NAME`` or ``outcome.NAME``.
    segment
        Name of a ``segment.NAME`` column by whose values estimates are given, too.
    cvar, quantiles
        Shares of the worst rewards whose mean is given, too, and probabilities of quantiles of the reward.
    margin
        What the candidate may lose against the log's policy: a number in units of the target, or "1%" of its mean.
    behaviour
        ``["estimate"]``: fit missing propensities. ``VERSION=SPEC`` for each version of the log: the policies that
        wrote it, whose mixture is the propensity.

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
    source, policies = split_behaviour(behaviour)
    chosen = None if estimators is None else tuple(estimators)
    wanted = Wanted(
        chosen, interval, level, target, q, gamma, segment, tuple(cvar), tuple(quantiles), margin, source
    )  # fmt: skip
    if not candidates:
        raise ConfigurationError(f"no candidate: name one with --candidate {SPECS} (or clone)")
    tallies = {spec: Clone() if spec == CLONE else Tally(spec, _load(spec)) for spec in candidates}
    versions = Versions({version: _load(spec) for version, spec in policies.items()}) if policies else None
    facts, rows = Facts(target, source), Rows(log, wanted, versions)
    literal = [spec.partition(":")[2] for spec in (*candidates, *policies.values()) if spec.startswith("column:")]
    for table in decisions(log, literal, facts, kind, q):
        rows.add(table)
        for tally in tallies.values():
            tally.add(table)
    facts.check(log)
    rows.done()
    asked = Asked(rows, facts, wanted)
    if asked.acted is not None:
        rows.propensity, rows.behaviour = asked.acted.propensity, None
    for tally in tallies.values():
        if isinstance(tally, Clone):
            tally.imitate(asked.executed, asked.imitated.probability, asked.imitated.propensity)
    answers = [answer(tally, asked) for tally in tallies.values()]
    return {"log": facts.to_dict([tally.actions for tally in tallies.values()]), "candidates": answers}


def _load(spec: str) -> Candidate:
    try:
        return load(spec, Spec(policy=spec, features=()), Path())
    except ValidationError:
        raise CandidateError(f"candidate {spec!r}: write {SPECS}") from None
