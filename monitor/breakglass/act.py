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
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from monitor.acting.signing import rollback_event
from monitor.breakglass.copy import JOURNAL, folder, read
from monitor.clock import Clock
from monitor.events import canonical
from monitor.hooks import HOOKS, Answer
from monitor.log_store import durable
from monitor.settings import ConfigurationError, Hook, Settings

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
        asked, hooks = _ask(place, clock, policy, to, reason)
    states: dict[str, str] = {}
    details = []
    # Not under the lock: who stops another policy does not wait for this one's receivers. A replay meanwhile sends
    # the same id and bytes. All at once: one that hangs keeps no other from being told.
    with ThreadPoolExecutor(max(len(hooks), 1)) as pool:
        sent = {pool.submit(_send, hook, asked["bodies"][name], clock): name for name, hook in hooks.items()}
        for future in as_completed(sent):
            name, answer = sent[future], future.result()
            state = "pending" if answer.outcome == "retry" else answer.outcome
            told = {"kind": "told", "id": asked["id"], "hook": name, "state": state, "detail": answer.detail}
            told["acknowledged"] = None if answer.acknowledged is None else asdict(answer.acknowledged)
            with alone(place):
                write(place, {**told, "at": clock.now(), "real_at": clock.real()})
            states[name] = state
            details.append(answer.detail)
    states = {name: states[name] for name in hooks}
    return BrokenGlass(policy, asked["from_version"], asked["to_version"], asked["generation"], states, tuple(details))


def _ask(place: Path, clock: Clock, policy: str, to: str | None, reason: str) -> tuple[dict[str, Any], dict[str, Hook]]:
    """Journal what is about to be sent, and return it with the hooks that it goes to."""
    copy = read(place)
    if policy not in copy["policies"]:
        raise ConfigurationError(f"the copy has no policy {policy!r}; it has {', '.join(sorted(copy['policies']))}")
    known = copy["policies"][policy]
    lines = [entry for path in sorted(place.glob("journal*")) for entry in _parsed(path)]
    done = [entry for entry in lines if entry.get("kind") == "asked" and entry["policy"] == policy]
    done = sorted((e for e in done if e["generation"] > known["generation"]), key=lambda e: int(e["generation"]))
    serving = done[-1]["to_version"] if done else known["serving"]
    tried = next(iter(known.get("rolled_out", ())), None) if not done else None
    if tried is not None and to in (None, serving):  # what is being rolled out is what is stopped
        serving, to = tried, serving
    target = to or next((version for version in known["fallbacks"] if version != serving), None)
    if target == serving and done and not _delivered(done[-1], lines):
        serving = done[-1]["from_version"]  # not everybody was told: once more
    if target is None or target == serving:
        raise ConfigurationError(f"{policy} is served by {serving}: name another version with --to")
    generation = max([known["generation"], *(entry["generation"] for entry in done)]) + LEAP
    identity = f"act_{uuid.uuid4().hex}"
    # Checked before it was signed; what is read here is what it became, such as a timeout in seconds.
    hooks = {name: Hook.model_construct(**hook) for name, hook in copy["hooks"].items()}
    hooks = {name: hook for name, hook in hooks.items() if not hook.policies or policy in hook.policies}
    asked = {
        "kind": "asked",
        "id": identity,
        "policy": policy,
        "from_version": serving,
        "to_version": target,
        "generation": generation,
        "reason": reason,
        "actor": f"break_glass:{_user()}",
        "at": clock.now(),
        "real_at": clock.real(),
        "hooks": sorted(hooks),
    }
    asked["bodies"] = {hook: canonical(_event(asked, hook)) for hook in hooks or [""]}
    write(place, asked)
    return asked, hooks


def _delivered(asked: dict[str, Any], lines: list[dict[str, Any]]) -> bool:
    told = {line["hook"] for line in lines if line.get("id") == asked["id"] and line.get("state") == "delivered"}
    return told >= set(asked["hooks"])


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's account often has a number and no name
        return f"uid {os.getuid()}"


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
    found = _parsed(path)
    before = ""
    for number, line in enumerate(found, 1):
        entry = {name: value for name, value in line.items() if name != "digest"}
        if _digest(before, entry) != line["digest"]:
            raise ConfigurationError(
                f"{path}: line {number} was changed after it was written; ask who did it, and move the file away: "
                f"until then nothing of it reaches the database"
            )
        before = line["digest"]
    return found


def _parsed(path: Path) -> list[dict[str, Any]]:
    """Return the lines as they are: a damaged journal is a finding for the replay and keeps nobody from stopping."""
    found: list[dict[str, Any]] = []
    for line in path.read_bytes().splitlines() if path.exists() else []:
        try:
            held = json.loads(line)
            found.append({**held["entry"], "digest": str(held["digest"])})
        except (ValueError, KeyError, TypeError):
            continue
    return found


def _digest(before: str, entry: dict[str, Any]) -> str:
    return hashlib.sha256(f"{before}{canonical(entry)}".encode()).hexdigest()


def write(place: Path, entry: dict[str, Any]) -> None:
    """Append a line whose digest covers all before it, and wait until it is on disk."""
    before = _parsed(place / JOURNAL)
    digest = _digest(before[-1]["digest"] if before else "", entry)
    with (place / JOURNAL).open("ab") as file:
        file.write(f"\n{canonical({'entry': entry, 'digest': digest})}\n".encode())  # a torn line before it ends here
        file.flush()
        os.fsync(file.fileno())
    if not before:
        durable.sync(place)  # a new file has survived a power cut only when its name has


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


def _send(hook: Hook, body: str, clock: Clock) -> Answer:
    identity = json.loads(body)["id"]
    for pause in ATTEMPTS:
        time.sleep(pause)
        answer = HOOKS[hook.kind](hook, identity, body.encode(), clock.real())
        if answer.outcome != "retry":
            break
    return answer
