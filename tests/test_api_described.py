"""The API does what its OpenAPI document says: requests drawn from it, answers checked against it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok

from monitor.clock import ManualClock
from monitor.store.database import Database
from tests.api_site import Api

HEALTH = list(HealthCheck)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_every_operation_answers_as_described(
    clock: ManualClock, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    database = Database(f"sqlite:///{tmp_path / 'checkrein.db'}")
    database.migrate()
    api, examples = Api(database, clock, tmp_path), 50 if request.config.getoption("--full") else 2
    schema, seen = schemathesis.openapi.from_asgi("/api/v1/openapi.json", api.app), 0
    asked = [0]
    for found in schema.get_all_operations():
        assert isinstance(found, Ok), found

        @settings(
            max_examples=examples, derandomize=True, deadline=None, database=None, suppress_health_check=HEALTH,
            phases=[Phase.explicit, Phase.generate],
        )  # fmt: skip
        @given(case=found.ok().as_strategy())
        def ask(case: Any) -> None:
            asked[0] += 1
            if "idempotency-key" in case.headers:  # one key for two requests is refused, as it should be
                case.headers["idempotency-key"] = f"{asked[0]}{case.headers['idempotency-key']}"
            probe = [not_a_server_error] if case.path in {"/readyz", "/healthz"} else []  # 503 is their answer
            case.call_and_validate(headers={"Authorization": f"Bearer {api.token}"}, excluded_checks=probe)

        ask()
        seen += 1
    assert seen >= 20
    database.close()
