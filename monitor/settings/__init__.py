"""checkrein.toml: what is read from it, and the error that names the key, the nearest one and the fix."""

from __future__ import annotations

import json
import os
import re
import tomllib
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any

from pydantic import Field

from monitor.settings import called
from monitor.settings.comparing import Comparing
from monitor.settings.digest import Digest
from monitor.settings.drill import Drill
from monitor.settings.inhibit import Inhibit, check
from monitor.settings.model import ConfigurationError, Table, nearest, read
from monitor.settings.notify import Notify
from monitor.settings.oncall import Escalation, Heartbeat, Oncall, Person
from monitor.settings.policy import Candidate, Confirmation, Constraint, FalseRollbacks, Policy, Source, Store
from monitor.settings.rules import Hook, Trigger

__all__ = [
    "Candidate",
    "Comparing",
    "ConfigurationError",
    "Confirmation",
    "Constraint",
    "Digest",
    "Drill",
    "FalseRollbacks",
    "Hook",
    "Inhibit",
    "Notify",
    "Policy",
    "Settings",
    "Source",
    "Store",
    "Trigger",
    "json_schema",
    "load",
    "parse",
    "secret",
    "shipped_triggers",
]


class Settings(Table):
    """The whole of checkrein.toml."""

    store: Store = Store()
    policy: dict[str, Policy] = Field(default_factory=dict)
    trigger: dict[str, Trigger] = Field(default_factory=dict)
    hook: dict[str, Hook] = Field(default_factory=dict)
    notify: dict[str, Notify] = Field(default_factory=dict)
    inhibit: dict[str, Inhibit] = Field(default_factory=dict)
    digest: Digest = Digest()
    drill: Drill = Drill()
    person: dict[str, Person] = Field(default_factory=dict)
    oncall: dict[str, Oncall] = Field(default_factory=dict)
    escalation: dict[str, Escalation] = Field(default_factory=dict)
    heartbeat: Heartbeat = Heartbeat.model_validate({})
    base: Path = Field(Path(), exclude=True, description="Directory of the file; not a key of it.")

    def triggers(self, policy: str) -> dict[str, Trigger]:
        """Return the enabled triggers of a policy: shipped, overridden for all, overridden for it."""
        merged = dict(self.trigger)
        for name, changes in self.policy[policy].trigger.items():
            merged[name] = read(Trigger, {**_plain(merged.get(name)), **changes}, f"policy.{policy}.trigger.{name}")
        return {name: trigger for name, trigger in merged.items() if trigger.enabled}

    def path(self, relative: str | Path) -> Path:
        """Resolve a path of the file against the file's own directory."""
        return self.base / relative


def _plain(trigger: Trigger | None) -> dict[str, Any]:
    if trigger is None:
        return {}
    values = trigger.model_dump(by_alias=True, exclude_none=True)
    for key, unit in (("window", "s"), ("for", " windows"), ("clear", " windows")):
        values[key] = f"{values[key]:g}{unit}"
    return values


def shipped_triggers() -> dict[str, dict[str, Any]]:
    """Return the triggers that the product ships, as the TOML has them."""
    return _shipped("trigger")


def _shipped(kind: str) -> dict[str, dict[str, Any]]:
    text = resources.files("monitor").joinpath("triggers.toml").read_text("utf-8")
    shipped: dict[str, dict[str, Any]] = tomllib.loads(text)[kind]
    return shipped


def load(path: Path) -> Settings:
    """Read a configuration file.

    Raises
    ------
    ConfigurationError
        If the file is missing, is not TOML, or has an unknown or wrong key; names the key and the fix.
    """
    try:
        text = path.read_text("utf-8")
    except FileNotFoundError:
        raise ConfigurationError(
            f"{path}: no such file. Write one with `checkrein init`, or name it with --config"
        ) from None
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be read: {error.strerror}") from None
    try:
        return parse(tomllib.loads(text), path.parent)
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"{path}: not TOML: {error}") from None
    except ConfigurationError as error:
        raise ConfigurationError(f"{path}: {error}") from None


def parse(data: Mapping[str, Any], base: Path = Path()) -> Settings:
    """Build Settings from plain data, with the shipped triggers under the user's.

    Examples
    --------
    >>> settings = parse({"policy": {"bids": {"incumbent": "v1"}}})
    >>> settings.triggers("bids")["reward_3sigma"].severity
    'rollback'
    >>> parse({"policy": {"bids": {"incumbent": "v1", "serves": "v1"}}})
    Traceback (most recent call last):
    ...
    monitor.settings.model.ConfigurationError: policy.bids.serves: unknown key; did you mean serving?
    """
    shipped = shipped_triggers()
    own = data.get("trigger", {})
    merged = {name: {**shipped.get(name, {}), **own.get(name, {})} for name in {**shipped, **own}}
    for name in own:
        if name not in shipped and not {"metric", "detector"} <= set(own[name]):
            near = nearest(name, shipped)
            raise ConfigurationError(
                f"trigger.{name}: no shipped trigger has this name{near}; a new one needs metric and detector"
            )
    rules = _shipped("inhibit")
    for name, changes in data.get("inhibit", {}).items():
        rules[name] = {**rules.get(name, {}), **changes}
    settings = read(Settings, {**data, "trigger": merged, "inhibit": rules}, "").model_copy(update={"base": base})
    for policy in settings.policy:
        if "/" in policy or policy in {"", ".", ".."}:
            raise ConfigurationError(
                f"policy.{policy!r}: a policy of this name could not be stopped over HTTP, because the name is part of"
                f" an address there: no slash, not empty, not one or two dots"
            )
    triggers = {policy: settings.triggers(policy) for policy in settings.policy}
    check(settings.inhibit, triggers, {*settings.trigger, *(name for own in triggers.values() for name in own)})
    _reachable(settings)
    called.check(settings)
    return settings


def _reachable(settings: Settings) -> None:
    """Refuse a channel that nobody could test, or that a misspelt name keeps a policy's pages from."""
    for name, channel in settings.notify.items():
        if not re.fullmatch(r"[A-Za-z0-9_-]{1,64}", name):
            raise ConfigurationError(f"notify.{name!r}: name it with at most 64 letters, digits, _ and -")
        for policy in channel.policies:
            if policy not in settings.policy:
                near = nearest(policy, settings.policy)
                raise ConfigurationError(f"notify.{name}.policies: there is no policy {policy!r}{near}")


def json_schema() -> str:
    """Return the JSON Schema that editors use for checkrein.toml."""
    schema = Settings.model_json_schema(by_alias=True)
    schema["properties"].pop("base", None)
    schema["$defs"]["Trigger"].pop("required")  # a shipped one has its metric
    return json.dumps(schema, indent=1, sort_keys=True) + "\n"


def secret(reference: str, key: str) -> str:
    """Return the secret that "env:NAME" or "file:PATH" refers to.

    Raises
    ------
    ConfigurationError
        If it is written in the file itself, or is missing or empty.
    """
    kind, _, where = reference.partition(":")
    if kind == "env" and where:
        value = os.environ.get(where, "")
        fix = f"set the environment variable {where}"
    elif kind == "file" and where:
        try:
            value = Path(where).read_text("utf-8").strip()
        except OSError:
            value = ""
        fix = f"write the secret into the file {where}"
    else:
        raise ConfigurationError(f'{key}: a secret is never in the file itself: write "env:NAME" or "file:PATH"')
    if not value:
        raise ConfigurationError(f"{key}: {reference} is empty: {fix}")
    return value
