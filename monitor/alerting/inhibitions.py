"""Which alerts wait while others fire: a page about the same trouble in other words wakes nobody.

As in Alertmanager, inhibition is a matter of who is told and of nothing else. Against it, only who is heard keeps
others quiet: an alert that is itself inhibited, silenced or a dry run inhibits none.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import NamedTuple

from sqlalchemy import Connection, select

from monitor.settings import Settings, Trigger
from monitor.settings.inhibit import Inhibit
from monitor.store.tables import alerts

_EVERY = "*"  # the version of alerts about all versions together


class Where(NamedTuple):
    """The four names of an alert."""

    policy: str
    version: str
    trigger: str
    key: str


class Inhibited(NamedTuple):
    """Why an alert waits: the rule's name, and the alert that speaks for it."""

    rule: str
    source: Where


def raised(connection: Connection, settings: Settings, policy: str | None) -> list[Where]:
    """Return the alerts that fire or recover: of one policy, if no rule reaches into others, or of all."""
    c = alerts.c
    found = select(c.policy, c.version, c.trigger, c.key).where(c.state.in_(("firing", "recovering")))
    if policy is not None and all("policy" in rule.same for rule in settings.inhibit.values()):
        found = found.where(c.policy == policy)
    return [Where(*row) for row in connection.execute(found.order_by(c.policy, c.trigger, c.version, c.key))]


def inhibited(
    rules: Mapping[str, Inhibit],
    triggers: Mapping[str, Mapping[str, Trigger]],
    firing: Collection[Where],
    unheard: Callable[[Where], bool] = lambda _where: False,
) -> dict[Where, Inhibited]:
    """Return which of the firing alerts are inhibited, and by what.

    Parameters
    ----------
    rules
        ``[inhibit.*]``, checked to have no circle.
    triggers
        Policy -> name -> the rule, of every policy that has alerts here.
    firing
        The alerts that fire or recover.
    unheard
        Whether an alert is muted by something else, so that it keeps nobody quiet.

    Examples
    --------
    >>> from monitor.settings import parse
    >>> settings = parse({"policy": {"bids": {"incumbent": "v1"}}})
    >>> blind, low = Where("bids", "*", "no_data", ""), Where("bids", "v7", "entropy_collapse", "")
    >>> found = inhibited(settings.inhibit, {"bids": settings.triggers("bids")}, [blind, low])
    >>> [(where.trigger, why.rule, why.source.trigger) for where, why in found.items()]
    [('entropy_collapse', 'blind', 'no_data')]
    """
    one = _Rules(rules, triggers, firing, unheard)
    found = ((where, one.because(where)) for where in firing)
    return {where: why for where, why in found if why is not None}


class _Rules:
    def __init__(
        self,
        rules: Mapping[str, Inhibit],
        triggers: Mapping[str, Mapping[str, Trigger]],
        firing: Iterable[Where],
        unheard: Callable[[Where], bool],
    ) -> None:
        self._rules, self._triggers, self._unheard = rules, triggers, unheard
        self._known: dict[Where, Inhibited | None] = {}
        self._sources: dict[tuple[str, ...], list[Where]] = {}
        for where in firing:
            trigger = self._trigger(where)
            for name, rule in rules.items():
                if trigger is not None and rule.speaks(where.trigger, trigger):
                    self._sources.setdefault((name, *_shared(rule, where)), []).append(where)

    def because(self, where: Where) -> Inhibited | None:
        """Say why an alert waits; None if it does not. Ends, because the rules have no circle."""
        if where not in self._known:
            self._known[where] = self._find(where)
        return self._known[where]

    def _find(self, where: Where) -> Inhibited | None:
        trigger = self._trigger(where)
        if trigger is None:
            return None
        for name, rule in self._rules.items():
            if rule.waits(where.trigger, trigger):
                for like in dict.fromkeys((where, where._replace(version=_EVERY))):
                    for source in self._sources.get((name, *_shared(rule, like)), ()):
                        if not self._unheard(source) and self.because(source) is None:
                            return Inhibited(name, source)
        return None

    def _trigger(self, where: Where) -> Trigger | None:
        return self._triggers.get(where.policy, {}).get(where.trigger)


def _shared(rule: Inhibit, where: Where) -> tuple[str, ...]:
    return tuple(getattr(where, name) for name in rule.same)
