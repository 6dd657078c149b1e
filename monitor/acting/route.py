"""The desired state: which version should serve, for whoever asks, and until when the answer may be trusted."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, select

from monitor.clock import Clock, stamp
from monitor.events import canonical
from monitor.settings import Settings
from monitor.store.tables import actions, routes
from runbooks.actions import ActionState

VALID_FOR = 120.0


class UnknownPolicyError(LookupError):
    """No policy has this name; the message lists those that there are."""


@dataclass(frozen=True)
class Route:
    """What should serve.

    Parameters
    ----------
    policy, serving, generation
        Serve ``serving``; a higher ``generation`` overrules a lower one, which only ever grows.
    split
        Version -> share of the traffic.
    valid_until
        Real time, seconds since 1970, 120 s after the answer: past it, a serving process that cannot ask again falls
        back to its previous approved version by itself. It is on the machine's clock and not on the injected one,
        because it bounds a network's silence, and a network does not get faster with a demo. A process whose clock
        may be wrong counts ``valid_for`` seconds from the answer instead.
    etag
        Changes exactly when policy, serving version, generation or split change.
    changed
        Event time of the last change, seconds since 1970; None before the first.
    reason
        Why it is so.

    Examples
    --------
    >>> route = Route("bids", "v6", 2, {"v6": 1.0}, 120.0, 0.0, "Reward fell.")
    >>> route.json()["valid_until"], route.etag == Route("bids", "v6", 2, {"v6": 1.0}, 999.0, 5.0, "").etag
    ('1970-01-01T00:02:00Z', True)
    """

    policy: str
    serving: str
    generation: int
    split: Mapping[str, float]
    valid_until: float
    changed: float | None
    reason: str

    @property
    def etag(self) -> str:
        """The entity tag, with its quotes."""
        content = canonical([self.policy, self.serving, self.generation, dict(self.split)])
        return f'"{self.generation}-{hashlib.sha256(content.encode()).hexdigest()[:16]}"'

    def json(self) -> dict[str, Any]:
        """Return the document that the API answers with."""
        return {
            "policy": self.policy,
            "serving": self.serving,
            "generation": self.generation,
            "split": dict(self.split),
            "etag": self.etag,
            "valid_until": stamp(self.valid_until),
            "valid_for": VALID_FOR,
            "changed": None if self.changed is None else stamp(self.changed),
            "reason": self.reason,
        }


def current(connection: Connection, settings: Settings, clock: Clock, policy: str) -> Route:
    """Return the route of a policy; before its first row, what that row will say.

    Raises
    ------
    UnknownPolicyError
        If the configuration has no such policy.
    """
    if policy not in settings.policy:
        known = ", ".join(sorted(settings.policy)) or "none"
        raise UnknownPolicyError(f"there is no policy {policy!r}; known: {known}")
    until = clock.real() + VALID_FOR
    row = connection.execute(select(routes).where(routes.c.policy == policy)).one_or_none()
    if row is None:
        first = settings.policy[policy].first_serving
        return Route(policy, first, 1, {first: 1.0}, until, None, FIRST_REASON)
    return Route(policy, row.serving, row.generation, json.loads(row.split), until, row.changed, row.reason)


def moves(connection: Connection, policy: str) -> int:
    """Return a number that grows when the route moves and when the decision log confirms that the traffic did.

    Twice the generation, and one more once a rollback of that generation is confirmed; 0 before the first route.
    """
    here = select(routes.c.generation).where(routes.c.policy == policy)
    generation = connection.execute(here).scalar_one_or_none() or 0
    done = select(actions.c.id).where(
        actions.c.policy == policy, actions.c.generation == generation, actions.c.state == ActionState.CONFIRMED.value
    )
    return 2 * int(generation) + (connection.execute(done.limit(1)).first() is not None)


FIRST_REASON = "The version that the configuration names."
