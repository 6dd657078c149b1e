"""What whoever is on call reads and does: incidents, silences, alerts from elsewhere; the pages' way into monitor."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection

from dashboard.asked import Refused, bearer
from monitor import incidents, views
from monitor.alerting import silences
from monitor.incidents import oncall
from monitor.tick import Parts
from monitor.views.notifications import foreign_alerts

FRESH = 5.0  # real seconds for which the sentences of the banner are kept: every open tab asks once a second
_LONG = 2000  # characters of a reason or a follow-up
_NOTE = 10_000
_DIGITS = 999_999_999
Said = Mapping[str, str]
_Act = Callable[[Connection, Parts, str, Sequence[Any], Said], str]


@dataclass
class Duty:
    """What the pages may ask and do about troubles.

    Parameters
    ----------
    parts
        Configuration, database, clock.
    wake
        Called after something was done, so that people are told at once.
    """

    parts: Parts
    wake: Callable[[], None]
    _wrong: tuple[str, float, list[str]] = ("", 0.0, [])
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def real(self) -> float:
        """Return the machine's now: acknowledgements, escalations and the clocks of steps run on it."""
        return self.parts.clock.real()

    def held(self) -> dict[str, dict[str, Any]]:
        """Return the newest incident of each policy that is not closed."""
        with self.parts.database.read() as connection:
            return views.held(connection, self.parts.settings, self.parts.clock)

    def incidents(self) -> list[dict[str, Any]]:
        """Return incidents that are open or were in the last 30 days, newest first."""
        with self.parts.database.read() as connection:
            return views.duty(connection, self.parts.settings, self.parts.clock)

    def incident(self, number: int) -> dict[str, Any] | None:
        """Return all about one incident; None if there is no such."""
        with self.parts.database.read() as connection:
            return views.desk(connection, self.parts.settings, self.parts.clock, number)

    def oncall(self) -> list[dict[str, Any]]:
        """Return every rota: who is on call now, who is next, and when nobody is."""
        return oncall.shown(self.parts.settings, self.parts.clock.now())

    def silences(self) -> list[dict[str, Any]]:
        """Return the silences that hold."""
        with self.parts.database.read() as connection:
            return silences.listed(connection, self.parts.clock)

    def foreign(self) -> list[dict[str, Any]]:
        """Return the alerts that fire elsewhere and were told to us."""
        with self.parts.database.read() as connection:
            return foreign_alerts(connection)

    def wrong(self, judged: str) -> list[str]:
        """Return what the auditor finds and whom pages do not reach; read anew when ``judged`` changes, or it is old.

        A token does not change because time passes, and that an escalation stands still is found by time alone.
        """
        with self._lock:
            known, at, found = self._wrong
            if known != judged or not 0 <= time.monotonic() - at < FRESH:
                with self.parts.database.read() as connection:
                    found = views.wrong(connection, self.parts.settings, self.parts.clock)
                self._wrong = (judged, time.monotonic(), found)
            return found

    def act(self, what: str, on: Sequence[Any], said: Said, token: str) -> str:
        """Do one thing that the dialog asked for, after checking all of it again; return what is so now.

        Parameters
        ----------
        what
            A name of ``ACTS``.
        on
            What it is about: numbers, or policy, trigger and version.
        said
            What was chosen and typed: ``lasts`` (seconds), ``text``, ``owner``.
        token
            Of the person who acts.

        Raises
        ------
        Refused
            With the field that is wrong and the sentence to show there.
        """
        if what not in ACTS:
            raise Refused("", "There is no such thing to do: load the page again.")
        scope, act = ACTS[what]
        found = bearer(self.parts, token, scope)
        if any("\x00" in value for value in said.values()):
            raise Refused("text", "Leave out the character NUL.")
        try:
            with self.parts.database.begin() as connection:
                sentence = act(connection, self.parts, found.person or found.name, on, said)
        except (incidents.IncidentError, silences.SilenceError) as error:
            raise Refused("", told(str(error))) from None
        self.wake()
        return sentence


def told(text: str) -> str:
    """Return a message of a command as a sentence of a page.

    >>> told("a note says something: --text")
    'A note says something.'
    """
    text = text.removesuffix(": --text")
    return f"{text[:1].upper()}{text[1:]}".rstrip(".") + "."


def _number(on: Sequence[Any], place: int = 0) -> int:
    found = on[place] if len(on) > place else None
    if isinstance(found, bool) or not isinstance(found, int) or not 0 < found <= _DIGITS:
        raise Refused("", "It is not there: load the page again.")
    return found


def _seconds(said: Said) -> float:
    try:
        return float(int(said.get("lasts", "")))
    except ValueError:
        raise Refused("lasts", "Choose how long.") from None


