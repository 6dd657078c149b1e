"""Shadow decisions that land: their day is counted, and its sample drawn anew, in the transaction that lands them.

1. ``found`` before the transaction: pair, measure, and take from each version and day the few rows that can matter
2. ``put`` inside it: add the counts, merge the rows with the day's sample, insert who is new, drop who is pushed out
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from sqlalchemy import Connection, delete, insert, select, update

from monitor.events import canonical
from monitor.landing.arrivals import acted
from monitor.log_store.arrow import micros, picked
from monitor.review import draws
from monitor.review.sampling import PLANTED, Entry, Sample, candidates, merged
from monitor.review.sizes import SENSES, Pairs, actions_of, coded, measured
from monitor.settings import Settings
from monitor.settings.review import Review
from monitor.store.database import insert_new
from monitor.store.tables import review_days, review_verdicts, reviews, routes
from monitor.summaries.plan import Plan
from runbooks.reviews import ReviewEvent, ReviewState, step

DAY, HOUR = 86400, 3600
_SHOWN = ("state.", "segment.", "predicted_next_state.")
_ALSO = (
    "episode_id", "step", "propensity", "action_probs", "q_value", "incumbent_q_value", "q_std", "reward",
    "eligible_actions", "shield", "fallback", "override", "irreversible",
)  # fmt: skip
_MOST = 200  # columns, and elements of a list, in a snapshot
_DIGITS = 12  # significant ones: a snapshot is for people
_ORIGIN = {"live_version": "", "verdict": "", "exploit": None}
_COUNTS = ("rows", "paired", "differing", "large")


@dataclass(frozen=True)
class Day:
    """What a batch says of one version and day: counts, and the entries, with their rows, that may be queued."""

    version: str
    day: int
    counts: Mapping[str, int]
    entries: Sequence[tuple[Entry, int]]
    pairs: Pairs


def found(policy: str, table: pa.Table, plan: Plan, asked: Review) -> list[Day]:
    """Return what the shadow rows of a batch say, by version and day; nothing is done where there are none."""
    shadowed = ~acted(table)
    if not shadowed.any():
        return []
    shadow = picked(table, shadowed)
    pairs = measured(shadow, plan, asked)
    every = _groups(shadow)
    paired = every if pairs.table is shadow else _groups(pairs.table)
    all_planted = _begins(shadow, asked.planted)
    planted = all_planted if pairs.table is shadow else _begins(pairs.table, asked.planted)
    large = pairs.large
    none = np.zeros(len(large), bool)
    result = []
    for (version, day), rows in sorted(every.items()):
        here = paired.get((version, day), none)
        counted = here & ~planted
        counts = (rows & ~all_planted, counted, counted & pairs.differ, counted & large)
        queued = _chosen(policy, version, pairs, counts[-1], asked)
        queued += _planted(policy, version, pairs, here & planted & pairs.differ)
        numbers = {name: int(np.count_nonzero(where)) for name, where in zip(_COUNTS, counts, strict=True)}
        result.append(Day(version, day, numbers, queued, pairs))
    return result


def put(connection: Connection, settings: Settings, policy: str, batch: Sequence[Day], now: float) -> None:
    """Count and queue what ``found`` returned, inside the transaction that names the rows' files.

    That transaction has just moved the policy's landing counter, so that no other landing of it is between this read
    and this write.
    """
    if not batch:
        return
    asked = settings.policy[policy].review
    serving = connection.execute(select(routes.c.serving).where(routes.c.policy == policy)).scalar_one_or_none()
    live = serving or settings.policy[policy].first_serving
    for one in batch:
        key = {"policy": policy, "version": one.version, "day": one.day}
        fresh = {**key, "per_day": asked.per_day, "largest": asked.largest, "threshold": None}
        insert_new(connection, review_days, [fresh | dict.fromkeys(_COUNTS, 0)])
        _add(connection, key, one, {"live_version": live, "added": now})


def _add(connection: Connection, key: Mapping[str, Any], one: Day, origin: Mapping[str, Any]) -> None:
    here = [review_days.c[name] == value for name, value in key.items()]
    row = connection.execute(select(review_days).where(*here)).one()
    threshold = row.threshold
    if one.entries:
        old = _queued(connection, key, threshold)
        sample = merged(old, [entry for entry, _row in one.entries], row.per_day, row.largest)
        threshold = sample.threshold
        if sample != old:
            _move(connection, one, {**key, **origin}, old, sample)
    counts = {name: getattr(row, name) + number for name, number in one.counts.items()}
    connection.execute(update(review_days).where(*here).values(**counts, threshold=threshold))


def _queued(connection: Connection, key: Mapping[str, Any], threshold: float | None) -> Sample:
    """Return the day's sample as it is stored."""
    here = [reviews.c[name] == value for name, value in key.items()]
    stored = connection.execute(select(reviews).where(*here, reviews.c.state != ReviewState.DISPLACED.value)).all()
    by: dict[str, list[Entry]] = {"largest": [], "sampled": [], "planted": []}
    for row in stored:
        by[row.stratum].append(_entry(row._mapping))
    return Sample(tuple(by["largest"]), tuple(by["sampled"]), tuple(by["planted"]), threshold)


