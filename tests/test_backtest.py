"""A backtest is the live code over the stored buckets: equal transitions bit for bit, and nothing is written."""

from __future__ import annotations

import hashlib
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from sqlalchemy import select

from detectors import Series
from monitor.acting import confirm, rollback
from monitor.backtest import Incident, Moved, backtest, read_incidents, replay
from monitor.backtest.report import report
from monitor.bucketing.plans import current_plan
from monitor.cli import main
from monitor.clock import ManualClock
from monitor.events import canonical
from monitor.judging.history import History
from monitor.judging.segments import keys_of
from monitor.judging.windows import Windows, newest_baseline
from monitor.metrics import METRICS
from monitor.settings import ConfigurationError
from monitor.store.tables import actions, alerts, backtests, transitions, verdicts
from monitor.tick import Parts, tick_events
from tests.passes import BASE, HOUR, START, WINDOW, land_baseline, log, parts_at, pass_at, put, rows

TOML = """
[policy.p]
incumbent = "v6"
serving = "v7"
fallbacks = ["v6"]
actions = ["hold", "cool"]
[policy.p.source]
kind = "parquet"
path = "logs"
[policy.p.constraint.heat]
cost = "heat"
[policy.p.constraint.melt]
cost = "melt"
hard = true
"""
COLUMNS = ("version", "trigger", "key", "old", "new", "severity", "at", "evidence")


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Parts]:
    """A day of live passes: two versions, late rows, a confirmed rollback, silence, a hard limit, back by hand."""
    parts = parts_at(tmp_path_factory.mktemp("lived"))
    assert isinstance(parts.clock, ManualClock)
    parts.clock.at = BASE + 61.0
    land_baseline(parts)

    def hours(first: float, last: float, step: float = WINDOW, *written: pa.Table) -> None:
        """Pass every ``step`` seconds, each time over the rows that were written by then."""
        since = BASE + first * HOUR
        for until in np.arange(since + step, BASE + last * HOUR + 1, step).tolist():
            for table in written:
                some = table.filter((pc.field("ts") >= stamp(since)) & (pc.field("ts") < stamp(until)))
                if some.num_rows:
                    put(parts, some)
            since = until
            pass_at(parts, until + 60.0)
            tick_events(parts, "p")

    hours(0, 4, WINDOW, log(BASE, 4), log(BASE, 2, version="v6", seed=2))
    put(parts, log(BASE + 3 * HOUR, 1, {"reward": np.zeros(360)}, version="v7b"))  # late: counted, not judged
    hours(4, 6, 2 * HOUR, log(BASE + 4 * HOUR, 2))  # two hours at once
    hours(6, 7, WINDOW, log(BASE + 6 * HOUR, 1, reward=0.6))
    assert ("v7", "reward_3sigma", "firing") in rows(parts, alerts, "version", "trigger", "state")
    hours(7, 7.5, WINDOW, log(BASE + 7 * HOUR, 1, version="v6", seed=3))
    with parts.database.begin() as connection:
        parts.clock.at = BASE + 7.25 * HOUR + 70.0
        assert confirm.acknowledge(connection, parts.clock, "p", 2, "v6", None, "test") == 1
        parts.clock.at = BASE + 7.5 * HOUR + 67.0
        assert len(confirm.confirm(connection, parts.settings, parts.clock).confirmed) == 1
    hours(7.5, 9.5)  # silence
    melt = np.zeros(360)
    melt[100] = 1.0
    hours(9.5, 10.5, 450.0, log(BASE + 9.5 * HOUR, 1, {"cost.melt": melt}, version="v6", seed=4))
    with parts.database.begin() as connection:
        rollback.request(
            connection, parts.settings, parts.clock, "p", from_version="v6", to_version="v7", reason="By hand.",
            trigger="person", actor="test", mode="manual",
        )  # fmt: skip
    hot = {"cost.heat": (np.arange(1260) > 500) * 1.0}
    hours(10.5, 14, 1800.0, log(BASE + 10.5 * HOUR, 3.5, hot, seed=5))
    yield parts
    parts.database.close()


def stamp(at: float) -> pa.Scalar:
    return pa.scalar(int(at * 1e6), pa.int64()).cast(pa.timestamp("us", tz="UTC"))


def live(parts: Parts) -> list[tuple[Any, ...]]:
    return sorted(rows(parts, transitions, *COLUMNS))


def columns(moved: list[Moved]) -> list[tuple[Any, ...]]:
    return sorted(tuple(getattr(one, name) for name in COLUMNS) for one in moved)


def again(parts: Parts, first: float, last: float) -> list[tuple[Any, ...]]:
    with parts.database.read() as connection:
        return columns(replay(connection, parts.settings, "p", first, last).moved)


