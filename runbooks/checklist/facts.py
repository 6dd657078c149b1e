"""Everything that evaluators may know: measured by somebody else, frozen, free of clocks and connections.

A fact that is None, or an empty tuple, was not measured. Times are seconds since 1970 UTC, ages are taken at
``as_of``, the end of the data, so that the same data gives the same answer whenever it is asked.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from runbooks.checklist.review_facts import Reviewed
from runbooks.checklist.row_facts import Artifacts, Latency, LogHealth, Tail
from runbooks.checklist.stage_facts import Stage


@dataclass(frozen=True)
class Dataset:
    """What was read: a query that finds it again, its rows, the times of the first and last one, and its digest."""

    query: str
    rows: int
    first: float | None
    last: float | None
    digest: str


@dataclass(frozen=True)
class CandidateValue:
    """Off-policy value of the version as a candidate, and the behaviour policy's own mean on the same rows.

    ``low`` is the anytime-valid lower bound of the value, ``difference_low`` that of the paired difference between the
    two, each of level 1 - alpha; None while it has no end.
    """

    estimator: str
    value: float | None
    low: float | None
    n: int
    ess: float
    trust: str
    reasons: tuple[str, ...]
    behaviour: float | None
    difference_low: float | None
    alpha: float


@dataclass(frozen=True)
class ConstraintCount:
    """One operating limit over the span. ``design_effect`` >= 1: how many correlated rows make one independent one."""

    name: str
    n: int
    violations: int
    missing: int
    hard: bool
    budget: float
    mean_cost: float | None = None
    cost_stderr: float | None = None
    cost_budget: float | None = None
    design_effect: float = 1.0


@dataclass(frozen=True)
class Return:
    """One rollback: ``seconds`` from the request to the serving side's acknowledgement, None if it never came."""

    from_version: str
    to_version: str
    trigger: str
    state: str
    seconds: float | None
    confirmed: float | None


@dataclass(frozen=True)
class Replay:
    """Rollbacks that the triggers would have called on healthy history, ``days`` long; ``method`` labels how."""

    method: str
    days: float
    firings: int
    triggers: tuple[str, ...]


@dataclass(frozen=True)
class TriggerFact:
    """One rollback trigger: configured, alive, judging, and what it has done so far.

    ``judging``: the state of its newest verdicts of this version ("" where there are none; event triggers have none
    until they fire). ``proofs``: age in days of each confirmed rollback that it called; ``drills``: the same of those
    that an injected fault made it call. ``firings`` are those that were not a dry run; a trigger that is one is not
    armed.
    """

    name: str
    metric: str
    detector: str
    severity: str
    enabled: bool
    alive: bool
    event: bool
    judging: tuple[str, ...] = ()
    firings: int = 0
    proofs: tuple[float, ...] = ()
    drills: tuple[float, ...] = ()
    dry_run: bool = False


@dataclass(frozen=True)
class KillDrill:
    """The newest passed drill of the kill switch: how long it took, how old it is, and onto which version it went.

    ``safe`` is where the switch goes now; ``sha256`` names the drill as evidence.
    """

    seconds: float
    age_days: float
    to_version: str
    safe: str
    receiver: str
    sha256: str


@dataclass(frozen=True)
class Firing:
    """One firing of severity rollback, and what followed.

    ``answer``: confirmed, unneeded (the version did not serve), pending, limited, blocked, ... or "" for nothing.
    """

    trigger: str
    key: str
    version: str
    at: float
    answer: str
    recorded: bool
    paged: bool


@dataclass(frozen=True)
class Watched:
    """One monitored series: windows that had to be judged, those that were, and their states."""

    metric: str
    key: str
    trigger: str
    expected: int
    judged: int
    states: Mapping[str, int]


@dataclass(frozen=True)
class Shape:
    """A reward distribution: mean, standard deviation, quantiles by name ("0.05") and the mean of the worst 5%."""

    n: int
    mean: float
    deviation: float
    quantiles: Mapping[str, float]
    cvar: float


@dataclass(frozen=True)
class Modes:
    """Whether the reward has more than one peak: the dip, whether that is news, and the detector's sentence."""

    dip: float
    several: bool
    sentence: str


@dataclass(frozen=True)
class FeatureDrift:
    """Newest judged drift of one feature: debiased Jensen-Shannon divergence in bits (base 2)."""

    feature: str
    state: str
    divergence: float | None
    n: int


@dataclass(frozen=True)
class Diversity:
    """Normalised action entropy and the share of the commonest action, now and in the baseline."""

    n: int
    entropy: float
    top_share: float
    baseline_entropy: float
    baseline_top_share: float


@dataclass(frozen=True)
class Sample:
    """Mean and standard deviation of one measure over n rows."""

    n: int
    mean: float
    deviation: float


@dataclass(frozen=True)
class SegmentPair:
    """One measure of one segment, under the judged version and under the version that people have today."""

    segment: str
    measure: str
    higher_is_better: bool
    now: Sample
    today: Sample


@dataclass(frozen=True)
class Facts:
    """What is known about one policy version; every field has a value that means "not measured".

    Parameters
    ----------
    policy, version, serving, incumbent
        Whose, and which of its versions is judged, serves and is trusted.
    as_of
        End of the data that the facts are about.
    rows, log_rows
        Decisions of the version in the span; recent decisions of all versions.
    columns, log_columns
        Role of the log -> share of the recent rows that have a value there: of the version, of all versions.
    datasets
        What was read, by name.
    context
        Values that ``applies_if`` of a template may ask for.

    Examples
    --------
    >>> Facts("bids", "v2", columns={"state.age": 1.0}).has("state.*")
    True
    """

    policy: str
    version: str
    serving: str = ""
    incumbent: str = ""
    as_of: float = 0.0
    rows: int = 0
    log_rows: int = 0
    columns: Mapping[str, float] = field(default_factory=dict)
    log_columns: Mapping[str, float] = field(default_factory=dict)
    datasets: Mapping[str, Dataset] = field(default_factory=dict)
    context: Mapping[str, bool | str | float] = field(default_factory=dict)
    candidate: CandidateValue | None = None
    constraints: tuple[ConstraintCount, ...] = ()
    tails: Mapping[str, Tail] = field(default_factory=dict)
    latency: Latency | None = None
    artifacts: Artifacts | None = None
    log: LogHealth | None = None
    fallback: str | None = None
    returns: tuple[Return, ...] = ()
    triggers: tuple[TriggerFact, ...] = ()
    replay: Replay | None = None
    kill: KillDrill | None = None
    firings: tuple[Firing, ...] | None = None
    watched: tuple[Watched, ...] = ()
    silent_jobs: tuple[str, ...] = ()
    reward: Shape | None = None
    reward_baseline: Shape | None = None
    modes: Modes | None = None
    drift: tuple[FeatureDrift, ...] = ()
    diversity: Diversity | None = None
    segments: tuple[SegmentPair, ...] = ()
    concurrent: bool = False
    stage: Stage | None = None
    reviewed: Reviewed | None = None

    def has(self, role: str, *, whole_log: bool = False) -> bool:
        """Tell whether any recent row has a value in the role, or in one of the family that ends in ".*"."""
        columns = self.log_columns if whole_log else self.columns
        if role.endswith(".*"):
            return any(share > 0 for name, share in columns.items() if name.startswith(role[:-1]))
        return columns.get(role, 0.0) > 0
