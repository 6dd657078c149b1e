"""What every recipe does around its own switch: read the event, let no older one through, say what serves now.

A receiver of webhooks (``examples.receiver``) lives on and remembers the generation itself. A command lives for one
event: the generation has to be kept where the version is, in the system that serves, and be read back each time.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass

from examples.receiver import EVENT, REHEARSALS, STAGE

_SPLIT = (
    "This recipe moves all traffic and cannot give {} the split of a stage of a rollout: stop it with `checkrein"
    " rollout abort`, or take rollouts with a receiver that knows splits."
)
DONE, LATER, REFUSED = 0, 75, 100  # exit statuses of the `command` hook: delivered, tried again, needs a person


class RefusedError(Exception):
    """Trying again cannot help: a person has to look."""


class LaterError(Exception):
    """It may work later."""


@dataclass(frozen=True)
class Event:
    """What is asked for: serve ``version`` of ``policy``, unless something newer than ``generation`` was asked for."""

    policy: str
    version: str
    generation: int
    rehearsal: bool


@dataclass(frozen=True)
class Serving:
    """What was asked for last, and of which the system shows that it serves it; generation 0: nothing yet."""

    generation: int
    version: str


def event_of(body: bytes) -> Event:
    """Read an event.

    >>> data = {"policy": "p", "to_version": "v6", "generation": 2, "mode": "manual"}
    >>> event_of(json.dumps({"type": EVENT, "data": data}).encode())
    Event(policy='p', version='v6', generation=2, rehearsal=False)
    """
    try:
        event = json.loads(body)
        data, kind = event["data"], event["type"]
        if kind == STAGE:
            raise RefusedError(_SPLIT.format(data["policy"]))
        policy, version, generation = data["policy"], data["to_version"], data["generation"]
        if [type(policy), type(version), type(generation)] != [str, str, int] or kind != EVENT:
            raise ValueError
    except (ValueError, KeyError, TypeError, RecursionError):
        wanted = "data.policy, data.to_version and data.generation"
        raise RefusedError(f"Standard input is no {EVENT} with {wanted}.") from None
    return Event(policy, version, generation, data.get("mode") in REHEARSALS)


def obey(body: bytes, state: Callable[[str], Serving], switch: Callable[[Event], bool]) -> int:
    """Do what the event asks, once, and print the acknowledgement; return the exit status.

    Parameters
    ----------
    body
        The event.
    state
        What was asked for last, by policy.
    switch
        Store generation and version and make the version serve; called again for the same generation, when it does
        nothing that is done already. Returns whether it serves: False is delivered without an acknowledgement, and
        asked again.
    """
    try:
        event = event_of(body)
        now, asked = state(event.policy), Serving(event.generation, event.version)
        acknowledged = True
        if not event.rehearsal:
            if event.generation < now.generation or (event.generation == now.generation and asked != now):
                newer = f"generation {now.generation}, which says {now.version}, was there before"
                raise RefusedError(f"Generation {event.generation} of {event.policy} changes nothing: {newer}.")
            acknowledged = switch(event)
            now = state(event.policy)
    except RefusedError as error:
        print(error, file=sys.stderr)
        return REFUSED
    except (LaterError, OSError) as error:
        print(error, file=sys.stderr)
        return LATER
    if acknowledged:
        told = {"policy": event.policy, "generation": now.generation, "serving": now.version}
        print(json.dumps(told), flush=True)
    return DONE