def test_a_replay_of_a_day_gives_the_transitions_of_the_live_passes_bit_for_bit(lived: Parts) -> None:
    expected = live(lived)
    assert {row[1] for row in expected} >= {"reward_3sigma", "no_data", "hard_constraint", "violation_budget"}
    assert {row[0] for row in expected} >= {"v6", "v7", "*"}
    assert any("no longer serves" in row[7] for row in expected), "no rollback was confirmed in the middle"
    assert again(lived, BASE, BASE + 14 * HOUR) == expected


@pytest.mark.parametrize(("first", "last"), [(0.0, 6.6), (6.5, 9.0), (7.6, 14.0), (11.3, 11.9)])
def test_a_part_of_it_gives_that_part(lived: Parts, first: float, last: float) -> None:
    begin, end = BASE + first * HOUR, BASE + last * HOUR
    expected = [row for row in live(lived) if begin <= row[6] <= end]
    assert again(lived, begin, end) == expected


def test_every_window_that_was_judged_live_is_judged_again(lived: Parts) -> None:
    with lived.database.read() as connection:
        found = replay(connection, lived.settings, "p", BASE, BASE + 14 * HOUR)
        states = connection.execute(select(verdicts.c.trigger, verdicts.c.state)).all()
    counted: dict[str, dict[str, int]] = {}
    for trigger, state in states:
        counted.setdefault(trigger, {}).setdefault(state, 0)
        counted[trigger][state] += 1
    assert {name: dict(each) for name, each in found.states.items()} == counted


def test_windows_read_at_once_are_those_of_a_live_pass(lived: Parts) -> None:
    """Bit for bit, for every trigger and key, the references beside them too; also a length that has no roll-ups."""
    settings = lived.settings
    triggers = [one for one in settings.triggers("p").values() if not METRICS[one.metric].event]
    with lived.database.read() as connection:
        plan, _id = current_plan(connection, settings, "p")
        frozen = newest_baseline(connection, "p")
        assert frozen is not None
        history = History(first=START, last=BASE + 14 * HOUR, triggers=triggers)
        for trigger in triggers:
            for version in ("v6", "v7", "*"):
                keys, span = keys_of(trigger, plan), (int(trigger.window), BASE, BASE + 14 * HOUR)
                asked = (connection, "p", version, trigger.metric, keys, *span, plan, frozen)
                live, kept = Windows().series(*asked), history.series(*asked)
                assert live.keys() == kept.keys()
                for key, one in live.items():
                    same(one, kept[key])
                    assert (one.baseline is None) == (kept[key].baseline is None)
                    if one.baseline is not None:
                        same(one.baseline, kept[key].baseline)
        reward = next(one for one in triggers if one.metric == "reward").model_copy(update={"window": 1800.0})
        merged = History(first=START, last=BASE + 14 * HOUR, triggers=[reward])
        found = merged.series(connection, "p", "v7", "reward", ("",), 1800, BASE, BASE + 2 * HOUR, plan, None)[""]
        assert found.n.tolist() == [180, 180, 180, 180]


def same(one: Series, other: Series | None) -> None:
    assert other is not None
    for name in ("time", "value", "stderr", "n", "counts"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))


def test_firings_are_set_against_labelled_incidents(lived: Parts) -> None:
    labels = [Incident(BASE + 6 * HOUR, BASE + 7 * HOUR, "sensor"), Incident(BASE + HOUR, BASE + 2 * HOUR, "quiet")]
    before = stored(lived)
    found = backtest(lived, "p", BASE, BASE + 14 * HOUR, incidents=labels)
    assert stored(lived) == before, "a backtest moved what is live"
    sensor, quiet = found["incidents"]
    assert (sensor["label"], sensor["found"], sensor["rollback_trigger"]) == ("sensor", True, "reward_3sigma")
    assert sensor["rollback_delay_s"] == 2 * WINDOW
    assert not quiet["found"]
    rows_of = {row["trigger"]: row for row in found["triggers"]}
    assert (rows_of["reward_3sigma"]["firings"], rows_of["reward_3sigma"]["false_alarms"]) == (1, 0)
    assert rows_of["violation_budget"]["false_alarms"] == 1
    assert (found["rollbacks"]["count"], found["rollbacks"]["false"]) == (3, 2)
    assert found["rollbacks"]["kept"] is False
    assert backtest(lived, "p", BASE, BASE + 14 * HOUR)["rollbacks"]["false"] is None, "nobody said what was false"


def stored(parts: Parts) -> list[Any]:
    with parts.database.read() as connection:
        return [connection.execute(select(table)).all() for table in (alerts, transitions, verdicts, actions)]