def _move(connection: Connection, one: Day, origin: Mapping[str, Any], old: Sample, new: Sample) -> None:
    """Bring the queue from one sample of a day to the next."""
    before, after = old.inclusion(), new.inclusion()
    gone = sorted(before.keys() - after.keys())
    if gone:
        _displace(connection, gone)
    changed = [identity for identity in before.keys() & after.keys() if before[identity] != after[identity]]
    for identity in sorted(changed):
        stratum, inclusion = after[identity]
        where = reviews.c.id == identity
        connection.execute(update(reviews).where(where).values(stratum=stratum, inclusion=inclusion))
    fresh = [(entry, row) for entry, row in one.entries if entry.id in after and entry.id not in before]
    if fresh:
        strata = [dict(zip(("stratum", "inclusion"), after[entry.id], strict=True)) for entry, _row in fresh]
        rows = zip(_rows(one, fresh), strata, strict=True)
        connection.execute(insert(reviews), [{**_ORIGIN, **row, **origin, **stratum} for row, stratum in rows])


def _displace(connection: Connection, identities: Collection[str]) -> None:
    """Take items out of the queue. What somebody judged stays readable, and an exploit stays a finding.

    First the update, which waits for a reviewer who is just judging one of them, then, with what that left in view,
    the removal.
    """
    those = reviews.c.id.in_(list(identities))
    to = step(ReviewState.OPEN, ReviewEvent.DISPLACE)  # the same from every state
    connection.execute(update(reviews).where(those).values(state=to.value, inclusion=0.0))
    judged = select(review_verdicts.c.review).where(review_verdicts.c.review == reviews.c.id)
    connection.execute(delete(reviews).where(those, ~judged.exists()))


def _chosen(
    policy: str, version: str, pairs: Pairs, large: NDArray[np.bool_], asked: Review
) -> list[tuple[Entry, int]]:
    """Return those large disagreements of one version and day that can be in the day's sample."""
    rows = np.flatnonzero(large)
    if not len(rows):
        return []
    draw, tie = draws.draws(pairs.table.column("decision_id").take(pa.array(rows)), f"{policy}/{version}")
    kept = candidates(pairs.size[rows], draw, tie, asked.per_day, asked.largest)
    return _entries(policy, version, pairs, rows[kept], draw[kept], tie[kept], planted=False)


def _planted(policy: str, version: str, pairs: Pairs, planted: NDArray[np.bool_]) -> list[tuple[Entry, int]]:
    rows = np.flatnonzero(planted)
    if not len(rows):
        return []
    draw, tie = draws.draws(pairs.table.column("decision_id").take(pa.array(rows)), f"{policy}/{version}")
    kept = np.argsort(tie, kind="stable")[:PLANTED]
    return _entries(policy, version, pairs, rows[kept], draw[kept], tie[kept], planted=True)


def _entries(
    policy: str,
    version: str,
    pairs: Pairs,
    rows: NDArray[np.int64],
    draw: NDArray[np.float64],
    tie: NDArray[np.float64],
    *,
    planted: bool,
) -> list[tuple[Entry, int]]:
    some = pairs.table.select(["decision_id", "ts"]).take(pa.array(rows))
    hours = (micros(some, "ts") // (HOUR * 1_000_000)).tolist()
    named = zip(some.column("decision_id").to_pylist(), hours, strict=True)
    identities = [draws.identity(policy, version, identity, hour) for identity, hour in named]
    sizes = np.maximum(pairs.size[rows], 1.0).tolist()
    numbers = zip(identities, sizes, draw.tolist(), tie.tolist(), rows.tolist(), strict=True)
    return [(Entry(name, size, u, v, planted), row) for name, size, u, v, row in numbers]


def _rows(one: Day, fresh: Sequence[tuple[Entry, int]]) -> list[dict[str, Any]]:
    """Return what ``reviews`` keeps of entries that are queued now."""
    pairs, places = one.pairs, [row for _entry, row in fresh]
    its = {*_ALSO, f"candidate_probs.{one.version}", f"pi.{one.version}"}
    named = [name for name in pairs.table.column_names if name.startswith(_SHOWN) or name in its][:_MOST]
    some = pairs.table.take(pa.array(places))
    shown, ids = some.select(named).to_pylist(), some.column("decision_id").to_pylist()
    seconds = (micros(some, "ts") / 1e6).tolist()
    live, own = actions_of(pairs.live, places), actions_of(pairs.own, places)
    return [
        {
            **{name: getattr(entry, name) for name in ("id", "size", "draw", "tie")},
            "decision_id": ids[i],
            "ts": seconds[i],
            "live_action": canonical(_plain(live[i])),
            "shadow_action": canonical(_plain(own[i])),
            "sense": SENSES[pairs.sense[row]],
            "snapshot": canonical({name: _plain(value) for name, value in shown[i].items() if value is not None}),
            "state": ReviewState.OPEN.value,
        }
        for i, (entry, row) in enumerate(fresh)
    ]


def _entry(row: Mapping[Any, Any]) -> Entry:
    return Entry(row["id"], row["size"], row["draw"], row["tie"], row["stratum"] == "planted")


def _plain(value: Any) -> Any:
    """Return a value as JSON can have it: NaN and infinities are nothing, and long lists end."""
    if isinstance(value, float):
        return float(f"{value:.{_DIGITS}g}") if math.isfinite(value) else None
    if isinstance(value, list):
        return [_plain(one) for one in value[:_MOST]]
    return value


def _groups(table: pa.Table) -> dict[tuple[str, int], NDArray[np.bool_]]:
    """Return where the rows of each version and day are."""
    days = micros(table, "ts") // (DAY * 1_000_000)
    codes, versions = coded(table.column("version"))
    if not len(days):
        return {}
    first = int(days.min())
    numbers = (days - first) * len(versions) + codes
    there = np.flatnonzero(np.bincount(numbers)).tolist()
    return {(versions[n % len(versions)], first + n // len(versions)): numbers == n for n in there}


def _begins(table: pa.Table, prefix: str) -> NDArray[np.bool_]:
    found: NDArray[np.bool_] = pc.starts_with(table.column("decision_id"), prefix).to_numpy()
    return found
