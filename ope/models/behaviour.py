"""What did the log's policy do? Estimated propensities, and the policy that imitates it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ope.decisions import Decisions
from ope.models.crossfit import folds_of
from ope.models.softmax_regression import SoftmaxRegression
from ope.verdict.trust import Judgement, Trust, worst

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

MOST_ROWS = 50_000  # to fit one model on
FEWEST_ROWS = 50
PENALTIES = (1000.0, 30.0, 1.0)  # of squared coefficients, tried from the strongest
KEPT_BACK = 5  # one row, or unit, in so many of those to fit on tells the penalty and the temperature
BINS = 10
BLOCK = 16_384

NOTE = (
    "Propensities are estimated: intervals leave out the error of the model that estimates them, and what it was not "
    "told of (asymptotic, weak at best)."
)


@dataclass(frozen=True, eq=False)
class Behaviour:
    """The behaviour policy as a model sees it, each row from a model that has not seen it.

    Parameters
    ----------
    probability
        Of every action in every row, shape (rows, actions).
    propensity
        Of the executed action, shape (rows,).
    calibration_error
        Expected calibration error: by how much predicted probabilities and frequencies differ on average, over ten
        bins of each action; 0 is right, and a few rows by bin make some of it by chance.
    log_loss, marginal_log_loss
        Mean of -log propensity, and of the same with each action's plain frequency: what the states tell.
    temperature
        Median over folds: above 1, the plain fits were too sure.
    """

    probability: Floats
    propensity: Floats
    calibration_error: float
    log_loss: float
    marginal_log_loss: float
    temperature: float

    @property
    def reasons(self) -> tuple[str, ...]:
        """Return what goes with every estimate that is made of it."""
        told = (
            f"The behaviour model's probabilities are off by {self.calibration_error:.3f} on average "
            f"(log loss {self.log_loss:.3f}, without states {self.marginal_log_loss:.3f})."
        )
        return NOTE, told

    def weaken(self, judgement: Judgement) -> Judgement:
        """Return a candidate's verdict with what estimated propensities take from it: weak at best."""
        return replace(
            judgement,
            verdict=worst(judgement.verdict, Trust.WEAK),
            reasons=(*judgement.reasons, *self.reasons),
        )

    def clone(self, log: Decisions) -> Decisions:
        """Return the log with this policy as the candidate: what imitating the log would earn.

        The baseline that a learned candidate has to beat. Its value is that of the log itself up to the model's error,
        so a candidate whose interval lies below has learned less than to repeat what was done.

        Raises
        ------
        ValueError
            If the log has another number of rows, or no executed actions.
        """
        if len(log) != len(self.propensity) or log.action is None:
            raise ValueError(
                f"the log has {len(log)} rows and the behaviour model {len(self.propensity)}: fit it on it"
            )
        executed = self.probability[np.arange(len(log)), log.action]
        return replace(log, candidate=self.probability, probability=executed)


def fit_behaviour(
    states: Floats | None,
    action: Any,
    *,
    actions: int,
    folds: int = 5,
    unit: Any = None,
    eligible: Bools | None = None,
    seed: int = 0,
) -> Behaviour:
    r"""Estimate the behaviour policy's probability of every action from what it did.

    Multinomial logistic regression on bent lines of the features, cross-fitted: a model that has seen a row gives its
    executed action too much, and every weight becomes too small. Within the rows to fit on, a fifth is kept back to
    choose the penalty and then the temperature that calibrates (one number, so that ranks stay). Use it where a log
    has no propensities; logged ones are always better. What the policy knew and the states do not tell makes the
    estimate wrong, and no diagnostic can see it.

    Parameters
    ----------
    states
        Features of each decision, finite, shape (rows, features); None: plain frequencies.
    action
        Column of the executed action, shape (rows,).
    actions
        Number of actions.
    folds
        Parts of the rows.
    unit
        Which rows belong together (a subject, an episode): never split between folds.
    eligible
        Which actions could be taken, shape (rows, actions); None: all.
    seed
        Of the folds.

    Raises
    ------
    ValueError
        If shapes do not fit, a feature is not finite, an action is outside 0..actions - 1 or not eligible, or there are
        fewer than two units; names the row.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> states = rng.normal(size=(4000, 2))
    >>> likely = 1 / (1 + np.exp(-states[:, 0]))
    >>> found = fit_behaviour(states, (rng.random(4000) < likely).astype(int), actions=2)
    >>> bool(np.abs(found.probability[:, 1] - likely).mean() < 0.03), found.calibration_error < 0.03
    (True, True)

    References
    ----------
    Hanna, Niekum, Stone (2019), Importance sampling policy evaluation with an estimated behavior policy.
    Kull et al. (2019), Beyond temperature scaling (calibration error by class).
    """
    action = np.asarray(action)
    _check(states, action, actions, folds, eligible)
    fold = folds_of(len(action), unit, folds, seed)
    probability, temperatures, penalty = np.empty((len(action), actions)), list[float](), None
    for k in range(int(fold.max()) + 1):
        held, others = np.flatnonzero(fold == k), np.flatnonzero(fold != k)
        if states is None or states.shape[1] == 0 or len(others) < FEWEST_ROWS:
            probability[held] = _frequencies(action[others], actions, None if eligible is None else eligible[held])
            continue
        if len(others) > MOST_ROWS:
            others = np.sort(np.random.default_rng((seed, k)).choice(others, MOST_ROWS, replace=False))
        model, penalty = _fit(states, action, others, actions, unit, eligible, seed, penalty)
        temperatures.append(model.temperature)
        for begin in range(0, len(held), BLOCK):
            rows = held[begin : begin + BLOCK]
            probability[rows] = model.probability(states[rows], None if eligible is None else eligible[rows])
    executed = probability[np.arange(len(action)), action]
    plain = _frequencies(action, actions, eligible if eligible is not None else np.ones((1, actions), bool))
    marginal = plain[np.arange(len(action)) if len(plain) > 1 else 0, action]
    return Behaviour(
        probability,
        executed,
        _calibration_error(probability, action),
        -float(np.log(executed).mean()),
        -float(np.log(marginal).mean()),
        float(np.median(temperatures)) if temperatures else 1.0,
    )


