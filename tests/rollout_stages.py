"""A stage of a rollout as landed rows: two versions at the same time, with what may go wrong put in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy import insert

from monitor.bucketing import sealing
from monitor.landing.land import Landing
from monitor.rollouts.comparison import Comparison, compare
from monitor.store.tables import baselines
from monitor.summaries.plan import Feature, Plan
from monitor.validate import Accepted
from tests.landings import START, log, mark, open_landing

ROWS = 7200  # one decision a second: two hours
SHARES = {"v2": 0.2, "v1": 0.8}
LOAD = Feature("load", -4.0, 4.0, tuple(float(edge) for edge in np.linspace(-3, 3, 9)))


def columns(seed: int = 1, share: float = 0.2, gain: Any = 0.0, *, rows: int = ROWS) -> dict[str, Any]:
    """Return version and reward of each row; ``gain`` is what v2 earns more, one number or one a row."""
    rng = np.random.default_rng(seed)
    own = rng.random(rows) < share
    reward = 10.0 + rng.normal(0, 1, rows) + np.where(own, gain, 0.0)
    return {"version": np.where(own, "v2", "v1").tolist(), "reward": reward, "state.load": rng.normal(0, 1, rows)}


def stage(
    folder: Path,
    made: dict[str, Any],
    *,
    baseline: bool = False,
    sealed: float = ROWS,
    every: float = 1.0,
    **policy: Any,
) -> Landing:
    """Land the rows of a stage, one ``every`` so many seconds, and seal its first ``sealed`` seconds.

    With a baseline that knows the load where one is asked for.
    """
    landing = open_landing(folder, at=START + ROWS + 600.0, **policy)
    if baseline:
        plan = Plan(actions=("low", "high"), features=(LOAD,))
        row = {"policy": "bids", "begin": START - 600.0, "end": START - 60.0, "frozen": START - 60.0, "actor": "ann"}
        with landing.database.begin() as connection:
            connection.execute(insert(baselines), [{**row, "digest": "", "plan": plan.to_json()}])
    landing.decisions("bids", Accepted(log(0, len(made["reward"]), made, every=every)), "log.csv", mark(ROWS))
    sealing.seal(landing.database, "bids", START + sealed, set())
    return landing


def compared(
    landing: Landing,
    begin: float = 0.0,
    until: float = ROWS,
    shares: dict[str, float] | None = None,
    margin: str | None = None,
) -> Comparison:
    """Compare v2 with v1 over seconds of the stage."""
    with landing.database.read() as connection:
        span = (START + begin, START + until, SHARES if shares is None else shares)
        settings = landing.settings
        if margin is not None:
            own = settings.policy["bids"]
            rules = own.comparison.model_copy(update={"margin": margin})
            settings = settings.model_copy(update={"policy": {"bids": own.model_copy(update={"comparison": rules})}})
        return compare(connection, settings, "bids", "v2", "v1", *span)


def said(found: Comparison, *words: str) -> None:
    """Assert that the reasons are sentences and that they hold the words."""
    text = " ".join(found.reasons)
    for word in words:
        assert word in text
    assert all(reason[0].isupper() or reason[0] == "v" or reason[0].isdigit() for reason in found.reasons)
    assert all(reason.endswith(".") for reason in found.reasons)
