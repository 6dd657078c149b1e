"""The Open Bandit Dataset, watched by the product: one campaign, its two behaviour policies as versions of one policy.

Every number is compared with plain pandas. A log has 10,000 rows and 38 to 69 clicks, about 60 rows an hour: what that
is too little for must be said, not guessed.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sqlalchemy import select

from monitor import cli
from monitor.bucketing import buckets
from monitor.bucketing.plans import current_plan
from monitor.runtime import open_parts
from monitor.store.tables import actions, policies, quarantine, transitions, verdicts

pytestmark = pytest.mark.obd

DATA = Path(os.environ.get("CHECKREIN_OBD_DIR", "."))
CAMPAIGNS = {"all": 80, "men": 34, "women": 46}  # with their numbers of items
BEGIN, FROZEN, END = "2019-11-24T00:00:00Z", "2019-11-28T00:00:00Z", "2019-12-01T00:00:00Z"
HOURS = 72  # from FROZEN to END
CONFIGURATION = """
[policy.zozo]
incumbent = "random"
serving = "bts"
fallbacks = ["random"]

[policy.bts_alone]  # the log of one version, for estimates of another one from it
incumbent = "bts"

[trigger.reward_3sigma]
window = "1h"
[trigger.reward_rolling_2sigma]
window = "1h"
[trigger.state_drift]
window = "1h"
[trigger.state_drift_warn]
enabled = false
[trigger.entropy_collapse]
window = "1h"
[trigger.no_data]  # at night a quarter of an hour without a decision is usual here
window = "1h"
[trigger.reward_4h]
metric = "reward"
detector = "frozen_sigma"
window = "4h"
"""


def read(campaign: str, version: str) -> pd.DataFrame:
    log = pd.read_csv(DATA / version / campaign / f"{campaign}.csv.gz", index_col=0)
    log["ts"] = pd.to_datetime(log["timestamp"], utc=True, format="ISO8601")
    return log


@dataclass
class Home:
    """A folder with checkrein.toml in which commands are run."""

    folder: Path

    def run(self, *arguments: str | Path) -> tuple[int, str, str]:
        """Run the command in this process: status, output, errors."""
        said, wrong = io.StringIO(), io.StringIO()
        with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(said), contextlib.redirect_stderr(wrong):
            patch.chdir(self.folder)
            patch.setattr(sys, "argv", ["checkrein", *map(str, arguments)])
            with pytest.raises(SystemExit) as ended:
                cli.main()
        return int(ended.value.code or 0), said.getvalue(), wrong.getvalue()

    def document(self, *arguments: str | Path, status: int = 0) -> Any:
        """Run a command that must end with a status, and return its JSON."""
        ended, said, wrong = self.run(*arguments, "--json")
        assert ended == status, said + wrong
        return json.loads(said)

    def rows(self, table: Any, *columns: str) -> list[Any]:
        with open_parts(self.folder / "checkrein.toml").database.read() as connection:
            return list(connection.execute(select(*(table.c[name] for name in columns)).order_by(*table.primary_key)))

    def lake(self, policy: str = "zozo") -> pd.DataFrame:
        parts = open_parts(self.folder / "checkrein.toml")
        with parts.database.read() as connection:
            table = parts.landing.lake.read(connection, policy, "decisions", 0, 4e9)
        found: pd.DataFrame = table.select(["version", "ts", "action", "position", "reward", "propensity"]).to_pandas()
        return found


def home(folder: Path) -> Home:
    (folder / "checkrein.toml").write_text(CONFIGURATION)
    return Home(folder)


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """Return a home where both logs of the campaign "all" were ingested, frozen and judged."""
    found = home(tmp_path_factory.mktemp("obd"))
    logs = [DATA / version / "all" for version in ("random", "bts")]
    ingested = found.document("ingest", *logs, "--policy", "zozo", "--format", "obd")
    assert (ingested["accepted"], ingested["quarantined"], ingested["problems"]) == (20_000, 0, [])
    found.document("baseline", "freeze", "zozo", "--from", BEGIN, "--to", FROZEN)
    found.document("tick", "zozo", "--until", "2019-12-01T00:01:00Z")
    return found


def judged(found: Home, trigger: str, version: str) -> pd.DataFrame:
    rows = found.rows(verdicts, "trigger", "version", "start", "state", "n", "value", "reason")
    kept = [tuple(row) for row in rows if (row.trigger, row.version) == (trigger, version)]
    return pd.DataFrame(kept, columns=["trigger", "version", "start", "state", "n", "value", "reason"])


def test_every_row_and_click_lands_by_version_and_position(watched: Home) -> None:
    lake = watched.lake()
    for version in ("random", "bts"):
        log = read("all", version)
        mine = lake[lake["version"] == version]
        assert len(mine) == len(log) == 10_000
        expected = log.groupby("position")["click"].agg(["size", "sum"])
        counted = mine.groupby("position")["reward"].agg(["size", "sum"])
        np.testing.assert_array_equal(counted.to_numpy(), expected.to_numpy())
        shown = log["item_id"].astype(str).value_counts().sort_index()
        pd.testing.assert_series_equal(
            mine["action"].value_counts().sort_index(), shown, check_names=False, check_dtype=False
        )
        np.testing.assert_allclose(np.sort(mine["propensity"]), np.sort(log["propensity_score"]), rtol=1e-12)
    assert watched.rows(quarantine, "id") == []


def test_every_hour_is_judged_on_the_numbers_that_pandas_finds(watched: Home) -> None:
    for version in ("random", "bts"):
        log = read("all", version)
        hour = log["ts"].dt.floor("h")
        expected = log[hour >= FROZEN].groupby(hour)["click"].agg(["size", "mean"])
        found = judged(watched, "reward_3sigma", version)
        assert len(found) == len(expected) == HOURS
        np.testing.assert_array_equal(found["n"], expected["size"])
        np.testing.assert_allclose(found["value"], expected["mean"], atol=1e-12)


def test_days_that_are_rolled_up_have_the_clicks_that_pandas_counts(watched: Home) -> None:
    parts = open_parts(watched.folder / "checkrein.toml")
    with parts.database.read() as connection:
        plan, _id = current_plan(connection, parts.settings, "zozo")
        for version in ("random", "bts"):
            log = read("all", version)
            days = log.groupby(log["ts"].dt.floor("D"))["click"].agg(["size", "sum"])
            found = buckets.load(connection, "zozo", version, "", 86400, 0, 4e9, plan)
            counted = [(summary.rows, round(summary["reward"].mean * summary.rows, 6)) for _start, summary in found]
            np.testing.assert_array_equal(counted, days.to_numpy())


def test_hours_with_too_few_rows_are_said_and_nothing_acts(watched: Home) -> None:
    for version in ("random", "bts"):
        found = judged(watched, "reward_3sigma", version)
        few = found["n"] < 30
        assert 5 < few.sum() < 30
        assert set(found[few]["state"]) == {"insufficient"}
        assert set(found[~few]["state"]) == {"ok"}
        assert found[few]["reason"].str.contains("at least 30 are needed").all()
    states = {row.state for row in watched.rows(verdicts, "state")}
    assert "error" not in states
    moved = watched.rows(transitions, "trigger", "severity", "new")
    assert [row for row in moved if row.severity in {"page", "rollback"}] == []
    assert watched.rows(actions, "id") == []


def test_a_reference_of_24_windows_judges_no_reward(watched: Home) -> None:
    found = judged(watched, "reward_4h", "bts")
    assert len(found) == HOURS // 4
    assert set(found["state"]) == {"insufficient"}
    assert found["reason"].str.contains("the baseline has 24 windows, 30 are needed").all()


def test_status_is_honest_about_it(watched: Home) -> None:
    (told,) = watched.document("status", "zozo", status=1)
    assert told["state"] == "stale"  # nobody has judged since 2019
    assert (told["serving"], told["baseline"]["from"], told["judged_until"]) == ("bts", BEGIN, END)
    _status, text, _wrong = watched.run("status", "zozo")
    assert "not enough data [bts] reward_4h: the baseline has 24 windows, 30 are needed" in text
    assert len(text.splitlines()) < 10  # 84 features are not 84 lines


def test_a_second_ingest_and_a_second_pass_change_nothing(watched: Home) -> None:
    again = watched.document("ingest", DATA / "bts" / "all", "--policy", "zozo", "--format", "obd")
    assert (again["accepted"], again["files"]) == (0, 0)
    (passed,) = watched.document("tick", "zozo", "--until", "2019-12-01T00:01:00Z")
    assert (passed["windows"], passed["transitions"]) == (0, [])


def quoted(estimate: dict[str, Any]) -> float:
    """Return the value of a refused estimate, which only its reasons have."""
    assert estimate["value"] is None
    [number] = [reason.split("comes to ")[1].split()[0] for reason in estimate["reasons"] if "comes to" in reason]
    return float(number)


def test_the_uniform_policy_is_estimated_from_the_log_of_the_other_one(watched: Home) -> None:
    """Uniform is a linear softmax without weights. The reverse cannot be asked: no log has bts's probabilities."""
    model = {"kind": "linear_softmax", "features": ["affinity_0"], "actions": [str(i) for i in range(80)]}
    (watched.folder / "uniform.json").write_text(json.dumps({**model, "weights": [[0.0]] * 80}))
    watched.document("ingest", DATA / "bts" / "all", "--policy", "bts_alone", "--format", "obd")
    lake = "lake/policy=bts_alone"
    told = watched.document("estimate", lake, "--candidate", "linear:uniform.json")
    log = read("all", "bts")
    weight = (1 / 80) / log["propensity_score"]
    found = {one["estimator"]: one for one in told["candidates"][0]["estimates"]}
    assert quoted(found["ips"]) == pytest.approx((weight * log["click"]).mean(), rel=1e-5)
    assert quoted(found["snips"]) == pytest.approx((weight * log["click"]).sum() / weight.sum(), rel=1e-5)
    assert found["snips"]["ess"] == pytest.approx(weight.sum() ** 2 / (weight**2).sum(), rel=1e-9)
    # 340 effective rows of 10,000, and the error rests on two clicks: said, not hidden
    assert told["candidates"][0]["verdict"] == "refused"
    assert any("effective sample is 3.40% of the 10,000 rows" in reason for reason in found["snips"]["reasons"])
    status, _said, wrong = watched.run("estimate", lake, "--candidate", "column:bts")
    assert status == 2
    assert "bts" in wrong


@pytest.mark.full
@pytest.mark.parametrize("campaign", CAMPAIGNS)
def test_every_campaign_can_be_watched(tmp_path: Path, campaign: str) -> None:
    found = home(tmp_path)
    for version in ("random", "bts"):
        path = DATA / version / campaign
        assert found.document("ingest", path, "--policy", "zozo", "--format", "obd")["accepted"] == 10_000
    found.document("baseline", "freeze", "zozo", "--from", BEGIN, "--to", FROZEN)
    found.document("tick", "zozo", "--until", "2019-12-01T00:01:00Z")
    lake = found.lake()
    for version in ("random", "bts"):
        assert lake[lake["version"] == version]["reward"].sum() == read(campaign, version)["click"].sum()
    assert lake["action"].nunique() == CAMPAIGNS[campaign]
    assert "error" not in {row.state for row in found.rows(verdicts, "state")}
    assert [row.policy for row in found.rows(policies, "policy", "last_ts") if row.last_ts] == ["zozo"]
    assert found.rows(actions, "id") == []
