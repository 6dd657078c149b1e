"""Who met which version, and for how long: read from the log, where it names its subjects."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray
from sqlalchemy import Connection

from monitor.landing import rewards
from monitor.landing.arrivals import acted
from monitor.log_store.arrow import micros
from monitor.log_store.lake import Lake
from monitor.settings import Settings
from ope.comparing.arms import Arm, Effect, Pair, effect

MOST_ROWS = 3_000_000
"""Decisions of a stage that are read: a second or two. Beyond, subjects are not counted, which is said."""
NAMED = 0.99
"""Share of the decisions that must name their subject: the others could be anybody's."""
AGED = 1 / 3
"""Share of the stage after its first exposure from which a subject's decisions are those of somebody used to it."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Exposure:
    """Subjects of a stage.

    Parameters
    ----------
    column
        What names them.
    subjects, both
        How many there are, and how many of them met both versions.
    dispersion
        How many times the variance of the effect is that of independent decisions, because subjects come back.
    assigned
        1 in the column of the version that a subject met first (candidate, incumbent), in order of time,
        shape (subjects, 2): subjects are assigned, not decisions.
    first, aged
        Effect among decisions of subjects soon after their first exposure, and later.
    """

    column: str
    subjects: int
    both: int
    dispersion: float
    assigned: Floats
    first: Effect
    aged: Effect


def exposure(
    connection: Connection,
    settings: Settings,
    policy: str,
    candidate: str,
    incumbent: str,
    begin: float,
    end: float,
    level: float,
) -> tuple[Exposure | None, str]:
    """Return the subjects of [begin, end) and "", or None and why they are not known.

    Parameters
    ----------
    connection, settings, policy, candidate, incumbent
        A read transaction, the configuration, and whose versions.
    begin, end
        The part of the stage whose rewards are mature.
    level
        Of the effects.
    """
    configured = settings.policy[policy]
    column = configured.comparison.subject or "episode_id"
    lake = Lake(settings.path(settings.store.lake))
    files = lake.files(connection, policy, "decisions", begin, end)
    if not any(column in pq.read_schema(lake.root / file.file).names for file in files):
        return None, f"the log has no column {column}"
    rows = sum(file.rows for file in files)
    if rows > MOST_ROWS:
        return None, f"{rows:,} decisions are more than the {MOST_ROWS:,} that are read"
    wanted = ["decision_id", "ts", "version", "arm", "reward", column]
    table = lake.read(connection, policy, "decisions", begin, end, columns=wanted)
    table = table.filter(pa.array(acted(table)))
    table = table.filter(pc.is_in(table["version"], pa.array([candidate, incumbent])))
    acting = table.num_rows
    table = table.filter(table[column].is_valid())
    if table.num_rows < NAMED * acting:
        return None, f"{acting - table.num_rows:,} of {acting:,} decisions have no {column}"
    table = rewards.join(table, lake.read(connection, policy, "rewards", begin, end), configured.reward_events)
    if not table.num_rows:
        return None, f"no decision of the two versions has a value in {column}"
    subject = table[column].combine_chunks().dictionary_encode().indices.to_numpy().astype(np.int64)
    own: NDArray[np.bool_] = pc.equal(table["version"], candidate).to_numpy()
    reward: Floats = table["reward"].cast(pa.float64()).to_numpy()
    if configured.reward_if_absent == "zero":
        reward = np.nan_to_num(reward, posinf=np.inf, neginf=-np.inf)
    return _told(column, subject, own, reward, micros(table, "ts") / 1e6, end - begin, level), ""


def _told(
    column: str,
    subject: NDArray[np.int64],
    own: NDArray[np.bool_],
    reward: Floats,
    at: Floats,
    length: float,
    level: float,
) -> Exposure:
    many = int(subject.max()) + 1
    met = np.zeros((many, 2), bool)
    met[subject, own.astype(np.int64)] = True
    first = np.full(many, np.inf)
    np.minimum.at(first, subject, at)
    order = np.argsort(first, kind="stable")
    began = np.zeros(many, bool)
    began[subject[np.flatnonzero(at == first[subject])]] = own[np.flatnonzero(at == first[subject])]
    known = np.isfinite(reward)
    aged = at - first[subject] >= AGED * length

    def of(rows: NDArray[np.bool_]) -> Effect:
        return effect(_by_subject(subject[rows], own[rows], reward[rows], order), level)

    both = int(np.sum(met.all(axis=1)))
    assigned = np.stack([began[order], ~began[order]], axis=1).astype(np.float64)
    return Exposure(column, many, both, of(known).dispersion, assigned, of(known & ~aged), of(known & aged))


def _by_subject(
    subject: NDArray[np.int64], own: NDArray[np.bool_], reward: Floats, order: NDArray[np.int64]
) -> list[Pair]:
    """Return one pair for each subject, in order of first exposure, so that the dispersion is that between subjects."""
    arms: list[list[Arm]] = []
    for rows in (own, ~own):
        n = np.bincount(subject[rows], minlength=len(order))
        mean = np.bincount(subject[rows], reward[rows], len(order)) / np.maximum(n, 1)
        spread = np.bincount(subject[rows], (reward[rows] - mean[subject[rows]]) ** 2, len(order))
        low, high = np.full(len(order), np.inf), np.full(len(order), -np.inf)
        np.minimum.at(low, subject[rows], reward[rows])
        np.maximum.at(high, subject[rows], reward[rows])
        columns = zip(*(values[order].tolist() for values in (n, mean, spread, low, high)), strict=True)
        arms.append([Arm(int(row[0]), *row[1:]) for row in columns])
    return [(one, other) for one, other in zip(*arms, strict=True) if one.n or other.n]
