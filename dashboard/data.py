"""The only caller of monitor: every page reads and acts through this, so that nothing else knows of a database."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from dashboard.asked import Missing, Refused, bearer
from dashboard.duty import Duty
from monitor import status, views
from monitor.acting import by_hand, route
from monitor.clock import stamp
from monitor.drift_report import kept as reports
from monitor.judging.windows import Windows
from monitor.store.database import DatabaseUnavailableError
from monitor.tick import Parts
from monitor.views import spans
from monitor.views.series import rate_series

SPANS = tuple(spans.SPANS)
RANK = status.RANK
span_of = spans.span_of
span_between = spans.span_between
Unavailable = DatabaseUnavailableError

__all__ = [
    "RANK", "SPANS", "Data", "Missing", "Refused", "Unavailable", "rate_series", "span_between", "span_of", "stamp"
]  # fmt: skip


@dataclass
class Data:
    """What the pages may ask, and the one thing that they may do.

    Parameters
    ----------
    parts
        Configuration, database, clock.
    wake
        Called after an action was queued, so that it is sent at once.
    """

    parts: Parts
    wake: Callable[[], None]
    _windows: Windows = field(default_factory=Windows)
    _rows: dict[str, tuple[Any, dict[str, Any]]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        """Give whoever is on call their part of it."""
        self.duty = Duty(self.parts, self.wake)

    def policies(self) -> list[str]:
        """Return the names of the configured policies."""
        return list(self.parts.settings.policy)

    def now(self) -> float:
        """Return the injected clock's now, seconds since 1970; the browser's is never used."""
        return self.parts.clock.now()

    def clock(self) -> dict[str, float]:
        """Return what the browser needs to show the injected time between two answers."""
        clock = self.parts.clock
        return {"now": clock.now(), "speed": clock.speed, "real": clock.real()}

    def live(self, span: str) -> bool:
        """Return whether every landing changes what a span shows."""
        return spans.live(span, self.now())

    def overview(self) -> dict[str, Any]:
        """Return the counts by state, what is late, and a row for each policy, worst first.

        A row is built again only when something was concluded about its policy, whoever asks and however often.
        """
        parts = self.parts
        with self._lock, parts.database.read() as connection:
            found = views.tokens(connection, parts.settings, parts.clock)
            newest = views.newest_decisions(connection)
            half_hour = parts.clock.now() // 1800
            rows = []
            for name in parts.settings.policy:
                key = (found.by_policy[name], half_hour)
                if name not in self._rows or self._rows[name][0] != key:
                    self._rows[name] = (key, views.overview_row(connection, parts.settings, parts.clock, name))
                rows.append({**self._rows[name][1], "last_ts": newest.get(name)})
            late = status.stale_jobs(connection, parts.settings, parts.clock)
        rows.sort(key=lambda row: (-RANK[row["state"]], row["policy"]))
        wrong = self.duty.wrong(found.judged)
        return {"counts": views.counts(rows), "stale": late, "policies": rows, "tokens": found, "wrong": wrong}

    def alerts(self, policy: str | None = None, span: str = "24h") -> dict[str, list[dict[str, Any]]]:
        """Return findings: open, what cannot be judged, and what is over."""
        with self.parts.database.read() as connection:
            return views.alerts(connection, self.parts.settings, self.parts.clock, policy, span)

    def situation(self, policy: str) -> dict[str, Any]:
        """Return where a policy stands."""
        with self.parts.database.read() as connection:
            return views.situation(connection, self.parts.settings, self.parts.clock, policy)

    def series(self, policy: str, span: str) -> tuple[dict[str, Any], pd.DataFrame, str]:
        """Return what is drawn over time, what happened meanwhile, and the version that serves."""
        settings, clock = self.parts.settings, self.parts.clock
        with self.parts.database.read() as connection:
            found = views.series(connection, settings, clock, policy, span, self._windows)
            happened = views.markers(connection, policy, found["begin"], found["end"])
            return found, happened, route.current(connection, settings, clock, policy).serving

    def drift(self, policy: str, span: str) -> dict[str, Any]:
        """Return the drift of every feature over time, and the newest ``report`` of it, None where there is none."""
        with self.parts.database.read() as connection:
            found = views.drift(connection, self.parts.settings, self.parts.clock, policy, span)
            return {**found, "report": next(iter(reports.listed(connection, policy, 1)), None)}

    def report(self, sha256: str) -> dict[str, Any]:
        """Return what is known of a drift report.

        Raises
        ------
        Missing
            If none has this digest.
        """
        with self.parts.database.read() as connection:
            found = reports.by_digest(connection, sha256)
        if found is None:
            raise Missing("none has this digest")
        return found

    def report_html(self, sha256: str) -> bytes:
        """Return a drift report as Evidently made it.

        Raises
        ------
        Missing
            If it is not in the lake, or is not the one that was kept.
        """
        try:
            return reports.html(self.parts.landing.lake, sha256)
        except ValueError as error:
            raise Missing(str(error)) from None

    def candidates(self, policy: str) -> dict[str, Any]:
        """Return the newest off-policy estimates, and how the candidates compare with what serves (``compared``)."""
        settings, clock = self.parts.settings, self.parts.clock
        with self.parts.database.read() as connection:
            found = views.candidates(connection, settings, policy)
            return {**found, "compared": views.compared(connection, settings, clock, policy)}

    def readiness(self, policy: str) -> dict[str, Any]:
        """Return the newest run of the checklist."""
        with self.parts.database.read() as connection:
            return views.readiness(connection, self.parts.settings, self.parts.clock, policy)

    def runbook(self, policy: str, trigger: str) -> dict[str, Any]:
        """Return the runbook page of a trigger, filled in for a policy."""
        with self.parts.database.read() as connection:
            return views.runbook(connection, self.parts.settings, policy, trigger)

    def progress(self, identities: Sequence[str]) -> list[dict[str, Any]]:
        """Return where actions stand that somebody asked for and follows."""
        with self.parts.database.read() as connection:
            return views.progress(connection, identities)

    def roll_back(
        self, policy: str, shown: dict[str, Any], to: str | None, typed: str, reason: str, token: str
    ) -> dict[str, Any]:
        """Roll back by hand after checking everything again that the dialog seemed to have checked.

        Parameters
        ----------
        policy
            Whose version.
        shown
            ``from`` and ``generation`` as the person saw them; if the route has moved since, nothing is done, because
            the person decided about something else.
        to, typed, reason, token
            What the person chose and typed.

        Raises
        ------
        Refused
            With the field that is wrong and the sentence to show there.
        """
        if policy not in self.parts.settings.policy:
            raise Refused("policy", f"There is no policy {policy}.")
        actor = bearer(self.parts, token, "act").name
        if typed.strip() != policy:
            raise Refused("typed", f"Type {policy}, exactly.")
        if len(reason.strip()) < 3:
            raise Refused("reason", "Say why, in a few words: it is kept with the event.")
        with self.parts.database.begin() as connection:
            settings = self.parts.settings
            serves = route.current(connection, settings, self.parts.clock, policy)
            if (serves.serving, serves.generation) != (shown.get("from"), shown.get("generation")):
                raise Refused(
                    "policy", f"{serves.serving} serves now, generation {serves.generation}: close and look again."
                )
            if to not in status.versions(connection, settings, policy) or to == serves.serving:
                raise Refused("to", "Choose the version to go to.")
            outcome = by_hand.request(connection, self.parts, policy, to, reason.strip()[:2000], f"token:{actor}")
            if outcome.state == "requested" and outcome.from_version != shown["from"]:
                raise Refused("policy", "The route moved while you typed: close and look again.")  # rolls it all back
        self.wake()
        return {"state": outcome.state, "sentence": outcome.sentence, "actions": list(outcome.actions)}
