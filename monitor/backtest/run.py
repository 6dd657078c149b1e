"""One backtest as it is asked for: replayed with the settings and with changed ones, compared, and stored."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from importlib.metadata import version as version_of
from typing import Any

from sqlalchemy import Connection, func, insert, select

from monitor import events
from monitor.backtest.changed import changed
from monitor.backtest.findings import effect, findings
from monitor.backtest.incidents import Incident
from monitor.backtest.replay import Replayed, replay
from monitor.clock import stamp
from monitor.events import canonical
from monitor.judging.windows import newest_baseline
from monitor.metrics import METRICS
from monitor.settings import ConfigurationError, Settings
from monitor.store.tables import backtests, policies, summaries
from monitor.tick import Parts
from monitor.units import human


def backtest(
    parts: Parts,
    policy: str,
    first: float,
    last: float,
    changes: Sequence[str] = (),
    incidents: Sequence[Incident] | None = None,
    actor: str = "checkrein",
    each: Callable[[float], None] = lambda _share: None,
) -> dict[str, Any]:
    """Replay a span with the live code, store what it found, and return it; alerts and verdicts stay as they are.

    Parameters
    ----------
    parts, policy, first, last
        What a pass needs, whose windows, and the span in seconds since 1970.
    changes
        ``trigger.param=value``: it is replayed with them and without, and the difference is the effect.
    incidents
        When something was truly wrong; None where nobody said.
    actor
        Who asks.
    each
        Told how much is done, from 0 to 1.

    Raises
    ------
    ConfigurationError
        If the span is empty, holds no sealed bucket, or a change names what does not exist.
    """
    if not first < last:
        raise ConfigurationError(f"--from {stamp(first)} is not before --to {stamp(last)}")
    settings = parts.settings
    other = changed(settings, policy, changes) if changes else None
    runs = 1 if other is None else 2
    with parts.database.read() as connection:
        _covered(connection, policy, first, last)

        def replayed(with_: Settings, done: int) -> Replayed:
            span = max(last - first, 1.0)
            return replay(
                connection,
                with_,
                policy,
                first,
                last,
                lambda until: each((done + min(1.0, max(0.0, (until - first) / span))) / runs),
            )

        lived = replayed(settings, 0)
        found = findings(settings, policy, lived, incidents, first, last)
        document: dict[str, Any] = {
            "policy": policy,
            "from": stamp(first),
            "to": stamp(last),
            "set": list(changes),
            "windows": lived.windows,
            "judged_from": stamp(lived.begin) if lived.windows else None,
            "judged_to": stamp(lived.end) if lived.windows else None,
            "baselines": sorted(lived.baselines),
            "notes": _notes(connection, other or settings, policy, first, last),
            **found,
        }
        if other is not None:
            after = findings(other, policy, replayed(other, 1), incidents, first, last)
            document |= {"changed": after, "effect": effect(found, after)}
    return _store(parts, policy, first, last, changes, actor, document)


def _covered(connection: Connection, policy: str, first: float, last: float) -> None:
    """Refuse a span without a sealed bucket, with the span that there is."""
    c = summaries.c
    span = select(func.min(c.start), func.max(c.start + c.resolution)).where(c.policy == policy, c.late.is_(False))
    begin, end = connection.execute(span).one()
    sealed = connection.execute(select(policies.c.sealed_until).where(policies.c.policy == policy)).scalar_one_or_none()
    if begin is None or not sealed or sealed <= begin:
        raise ConfigurationError(f"{policy} has no sealed buckets: ingest its log, then run `checkrein tick`")
    end = min(end, sealed)
    if last <= begin or first >= end:
        raise ConfigurationError(
            f"no bucket of {policy} between {stamp(first)} and {stamp(last)}: its sealed ones go from {stamp(begin)} "
            f"to {stamp(end)}"
        )


def _notes(connection: Connection, settings: Settings, policy: str, first: float, last: float) -> list[str]:
    notes = []
    frozen = newest_baseline(connection, policy)
    if frozen is None:
        notes.append("No baseline is frozen: triggers that compare with one have no answer.")
    elif first < frozen.end:
        until = stamp(min(frozen.end, last))
        notes.append(f"Windows before {until} are inside or before the baseline that judges them: in sample.")
    c = summaries.c
    kept = select(c.resolution, func.min(c.start).label("start")).where(c.policy == policy, c.late.is_(False))
    oldest = {row.resolution: row.start for row in connection.execute(kept.group_by(c.resolution))}
    for name, trigger in settings.triggers(policy).items():
        window = int(trigger.window)
        source = 3600 if window > 3600 and window % 3600 == 0 else 60
        if (
            METRICS[trigger.metric].event
            or window in oldest
            or oldest.get(source, 0) <= max(first, min(oldest.values()))
        ):
            continue
        length = human(trigger.window)
        notes.append(f"{name}: windows of {length} begin at {stamp(oldest[source])}, where shorter buckets are kept.")
    return notes


def _store(
    parts: Parts, policy: str, first: float, last: float, changes: Sequence[str], actor: str, document: dict[str, Any]
) -> dict[str, Any]:
    body = canonical(document)
    digest = hashlib.sha256(body.encode()).hexdigest()
    row = {
        "policy": policy, "begin": first, "end": last, "changes": canonical(list(changes)),
        "code": version_of("checkrein"), "actor": actor, "sha256": digest, "body": body,
        "recorded": parts.clock.now(), "real_recorded": parts.clock.real(),
    }  # fmt: skip
    with parts.database.begin() as connection:
        identity = int(connection.execute(insert(backtests).values(row).returning(backtests.c.id)).scalar_one())
        note = {"backtest": identity, "from": first, "to": last, "set": list(changes), "sha256": digest}
        events.record(connection, parts.clock, "backtest.run", policy, actor, note)
    return {"id": identity, "sha256": digest, **document}
