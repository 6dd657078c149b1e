"""[notify.NAME]: a way to reach people, and what it needs."""

from __future__ import annotations

from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field, model_validator

from monitor.settings.model import Table
from monitor.units import Duration

EVENTS_V2 = "https://events.pagerduty.com/v2/enqueue"
_SECRET = ("env:", "file:")
START = 10.0  # real seconds to start Apprise, beside the timeout
_MOST = 240.0  # real seconds that one attempt takes at most: its lease must outlive it


class Notify(Table):
    """One channel through which people are told."""

    kind: Literal["apprise", "pagerduty", "alertmanager"] = Field("apprise", description="A CHANNELS entry.")
    urls: tuple[str, ...] = Field(
        (),
        description='apprise: "env:NAME" or "file:PATH" of each Apprise URL, which holds a credential. '
        "alertmanager: receivers of its webhook, as http(s) URLs or such references.",
    )
    routing_key: str | None = Field(None, description='pagerduty: "env:NAME" or "file:PATH" of the integration key.')
    url: str | None = Field(
        None, pattern=r"^https?://", description=f"pagerduty: where events are posted; default: {EVENTS_V2}."
    )
    bearer: str | None = Field(
        None, description='alertmanager: "env:NAME" or "file:PATH" of the token that its receivers want.'
    )
    server: str = Field(
        "", pattern=r"^(https?://.+)?$", description="Address under which people reach this server; begins links."
    )
    policies: tuple[str, ...] = Field((), description="Policies that it is told about; empty: all.")
    digest: bool = Field(False, description="Whether it receives digests.")
    timeout: Duration = Field(10.0, description="Real time for one attempt at one receiver as a whole.")

    @property
    def targets(self) -> tuple[str, ...]:
        """What one message goes to, each apart; a secret is named by its reference."""
        return (self.url or EVENTS_V2,) if self.kind == "pagerduty" else self.urls

    @property
    def lasts(self) -> float:
        """Real seconds that one attempt at all of them takes at most."""
        return (self.timeout + (START if self.kind == "apprise" else 0.0)) * len(self.targets)

    @model_validator(mode="after")
    def _complete(self) -> Notify:
        # What was written may be a credential: no sentence repeats it.
        foreign = {"apprise": ("url", "routing_key", "bearer"), "pagerduty": ("urls", "bearer")}
        for key in foreign.get(self.kind, ("url", "routing_key")):
            if getattr(self, key):
                raise ValueError(f"{key}: the kind {self.kind} does not know it; remove it, or choose another kind")
        if self.kind == "pagerduty":
            if self.routing_key is None:
                raise ValueError('routing_key: pagerduty needs it: routing_key = "env:CHECKREIN_PAGERDUTY_KEY"')
            if self.digest:
                raise ValueError("digest: a digest is no incident: send it through another channel than pagerduty")
        elif not self.urls:
            raise ValueError(f'urls: the kind {self.kind} needs one or more: urls = ["env:CHECKREIN_ONCALL_URL"]')
        for key in ("routing_key", "bearer"):
            if getattr(self, key) is not None and not _refers(getattr(self, key)):
                raise ValueError(f'{key}: a secret is never in the file itself: write "env:NAME" or "file:PATH"')
        for number, text in enumerate(self.urls):
            if self.kind == "apprise" and not _refers(text):
                raise ValueError(
                    f"urls.{number}: an Apprise URL holds a credential and is never in the file itself: "
                    'write "env:NAME" or "file:PATH"'
                )
            if self.kind == "alertmanager" and not _refers(text):
                _plain(text, f"urls.{number}")
        if len(set(self.urls)) < len(self.urls):
            raise ValueError("urls: one of them is there twice: remove it")
        if not (self.timeout > 0 and self.lasts <= _MOST):
            more = ", with 10s for each to start Apprise" if self.kind == "apprise" else ""
            raise ValueError(f"timeout: more than 0, and 4m at most over all urls together{more}")
        return self


def _refers(text: str) -> bool:
    return any(text.startswith(kind) and len(text) > len(kind) for kind in _SECRET)


def _plain(text: str, key: str) -> None:
    try:
        parts = urlsplit(text)
        reached = parts.scheme in {"http", "https"} and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        reached, parts = False, urlsplit("")
    if not reached:
        raise ValueError(f'{key}: not a receiver: write an http(s) URL, or "env:NAME" or "file:PATH" of one')
    if parts.username or parts.password:
        raise ValueError(f'{key}: it holds a password, which is never in the file itself: write "env:NAME"')
