"""The command line as machines and people rely on it: options, exit statuses, one document, the same answer twice."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from monitor.cli import app
from monitor.clock import stamp
from monitor.store.tables import baselines, summaries, transitions, verdicts
from tests.command_line import HOUR, START, Desk, decisions, jsonl, parquet

DAY = 24 * HOUR
NO_CONFIGURATION = {"estimate", "demo", "watch"}  # two need none, the demo writes its own
FEW_ROWS = "".join(
    f"[trigger.{name}]\nmin_n = 10\n" for name in ("reward_3sigma", "reward_slow", "reward_rolling_2sigma")
)
SHAPES = ("state_drift", "state_drift_warn", "entropy_collapse", "entropy_drop", "reward_two_modes")
UNUSED = (*SHAPES, "violation_warn", "violation_trend")  # they need more rows, or days
REWARD_ALONE = FEW_ROWS + "".join(f"[trigger.{name}]\nenabled = false\n" for name in UNUSED)


@pytest.fixture
def desk(
    tmp_path: Path, migrated_file: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Desk:
    return Desk(tmp_path, migrated_file, capsys, monkeypatch)


def commands(group: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, (*path, name))
        else:
            yield (*path, name), command


EVERY = dict(commands(get_command(app)))


def options(command: Any) -> set[str]:
    return {name for parameter in command.params for name in parameter.opts}


def test_every_command_answers_machines_and_reads_one_configuration() -> None:
    assert len(EVERY) >= 13
    assert [name for name, command in EVERY.items() if "--json" not in options(command)] == []
    without = {name[0] for name, command in EVERY.items() if "--config" not in options(command)}
    assert without == NO_CONFIGURATION


@pytest.mark.parametrize("name", EVERY, ids=" ".join)
def test_every_command_explains_itself_and_refuses_an_unknown_option_in_one_line(
    desk: Desk, name: tuple[str, ...]
) -> None:
    told = desk.run(*name, "--help")
    assert (told.status, told.err) == (0, "")
    assert "--json" in told.out
    wrong = desk.run(*name, "--confg", "x.toml")
    assert (wrong.status, wrong.out) == (2, "")
    assert wrong.err.startswith("checkrein: ")
    assert "--confg" in wrong.err
    assert wrong.err.count("\n") == 1


@pytest.mark.parametrize("name", ["status", "tick", "validate", "serve", "worker", "init"])
def test_every_command_that_needs_a_configuration_says_when_it_cannot_use_it(desk: Desk, name: str) -> None:
    (desk.folder / "broken.toml").write_text("[polic.shop]\n")
    done = desk.run(name, "--config", "broken.toml", "--json")
    assert (done.status, done.out) == (2, "")
    assert "broken.toml" in done.err


def test_the_command_as_a_process_prints_one_document_and_no_traceback(desk: Desk) -> None:
    done = desk.process("status", "--json")
    assert (done.status, done.err) == (1, "")  # no data yet: a person is needed
    assert done.json[0]["policy"] == "shop"
    wrong = desk.process("stats")
    assert (wrong.status, wrong.out) == (2, "")
    assert "Traceback" not in wrong.err


def test_each_answer_for_machines_is_one_document(desk: Desk) -> None:
    parquet(desk.folder / "log.parquet", decisions(600, every=60.0))
    span = ("--from", stamp(START), "--to", stamp(START + 9 * HOUR))
    answers = {
        "ingest": desk.run("ingest", "log.parquet", "--policy", "shop", "--json"),
        "validate": desk.run("validate", "--json"),
        "freeze": desk.run("baseline", "freeze", "shop", *span, "--json"),
        "summarize": desk.run("summarize", "shop", *span, "--json"),
        "tick": desk.run("tick", "--until", stamp(START + 10 * HOUR), "--json"),
        "route": desk.run("route", "shop", "--json"),
        "estimate": desk.run("estimate", "log.parquet", "--candidate", "column:propensity", "--json"),
    }
    assert {name: done.status for name, done in answers.items()} == dict.fromkeys(answers, 0)
    assert answers["ingest"].json["accepted"] == 600
    assert answers["summarize"].json == {"policy": "shop", "hours": 10}
    assert answers["route"].json["serving"] == "v2"
    assert answers["tick"].json[0]["windows"] > 0
    names = [one["estimator"] for one in answers["estimate"].json["candidates"][0]["estimates"]]
    assert names[:2] == ["ips", "snips"]


def history(desk: Desk, triggers: str = FEW_ROWS, fall: float = 3.0) -> None:
    """Four healthy days as the reference, then half a day of which the last two hours earn less by ``fall``."""
    rows = decisions(int(4.5 * 1440), every=60.0)
    for row in rows[-120:]:
        row["reward"] -= fall
    parquet(desk.folder / "log.parquet", rows)
    desk.configure(triggers)
    assert desk.run("ingest", "log.parquet", "--policy", "shop").status == 0
    frozen = desk.run("baseline", "freeze", "shop", "--from", stamp(START), "--to", stamp(START + 4 * DAY))
    assert frozen.status == 0


def test_one_tick_and_many_ticks_write_the_same_verdicts_and_transitions(desk: Desk) -> None:
    columns = ("version", "trigger", "key", "start", "end", "state", "statistic", "n", "value", "reason", "baseline")
    moves = ("version", "trigger", "key", "old", "new", "severity", "at", "evidence")
    history(desk)
    for name in ("checkrein.db", "checkrein.db-wal", "checkrein.db-shm"):
        if (desk.folder / name).exists():
            shutil.copyfile(desk.folder / name, desk.folder / f"before-{name}")
    answers = []
    for times in ([12.0], [1.0, 3.25, 3.5, 7.1, 11.0, 11.3, 11.6, 12.0]):
        for name in ("checkrein.db", "checkrein.db-wal", "checkrein.db-shm"):
            (desk.folder / name).unlink(missing_ok=True)
            if (desk.folder / f"before-{name}").exists():
                shutil.copyfile(desk.folder / f"before-{name}", desk.folder / name)
        said = [desk.run("tick", "--until", stamp(START + 4 * DAY + hours * HOUR), "--json").json for hours in times]
        again = desk.run("tick", "--until", stamp(START + 4 * DAY + 12 * HOUR), "--json").json[0]
        assert (again["windows"], again["transitions"]) == (0, [])
        moved = [change for document in said for change in document[0]["transitions"]]
        answers.append(
            (desk.table(verdicts, *columns), desk.table(transitions, *moves), [_key(change) for change in moved])
        )
    assert answers[0][0] == answers[1][0]
    assert answers[0][1] == answers[1][1]
    assert sorted(answers[0][2]) == sorted(answers[1][2])
    assert ("reward_3sigma", "pending", "firing") in {key[:3] for key in answers[0][2]}
    assert len(answers[0][0]) > 300


def _key(change: dict[str, str]) -> tuple[str, ...]:
    return tuple(change[name] for name in ("trigger", "old", "new", "key", "at", "reason"))


def test_status_is_1_while_something_needs_a_person_and_0_when_nothing_does(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "no baseline is frozen" in desk.run("status").out
    history(desk, REWARD_ALONE)
    desk.run("tick", "--until", stamp(START + 4 * DAY + 9 * HOUR + 60))
    old = desk.run("status", "shop")  # a log of last year, judged to its end, says nothing about now
    assert (old.status, old.out.splitlines()[0][:14]) == (1, "○ shop  STALE "), old.out
    monkeypatch.setenv("CHECKREIN_CLOCK", f"{START + 4 * DAY + 9 * HOUR + 60!r}/1.0/{time.time()!r}")
    healthy = desk.run("status", "shop")
    assert (healthy.status, healthy.out.splitlines()[0][:16]) == (0, "● shop  HEALTHY "), healthy.out
    desk.run("tick", "--until", stamp(START + 4 * DAY + 12 * HOUR))
    wrong = desk.run("status", "shop")
    assert wrong.status == 1
    assert "ROLLBACK  serving v1 (generation 2)" in wrong.out
    assert "reward_3sigma [v2] firing: Mean reward" in wrong.out


def test_what_cannot_be_judged_is_one_line_a_reason(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHECKREIN_CLOCK", f"{START!r}/1.0/{time.time()!r}")
    desk.run("route", "shop")  # v2 serves from here on
    monkeypatch.setenv("CHECKREIN_CLOCK", f"{START + 6 * DAY!r}/1.0/{time.time()!r}")
    history(desk, fall=0.0)
    desk.run("tick", "--until", stamp(START + 5 * DAY))
    monkeypatch.setenv("CHECKREIN_CLOCK", f"{START + 5 * DAY!r}/1.0/{time.time()!r}")
    lines = desk.run("status").out.splitlines()
    silent = [line for line in lines if "no data [v2]" in line]
    assert len(silent) == 1, lines
    assert "reward_3sigma" in silent[0]
    assert "the window has no decisions" in silent[0]


def test_summarize_counts_again_what_was_lost_and_refuses_a_reversed_span(desk: Desk) -> None:
    parquet(desk.folder / "log.parquet", decisions(90, every=60.0))
    desk.run("ingest", "log.parquet", "--policy", "shop")
    before = desk.table(summaries, "start", "resolution", "rows", "body")
    with desk.parts().database.begin() as connection:
        connection.execute(summaries.delete())
    span = ("--from", stamp(START), "--to", stamp(START + HOUR))
    assert desk.run("summarize", "shop", *span).out == "shop: 2 hours counted again from the lake\n"
    assert desk.table(summaries, "start", "resolution", "rows", "body") == before
    reversed_span = desk.run("summarize", "shop", "--from", stamp(START + HOUR), "--to", stamp(START))
    assert (reversed_span.status, "is not before --to" in reversed_span.err) == (2, True)


@pytest.mark.parametrize(
    ("begin", "end", "said"),
    [
        ("2025-06-17T00:00:00Z", "2025-06-16T00:00:00Z", "is not before --to 2025-06-16T00:00:00Z"),
        ("2025-06-16T00:00:00Z", "2099-01-01T00:00:00Z", "--to 2099-01-01T00:00:00Z lies in the future"),
        ("2025-05-01T00:00:00Z", "2025-05-02T00:00:00Z", "no decision of shop between 2025-05-01T00:00:00Z and"),
        ("2025-06-16T00:00:00", "2025-06-17T00:00:00Z", "--from 2025-06-16T00:00:00: has no zone; write"),
        ("monday", "2025-06-17T00:00:00Z", "--from monday: not a time; write it as 2026-11-20T06:00:00Z"),
    ],
)
def test_a_span_that_is_no_baseline_is_refused_with_the_reason(desk: Desk, begin: str, end: str, said: str) -> None:
    parquet(desk.folder / "log.parquet", decisions(10))
    desk.run("ingest", "log.parquet", "--policy", "shop")
    done = desk.run("baseline", "freeze", "shop", "--from", begin, "--to", end)
    assert (done.status, done.out) == (2, "")
    assert said in done.err
    assert desk.table(baselines, "id") == []


def test_validate_passes_a_good_configuration_and_names_what_is_wrong_with_a_bad_one(desk: Desk) -> None:
    parquet(desk.folder / "logs/log.parquet", decisions(10))
    source = '[policy.shop.source]\nkind = "parquet"\npath = "logs"\n'
    desk.configure(source)
    good = desk.run("validate", "--json")
    assert (good.status, good.json["valid"]) == (0, True)
    assert {"where": "policy.shop.source", "text": "10 of the first 10 rows are good", "bad": False} in good.json[
        "findings"
    ]
    bad = [
        (source + 'columns = { reward = "rewrd" }\n', 'columns.reward = "rewrd": the log has no column rewrd'),
        (source + '[policy.shop.constraint.heat]\ncost = "heat"\n', "the log has no cost.heat: it is never violated"),
        (source + '[policy.shop.candidate.v3]\npolicy = "linear:missing.json"\n', "policy.shop.candidate.v3: "),
        (source + '[trigger.mine]\nmetric = "rewrd"\ndetector = "frozen_sigma"\n', "metric 'rewrd' is unknown"),
        ('[policy.shop.source]\nkind = "csv"\npath = "logs"\n', "no *.csv, *.csv.gz file below it"),
        (
            source + '[hook.a]\nkind = "webhook"\nurl = "http://x"\nsecret = "env:CHECKREIN_NOT_THERE"\n',
            "hook.a: hook.a.secret: env:CHECKREIN_NOT_THERE is empty: set the environment variable",
        ),
    ]
    for text, said in bad:
        desk.configure(text)
        done = desk.run("validate")
        assert done.status == 1, text
        assert said in done.out
        assert "checkrein.toml: must be mended" in done.out
    assert desk.rows() == 0


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--q", "q_values"], "has no column q_values; it has decision_id, "),
        (["--q", "action", "--estimators", "ips"], "--q action: only model-based estimators use it"),
        (["--gamma", "0.9"], "--gamma 0.9: only trajectory estimators use it"),
        (["--estimators", "dmm"], "no estimator is called 'dmm'; available: ips, snips"),
        (["--estimators", "dm"], "dm needs the probability of every action"),
        (["--interval", "magic"], "magic"),
        (["--level", "1.5"], "1.5"),
    ],
)
def test_an_option_of_estimate_that_nothing_uses_is_refused(desk: Desk, more: list[str], said: str) -> None:
    jsonl(desk.folder / "log.jsonl", decisions(50))
    done = desk.run("estimate", "log.jsonl", "--candidate", "column:propensity", *more)
    assert (done.status, done.out) == (2, "")
    assert said in done.err
