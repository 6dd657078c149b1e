"""checkrein.toml: every mistake is one sentence that names the key and the fix."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from monitor.settings import ConfigurationError, load, parse, secret

MINIMAL: dict[str, Any] = {"policy": {"bids": {"incumbent": "v1"}}}


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        ({"policy": {"bids": {"incumbnet": "v1"}}}, "policy.bids.incumbnet: unknown key; did you mean incumbent?"),
        ({"polcy": {}}, "polcy: unknown key; did you mean policy?"),
        ({"policy": {"bids": {}}}, "policy.bids.incumbent: missing; it is required"),
        ({"store": {"lakes": "x"}}, "store.lakes: unknown key; did you mean lake?"),
        (
            {"trigger": {"reward_3sgma": {"k": 2.0}}},
            "trigger.reward_3sgma: no shipped trigger has this name; did you mean",
        ),
        (
            {"trigger": {"reward_3sigma": {"windw": "1h"}}},
            "trigger.reward_3sigma.windw: unknown key; did you mean window?",
        ),
        ({"trigger": {"reward_3sigma": {"window": "7m"}}}, "trigger.reward_3sigma: window must be whole minutes"),
        ({"trigger": {"reward_3sigma": {"window": 15}}}, "trigger.reward_3sigma.window: 15 is not a duration"),
        ({"trigger": {"reward_3sigma": {"for": "2"}}}, "trigger.reward_3sigma.for: '2' is not a number of windows"),
        (
            {"trigger": {"reward_3sigma": {"min_effect": "lots"}}},
            "trigger.reward_3sigma.min_effect: 'lots' is not an effect",
        ),
        (
            {"hook": {"serving": {"kind": "webhook", "url": "http://127.0.0.1:1/"}}},
            "hook.serving: a webhook needs url and secret",
        ),
        ({"hook": {"serving": {"kind": "command"}}}, "hook.serving: a command hook needs command"),
        (
            {"policy": {"bids": {"incumbent": "v1", "source": {"kind": "parquett", "path": "x"}}}},
            "policy.bids.source.kind: Input should be 'parquet', 'jsonl', 'csv' or 'obd'",
        ),
        (
            {"policy": {"bids": {"incumbent": "v1", "trigger": {"reward_3sigma": {"kk": 1}}}}},
            "policy.bids.trigger.reward_3sigma.kk: unknown key; did you mean k?",
        ),
    ],
)
def test_a_mistake_is_answered_with_its_key_and_the_fix(data: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse(data)
    assert sentence in str(caught.value)


def test_a_missing_file_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"checkrein\.toml: no such file.*--config"):
        load(tmp_path / "checkrein.toml")


def test_broken_toml_names_the_file_and_the_line(tmp_path: Path) -> None:
    (tmp_path / "checkrein.toml").write_text("[store\n")
    with pytest.raises(ConfigurationError, match=r"checkrein\.toml: not TOML: .*line 1"):
        load(tmp_path / "checkrein.toml")


def test_a_policy_overrides_a_trigger_for_itself_alone() -> None:
    data = {
        "policy": {
            "bids": {"incumbent": "v1", "trigger": {"reward_3sigma": {"k": 4.0, "window": "1h"}}},
            "heat": {"incumbent": "v1"},
        },
        "trigger": {"reward_3sigma": {"for": "3 windows"}},
    }
    settings = parse(data)
    own, other = settings.triggers("bids")["reward_3sigma"], settings.triggers("heat")["reward_3sigma"]
    assert (own.k, own.window, own.for_, own.min_effect) == (4.0, 3600.0, 3, "2%")
    assert (other.k, other.window, other.for_) == (3.0, 900.0, 3)


def test_a_trigger_that_is_switched_off_is_not_among_them() -> None:
    settings = parse({**MINIMAL, "trigger": {"entropy_collapse": {"enabled": False}}})
    assert "entropy_collapse" not in settings.triggers("bids")
    assert "no_data" in settings.triggers("bids")


def test_every_shipped_rollback_trigger_is_armed_by_default() -> None:
    triggers = parse(MINIMAL).triggers("bids")
    rollback = {name for name, trigger in triggers.items() if trigger.severity == "rollback"}
    of_rewards = {"reward_3sigma", "reward_slow"}
    assert rollback == {*of_rewards, "violation_budget", "hard_constraint", "irreversible_action", "state_drift"}


def test_a_secret_comes_from_outside_the_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOOK_SECRET", "s3cret")
    (tmp_path / "secret").write_text("from-file\n")
    assert secret("env:HOOK_SECRET", "hook.x.secret") == "s3cret"
    assert secret(f"file:{tmp_path / 'secret'}", "hook.x.secret") == "from-file"
    with pytest.raises(ConfigurationError, match=r"hook\.x\.secret: a secret is never in the file itself"):
        secret("s3cret", "hook.x.secret")
    with pytest.raises(ConfigurationError, match="set the environment variable ABSENT"):
        secret("env:ABSENT", "hook.x.secret")