def _text(said: Said, empty: str, longest: int = _LONG) -> str:
    found = said.get("text", "").strip()
    if len(found) < 3:
        raise Refused("text", empty)
    if len(found) > longest:
        raise Refused("text", f"Write at most {longest:,} characters.")
    return found


def _known(done: bool, sentence: str, before: str = "There is no such incident.") -> str:
    if not done:
        raise Refused("", before)
    return sentence


def _acknowledge(connection: Connection, parts: Parts, who: str, on: Sequence[Any], said: Said) -> str:
    number, lasts = _number(on), _seconds(said)
    done = incidents.acknowledge(connection, parts.settings, parts.clock, number, who, lasts)
    return _known(done, f"{who} has acknowledged incident {number}: nobody else is woken for it until that runs out.")


def _escalate(connection: Connection, parts: Parts, who: str, on: Sequence[Any], _said: Said) -> str:
    number = _number(on)
    done = incidents.escalate(connection, parts.settings, parts.clock, number, who)
    return _known(done, f"The next level of incident {number} is being woken.")


def _mitigate(connection: Connection, parts: Parts, who: str, on: Sequence[Any], _said: Said) -> str:
    number = _number(on)
    done = incidents.mitigate(connection, parts.clock, number, who)
    return _known(done, f"{who} is acting on incident {number}: nobody is woken for it for 30 minutes.")


def _resolve(connection: Connection, parts: Parts, who: str, on: Sequence[Any], _said: Said) -> str:
    number = _number(on)
    done = incidents.resolve(connection, parts.settings, parts.clock, number, who)
    return _known(done, f"{who} has resolved incident {number}. What fires within 30 minutes reopens it.")


def _note(connection: Connection, parts: Parts, who: str, on: Sequence[Any], said: Said) -> str:
    number, text = _number(on), _text(said, "Write what is to be remembered.", _NOTE)
    return _known(incidents.note(connection, parts.clock, number, who, text), f"The note is in incident {number}.")


def _follow_up(connection: Connection, parts: Parts, who: str, on: Sequence[Any], said: Said) -> str:
    number, text = _number(on), _text(said, "Write what is to be done.")
    owner = said.get("owner", "").strip() or who
    if len(owner) > 200:
        raise Refused("owner", "Write at most 200 characters.")
    ahead = _seconds(said)
    due = parts.clock.now() + ahead if ahead else None
    made = incidents.follow_up(connection, parts.clock, number, who, text, owner, due)
    return _known(made is not None, f"{owner} is to do it; it stays on the list of incident {number}.")


def _followed(connection: Connection, parts: Parts, who: str, on: Sequence[Any], _said: Said) -> str:
    done = incidents.follow_up_done(connection, parts.clock, _number(on), _number(on, 1), who)
    return _known(done, "It is done.", "It is not on the list, or was done before.")


def _step(connection: Connection, parts: Parts, who: str, on: Sequence[Any], *, skip: bool) -> str:
    number, step = _number(on), _number(on, 1)
    done = incidents.take_step(connection, parts.clock, number, step, who, skip=skip)
    return _known(
        done, f"Step {step} is {'skipped' if skip else 'done'}.", f"Somebody has answered step {step} before."
    )


def _silence(connection: Connection, parts: Parts, who: str, on: Sequence[Any], said: Said) -> str:
    names = [item for item in on if isinstance(item, str)][:3]
    if len(names) != 3 or names[0] not in parts.settings.policy or not names[1]:
        raise Refused("", "It is not there: load the page again.")
    reason, until = _text(said, "Say why, in a few words: the alert shows it."), parts.clock.now() + _seconds(said)
    policy, trigger, version = names
    made = silences.add(
        connection, parts.settings, parts.clock, policy, trigger=trigger, version=version, owner=who, reason=reason,
        until=until, actor=f"token:{who}",
    )  # fmt: skip
    return str(made["sentence"])


def _speak(connection: Connection, parts: Parts, who: str, on: Sequence[Any], _said: Said) -> str:
    number = _number(on)
    done = silences.end(connection, parts.clock, number, f"token:{who}")
    return _known(done, f"Silence {number} is over: what still fires pages again.", "It is over already.")


# What a person can do from the pages: the scope that the token needs, and what does it.
ACTS: dict[str, tuple[str, _Act]] = {
    "ack": ("ack", _acknowledge),
    "escalate": ("act", _escalate),
    "mitigate": ("act", _mitigate),
    "resolve": ("act", _resolve),
    "note": ("act", _note),
    "follow_up": ("act", _follow_up),
    "followed": ("act", _followed),
    "step": ("act", lambda c, p, who, on, said: _step(c, p, who, on, skip=False)),
    "skip": ("act", lambda c, p, who, on, said: _step(c, p, who, on, skip=True)),
    "silence": ("act", _silence),
    "speak": ("act", _speak),
}
