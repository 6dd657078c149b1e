"""What is known of a version that shares the traffic with another one: facts of one stage of a rollout."""

from __future__ import annotations

from dataclasses import dataclass

Ends = tuple[float | None, float | None, float | None]
"""Value, low and high of an effect; None where it is not known."""


@dataclass(frozen=True)
class Stage:
    """A comparison of the judged version with the one beside it.

    Parameters
    ----------
    other
        The version beside it.
    verdict, reasons
        Of the comparison, and why.
    n, n_other
        Decisions with a known reward.
    ratio_p
        Anytime-valid p value of the planned shares; None where it was not tested.
    feature, smd
        The feature in which the arms differ most, and its standardised mean difference; "" and None where no state was
        compared.
    subjects, both
        Subjects, and those that met both versions; None where the log names none.
    length, horizon, matured
        Seconds that the stage lasts, the reward horizon, and the share of decisions whose rewards are final.
    effect, first, last
        Of the whole stage, of first exposures and of those who are used to it.
    change
        The last less the first; None where it has no ends.
    how
        How first and last were told apart.
    """

    other: str
    verdict: str
    reasons: tuple[str, ...]
    n: int
    n_other: int
    ratio_p: float | None
    feature: str
    smd: float | None
    subjects: int | None
    both: int | None
    length: float
    horizon: float
    matured: float
    effect: Ends
    first: Ends
    last: Ends
    change: Ends
    how: str