def _fit(
    states: Floats, action: Ints, rows: Ints, actions: int, unit: Any, eligible: Bools | None, seed: int,
    penalty: float | None,
) -> tuple[SoftmaxRegression, float]:  # fmt: skip
    """Fit on most of some rows, choose penalty (once) and temperature on the rest."""
    part = folds_of(len(rows), None if unit is None else np.asarray(unit)[rows], KEPT_BACK, seed + 1)
    seen, back = rows[part > 0], rows[part == 0]
    where = None if eligible is None else eligible[seen]
    kept = None if eligible is None else eligible[back]
    best: tuple[float, SoftmaxRegression, float] | None = None
    for each in PENALTIES if penalty is None else (penalty,):
        model = SoftmaxRegression.fit(states[seen], action[seen], actions=actions, penalty=each, eligible=where)
        model = model.cooled(states[back], action[back], kept)
        chance = model.probability(states[back], kept)[np.arange(len(back)), action[back]]
        loss = -float(np.log(np.maximum(chance, 1e-300)).mean())
        if best is None or loss < best[0]:
            best = loss, model, each
    assert best is not None
    return best[1], best[2]


def _frequencies(action: Ints, actions: int, eligible: Bools | None) -> Floats:
    """Return each action's share of rows, with one row for each beforehand, among those that could be taken."""
    counts = np.bincount(action, minlength=actions) + 1.0
    among = counts[None, :] if eligible is None else np.where(eligible, counts, 0.0)
    found: Floats = among / among.sum(axis=1, keepdims=True)
    return found


def _calibration_error(probability: Floats, action: Ints) -> float:
    """Return the mean distance of predicted probabilities from frequencies, over bins of equally many rows."""
    rows, actions = probability.shape
    bins = max(1, min(BINS, rows // 50))
    place = np.arange(rows) * bins // rows
    distances = []
    for a in range(actions):
        order = np.argsort(probability[:, a], kind="stable")
        gap = probability[order, a] - (action[order] == a)
        distances.append(np.abs(np.bincount(place, gap, bins)).sum() / rows)
    return float(np.mean(distances))


def _check(states: Floats | None, action: Ints, actions: int, folds: int, eligible: Bools | None) -> None:
    rows = len(action)
    if folds < 2:
        raise ValueError(f"folds is {folds}: a model that has seen its own rows needs at least 2 to be avoided")
    if action.ndim != 1 or not np.issubdtype(action.dtype, np.integer):
        raise ValueError(
            f"action has shape {action.shape} and type {action.dtype}: give the column of each row's action"
        )
    if states is not None and (states.ndim != 2 or len(states) != rows):
        raise ValueError(f"states has shape {states.shape}, not ({rows}, features): one row for each decision")
    if states is not None and not (fine := np.isfinite(states).all(axis=1)).all():
        row, count = int(np.argmin(fine)), int((~fine).sum())
        raise ValueError(f"states is not a finite number in row {row} ({count} rows): fill it in or leave it out")
    outside = (action < 0) | (action >= actions)
    if outside.any():
        raise ValueError(f"action in row {int(np.argmax(outside))} is none of the {actions} actions, from 0")
    if eligible is not None:
        if eligible.shape != (rows, actions):
            raise ValueError(f"eligible has shape {eligible.shape}, not ({rows}, {actions}): one row for each decision")
        barred = ~eligible[np.arange(rows), action]
        if barred.any():
            raise ValueError(
                f"action in row {int(np.argmax(barred))} is not eligible there: correct the mask or the log"
            )
