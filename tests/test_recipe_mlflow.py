"""The MLflow recipe against a real MLflow server on SQLite, of an environment of its own (scripts/mlflow.sh)."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from monitor.clock import ManualClock
from monitor.hooks import Acknowledgement
from monitor.store.database import Database
from tests.ports import free_port
from tests.recipes import Recipe

pytestmark = pytest.mark.full
PYTHON = Path(__file__).resolve().parents[1] / ".venv-mlflow" / "bin" / "python"
PATIENCE = 300.0
QUIET = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"}


@pytest.fixture(scope="module")
def mlflow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A tracking and registry server on a free port, and a client of its REST API."""
    if not PYTHON.exists():
        pytest.fail(f"{PYTHON} is missing: run `make test-full`, or scripts/mlflow.sh")
    root, port = tmp_path_factory.mktemp("mlflow"), free_port()
    where = ["--backend-store-uri", f"sqlite:///{root / 'mlflow.db'}", "--host", "127.0.0.1", "--port", str(port)]
    argv = [str(PYTHON), "-m", "mlflow", "server", *where, "--workers", "1"]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | QUIET
    with (root / "log").open("wb") as log:
        server = subprocess.Popen(argv, cwd=root, env=environment, stdout=log, stderr=log, start_new_session=True)
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=PATIENCE, trust_env=False) as client:
        try:
            _wait(client, server, root / "log")
            yield client
        finally:
            os.killpg(server.pid, signal.SIGKILL)  # its session is its own: the server and its workers
            server.wait()


def _wait(client: httpx.Client, server: subprocess.Popen[bytes], log: Path) -> None:
    deadline, pause = time.monotonic() + PATIENCE, threading.Event()
    while time.monotonic() < deadline:
        assert server.poll() is None, log.read_text("utf-8")
        try:
            if client.get("/health").is_success:
                return
        except httpx.TransportError:
            pause.wait(0.1)
    raise AssertionError(f"MLflow does not answer: {log.read_text('utf-8')}")


class Model:
    """A registered model with the versions 6, 7 and, by its tag, rules."""

    def __init__(self, client: httpx.Client) -> None:
        self.client, self.name = client, f"cooling-{uuid.uuid4().hex[:8]}"
        self.post("registered-models/create", name=self.name)
        for number in range(1, 9):
            tags = [{"key": "checkrein.version", "value": "rules"}] if number == 8 else []
            source = f"s3://models/{self.name}/{number}"
            self.post("model-versions/create", name=self.name, source=source, tags=tags)
        self.post("registered-models/alias", name=self.name, alias="champion", version="7")

    def post(self, path: str, **content: Any) -> None:
        answer = self.client.post(f"/api/2.0/mlflow/{path}", json=content)
        assert answer.is_success, answer.text

    def read(self) -> dict[str, Any]:
        answer = self.client.get("/api/2.0/mlflow/registered-models/get", params={"name": self.name})
        model: dict[str, Any] = answer.json()["registered_model"]
        return model

    def champion(self) -> tuple[str, dict[str, str]]:
        """Return the number that the alias points to, and the tags."""
        model = self.read()
        (alias,) = [alias for alias in model["aliases"] if alias["alias"] == "champion"]
        return alias["version"], {tag["key"]: tag["value"] for tag in model.get("tags", [])}


@pytest.fixture
def model(mlflow: httpx.Client) -> Model:
    return Model(mlflow)


@pytest.fixture
def recipe(database: Database, clock: ManualClock, model: Model) -> Iterator[Recipe]:
    where = ("--uri", str(model.client.base_url), "--model", model.name)
    made = Recipe(database, clock, "-m", "examples.recipes.mlflow_alias", *where)
    yield made
    made.loop.close()


def test_a_rollback_moves_the_alias_and_says_so(recipe: Recipe, model: Model) -> None:
    row = recipe.roll_back()
    assert (row.state, row.last_error, row.acknowledged is not None) == ("delivered", None, True)
    assert model.champion() == ("6", {"checkrein.champion.generation.2": "v6"})
    assert recipe.roll_back("rules").acknowledged is not None
    assert model.champion() == ("8", {"checkrein.champion.generation.3": "rules"})


def test_a_late_duplicate_changes_nothing(recipe: Recipe, model: Model) -> None:
    old, new = recipe.roll_back(), recipe.roll_back("v7")
    before = model.read()
    late = recipe.again(old)
    assert (late.outcome, "generation 3, which says v7" in late.detail) == ("blocked", True)
    assert recipe.again(new).acknowledged == Acknowledgement(3, "v7")
    assert model.read() == before


def test_what_was_cut_off_between_tag_and_alias_is_finished_by_the_next_attempt(recipe: Recipe, model: Model) -> None:
    tag = {"key": "checkrein.champion.generation.2", "value": "v6"}
    model.post("registered-models/set-tag", name=model.name, **tag)
    assert model.champion()[0] == "7"
    assert recipe.roll_back().acknowledged is not None
    assert model.champion()[0] == "6"


def test_whoever_comes_last_the_higher_generation_is_left(recipe: Recipe, model: Model) -> None:
    """An old one had read before the new one wrote, and writes after it; the new one, sent again, puts that right."""
    old, new = recipe.roll_back(), recipe.roll_back("rules")
    late = {"key": "checkrein.champion.generation.2", "value": "v6"}
    model.post("registered-models/set-tag", name=model.name, **late)
    model.post("registered-models/alias", name=model.name, alias="champion", version="6")
    with ThreadPoolExecutor(3) as pool:
        answers = list(pool.map(recipe.again, [new, new, old]))
    assert [answer.outcome for answer in answers] == ["delivered", "delivered", "blocked"]
    assert model.champion() == ("8", {"checkrein.champion.generation.3": "rules"})


@pytest.mark.parametrize("missing", ["v99", "nightly"])
def test_a_version_that_the_registry_does_not_have_needs_a_person(recipe: Recipe, model: Model, missing: str) -> None:
    before = model.read()
    row = recipe.roll_back(missing)
    assert row.state == "blocked"
    assert ("not found" if missing == "v99" else "has no version with the tag checkrein.version") in row.last_error
    assert model.read() == before


def test_a_registry_that_does_not_answer_is_asked_again(database: Database, clock: ManualClock) -> None:
    made = Recipe(database, clock, "-m", "examples.recipes.mlflow_alias", "--uri", f"http://127.0.0.1:{free_port()}")
    row = made.roll_back()
    assert (row.state, "cannot be asked" in row.last_error) == ("pending", True)
    made.loop.close()
