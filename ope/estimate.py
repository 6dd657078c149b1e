"""What an estimator answers."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from ope.verdict.trust import Trust


@dataclass(frozen=True)
class Estimate:
    """The value of a candidate policy: mean reward per decision had it acted instead.

    A refused estimate has no value and no interval; what they would have been stands in ``reasons``, where nobody
    quotes it by accident.

    Parameters
    ----------
    estimator
        An ESTIMATORS entry.
    value, stderr
        The estimate and its standard error; None when refused.
    low, high
        Interval of ``level`` for one look, by ``interval``'s method.
    level, interval
        Coverage probability, and how the interval was made ("delta": normal, by the delta method).
    anytime_low, anytime_high
        Confidence sequence of the same level (asymptotic, normal mixture): right at all looks at once. None when
        refused or while it has no end.
    n, ess
        Rows used, and the effective sample size of their weights.
    trust, reasons
        May it be quoted, and why not.

    Examples
    --------
    >>> refused = Estimate("ips", None, None, None, None, 0.95, "delta", None, None, 1, 1.0, Trust.REFUSED, ())
    >>> refused.to_dict()["trust"]
    'refused'
    """

    estimator: str
    value: float | None
    stderr: float | None
    low: float | None
    high: float | None
    level: float
    interval: str
    anytime_low: float | None
    anytime_high: float | None
    n: int
    ess: float
    trust: Trust
    reasons: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return plain data, with the keys and the order of the public JSON."""
        return {**asdict(self), "trust": self.trust.value, "reasons": list(self.reasons)}