def test_the_effect_of_a_change_is_the_difference_to_the_settings_as_they_are(lived: Parts) -> None:
    labels = [Incident(BASE + 6 * HOUR, BASE + 7 * HOUR, "sensor")]
    changes = ["reward_3sigma.for=4 windows", "violation_budget.enabled=false", "reward_slow.enabled=false"]
    found = backtest(lived, "p", BASE, BASE + 14 * HOUR, changes, labels)
    effect = found["effect"]
    assert [(one["trigger"], one["at_s"]) for one in effect["added"]] == [("reward_3sigma", BASE + 7 * HOUR)]
    assert ("reward_3sigma", BASE + 6.5 * HOUR) in [(one["trigger"], one["at_s"]) for one in effect["removed"]]
    assert "violation_budget" in [one["trigger"] for one in effect["removed"]]
    assert effect["delays"][0]["rollback_delay_s"] == [2 * WINDOW, 4 * WINDOW]
    assert effect["rollbacks"]["false"][0] > effect["rollbacks"]["false"][1]
    assert "the same firings" in report(backtest(lived, "p", BASE, BASE + HOUR, ["reward_3sigma.k=3.1"]))
    row = rows(lived, backtests, "id", "changes", "sha256", "body")[-2]
    assert row[1] == canonical(changes)
    assert hashlib.sha256(row[3].encode()).hexdigest() == row[2] == found["sha256"]


@pytest.mark.parametrize(
    ("first", "last", "changes", "said"),
    [
        (2.0, 2.0, [], "is not before --to"),
        (900.0, 901.0, [], "its sealed ones go from 2025-06-16T00:00:00Z to 2025-06-20T14:00:00Z"),
        (0.0, 1.0, ["reward_3sigm.k=4"], "no trigger 'reward_3sigm'; did you mean reward_3sigma?"),
        (0.0, 1.0, ["reward_3sigma.treshold=4"], "unknown key; did you mean threshold?"),
        (0.0, 1.0, ["reward_3sigma.window=7m"], "whole minutes that divide a day"),
        (0.0, 1.0, ["reward_3sigma=4"], "write it as trigger.param=value"),
    ],
)
def test_what_cannot_be_replayed_is_refused_with_the_fix(
    lived: Parts, first: float, last: float, changes: list[str], said: str
) -> None:
    with pytest.raises(ConfigurationError, match=re.escape(said)):
        backtest(lived, "p", BASE + first * HOUR, BASE + last * HOUR, changes)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("begin,end\n1,2\n", "has no column start"),
        ("start,end\n", "holds no incident"),
        ("start,end\n5,5\n", "row 2: end 5 is not after its start"),
        ("start,end\n1,2\nyesterday,7\n", "row 3, start: 'yesterday' is not a time"),
        ("start,end\n2025-06-20T00:00:00,nan\n", "row 2, start"),
    ],
)
def test_incidents_that_cannot_be_read_name_row_and_field(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "incidents.csv"
    path.write_text(text)
    with pytest.raises(ConfigurationError, match=re.escape(said)):
        read_incidents(path)


def test_the_command_prints_and_stores_what_it_found(
    lived: Parts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = lived.settings.base
    (folder / "checkrein.toml").write_text(TOML)
    labels = tmp_path / "incidents.csv"
    labels.write_text("start,end,label\n2025-06-20T06:00:00Z,2025-06-20T07:00:00Z,sensor\n")

    def run(*words: str) -> tuple[Any, str, str]:
        monkeypatch.setattr(sys, "argv", ["checkrein", *words, "--config", str(folder / "checkrein.toml")])
        with pytest.raises(SystemExit) as end:
            main()
        return (end.value.code, *capsys.readouterr())

    span = ("--from", "2025-06-20T00:00:00Z", "--to", "2025-06-20T14:00:00Z", "--incidents", str(labels))
    code, out, _err = run("backtest", "p", *span, "--set", "reward_3sigma.for=3 windows", "--json")
    found = json.loads(out)
    assert (code, found["incidents"][0]["found"], found["set"]) == (0, True, ["reward_3sigma.for=3 windows"])
    code, out, _err = run("backtest", *span)
    assert code == 0
    assert "incident sensor" in out
    assert "reward_3sigma would roll back after 30 min" in out
    code, _out, err = run("backtest", "q", *span)
    assert (code, "no policy 'q'" in err) == (2, True)
    code, out, _err = run("budget", "p", "--json")
    shown = json.loads(out)
    assert (code, shown["kept"], shown["backtest"]["id"]) == (0, True, found["id"] + 1)
    assert {"reward_3sigma", "violation_budget"} <= {one["trigger"] for one in shown["triggers"]}
