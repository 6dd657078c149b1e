"""What the page of the shadow review asks and does: the queue, one item, the next one, a verdict, agreement."""

from __future__ import annotations

from typing import Any

from dashboard.data import Data, Refused
from dashboard.people import bearer, viewer
from monitor.review import concluded, judging, told
from monitor.views.reviews import VERDICTS, WAITS

MOST = 100  # items of one policy that a page lists; the rest is counted
_LATEST = 300  # decided ones that are looked at
_ORDER = {"disputed": 1, "open": 2}


def queue(data: Data, policy: str | None, token: str | None) -> list[dict[str, Any]]:
    """Return the policies that have anything to review: ``queue``, ``waiting`` and ``over`` of each, exploits first.

    Blind: that somebody called an undecided item an exploit moves it only for who has judged it too.
    """
    parts, name = data.parts, viewer(data, token)
    with parts.database.read() as connection:
        waiting = told.listed(connection, parts.clock, policy, viewer=name)
        every = told.listed(connection, parts.clock, policy, every=True, viewer=name, most=_LATEST)
        over = [item for item in every if item["state"] not in WAITS]
        named = sorted({item["policy"] for item in [*waiting, *over]} & set(parts.settings.policy))
        counts = {one: told.queue(connection, parts.settings, parts.clock, one) for one in named}
    found = [
        {
            "policy": one,
            "queue": counts[one],
            "waiting": sorted((item for item in waiting if item["policy"] == one), key=_urgent),
            "over": sorted((item for item in over if item["policy"] == one), key=lambda item: not item["exploit"]),
        }
        for one in named
    ]
    found.sort(key=lambda one: (-one["queue"]["exploits"], -(one["queue"]["oldest_s"] or -1.0), one["policy"]))
    return found


def item(data: Data, identity: str, token: str | None) -> dict[str, Any] | None:
    """Return one item as the token's owner may see it, with ``mine``, their own verdict; None if there is no such."""
    if "\x00" in identity:
        return None
    name = viewer(data, token)
    with data.parts.database.read() as connection:
        found = told.one(connection, data.parts.clock, identity, name)
    if found is None:
        return None
    mine = [said for said in found["verdicts"] if name and told.reviewer_of(said["by"]) == told.reviewer_of(name)]
    return {**found, "viewer": name, "mine": mine[0] if mine else None}


def following(data: Data, policy: str | None, current: str | None, token: str | None) -> str | None:
    """Return the item to judge next, of this policy or, where it has none left, of another; None if none waits.

    Parameters
    ----------
    data
        Where to look.
    policy
        The one that the address names; else that of the current item comes first.
    current
        The item that is shown, which is never the next one.
    token
        Of who looks: what they have judged does not come again. Without one it is the next in the list.
    """
    parts, name = data.parts, viewer(data, token)
    shown = item(data, current, token) if current else None
    first = policy or (shown["policy"] if shown else None)
    names = [first] if policy else sorted(parts.settings.policy, key=lambda one: (one != first, one))
    if name is None:
        listed = [one["id"] for group in queue(data, policy, None) for one in group["waiting"]]
        at = listed.index(current) + 1 if current in listed else 0
        return next((one for one in listed[at:] + listed[:at] if one != current), None)
    with parts.database.read() as connection:
        for one in names:
            found = told.following(connection, parts.clock, str(one), name)
            if found is not None and found["id"] != current:
                return str(found["id"])
            others = told.listed(connection, parts.clock, str(one), viewer=name) if found is not None else []
            for other in sorted(others, key=_urgent):
                if other["id"] != current and not _judged(other, name):
                    return str(other["id"])
    return None


def judge(data: Data, identity: str | None, verdict: str, note: str, token: str | None) -> dict[str, Any]:
    """Take the verdict of the token's owner, or change it, and return the item as they see it now.

    Raises
    ------
    Refused
        If there is no such item or verdict, the note is too long, or the token is not for it.
    """
    who = bearer(data, token)
    if verdict not in VERDICTS:
        raise Refused("item", f"There is no verdict {verdict}.")
    if len(note) > 2000 or "\x00" in note:
        raise Refused("note", "A note has at most 2000 characters.")
    if not identity or "\x00" in identity:
        raise Refused("item", "Choose an item first.")
    parts = data.parts
    with parts.database.begin() as connection:
        found = judging.judge(
            connection, parts.clock, identity, by=who.who, verdict=verdict, note=note.strip(), actor=f"token:{who.name}"
        )
    if found is None:
        raise Refused("item", "This item is no longer in the queue: larger ones of its day took its place.")
    return found


def agreement(data: Data, policy: str) -> dict[str, Any]:
    """Return how far the reviewers of a policy agree, and how often each verdict is true."""
    with data.parts.database.read() as connection:
        return concluded.agreement(connection, policy)


def _urgent(one: dict[str, Any]) -> tuple[Any, ...]:
    return (not one["exploit"], _ORDER.get(one["state"], 3), -one["age_s"], -one["size"], one["id"])


def _judged(one: dict[str, Any], name: str) -> bool:
    return told.reviewer_of(name) in {told.reviewer_of(said["by"]) for said in one["verdicts"]}
