"""What the serving side shows on its health pages, and the tails of costs: facts that no summary holds."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from examples.receiver import Receiver, server
from monitor.bucketing import plans
from monitor.checklists import tails
from monitor.checklists.serving import shown
from monitor.checklists.span import Span
from monitor.settings import Settings, parse
from runbooks.checklist.row_facts import Shown

HASH = "c" * 64
Serve = Callable[[str], str]


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """Start receivers that serve a version; returns the address of the health page."""
    running: list[tuple[Any, threading.Thread]] = []

    def start(version: str) -> str:
        receiver = Receiver(tmp_path / f"{len(running)}.json", ["a plain secret"], lambda _policy, _version: HASH)
        if version:
            receiver.apply("p", version, 3)
        found = server(receiver, 0)
        thread = threading.Thread(target=found.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        running.append((found, thread))
        return f"http://127.0.0.1:{found.server_address[1]}/health"

    yield start
    for found, thread in running:
        found.shutdown()
        thread.join()
        found.server_close()


def configured(**health: str) -> Settings:
    hooks: dict[str, Any] = {
        name: {"kind": "webhook", "url": "http://127.0.0.1:9/", "secret": "env:S", "timeout": "2s", "health": url}
        for name, url in health.items()
    }
    hooks["silent"] = {"kind": "command", "command": ["true"]}
    hooks["other"] = {**hooks["a"], "policies": ["q"]}
    both = {name: {"incumbent": "v6"} for name in ("p", "q")}
    return parse({"policy": both, "hook": hooks})


def test_every_health_page_of_the_policy_is_asked_and_one_that_does_not_say_is_told(serve: Serve) -> None:
    settings = configured(a=serve("v7"), b="http://127.0.0.1:9/health", c=serve(""))
    assert shown(settings, "p") == (Shown("a", "v7", 3, HASH), Shown("b"), Shown("c"))


def span() -> Span:
    limits = {"heat": {"cost": "heat", "budget": 0.1}, "noise": {"cost": "noise", "budget": 0.1}}
    settings = parse({"policy": {"p": {"incumbent": "v6", "constraint": limits}}})
    return Span(settings, "p", "v7", "v7", 0.0, 1.0, plans.configured_plan(settings, "p"), None)


def test_the_tail_is_of_decisions_or_of_episodes_and_not_measured_where_they_are_few() -> None:
    cost = np.random.default_rng(1).exponential(1.0, 4000)
    found = tails.gather(span(), pa.table({"cost.heat": cost}))["tails"]
    assert set(found) == {"heat"}
    (heat,) = found.values()
    assert (heat.unit, heat.n) == ("decision", 4000)
    assert abs(heat.value - (1 - np.log(0.05))) < 4 * heat.stderr  # of an exponential: its quantile and 1 more
    episode = pa.array([f"e{i // 10}" if i < 3990 else None for i in range(4000)])
    (heat,) = tails.gather(span(), pa.table({"cost.heat": cost, "episode_id": episode}))["tails"].values()
    assert (heat.unit, heat.n) == ("episode", 399)
    sums = np.sort(cost[:3990].reshape(399, 10).sum(axis=1))
    assert sums[-20] < heat.value < sums[-1]
    assert tails.gather(span(), pa.table({"cost.heat": cost[:100]}))["tails"] == {}
