"""kill -9 of server, worker and receiver at random moments: nothing is lost, nothing happens twice."""

from __future__ import annotations

import json
import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import func, select

from monitor.log_store.lake import Lake
from monitor.store.tables import actions, events, routes, summaries

if TYPE_CHECKING:
    from tests.faults.conftest import Site

VERSIONS = ("v6", "v7")
ROWS = 20  # decisions a POST
FAULTS = ("--fail", "0.12", "--hang", "0.08", "--lose", "0.15")
FEWER = ("--fail", "0.06", "--hang", "0.05", "--lose", "0.1")  # five in a row would wait for half a minute
VICTIMS = ("serve", "worker", "receiver")


class Plan:
    """What is decided and logged meanwhile: a policy is rolled back again as soon as the last one is acknowledged."""

    def __init__(self, site: Site, policies: list[str], rollbacks: int) -> None:
        self.site, self.policies, self.rollbacks = site, policies, rollbacks
        self.decided: dict[str, list[str]] = {policy: [] for policy in policies}  # the versions gone to, in order
        self.acknowledged = dict.fromkeys(policies, 0)
        self._asked: set[str] = set()  # policies whose next rollback may have been committed without an answer
        self.sent: dict[str, set[str]] = {policy: set() for policy in [*policies, "filed"]}
        self.replayed = 0
        self._batch = 0
        self._waiting: tuple[str, list[dict[str, Any]]] | None = None

    @property
    def count(self) -> int:
        """Rollbacks that were answered 2xx."""
        return sum(map(len, self.decided.values()))

    def advance(self) -> None:
        """Decide what may be decided next, and log a few decisions, each tried until it is answered 2xx."""
        self._look()
        for policy in self.policies:
            versions = self.decided[policy]
            free = self.acknowledged[policy] == len(versions) and self.count + len(self._asked) < self.rollbacks
            if policy in self._asked or free:
                to = VERSIONS[len(versions) % 2]
                self._asked.add(policy)
                body = {"reason": "the fault test asks", "to": to}
                answer = self.site.post(f"/policies/{policy}/rollback", key=f"{policy} {len(versions)}", json=body)
                if answer is not None and answer.status_code == 202:
                    versions.append(to)
                    self._asked.remove(policy)
                    self.replayed += "idempotency-replayed" in answer.headers
                elif answer is not None:
                    assert answer.status_code == 503, answer.text
        self.log()

    def log(self) -> bool:
        """Send one batch over HTTP, and write one into the file that the worker reads."""
        if self._waiting is None:
            self._batch += 1
            policy = self.policies[self._batch % len(self.policies)]
            rows = [self._row(policy, f"{self._batch}-{i}") for i in range(ROWS)]
            self._waiting = policy, rows
            filed = [self._row("filed", f"f{self._batch}-{i}") for i in range(ROWS)]
            with (self.site.root / "logs" / "decisions.jsonl").open("a") as file:
                file.write("".join(json.dumps(row) + "\n" for row in filed))
            self.sent["filed"].update(row["decision_id"] for row in filed)
        policy, rows = self._waiting
        answer = self.site.post("/decisions", json=rows)
        if answer is not None and answer.status_code == 200:
            self.sent[policy].update(row["decision_id"] for row in rows)
            self._waiting = None
        elif answer is not None:
            assert answer.status_code == 503, answer.text
        return self._waiting is None

    def done(self) -> bool:
        """Whether every rollback was decided and acknowledged."""
        self._look()
        return self.count >= self.rollbacks and self.acknowledged == {p: len(v) for p, v in self.decided.items()}

    def _row(self, policy: str, identity: str) -> dict[str, Any]:
        at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        return {"decision_id": identity, "ts": at, "policy": policy, "version": "v7", "action": "a", "reward": 1.0}

    def _look(self) -> None:
        database = self.site.open()
        with database.read() as connection:
            done = select(actions.c.policy, func.count().label("n")).where(actions.c.acknowledged.is_not(None))
            self.acknowledged |= {row.policy: row.n for row in connection.execute(done.group_by(actions.c.policy))}
        database.close()


def kill_at_random(site: Site, kills: int, seed: int, over: threading.Event, pause: tuple[float, float]) -> None:
    """Kill a random process after a random time, start it again a little later, until there were ``kills``."""
    draw = random.Random(seed)
    for number in range(kills):
        if over.wait(draw.uniform(*pause)):
            return
        victim = VICTIMS[number] if number < len(VICTIMS) else draw.choice(VICTIMS)
        site.kill(victim)
        over.wait(draw.uniform(0.0, 0.3))
        site.restart(victim)


