"""The recipes on the `command` hook that need no server: a feature flag in a file, and Argo Rollouts' kubectl."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from examples.receiver import STAGE
from monitor.clock import ManualClock
from monitor.hooks import Acknowledgement
from monitor.store.database import Database
from tests.recipes import Recipe

KUBECTL = Path(__file__).with_name("foreign_kubectl.py")
SPLIT = {"fractional": [["v7", 90], ["v6", 10]]}
# The process dies in the middle of its write: the file may grow to 100 bytes, and the signal kills.
CUT = (
    "import resource, runpy, signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_DFL);"
    "resource.setrlimit(resource.RLIMIT_FSIZE, (100, resource.RLIM_INFINITY));"
    "runpy.run_module('examples.recipes.flag_file', run_name='__main__')"
)


@pytest.fixture
def flags(tmp_path: Path) -> Path:
    path = tmp_path / "flags.json"
    flag = {"state": "ENABLED", "variants": {name: name for name in ("v6", "v7", "rules")}, "defaultVariant": "v7"}
    other = {"state": "DISABLED", "variants": {"on": True}, "defaultVariant": "on"}
    flag |= {"targeting": SPLIT, "metadata": {"team": "hvac"}}
    path.write_text(
        json.dumps({"$schema": "https://flagd.dev/schema/v0/flags.json", "flags": {"cooling": flag, "o": other}})
    )
    path.chmod(0o640)
    return path


@pytest.fixture
def flag(database: Database, clock: ManualClock, flags: Path) -> Iterator[Recipe]:
    made = Recipe(database, clock, "-m", "examples.recipes.flag_file", "--file", str(flags))
    yield made
    made.loop.close()


def told(path: Path) -> Any:
    return json.loads(path.read_bytes())


def test_a_rollback_makes_the_version_the_default_of_everybody(flag: Recipe, flags: Path) -> None:
    before, row = told(flags), flag.roll_back()
    assert (row.state, row.last_error, row.acknowledged is not None) == ("delivered", None, True)
    shown = told(flags)["flags"]["cooling"]
    assert (shown["defaultVariant"], shown["state"], "targeting" in shown) == ("v6", "ENABLED", False)
    assert shown["metadata"] == {"team": "hvac", "checkreinGeneration": 2}
    del before["flags"]["cooling"]
    after = told(flags)
    del after["flags"]["cooling"]
    assert (after, flags.stat().st_mode & 0o777) == (before, 0o640)
    assert sorted(path.name for path in flags.parent.glob("*flags*")) == [".flags.json.lock", "flags.json"]


def test_a_late_duplicate_of_an_older_generation_changes_nothing_and_says_so(flag: Recipe, flags: Path) -> None:
    old = flag.roll_back()
    new = flag.roll_back("v7")
    before = flags.stat().st_ino, flags.read_bytes()
    late = flag.again(old)
    assert late.outcome == "blocked"
    assert "Generation 2 of cooling changes nothing: generation 3, which says v7, was there before." in late.detail
    assert flag.again(new).acknowledged == Acknowledgement(3, "v7")
    assert (flags.stat().st_ino, flags.read_bytes()) == before


def test_a_duplicate_puts_right_what_somebody_changed_by_hand(flag: Recipe, flags: Path) -> None:
    row, document = flag.roll_back(), told(flags)
    document["flags"]["cooling"]["targeting"] = SPLIT
    flags.write_text(json.dumps(document))
    assert flag.again(row).acknowledged == Acknowledgement(2, "v6")
    assert "targeting" not in told(flags)["flags"]["cooling"]


def test_a_rehearsal_says_what_serves_and_changes_nothing(flag: Recipe, flags: Path) -> None:
    row = flag.roll_back()
    event = json.loads(row.body)
    event["data"] |= {"mode": "test", "generation": 9, "to_version": "rules"}
    before = flags.read_bytes()
    assert flag.again(row, json.dumps(event)).acknowledged == Acknowledgement(2, "v6")
    assert flags.read_bytes() == before


@pytest.mark.parametrize(
    ("content", "outcome", "said"),
    [
        ('{"flags": {"heating": {}}}', "blocked", "has no flag 'cooling'; it has heating"),
        ('{"flags": {"cooling": {"variants": {"v7": 1}}}}', "blocked", "has no variant 'v6'; it has v7"),
        ('{"flags": {"cool', "pending", "is not JSON"),
        (None, "pending", "No such file"),
    ],
)
def test_what_is_wrong_with_the_file_is_said(
    flag: Recipe, flags: Path, content: str | None, outcome: str, said: str
) -> None:
    flags.unlink() if content is None else flags.write_text(content)
    row = flag.roll_back()
    assert row.state == outcome
    assert said in row.last_error


def test_a_stage_of_a_rollout_is_refused_in_words_and_changes_nothing(flags: Path) -> None:
    before, body = flags.read_bytes(), {"type": STAGE, "data": {"policy": "cooling", "split": {"v6": 0.9, "v7": 0.1}}}
    argv = [sys.executable, "-m", "examples.recipes.flag_file", "--file", str(flags)]
    done = subprocess.run(argv, input=json.dumps(body), capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, flags.read_bytes()) == (100, "", before)
    assert (
        "cannot give cooling the split of a stage of a rollout: stop it with `checkrein rollout abort`" in done.stderr
    )


def test_killed_in_the_middle_of_its_write_it_leaves_the_old_file(
    flag: Recipe, flags: Path, database: Database, clock: ManualClock
) -> None:
    before, dying = flags.read_bytes(), Recipe(database, clock, "-c", CUT, "--file", str(flags))
    row = dying.roll_back()
    assert (row.state, "ended with -" in row.last_error) == ("pending", True), row.last_error
    assert flags.read_bytes() == before
    assert 0 < (flags.parent / ".flags.json.new").stat().st_size <= 100
    clock.advance(1.0)
    flag.loop.run_due()
    assert (flag.row(row.id).state, told(flags)["flags"]["cooling"]["defaultVariant"]) == ("delivered", "v6")
    dying.loop.close()


def test_an_acknowledgement_that_is_lost_is_said_again(
    flag: Recipe, flags: Path, database: Database, clock: ManualClock
) -> None:
    module = "import runpy, sys; sys.stdout = open('/dev/full', 'w'); "
    module += "runpy.run_module('examples.recipes.flag_file', run_name='__main__')"
    mute = Recipe(database, clock, "-c", module, "--file", str(flags))
    row = mute.roll_back()
    assert row.state == "pending"
    assert told(flags)["flags"]["cooling"]["defaultVariant"] == "v6"
    clock.advance(1.0)
    flag.loop.run_due()
    assert flag.row(row.id).acknowledged is not None
    mute.loop.close()


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory of kubectl's state, and kubectl first on the path."""
    folder, image = tmp_path / "cluster", "registry.example/cooling:v7"
    folder.mkdir()
    kubectl = tmp_path / "bin" / "kubectl"
    kubectl.parent.mkdir()
    kubectl.write_text(f'#!/bin/sh\nexec {sys.executable} -I -S {KUBECTL} "$@"\n')
    kubectl.chmod(0o755)
    rollout = {
        "metadata": {"name": "cooling", "generation": 4, "resourceVersion": "100", "annotations": {"team": "hvac"}},
        "spec": {"template": {"spec": {"containers": [{"name": "policy", "image": image}]}}},
        "status": {"observedGeneration": "4", "stableRS": image, "currentPodHash": image, "phase": "Healthy"},
    }
    (folder / "rollout.json").write_text(json.dumps(rollout))
    monkeypatch.setenv("FAKE_CLUSTER", str(folder))
    monkeypatch.setenv("PATH", f"{kubectl.parent}:{os.environ['PATH']}")
    return folder


