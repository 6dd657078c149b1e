"""What the Rollout page reads and does. Whoever acts shows a token anew, and everything is checked again here."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection

from dashboard.data import Data, Missing, Refused
from monitor import tokens
from monitor.rollouts import approve, draft, stop
from monitor.rollouts.store import OvertakenError, RolloutError, of_identity
from monitor.tokens import Bearer
from monitor.views import rollout_page
from monitor.views import rollouts as view

VERBS = ("start", "approve", "advance", "pause", "resume", "abort")
AGREEING = ("approve", "advance")
STOPPING = {"pause": stop.pause, "resume": stop.resume, "abort": stop.abort}
LONGEST = 2000  # characters of a reason, as HTTP takes them
_MOVED = "The rollout was moved by another process meanwhile: close and look again."


def stand(data: Data, policy: str) -> dict[str, Any]:
    """Return the rollout that the page of a policy is about (``rollout``, None without), and what can be started."""
    settings, clock = data.parts.settings, data.parts.clock
    with data.parts.database.read() as connection:
        found = rollout_page.newest(connection, settings, clock, policy)
        return {"rollout": found, "start": rollout_page.startable(connection, settings, clock, policy)}


def measured(data: Data, policy: str) -> dict[str, Any]:
    """Return what is known of the candidate now, with the rollout itself and all rollouts of the policy."""
    settings, clock = data.parts.settings, data.parts.clock
    with data.parts.database.read() as connection:
        every = view.listed(connection, settings, clock, policy, every=True)
        more = rollout_page.measured(connection, settings, clock, every[0]["id"]) if every else {}
        return {"rollout": every[0] if every else None, "history": every[1:], **more}


def listed(data: Data) -> list[dict[str, Any]]:
    """Return each policy with its newest rollout (``rollout``, None where it never had one), open ones first."""
    settings, clock = data.parts.settings, data.parts.clock
    with data.parts.database.read() as connection:
        every = [(name, rollout_page.newest(connection, settings, clock, name)) for name in settings.policy]
    every.sort(key=lambda one: (one[1] is None, one[1] is not None and one[1]["ended"] is not None))
    return [{"policy": name, "rollout": found} for name, found in every]


def wanted(data: Data, policy: str) -> dict[str, Any]:
    """Return what a dialog shows: the rollout, what can be started, what has changed, and what is in the way.

    Raises
    ------
    Missing
        If there is no such policy.
    """
    settings, clock = data.parts.settings, data.parts.clock
    if policy not in settings.policy:
        raise Missing(f"there is no policy {policy}")
    with data.parts.database.read() as connection:
        found = rollout_page.newest(connection, settings, clock, policy)
        more = rollout_page.measured(connection, settings, clock, found["id"]) if found else {}
        start = rollout_page.startable(connection, settings, clock, policy)
    return {"rollout": found, "start": start, "changed": more.get("changed", []), "against": more.get("against", [])}


def act(data: Data, verb: str, policy: str, shown: dict[str, Any], typed: dict[str, str]) -> dict[str, Any]:
    """Do one thing to a policy's rollout, and return the rollout as it is then, with the ``sentence`` to show.

    Parameters
    ----------
    data, verb, policy
        The store, one of ``VERBS``, and whose rollout.
    shown
        ``id`` and ``digest`` of what the person looked at.
    typed
        What the person chose and typed: ``token``, and where they are asked for ``to``, ``reason``, ``typed``.

    Raises
    ------
    Refused
        With the field that is wrong and the sentence to show there.
    """
    if verb not in VERBS or policy not in data.parts.settings.policy:
        raise Refused(
            "policy", f"There is no policy {policy}." if verb in VERBS else "There is nothing like this to do."
        )
    said = {name: str(typed.get(name) or "").strip() for name in ("token", "to", "reason", "typed")}
    try:
        with data.parts.database.begin() as connection:
            done = _done(connection, data, verb, policy, shown, said)
    except RolloutError as error:
        raise Refused("policy", str(error)) from None
    except OvertakenError:
        raise Refused("policy", _MOVED) from None
    if done.pop("refused", False):  # after the commit: the draft keeps its new evidence
        raise Refused("policy", done["sentence"])
    data.wake()
    return done


def _done(
    connection: Connection, data: Data, verb: str, policy: str, shown: dict[str, Any], said: dict[str, str]
) -> dict[str, Any]:
    common = (connection, data.parts.settings, data.parts.clock)
    bearer = _bearer(connection, data, said["token"], verb)
    if verb not in AGREEING:
        _sayable(said["reason"])
    if verb == "start":
        if not said["to"] or "\x00" in said["to"] or len(said["to"]) > 200:
            raise Refused("to", "Choose the version that is to serve.")
        made = draft.start(*common, policy, candidate=said["to"], reason=said["reason"], bearer=bearer)
        return {"sentence": view.rollout(*common, made.id)["sentence"], "id": made.id}
    identity = _identity(connection, policy, shown)
    if verb in AGREEING:
        agree = approve.approve if verb == "approve" else approve.advance
        found = agree(*common, identity, bearer, str(shown.get("digest") or ""))
        return {"sentence": found.sentence, "id": identity, "refused": found.refused}
    if verb == "abort" and said["typed"] != policy:
        raise Refused("typed", f"Type {policy}, exactly.")
    STOPPING[verb](*common, identity, said["reason"], f"token:{bearer.name}")
    return {"sentence": view.rollout(*common, identity)["sentence"], "id": identity}


def _bearer(connection: Connection, data: Data, token: str, verb: str) -> Bearer:
    found = tokens.bearer(connection, token, data.parts.clock) if token else None
    if found is None:
        raise Refused("token", "This token is not known, was revoked, or has expired.")
    scope = "approve" if verb in AGREEING else "act"
    if not found.may(scope):
        raise Refused("token", f"the token {found.name!r} is not for this: it needs the scope {scope!r}")
    return found


def _sayable(reason: str) -> None:
    if len(reason) < 3 or len(reason) > LONGEST or "\x00" in reason:
        raise Refused("reason", "Say why, in a few words: it is kept with the event.")


def _identity(connection: Connection, policy: str, shown: dict[str, Any]) -> int:
    """Return the rollout that the person looked at; a callback can be called with any number."""
    identity = shown.get("id")
    if type(identity) is not int or not 0 < identity < 10**9 or of_identity(connection, identity).policy != policy:
        raise Refused("policy", f"This is no rollout of {policy}: close and look again.")
    return identity
