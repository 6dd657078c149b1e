"""What is asked of `checkrein estimate`, checked before a log is opened."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from monitor.settings import ConfigurationError
from monitor.validate.roles import is_role
from ope import ESTIMATORS, INTERVALS

LOGGED, ESTIMATED, VERSIONS = "logged", "estimated", "versions"


@dataclass(frozen=True)
class Wanted:
    """Options of an estimate.

    Parameters
    ----------
    estimators
        Names; None: every one that applies.
    interval, level
        Kind and coverage.
    target
        The column that is estimated.
    q
        Column of per-action values; None: they are cross-fitted.
    gamma
        Discount of trajectories.
    segment
        ``segment.<name>`` by which values are given, too.
    cvar, quantiles
        Shares of the worst rewards whose mean is given, too, and probabilities of quantiles.
    margin
        What the candidate may lose against the log's policy, in units of the target, or of its mean ("1%").
    behaviour
        Where propensities come from.
    """

    estimators: tuple[str, ...] | None = None
    interval: str = "delta"
    level: float = 0.95
    target: str = "reward"
    q: str | None = None
    gamma: float = 1.0
    segment: str | None = None
    cvar: tuple[float, ...] = ()
    quantiles: tuple[float, ...] = ()
    margin: str = "0"
    behaviour: str = LOGGED

    def __post_init__(self) -> None:
        for name in self.estimators or ():
            if name not in ESTIMATORS:
                raise ConfigurationError(f"no estimator is called {name!r}; available: {', '.join(ESTIMATORS)}")
        if self.interval not in INTERVALS:
            raise ConfigurationError(f"no interval is called {self.interval!r}; available: {', '.join(INTERVALS)}")
        if not 0 < self.level < 1:
            raise ConfigurationError(f"level is {self.level:g}, but must lie between 0 and 1, such as 0.95")
        if not 0 <= self.gamma <= 1:
            raise ConfigurationError(f"--gamma {self.gamma:g}: a discount lies between 0 and 1, such as 0.99")
        known = self.target == "reward" or self.target.startswith(("cost.", "outcome."))
        if not (known and is_role(self.target)):
            raise ConfigurationError(f"--target {self.target}: it is reward, cost.NAME or outcome.NAME")
        if self.q is not None and self.estimators and not any(ESTIMATORS[name].model for name in self.estimators):
            able = ", ".join(name for name, item in ESTIMATORS.items() if item.model)
            raise ConfigurationError(f"--q {self.q}: only model-based estimators use it: {able}")
        for option, shares in (("cvar", self.cvar), ("quantile", self.quantiles)):
            for share in shares:
                if not 0 < share < 1:
                    raise ConfigurationError(f"--{option} {share:g}: it is a share between 0 and 1, such as 0.05")
        self.allowed(1.0)

    @property
    def lower_is_better(self) -> bool:
        """Whether the candidate is better when the target is lower."""
        return self.target.startswith("cost.")

    def allowed(self, mean: float) -> float:
        """Return the margin in units of the target whose mean in the log is given."""
        text = self.margin.strip()
        try:
            margin = float(text.removesuffix("%")) * (abs(mean) / 100 if text.endswith("%") else 1.0)
        except ValueError:
            margin = -1.0
        if not 0 <= margin < float("inf"):
            raise ConfigurationError(f'--margin {self.margin}: write a number of at least 0, or a share such as "1%"')
        return margin


def split_behaviour(given: Sequence[str]) -> tuple[str, dict[str, str]]:
    """Return where propensities come from, and the policy of each version: ``estimate`` or ``VERSION=SPEC`` repeated.

    >>> split_behaviour(["v1=column:p1", "v2=linear:v2.json"])
    ('versions', {'v1': 'column:p1', 'v2': 'linear:v2.json'})
    """
    if not given:
        return LOGGED, {}
    if list(given) == ["estimate"]:
        return ESTIMATED, {}
    found = {}
    for item in given:
        version, equals, spec = item.partition("=")
        if not (version and equals and spec):
            raise ConfigurationError(f"--behaviour {item}: write estimate, or VERSION=SPEC for each version of the log")
        if version in found:
            raise ConfigurationError(f"--behaviour {item}: version {version} is given twice")
        found[version] = spec
    return VERSIONS, found
