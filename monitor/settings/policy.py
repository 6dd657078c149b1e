"""[store] and [policy.*]: where things are kept, and what is watched."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import Field, model_validator

from monitor.settings.checklist import Checklist
from monitor.settings.comparing import Comparing
from monitor.settings.maintenance import Maintenance
from monitor.settings.measuring import Measuring
from monitor.settings.model import Table
from monitor.settings.review import Review
from monitor.settings.rollout import Rollout
from monitor.units import Duration, seconds


class Store(Table):
    """Where state and logs are kept."""

    url: str = Field("sqlite:///checkrein.db", description="SQLAlchemy URL: sqlite:///... or postgresql+psycopg://...")
    lake: Path = Field(Path("lake"), description="Directory of the Parquet lake of decision logs.")
    break_glass: Path = Field(
        Path("break-glass"), description="Directory for rolling back while the database is down; on a local disk."
    )
    keep_minutes: Duration = Field(
        seconds("35d"), description="Age at which minute buckets are dropped; roll-ups stay."
    )


class Source(Table):
    """Where a policy's decisions are read from."""

    kind: Literal["parquet", "jsonl", "csv", "obd"] = Field(description="A SOURCES entry.")
    path: str = Field(description="File, directory or glob; relative to the configuration file.")
    poll: Duration = Field(10.0, description="How often new rows are looked for.")
    zone: str | None = Field(
        None, description="Zone of naive timestamps, such as Europe/Berlin; absent: naive is an error."
    )
    version: str | None = Field(None, description="Version of rows that name none.")
    columns: dict[str, str] = Field(default_factory=dict, description="Role = column of the log.")


class Constraint(Table):
    """One operating limit: a violation is cost > limit."""

    cost: str = Field(description="Cost column: the <k> of cost.<k>.")
    limit: float = Field(0.0, description="A violation is cost > limit.")
    budget: float = Field(0.001, ge=0, lt=1, description="d_k: allowed violation rate.")
    slack: float = Field(0.0005, ge=0, description="delta_k: tolerated above the budget before rolling back.")
    cost_budget: float | None = Field(None, description="Allowed mean cost.")
    hard: bool = Field(False, description="One event rolls back.")


class Candidate(Table):
    """A policy that is not serving and whose value is estimated from the log."""

    policy: str = Field(
        pattern=r"^(column|table|linear|linucb|thompson|mlp|onnx):.+",
        description="column:NAME, table:FILE, linear:FILE, linucb:FILE, thompson:FILE, mlp:DIR or onnx:FILE.",
    )
    features: tuple[str, ...] = Field((), description="State features in the order that the model takes them.")
    sha256: str | None = Field(
        None,
        pattern=r"^[0-9a-fA-F]{64}$",
        description="Of the JSON that describes the candidate, compared before it is parsed.",
    )


class FalseRollbacks(Table):
    """The false-alarm budget of a policy."""

    at_most: float = Field(1.0, gt=0, description="False automatic rollbacks that are accepted.")
    per: Duration = Field(seconds("180d"), description="In this time.")


class Confirmation(Table):
    """When a rollback counts as done."""

    acknowledge_within: Duration = Field(120.0, description="Real time for the serving side to acknowledge.")
    window: Duration = Field(10.0, description="Length of the windows in which decisions are counted by version.")
    windows: int = Field(3, ge=1, description="Windows in a row that must be clean.")
    tolerance: float = Field(0.01, ge=0, lt=1, description="Share of traffic that the old version may keep.")


class Policy(Table):
    """One watched policy."""

    incumbent: str = Field(description="The version that is trusted to serve.")
    serving: str | None = Field(None, description="The version that serves at first start (default: the incumbent).")
    fallbacks: tuple[str, ...] = Field((), description="Versions to roll back to, tried in order.")
    actions: tuple[str, ...] = Field((), description="Names of the actions 0..K-1; empty: learned from the log.")
    reward_horizon: Duration = Field(0.0, description="Age at which a decision is mature.")
    lateness: Duration = Field(60.0, description="Time that rows may take to arrive after their bucket closed.")
    reward_if_absent: Literal["zero", "missing"] = Field("missing", description="What no reward by the horizon means.")
    reward_events: Literal["final", "additive"] = Field(
        "final", description="final: one a decision, another value is quarantined; additive: they sum."
    )
    false_rollbacks: FalseRollbacks = FalseRollbacks()
    season: Literal["none", "hour_of_day", "hour_of_week"] = Field(
        "none", description="Cycle that the baseline follows; needs three weeks of history."
    )
    skew: Duration = Field(300.0, description="How far in the future a timestamp may lie.")
    source: Source | None = None
    constraint: dict[str, Constraint] = Field(default_factory=dict)
    candidate: dict[str, Candidate] = Field(default_factory=dict)
    trigger: dict[str, dict[str, Any]] = Field(default_factory=dict, description="Overrides for this policy alone.")
    confirm: Confirmation = Confirmation()
    checklist: Checklist = Checklist()
    comparison: Comparing = Comparing()
    rollout: Rollout = Rollout()
    metrics: Measuring = Measuring()
    review: Review = Review()
    maintenance: dict[str, Maintenance] = Field(default_factory=dict)
    cooldown: Duration = Field(
        600.0, description="Time after an automatic rollback in which the next one waits; hard limits never wait."
    )
    escalation: str | None = Field(
        None, description="Who is woken, an `[escalation.NAME]`; absent: every channel that serves the policy."
    )
    limit_per_day: int = Field(3, ge=0, description="Automatic rollbacks a day; what is over it becomes a page.")

    @model_validator(mode="after")
    def _holds(self) -> Policy:
        short = self.rollout.too_short(self.reward_horizon) if "rollout" in self.model_fields_set else None
        if short:
            raise ValueError(f"rollout.{short}")
        return self

    @property
    def first_serving(self) -> str:
        """The version that serves when the product meets the policy."""
        return self.serving or self.incumbent

    @property
    def maturity(self) -> float:
        """Seconds after a bucket's end at which it is judged."""
        return self.reward_horizon + self.lateness
