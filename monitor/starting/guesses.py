"""Which role a column plays, guessed from its name and its values; what is not clear is left to a person."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.types as pt

from monitor.log_store.schema import FIXED, role_type
from monitor.validate.faults import ROW
from monitor.validate.roles import is_role

CLOSE = 0.8  # difflib ratio from which a name is taken for another one
NEAR = 0.6  # and from which it is mentioned
_LOOKED_AT = 200

# What the roles are called elsewhere.
ALIASES = {
    "time": "ts", "timestamp": "ts", "datetime": "ts", "event_time": "ts", "created_at": "ts", "logged_at": "ts",
    "id": "decision_id", "request_id": "decision_id", "impression_id": "decision_id", "uuid": "decision_id",
    "policy_name": "policy", "agent": "policy", "model_name": "policy",
    "model": "version", "model_version": "version", "policy_version": "version", "ver": "version",
    "a": "action", "arm_id": "action", "item_id": "action", "choice": "action", "chosen_action": "action",
    "decision": "action", "treatment": "action",
    "prob": "propensity", "probability": "propensity", "pscore": "propensity", "propensity_score": "propensity",
    "action_prob": "propensity", "behavior_prob": "propensity",
    "r": "reward", "click": "reward", "clicked": "reward", "return": "reward", "payoff": "reward", "utility": "reward",
    "episode": "episode_id", "trajectory_id": "episode_id", "session_id": "episode_id",
    "t": "step", "timestep": "step", "step_index": "step",
    "latency": "latency_ms", "duration_ms": "latency_ms",
    "probs": "action_probs", "action_probabilities": "action_probs", "pi": "action_probs",
    "q": "q_value", "slot": "position",
}  # fmt: skip
_FAMILY = {
    "state": "state", "feature": "state", "feat": "state", "context": "state", "ctx": "state", "obs": "state",
    "cost": "cost", "outcome": "outcome", "segment": "segment", "candidate_probs": "candidate_probs",
}  # fmt: skip


@dataclass(frozen=True)
class Guess:
    """Role = column for the columns that need a mapping, and column = nearest role ("" for none) for the rest.

    ``named`` are the columns that already have the name of their role.
    """

    columns: dict[str, str] = field(default_factory=dict)
    rest: dict[str, str] = field(default_factory=dict)
    named: tuple[str, ...] = ()

    @property
    def roles(self) -> tuple[str, ...]:
        """Every role that some column plays."""
        return (*self.named, *self.columns)


def guess(raw: pa.Table) -> Guess:
    """Guess the roles of a log's columns.

    Examples
    --------
    >>> log = pa.table({"time": ["2026-01-31T12:00:00Z"], "action": ["bid"], "rewrd": [0.5], "cost_heat": [0.0],
    ...                 "inlet": [20.5]})
    >>> guess(log).columns, guess(log).rest
    ({'ts': 'time', 'cost.heat': 'cost_heat', 'reward': 'rewrd'}, {'inlet': ''})
    """
    names = [name for name in raw.column_names if name != ROW]
    named = tuple(name for name in names if is_role(name))
    offers = sorted(
        (
            (-score, index, role)
            for index, name in enumerate(names)
            if name not in named
            for role, score in _offers(name)
            if score >= CLOSE and _fits(role, raw[name])
        ),
    )
    found: dict[str, str] = {}
    for _score, index, role in offers:
        if role not in found and role not in named and names[index] not in found.values():
            found[role] = names[index]
    times = [name for name in names if name not in (*named, *found.values()) and _kind(raw[name]) == "time"]
    if "ts" not in (*named, *found) and len(times) == 1:
        found["ts"] = times[0]
    rest = [name for name in names if name not in (*named, *found.values())]
    taken = {*named, *found}
    return Guess(found, {name: _nearest(name, taken) for name in rest}, named)


def _offers(name: str) -> list[tuple[str, float]]:
    plain = _plain(name)
    if plain in ALIASES:
        return [(ALIASES[plain], 1.0)]
    if plain in FIXED:
        return [(plain, 1.0)]
    first, _, last = plain.partition("_")
    if plain.startswith("candidate_probs_"):
        first, last = "candidate_probs", plain.removeprefix("candidate_probs_")
    if first in _FAMILY and last:
        return [(f"{_FAMILY[first]}.{last}", 0.95)]
    known = {role: role for role in FIXED} | ALIASES
    # A name of one or two letters resembles anything.
    return [(role, 0.9 * _ratio(plain, word)) for word, role in known.items() if len(word) > 2 and len(plain) > 2]


def _nearest(name: str, taken: set[str]) -> str:
    offers = [(score, role) for role, score in _offers(name) if role not in taken and score >= NEAR]
    return max(offers)[1] if offers else ""


def _ratio(one: str, other: str) -> float:
    return difflib.SequenceMatcher(None, one, other).ratio()


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", re.sub(r"([a-z])([A-Z])", r"\1_\2", name).lower()).strip("_")


def _fits(role: str, column: pa.ChunkedArray) -> bool:
    """Say whether a column's values could be the role's: a number for a number, a time for the time."""
    kind = _kind(column)
    wanted = role_type(role)
    if role == "ts":
        return kind == "time"
    if role == "action" or role.startswith("candidate_probs."):
        return kind in {"number", "flag", "text", "list"}
    if wanted is None or pt.is_string(wanted):
        return kind in {"number", "flag", "text"}
    if pt.is_list(wanted):
        return kind == "list"
    return kind in {"number", "flag", "none"}


def _kind(column: pa.ChunkedArray) -> str:
    if pt.is_timestamp(column.type):
        return "time"
    if pt.is_list(column.type) or pt.is_large_list(column.type) or pt.is_fixed_size_list(column.type):
        return "list"
    if pt.is_boolean(column.type):
        return "flag"
    if pt.is_integer(column.type) or pt.is_floating(column.type) or pt.is_decimal(column.type):
        return "number"
    if pt.is_null(column.type):
        return "none"
    values = [str(value) for value in column.slice(0, _LOOKED_AT).to_pylist() if value is not None]
    if not values:
        return "none"
    if all(re.match(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d", value) for value in values):
        return "time"
    if all(re.fullmatch(r"\s*\[.*\]\s*", value) for value in values):
        return "list"
    return "number" if all(_number(value) for value in values) else "text"


def _number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
