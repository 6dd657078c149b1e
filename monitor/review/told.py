"""What is read of the review queue. Blind: who has not judged an item does not see what others said."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Row, case, func, select

from monitor.clock import Clock, stamp
from monitor.settings import Settings
from monitor.store.tables import review_verdicts, reviews
from monitor.units import human
from runbooks.reviews import WAITING, ReviewState

_WAITING = tuple(sorted(WAITING))
_TOLD = ("id", "policy", "version", "live_version", "decision_id", "sense", "size", "stratum", "inclusion", "state")


def reviewer_of(name: str) -> str:
    """Return what a reviewer is counted under: case, spaces and the width or make of letters make no other person.

    >>> reviewer_of(" Anna  Zoe\u0308") == reviewer_of("\uff21nna zo\u00eb"), reviewer_of("\u200banna")
    (True, 'anna')
    """
    plain = "".join(one for one in unicodedata.normalize("NFKC", name) if unicodedata.category(one) != "Cf")
    return " ".join(unicodedata.normalize("NFKC", plain.casefold()).split())


def one(connection: Connection, clock: Clock, identity: str, viewer: str | None = None) -> dict[str, Any] | None:
    """Return one item with its snapshot; None if there is no such.

    Parameters
    ----------
    connection, clock, identity
        The open transaction, the time, and the item's id.
    viewer
        Who looks. The verdicts are shown to everybody once the item is decided, and before that to a reviewer who has
        given theirs; to others only how many there are.
    """
    row = connection.execute(select(reviews).where(reviews.c.id == identity)).one_or_none()
    if row is None:
        return None
    (told,) = _told(connection, clock, [row], viewer)
    return {**told, "snapshot": json.loads(row.snapshot)}


def listed(
    connection: Connection,
    clock: Clock,
    policy: str | None = None,
    *,
    every: bool = False,
    viewer: str | None = None,
    most: int = 1000,
) -> list[dict[str, Any]]:
    """Return items, the newest days first and in them the largest: those that wait for people, or ``every`` one."""
    wanted = select(reviews)
    if policy is not None:
        wanted = wanted.where(reviews.c.policy == policy)
    if not every:
        wanted = wanted.where(reviews.c.state.in_(_WAITING))
    c = reviews.c
    rows = connection.execute(wanted.order_by(c.day.desc(), c.size.desc(), c.id).limit(most)).all()
    return _told(connection, clock, rows, viewer)


def following(connection: Connection, clock: Clock, policy: str, by: str) -> dict[str, Any] | None:
    """Return the item that a reviewer should judge next, None if there is none that waits for them.

    What others began comes first, because it takes two; then the oldest day, in it the largest.
    """
    reviewer = reviewer_of(by)
    c = review_verdicts.c
    mine = select(c.review).where(c.review == reviews.c.id, c.reviewer == reviewer)
    others = select(func.count()).where(c.review == reviews.c.id).scalar_subquery()
    waiting = select(reviews.c.id).where(reviews.c.policy == policy, reviews.c.state.in_(_WAITING), ~mine.exists())
    begun = case((others > 0, 0), else_=1)
    ordered = waiting.order_by(begun, reviews.c.day, reviews.c.size.desc(), reviews.c.id).limit(1)
    identity = connection.execute(ordered).scalar_one_or_none()
    return None if identity is None else one(connection, clock, identity, viewer=reviewer)


def verdicts(connection: Connection, identities: Iterable[str]) -> Sequence[Row[Any]]:
    """Return the verdicts on some items, by item and reviewer."""
    c = review_verdicts.c
    named = select(review_verdicts).where(c.review.in_(list(identities)))
    return connection.execute(named.order_by(c.review, c.reviewer)).all()


def queue(connection: Connection, settings: Settings, clock: Clock, policy: str) -> dict[str, Any]:
    """Return how many items wait for people, for how long the oldest has, and what is wrong with that.

    ``finding`` is a sentence where an item waits for longer than ``[policy.P.review] within`` or an exploit is open,
    "" where neither is so.
    """
    c = reviews.c
    waits = (c.policy == policy) & c.state.in_(_WAITING)
    count, oldest = connection.execute(select(func.count(), func.min(c.added)).where(waits)).one()
    exploits = connection.execute(select(func.count()).where(c.policy == policy, c.exploit.is_not(None))).scalar_one()
    age = None if oldest is None else max(0.0, clock.now() - oldest)
    within = settings.policy[policy].review.within
    said = []
    if exploits:
        said.append(f"{exploits} open exploits in the shadow review: see `checkrein review list {policy} --all`.")
    if age is not None and age > within:
        said.append(f"{count} shadow disagreements wait for reviewers, the oldest for more than {human(within)}.")
    return {"open": count, "oldest_s": age, "exploits": exploits, "finding": " ".join(said)}


def _told(connection: Connection, clock: Clock, rows: Sequence[Row[Any]], viewer: str | None) -> list[dict[str, Any]]:
    by: dict[str, list[Row[Any]]] = {row.id: [] for row in rows}
    if by:
        wanted = select(review_verdicts).where(review_verdicts.c.review.in_(list(by)))
        for found in connection.execute(wanted.order_by(review_verdicts.c.at, review_verdicts.c.reviewer)):
            by[found.review].append(found)
    return [_item(row, by[row.id], clock, viewer) for row in rows]


def _item(row: Row[Any], said: Sequence[Row[Any]], clock: Clock, viewer: str | None) -> dict[str, Any]:
    named: Mapping[Any, Any] = row._mapping
    sees = row.state == ReviewState.DECIDED.value or (
        viewer is not None and reviewer_of(viewer) in {found.reviewer for found in said}
    )
    shown = [{"by": found.name, "verdict": found.verdict, "note": found.note, "at": stamp(found.at)} for found in said]
    return {
        **{name: named[name] for name in _TOLD},
        "ts": stamp(row.ts),
        "added": stamp(row.added),
        "age_s": max(0.0, clock.now() - row.added),
        "live_action": json.loads(row.live_action),
        "shadow_action": json.loads(row.shadow_action),
        "judged_by": len(said),
        "blind": not sees,
        "verdict": row.verdict if sees else "",
        "verdicts": shown if sees else [],
        "exploit": row.exploit is not None if sees else None,
        "sentence": _sentence(row, len(said), sees),
    }


def _sentence(row: Row[Any], said: int, sees: bool) -> str:
    what = f"{row.version} would have done {row.shadow_action} where {row.live_action} was done"
    how = f"{row.size:.3g} times as large as what counts as large, by {row.sense.replace('_', ' ')}"
    if row.sense == "unmeasured":
        how = "how large that is, no column says"
    stands = {
        ReviewState.OPEN.value: f"{said} of 2 reviewers have judged it",
        ReviewState.DISPUTED.value: "the reviewers differ, and a third one or agreement decides",
        ReviewState.DECIDED.value: f"decided: {row.verdict}",
        ReviewState.DISPLACED.value: "larger or luckier ones of its day took its place",
    }[row.state]
    return f"{what} ({how}); {stands}."
