"""Whether everybody whom the configuration names is there: a rota of a misspelt person would wake nobody."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING

from monitor.settings.model import ConfigurationError, nearest

if TYPE_CHECKING:
    from monitor.settings import Settings


def check(settings: Settings) -> None:
    """Refuse a name of a person, rota, escalation or channel that no table has.

    Channels of people are checked where at least one is configured: without any, nothing can be sent, which the status
    says. Those of drills always are: a drill would be told to nobody, and pass.

    Raises
    ------
    ConfigurationError
        If one is missing: names the key, and the nearest name.
    """
    channels: Collection[str] = getattr(settings, "notify", {})
    for name in settings.drill.notify:
        _known("drill.notify", name, channels, "notify")
    for key, name in _people(settings):
        _known(key, name, settings.person, "person")
    for who, person in settings.person.items():
        for name in person.notify if channels else ():
            _known(f"person.{who}.notify", name, channels, "notify")
    for named, escalation in settings.escalation.items():
        for number, level in enumerate(escalation.levels, 1):
            for target in level.notify:
                key = f"escalation.{named}.levels, level {number}"
                kind, colon, name = target.partition(":")
                if not colon:
                    _known(key, target, channels or {target}, "notify")
                elif kind not in {"oncall", "person"}:
                    raise ConfigurationError(f'{key}: {target!r}: write "oncall:NAME", "person:NAME" or a channel')
                else:
                    _known(key, name, settings.oncall if kind == "oncall" else settings.person, kind)
    for policy, configured in settings.policy.items():
        if configured.escalation is not None:
            _known(f"policy.{policy}.escalation", configured.escalation, settings.escalation, "escalation")


def _people(settings: Settings) -> Iterator[tuple[str, str]]:
    for rota, configured in settings.oncall.items():
        for person in configured.people:
            yield f"oncall.{rota}.people", person
        for change in configured.override:
            yield f"oncall.{rota}.override", change.person


def _known(key: str, name: str, known: Collection[str], table: str) -> None:
    if name not in known:
        raise ConfigurationError(f"{key}: there is no [{table}.{name}]{nearest(name, known)}")
