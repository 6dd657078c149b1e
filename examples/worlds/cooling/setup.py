"""The checkrein.toml that watches this world."""

from __future__ import annotations

import json

from examples.worlds.cooling.controllers import CONTROLLERS
from examples.worlds.cooling.names import ACTIONS, CONSTRAINTS, POLICY


def configuration(
    *,
    hook_port: int,
    logs: str | None = None,
    policies: str = "policies",
    store: str = "sqlite:///checkrein.db",
    lake: str = "lake",
    lateness: str = "60s",
    poll: str = "10s",
) -> str:
    """Return the text of the world's checkrein.toml.

    Parameters
    ----------
    hook_port
        Port on which the world's live process takes rollbacks.
    logs
        Parquet files to read as a source, such as "logs/*.parquet"; None where they are ingested or posted.
    policies
        Folder of the policies' JSON files.
    store, lake
        Database URL and folder of the log store.
    lateness
        Time that decisions may take to arrive, in the world's time: at 60 times the speed, a minute is one second.
    poll
        How often ``logs`` is looked at.

    Examples
    --------
    >>> print(configuration(hook_port=9000).splitlines()[4:6])
    ['[policy.cooling]', 'incumbent = "v6"']
    """
    parts = [
        f"[store]\nurl = {_text(store)}\nlake = {_text(lake)}\n",
        f"[policy.{POLICY}]\n"
        'incumbent = "v6"\n'
        'serving = "v7"\n'
        'fallbacks = ["v6"]\n'
        f"actions = {json.dumps(ACTIONS)}\n"
        'season = "hour_of_day"\n'
        'reward_horizon = "0s"\n'
        f"lateness = {_text(lateness)}\n",
    ]
    served = [f"{version} = {_text(controller.sha256)}\n" for version, controller in sorted(CONTROLLERS.items())]
    parts.append(f'[policy.{POLICY}.checklist]\nlatency_sla = "50ms"\n')
    parts.append(f"[policy.{POLICY}.checklist.artifacts]\n{''.join(served)}")
    if logs is not None:
        parts.append(f'[policy.{POLICY}.source]\nkind = "parquet"\npath = {_text(logs)}\npoll = {_text(poll)}\n')
    # The plant has a daily cycle: the last 30 windows are another time of the day, and against them every morning is a
    # finding (15% of healthy windows, measured). In two hours the cycle moves the power by less than 6%.
    parts.append(f'[policy.{POLICY}.trigger.reward_rolling_2sigma]\nlookback = 8\nmin_effect = "6%"\n')
    # For the same reason an hour has 18 independent rewards' worth of evidence about its peaks, and 200 are needed.
    parts.append(f"[policy.{POLICY}.trigger.reward_two_modes]\nenabled = false\n")
    for limit in CONSTRAINTS:
        # The cost is how far beyond the limit a reading is, so that any excess is a violation.
        text = f"[policy.{POLICY}.constraint.{limit.name}]\ncost = {_text(limit.name)}\nlimit = 0.0\nbudget = 0.001\n"
        parts.append(text + ("hard = true\n" if limit.hard else ""))
    parts.append(f"[policy.{POLICY}.candidate.v8]\npolicy = {_text(f'linear:{policies}/v8.json')}\n")
    parts.append(
        "[hook.serving]\n"
        'kind = "webhook"\n'
        f'url = "http://127.0.0.1:{hook_port}/rollback"\n'
        f'health = "http://127.0.0.1:{hook_port}/health"\n'
        'secret = "env:CHECKREIN_HOOK_SECRET"\n'
    )
    return "\n".join(parts)


def _text(value: str) -> str:
    return json.dumps(value)  # a JSON string is a TOML string
