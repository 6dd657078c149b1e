"""The reference receiver over real HTTP: it obeys what is newer, and remembers what it obeyed."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from monitor.acting.signing import signing_headers, stage_event
from monitor.hooks.answer import acknowledgement
from tests.signed_receiver import NOW, SECRET, Opened, Site, event, sites


@pytest.fixture
def open_site(tmp_path: Path) -> Iterator[Opened]:
    with sites(tmp_path) as opened:
        yield opened


@pytest.fixture
def site(open_site: Opened) -> Site:
    return open_site()


def test_a_signed_event_switches_and_is_answered_with_generation_and_artefact(site: Site) -> None:
    assert site.health() == {"policy": "cooling", "generation": 0, "serving": "v7", "artifact_sha256": ""}
    answer = site.roll_back("v6", 1)
    state = {"policy": "cooling", "generation": 1, "serving": "v6", "artifact_sha256": "sha256 of v6"}
    assert (answer.status_code, answer.json()) == (200, {**state, "applied": True})
    assert site.health() == state
    assert site.http.get("/health").json() == {"policies": {"cooling": state}}
    assert site.loader.switches == ["v6"]


def test_the_sender_reads_the_acknowledgement_from_the_answer_and_from_health(site: Site) -> None:
    answers = [site.roll_back("v6", 4).content, site.http.get("/health").content]
    answers.append(site.http.get("/health?policy=cooling").content)
    found = [acknowledgement(content, "cooling") for content in answers]
    assert [(one.generation, one.version, one.artifact_sha256) for one in found if one] == [
        (4, "v6", "sha256 of v6")
    ] * 3


def test_a_duplicate_is_answered_with_the_state_and_switches_nothing(site: Site) -> None:
    first, again = site.roll_back("v6", 3), site.roll_back("v6", 3)
    assert (first.status_code, again.status_code) == (200, 200)
    assert again.json() == {**first.json(), "applied": False}
    assert site.loader.switches == ["v6"]


def test_an_older_generation_cannot_undo_a_newer_one(site: Site) -> None:
    site.roll_back("v6", 5)
    answer = site.roll_back("v7", 4)
    assert answer.status_code == 409
    assert {"generation": 5, "serving": "v6", "applied": False}.items() <= answer.json().items()
    assert site.health()["serving"] == "v6"


def test_a_stage_of_a_rollout_loads_every_version_and_keeps_the_shares(open_site: Opened) -> None:
    split = {"v6": 0.95, "v7": 0.05}
    made: dict[str, Any] = {
        "policy": "cooling",
        "serving": "v6",
        "split": split,
        "rollout": 1,
        "stage": 2,
        "reason": "Agreed.",
    }

    def asked(site: Site, generation: int, **changes: Any) -> httpx.Response:
        told = stage_event("act_1", **made, generation=generation, limitation="", requested=0.0)
        content = json.dumps({**told, "data": {**told["data"], **changes}}).encode()
        return site.post(content, signing_headers(SECRET, "act_1", NOW, content))

    site = open_site()
    answer = asked(site, 3)
    assert (answer.status_code, answer.json()["split"], answer.json()["serving"]) == (200, split, "v6")
    assert site.loader.switches == ["v7", "v6"]
    assert asked(site, 2).status_code == 409
    assert asked(site, 4, split=["v7"]).status_code == 400
    assert site.roll_back("v6", 4).json() == {
        "policy": "cooling", "generation": 4, "serving": "v6", "artifact_sha256": "sha256 of v6", "applied": True,
    }  # fmt: skip


def test_a_generation_means_one_target(site: Site) -> None:
    site.roll_back("v6", 5)
    assert site.roll_back("v5", 5).status_code == 409
    assert site.loader.switches == ["v6"]


def test_policies_have_generations_of_their_own(site: Site) -> None:
    site.roll_back("v6", 9)
    assert site.roll_back("v2", 1, policy="bids").json()["applied"]
    assert {name: one["generation"] for name, one in site.http.get("/health").json()["policies"].items()} == {
        "cooling": 9,
        "bids": 1,
    }


def test_a_restart_keeps_the_generation_and_loads_the_version_again(open_site: Opened) -> None:
    open_site().roll_back("v6", 5)
    again = open_site()
    assert again.loader.switches == ["v6"]
    assert again.health()["generation"] == 5
    assert again.roll_back("v7", 4).status_code == 409


def test_a_version_that_cannot_be_loaded_changes_nothing(site: Site) -> None:
    site.roll_back("v6", 1)
    answer = site.roll_back("v0", 2)
    assert answer.status_code == 422
    assert "v0" in answer.json()["error"]
    assert (site.health()["generation"], site.health()["serving"]) == (1, "v6")


def test_a_generation_that_cannot_be_stored_is_not_acknowledged(open_site: Opened, tmp_path: Path) -> None:
    folder = tmp_path / "gone"
    folder.mkdir()
    site = open_site(state=folder / "state.json")
    folder.rmdir()
    assert site.roll_back("v6", 1).status_code == 503
    assert site.health()["generation"] == 0
    folder.mkdir()
    assert site.roll_back("v6", 1).json()["applied"]


@pytest.mark.parametrize("mode", ["dry_run", "test"])
def test_a_rehearsal_is_answered_and_switches_nothing(site: Site, mode: str) -> None:
    answer = site.roll_back("v6", 1, mode=mode)
    assert (answer.status_code, answer.json()["applied"], answer.json()["serving"]) == (200, False, "v7")
    assert site.loader.switches == []


def test_many_copies_at_once_switch_once(site: Site) -> None:
    gate = threading.Barrier(8)
    answers: list[dict[str, Any]] = []

    def send() -> None:
        gate.wait()
        answers.append(site.roll_back("v6", 2).json())

    threads = [threading.Thread(target=send) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answer["applied"] for answer in answers) == [False] * 7 + [True]
    assert site.loader.switches == ["v6"]


@contextlib.contextmanager
def _program(folder: Path) -> Iterator[tuple[subprocess.Popen[str], httpx.Client]]:
    arguments = ["--port", "0", "--state", str(folder / "state.json"), "--secret-env", "HOOK_SECRET", "--initial", "v7"]
    command = [sys.executable, "-m", "examples.receiver", *arguments]
    environment = {**os.environ, "HOOK_SECRET": SECRET}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        try:
            line: dict[str, Any] = {}
            while line.get("event") != "listening":
                line = json.loads(process.stdout.readline())
            address = f"http://127.0.0.1:{line['port']}"
            with httpx.Client(base_url=address, timeout=300.0, trust_env=False) as http:
                yield process, http
        finally:
            process.kill()


def test_a_program_that_is_killed_after_its_answer_remembers_it(tmp_path: Path) -> None:
    content = event("v6", 3)
    with _program(tmp_path) as (process, http):
        assert http.get("/health?policy=cooling").json()["serving"] == "v7"
        headers = signing_headers(SECRET, "act_3", int(time.time()), content)
        assert http.post("/", content=content, headers=headers).json()["applied"]
        process.send_signal(signal.SIGKILL)
    with _program(tmp_path) as (_process, http):
        state = http.get("/health?policy=cooling").json()
        assert (state["generation"], state["serving"]) == (3, "v6")
        late = event("v7", 2)
        headers = signing_headers(SECRET, "act_2", int(time.time()), late)
        assert http.post("/", content=late, headers=headers).status_code == 409