@pytest.fixture
def argo(database: Database, clock: ManualClock, cluster: Path) -> Iterator[Recipe]:
    image = ("--image", "registry.example/cooling:{version}", "--namespace", "serving")
    made = Recipe(database, clock, "-m", "examples.recipes.argo_rollout", *image)
    yield made
    made.loop.close()


def test_a_rollout_gets_the_image_and_is_promoted_past_its_steps(argo: Recipe, cluster: Path) -> None:
    row = argo.roll_back()
    assert (row.state, row.last_error, row.acknowledged is not None) == ("delivered", None, True)
    rollout = told(cluster / "rollout.json")
    assert rollout["status"]["stableRS"] == "registry.example/cooling:v6"
    assert rollout["metadata"]["annotations"] == {
        "team": "hvac",
        "checkrein.dev/generation": "2",
        "checkrein.dev/version": "v6",
    }


def test_a_late_duplicate_never_patches_a_rollout(argo: Recipe, cluster: Path) -> None:
    old = argo.roll_back()
    new = argo.roll_back("v7")
    before = told(cluster / "rollout.json")["spec"]
    (cluster / "calls.txt").unlink()
    assert argo.again(old).outcome == "blocked"
    assert argo.again(new).acknowledged == Acknowledgement(3, "v7")
    assert told(cluster / "rollout.json")["spec"] == before
    assert {line.split()[0] for line in (cluster / "calls.txt").read_text().splitlines()} == {"get"}


@pytest.mark.full
def test_a_patch_of_what_changed_meanwhile_is_refused_and_comes_again(argo: Recipe, cluster: Path) -> None:
    """Between reading and writing somebody else writes: the first read is answered with an older object."""
    kubectl = cluster.parent / "bin" / "kubectl"
    path, honest = cluster / "rollout.json", kubectl.read_text()
    stale = cluster / "stale.json"
    stale.write_text(json.dumps(told(path) | {"metadata": told(path)["metadata"] | {"resourceVersion": "99"}}))
    kubectl.write_text(f'#!/bin/sh\n[ "$1" != get ] || exec cat {stale}\n' + honest.partition("\n")[2])
    row = argo.roll_back()
    assert (row.state, "testing value" in row.last_error) == ("pending", True)
    assert told(path)["spec"] == told(stale)["spec"]
    kubectl.write_text(honest)
    argo.clock.advance(1.0)
    argo.loop.run_due()
    assert argo.row(row.id).acknowledged is not None


@pytest.mark.full
def test_a_rollout_that_does_not_become_healthy_is_not_acknowledged(
    argo: Recipe, cluster: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE_SICK", "registry.example/cooling:v6")
    row = argo.roll_back()
    assert (row.state, row.acknowledged) == ("delivered", None)
    monkeypatch.delenv("FAKE_SICK")
    assert argo.again(row).acknowledged == Acknowledgement(2, "v6")


def test_a_rollout_that_is_not_there_needs_a_person(argo: Recipe, cluster: Path) -> None:
    path = cluster / "rollout.json"
    path.write_text(path.read_text().replace('"cooling"', '"heating"'))
    row = argo.roll_back()
    assert (row.state, "NotFound" in row.last_error) == ("blocked", True)
