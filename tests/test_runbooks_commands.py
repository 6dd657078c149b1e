"""`checkrein runbook`: new pages, findings of the lint, and pages filled in with what was measured."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from detectors import State, Verdict
from monitor import playbook
from monitor.acting import rollback
from monitor.cli import main
from monitor.clock import ManualClock
from monitor.judging import decide
from monitor.judging.decide import Alert, Change
from monitor.runtime import build
from monitor.settings import ConfigurationError, Settings, load, parse, shipped_triggers
from monitor.tick import Parts
from runbooks import pages

NOW = 1_750_032_000.0  # 2025-06-16 00:00 UTC
LATE = datetime(2030, 1, 1, tzinfo=UTC)
CONFIG = '[policy.p]\nincumbent = "v6"\nserving = "v7"\nfallbacks = ["v6"]\n'
Command = Callable[..., tuple[Any, str, str]]


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    config = tmp_path / "checkrein.toml"
    config.write_text(CONFIG)

    def run(*words: str) -> tuple[Any, str, str]:
        monkeypatch.setattr(sys, "argv", ["checkrein", *words, "--config", str(config)])
        with pytest.raises(SystemExit) as end:
            main()
        out, err = capsys.readouterr()
        return end.value.code, out, err

    return run


def settings(folder: Path, more: str = "") -> Settings:
    (folder / "checkrein.toml").write_text(CONFIG + more)
    return load(folder / "checkrein.toml")


def own(folder: Path, name: str, text: str) -> None:
    path = folder / "runbooks/alerts" / f"{name}.md"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def bad(settings: Settings) -> list[tuple[str, str]]:
    return [(finding.page, finding.text) for finding in playbook.lint(settings, LATE) if finding.bad]


def test_shipped_pages_have_no_error_and_say_that_they_were_never_drilled(tmp_path: Path) -> None:
    found = playbook.lint(settings(tmp_path))
    assert [finding for finding in found if finding.bad] == []
    assert {(finding.page, finding.text) for finding in found} == {(n, "was never drilled") for n in shipped_triggers()}


def test_a_trigger_of_ones_own_needs_a_page(tmp_path: Path) -> None:
    more = '[trigger.value_low]\nmetric = "reward"\ndetector = "frozen_sigma"\n'
    ((page, text),) = bad(settings(tmp_path, more))
    assert (page, "runbook new value_low" in text) == ("value_low", True)
    assert bad(settings(tmp_path, more + 'runbook = "reward_3sigma"\n')) == []


def test_a_trigger_that_is_off_needs_none(tmp_path: Path) -> None:
    more = '[trigger.value_low]\nmetric = "reward"\ndetector = "frozen_sigma"\nenabled = false\n'
    assert bad(settings(tmp_path, more)) == []


def test_faults_dead_links_and_overdue_drills_are_findings(tmp_path: Path) -> None:
    text = pages.shipped()["no_data"]
    own(tmp_path, "no_data", text.replace("## Impact", "## Effects") + "\nSee [this](nowhere.md).\n")
    own(tmp_path, "state_drift", pages.shipped()["state_drift"].replace("last_drill: null", "last_drill: 2029-11-01"))
    own(
        tmp_path,
        "reward_3sigma",
        pages.shipped()["reward_3sigma"].replace("last_drill: null", "last_drill: 2029-12-15"),
    )
    assert bad(settings(tmp_path)) == [
        ("no_data", "no heading '## Impact'"),
        ("no_data", "dead link nowhere.md"),
        ("state_drift", "last drilled 2029-11-01, due every 30d"),
    ]


def test_the_lint_command_says_no_with_findings_and_yes_with_warnings(tmp_path: Path, command: Command) -> None:
    code, out, _err = command("runbook", "lint", "--json")
    assert (code, json.loads(out)["errors"], len(json.loads(out)["findings"])) == (0, 0, len(shipped_triggers()))
    own(tmp_path, "no_data", "# Nothing\n")
    code, out, _err = command("runbook", "lint")
    assert (code, "error: no_data: no front matter" in out) == (1, True)


def test_a_new_page_is_a_skeleton_that_the_lint_asks_to_fill_in(tmp_path: Path, command: Command) -> None:
    code, out, _err = command("runbook", "new", "value_low")
    path = tmp_path / "runbooks/alerts/value_low.md"
    assert (code, str(path) in " ".join(out.split())) == (0, True)
    found = bad(load(tmp_path / "checkrein.toml"))
    assert {page for page, _text in found} == {"value_low"}
    assert "owner is missing or not filled in" in {text for _page, text in found}
    path.write_text("mine")
    code, _out, err = command("runbook", "new", "value_low")
    assert (code, "is there already" in err, path.read_text()) == (2, True, "mine")


@pytest.mark.parametrize("name", ["../evil", "/etc/passwd", "Value", "", "a b"])
def test_a_name_that_is_no_trigger_writes_nothing(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigurationError):
        playbook.new(settings(tmp_path), name)
    assert list(tmp_path.rglob("*.md")) == []


def fire(parts: Parts) -> None:
    """Let reward_3sigma fire for v7, and roll back."""
    verdict = Verdict(State.FIRE, -7.8, -3.0, None, 900, "Mean reward -2.59 is 7.8 sigma below its baseline.")
    alert = Alert("p", "v7", "reward_3sigma", "", "rollback", "firing", since=NOW)
    evidence = {"window": [NOW - 900, NOW], "value": -2.59, "baseline": 3}
    with parts.database.begin() as connection:
        decide.save(connection, parts.clock, [alert], [Change(alert, "pending", NOW, verdict, evidence)])
        ask: dict[str, Any] = {"from_version": "v7", "reason": verdict.reason, "trigger": "reward_3sigma"}
        rollback.request(connection, parts.settings, parts.clock, "p", actor="checkrein", mode="automatic", **ask)


def test_a_page_next_to_a_firing_says_what_was_measured(tmp_path: Path) -> None:
    parts = build(settings(tmp_path), ManualClock(NOW))
    fire(parts)
    with parts.database.read() as connection:
        found = playbook.shown(connection, parts.settings, "p", "reward_3sigma")
    assert found["fired"]
    assert "Mean reward -2.59 is 7.8 sigma below its baseline." in found["text"]
    assert "window 2025-06-15T23:45:00Z to 2025-06-16T00:00:00Z, over 900 decisions" in found["text"]
    assert "v7 -> v6 (delivered, asked 00:00:00Z)" in found["text"]
    assert found["values"]["state"] == "firing"
    assert not any("{" in step["do"] for step in found["front"]["steps"])
    assert 'checkrein rollback p --reason "reward_3sigma on v7"' in found["front"]["steps"][4]["do"]


def test_a_page_before_any_firing_says_that_nothing_was_measured(tmp_path: Path, command: Command) -> None:
    code, out, _err = command("runbook", "show", "reward_3sigma", "--policy", "p", "--json")
    found = json.loads(out)
    assert (code, found["fired"], "(not measured)" in found["text"]) == (0, False, True)
    code, out, _err = command("runbook", "show", "reward_3sigma")
    assert (code, "{reason}" in out) == (0, True)


def test_an_unknown_trigger_or_policy_is_a_usage_error(command: Command) -> None:
    code, _out, err = command("runbook", "show", "reward_3sgima")
    assert (code, "no trigger 'reward_3sgima'" in err) == (2, True)
    code, _out, err = command("runbook", "show", "no_data", "--policy", "q")
    assert (code, "no policy 'q'" in err) == (2, True)


def test_a_page_with_an_unknown_placeholder_is_refused_when_it_is_shown(tmp_path: Path) -> None:
    own(tmp_path, "no_data", pages.shipped()["no_data"].replace("{reason}", "{raeson}"))
    with pytest.raises(ConfigurationError, match="unknown placeholder"):
        playbook.page_for(settings(tmp_path), "no_data")


def test_settings_without_a_policy_are_linted_too() -> None:
    assert [finding for finding in playbook.lint(parse({}, Path("nowhere"))) if finding.bad] == []
