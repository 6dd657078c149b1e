"""--set trigger.param=value: a policy's settings with some parameters of its triggers changed, for a replay alone."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from typing import Any

from monitor.settings import ConfigurationError, Settings, shipped_triggers
from monitor.settings.model import nearest


def changed(settings: Settings, policy: str, changes: Sequence[str]) -> Settings:
    """Return the settings with the changes as overrides of one policy's triggers; the file stays as it is.

    Parameters
    ----------
    settings, policy
        The configuration, and whose triggers change.
    changes
        ``trigger.param=value``, the value as TOML has it; text needs no quotes.

    Raises
    ------
    ConfigurationError
        If a change cannot be read, or names a trigger or a parameter that does not exist; names the nearest one.

    Examples
    --------
    >>> from monitor.settings import parse
    >>> settings = parse({"policy": {"bids": {"incumbent": "v1"}}})
    >>> changed(settings, "bids", ["reward_3sigma.k=3.5", "reward_3sigma.for=3 windows"]).triggers("bids")[
    ...     "reward_3sigma"
    ... ].k
    3.5
    >>> changed(settings, "bids", ["reward_sigma3.k=4"])
    Traceback (most recent call last):
    ...
    monitor.settings.model.ConfigurationError: --set reward_sigma3.k=4: no trigger 'reward_sigma3'; did you mean \
reward_3sigma?
    """
    own: dict[str, dict[str, Any]] = {name: dict(each) for name, each in settings.policy[policy].trigger.items()}
    known = {**shipped_triggers(), **settings.trigger, **own}
    for change in changes:
        where, equals, text = change.partition("=")
        name, dot, parameter = where.strip().partition(".")
        if not (equals and dot and parameter.strip() and text.strip()):
            raise ConfigurationError(f"--set {change}: write it as trigger.param=value, such as reward_3sigma.k=3.5")
        if name not in known:
            near = nearest(name, known) or f"; there are {', '.join(sorted(known))}"
            raise ConfigurationError(f"--set {change}: no trigger {name!r}{near}")
        own.setdefault(name, {})[parameter.strip()] = _value(text.strip())
    one = settings.policy[policy].model_copy(update={"trigger": own})
    result = settings.model_copy(update={"policy": {**settings.policy, policy: one}})
    try:
        result.triggers(policy)
    except ConfigurationError as error:
        raise ConfigurationError(f"--set: {str(error).replace(f'policy.{policy}.trigger.', '')}") from None
    return result


def _value(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text