def survive(
    site: Site,
    faults: tuple[str, ...],
    policies: int,
    rollbacks: int,
    kills: int,
    pause: tuple[float, float],
    seconds: float,
) -> str:
    """Run the plan under fire, let the dust settle, then account for every rollback and every decision."""
    names = [f"p{number:02d}" for number in range(policies)]
    (site.root / "logs").mkdir()
    text = "".join(f'[policy.{name}]\nincumbent = "v6"\nserving = "v7"\n' for name in [*names, "filed"])
    text += '[policy.filed.source]\nkind = "jsonl"\npath = "logs/*.jsonl"\npoll = "1s"\n'
    site.configure(text)
    site.receiver(*faults)
    site.serve()
    site.worker()
    plan, over = Plan(site, names, rollbacks), threading.Event()
    killer = threading.Thread(target=kill_at_random, args=(site, kills, 20261120, over, pause))
    begun = time.monotonic()
    killer.start()
    try:
        while killer.is_alive() or plan.count < rollbacks:
            assert time.monotonic() - begun < seconds, f"only {plan.count} rollbacks in {seconds:g} s\n{site.errors()}"
            plan.advance()
    finally:
        over.set()
        killer.join(300)
    under_fire = time.monotonic() - begun
    site.until(plan.log, "the last batch is not accepted")
    settled = site.until(plan.done, "rollbacks are not acknowledged", 900)
    rows = settled_rows(site, plan)
    resent = account(site, plan)
    posts = Counter(fault for _identity, fault in site.posts())
    killed = ", ".join(f"{name} {count}" for name, count in sorted(site.kills.items()))
    return (
        f"{sum(site.kills.values())} kills ({killed}) over {plan.count} rollbacks in {under_fire:.0f} s, settled"
        f" {settled:.1f} s later: 0 lost, each generation applied exactly once; {sum(posts.values())} POSTs"
        f" ({', '.join(f'{name} {count}' for name, count in sorted(posts.items()))}), {resent} rollbacks needed more"
        f" than one, {plan.replayed} answers were replays; {rows} decisions, 0 lost, 0 doubled"
    )


def settled_rows(site: Site, plan: Plan) -> int:
    """Wait until the file is read; check that lake and buckets hold every decision that was sent, once."""
    database, lake = site.open(), Lake(site.root / "lake")

    def found(policy: str) -> list[str]:
        with database.read() as connection:
            table = lake.read(connection, policy, "decisions", 0, 2**33, columns=["decision_id"])
        ids: list[str] = table.column("decision_id").to_pylist()
        return ids

    site.until(lambda: len(found("filed")) >= len(plan.sent["filed"]), "the log file is not read to its end")
    for policy, sent in plan.sent.items():
        ids = found(policy)
        assert len(ids) == len(set(ids)), f"{policy}: decisions are doubled in the lake"
        assert set(ids) == sent, f"{policy}: {len(sent - set(ids))} lost, {len(set(ids) - sent)} that nobody sent"
        with database.read() as connection:
            counted = select(func.sum(summaries.c.rows)).where(
                summaries.c.policy == policy, summaries.c.resolution == 60, summaries.c.segment == ""
            )
            assert (connection.execute(counted).scalar_one() or 0) == len(sent), f"{policy}: the buckets are wrong"
    database.close()
    return sum(map(len, plan.sent.values()))


def account(site: Site, plan: Plan) -> int:
    """Check every rollback against the receiver's chain; return how many needed more than one POST."""
    database = site.open()
    with database.read() as connection:
        rows = connection.execute(select(actions).order_by(actions.c.policy, actions.c.generation)).all()
        requested = connection.execute(
            select(func.count()).select_from(events).where(events.c.kind == "rollback.requested")
        ).scalar_one()
        serving = {row.policy: row for row in connection.execute(select(routes))}
    database.close()
    assert len(rows) == requested == plan.count
    served = site.served()
    for policy, versions in plan.decided.items():
        mine, chain = [row for row in rows if row.policy == policy], ""
        assert [row.generation for row in mine] == list(range(2, len(versions) + 2)), policy
        for row, version in zip(mine, versions, strict=True):
            chain = site.link(chain, version)
            assert (row.to_version, row.artifact_sha256) == (version, chain), f"{policy}, generation {row.generation}"
        if versions:
            told = served[policy]
            assert (told["generation"], told["serving"], told["artifact_sha256"]) == (
                len(versions) + 1,
                versions[-1],
                chain,
            )
            assert (serving[policy].generation, serving[policy].serving) == (len(versions) + 1, versions[-1])
    posts = Counter(identity for identity, _fault in site.posts())
    assert set(posts) <= {row.id for row in rows}
    return sum(count > 1 for count in posts.values())


@pytest.mark.fault(1)
def test_kills_lose_nothing_and_repeat_nothing(site: Site, say: Callable[[str], None]) -> None:
    say(survive(site, FEWER, policies=6, rollbacks=30, kills=6, pause=(0.6, 1.6), seconds=900))


@pytest.mark.fault(1)
@pytest.mark.full
def test_a_hundred_kills_over_a_thousand_rollbacks_lose_nothing(site: Site, say: Callable[[str], None]) -> None:
    say(survive(site, FAULTS, policies=40, rollbacks=1000, kills=100, pause=(0.5, 4.0), seconds=5400))
