"""Rolling back by hand from the local copy alone: journal, send, journal what came of it."""

from __future__ import annotations

import fcntl
import getpass
import hashlib
import json
import os
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from monitor.breakglass.copy import JOURNAL, folder, read
from monitor.clock import Clock
from monitor.events import canonical
from monitor.hooks import HOOKS
from monitor.settings import ConfigurationError, Hook, Settings
from monitor.signing import rollback_event

# Above whatever the database may have moved on to since the copy was written, so that no receiver takes it for old.
LEAP = 1_000
ATTEMPTS = (0.0, 1.0, 2.0, 5.0)  # seconds before each; the rest is done by the action loop once it can


@dataclass(frozen=True)
class BrokenGlass:
    """What a rollback in the dark came to; ``states`` is "delivered", "blocked" or "pending" by hook."""

    policy: str
    from_version: str
    to_version: str
    generation: int
    states: dict[str, str]
    details: tuple[str, ...]

    @property
    def sentence(self) -> str:
        """Say it to a person."""
        told = ", ".join(f"{hook} {state}" for hook, state in self.states.items())
        return (
            f"{self.policy} was told to go from {self.from_version} to {self.to_version}, generation {self.generation},"
            f" without the database: {told or 'no hook is configured, so nobody was told'}. The journal is replayed"
            f" when `checkrein serve` or `checkrein worker` reaches the database; until then nothing confirms it."
        )


def roll_back(settings: Settings, clock: Clock, policy: str, to: str | None, reason: str) -> BrokenGlass:
    """Roll back without the database.

    Each line of the journal is on disk before what it says is done, so that a process that is killed in between has
    announced what it was about to do.

    Parameters
    ----------
    settings, clock
        Where the copy lies, and the time.
    policy, to, reason
        Whose version, the version to serve (None: the first fallback that does not serve), and why.

    Raises
    ------
    CopyError
        If there is no copy, or it was changed.
    ConfigurationError
        If the copy does not know the policy, or there is nowhere to go.
    """
    place = folder(settings)
    with alone(place):
        return _roll_back(place, clock, policy, to, reason)


def _roll_back(place: Path, clock: Clock, policy: str, to: str | None, reason: str) -> BrokenGlass:
    copy = read(place)
    if policy not in copy["policies"]:
        raise ConfigurationError(f"the copy has no policy {policy!r}; it has {', '.join(sorted(copy['policies']))}")
    known = copy["policies"][policy]
    lines = [entry for path in sorted(place.glob("journal*")) for entry in journal(path)]
    done = [entry for entry in lines if entry["kind"] == "asked" and entry["policy"] == policy]
    done = sorted((e for e in done if e["generation"] > known["generation"]), key=lambda e: int(e["generation"]))
    serving = done[-1]["to_version"] if done else known["serving"]
    target = to or next((version for version in known["fallbacks"] if version != serving), None)
    if target is None or target == serving:
        raise ConfigurationError(f"{policy} is served by {serving}: name another version with --to")
    generation = max([known["generation"], *(entry["generation"] for entry in done)]) + LEAP
    identity = f"act_{uuid.uuid4().hex}"
    hooks = {name: Hook.model_validate(hook) for name, hook in copy["hooks"].items()}
    hooks = {name: hook for name, hook in hooks.items() if not hook.policies or policy in hook.policies}
    asked = {
        "kind": "asked",
        "id": identity,
        "policy": policy,
        "from_version": serving,
        "to_version": target,
        "generation": generation,
        "reason": reason,
        "actor": f"break_glass:{getpass.getuser()}",
        "at": clock.now(),
        "real_at": clock.real(),
        "hooks": sorted(hooks),
    }
    asked["bodies"] = {hook: canonical(_event(asked, hook)) for hook in hooks}
    write(place, asked)
    states, details = {}, []
    for name, hook in hooks.items():
        state, detail = _send(hook, asked["bodies"][name], clock)
        told = {"kind": "told", "id": identity, "hook": name, "state": state, "detail": detail}
        write(place, {**told, "at": clock.now(), "real_at": clock.real()})
        states[name] = state
        details.append(detail)
    return BrokenGlass(policy, serving, target, generation, states, tuple(details))


@contextmanager
def alone(place: Path, *, wait: bool = True) -> Iterator[None]:
    """Hold the journal: whoever acts waits for whoever replays, and who replays comes back later.

    Raises
    ------
    BlockingIOError
        If somebody else holds it and ``wait`` is off.
    """
    place.mkdir(parents=True, exist_ok=True)
    with (place / "lock").open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield


def journal(path: Path) -> list[dict[str, Any]]:
    """Return the lines of a journal; one that was cut in the middle of its writing says nothing.

    Raises
    ------
    ConfigurationError
        If a line was changed.
    """
    lines = path.read_bytes().splitlines() if path.exists() else []
    found: list[dict[str, Any]] = []
    before = ""
    for line in lines:
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        digest = hashlib.sha256(f"{before}{canonical(entry['entry'])}".encode()).hexdigest()
        if digest != entry["digest"]:
            raise ConfigurationError(f"{path}: line {len(found) + 1} was changed after it was written; ask who did it")
        before = digest
        found.append({**entry["entry"], "digest": digest})
    return found


def write(place: Path, entry: dict[str, Any]) -> None:
    """Append a line whose digest covers all before it, and wait until it is on disk."""
    before = journal(place / JOURNAL)
    digest = hashlib.sha256(f"{before[-1]['digest'] if before else ''}{canonical(entry)}".encode()).hexdigest()
    with (place / JOURNAL).open("ab") as file:
        file.write(f"\n{canonical({'entry': entry, 'digest': digest})}\n".encode())  # a torn line before it ends here
        file.flush()
        os.fsync(file.fileno())


def action_id(identity: str, hook: str) -> str:
    """Return the id of one hook's action: what the receiver and the database know it by."""
    return f"{identity}-{hashlib.sha256(hook.encode()).hexdigest()[:8]}"


def _event(asked: dict[str, Any], hook: str) -> dict[str, Any]:
    return rollback_event(
        action_id(asked["id"], hook),
        policy=asked["policy"],
        from_version=asked["from_version"],
        to_version=asked["to_version"],
        generation=asked["generation"],
        reason=asked["reason"],
        trigger="break_glass",
        incident=None,
        evidence_url="",
        requested=asked["at"],
        mode="manual",
    )


def _send(hook: Hook, body: str, clock: Clock) -> tuple[str, str]:
    identity, detail = json.loads(body)["id"], ""
    for pause in ATTEMPTS:
        time.sleep(pause)
        answer = HOOKS[hook.kind](hook, identity, body.encode(), clock.real())
        detail = answer.detail
        if answer.outcome != "retry":
            return answer.outcome, detail
    return "pending", detail
