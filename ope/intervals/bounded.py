"""The confidence sequence that needs no limit theorem."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ope.intervals.sample import Interval, Sample

Floats = NDArray[np.float64]

# Stakes, as shares of the span: the largest is best for tens of rows, the smallest for ten million.
STAKES = np.geomspace(10.0**-3.5, 0.8, 24)
_TAX = -np.log1p(-STAKES) - STAKES
_DISTANCES = np.concatenate([[0.0], np.geomspace(1e-7, 1.0, 200)])  # from the value, as shares of the farthest
_STEPS = np.linspace(0.0, 1.0, 65)  # between two of them, three times: to a 300,000th


def sequence_bounded(sample: Sample, level: float) -> Interval | None:
    r"""Return all values v that no bet against them has ever made rich, at any number of rows and looks.

    .. math:: \frac1{24} \sum_\lambda \exp\Big( \lambda \frac{\sum_i X_i}{B} -
              \big(-\log(1 - \lambda) - \lambda\big) \frac{\sum_i X_i^2}{B^2} \Big) < \frac2\alpha,
              \qquad X_i = \pm (y_i - v m_i)

    With B the span, X / B is at least -1 and has mean 0 at the true v, so each term is at most the wealth
    :math:`\prod_i (1 + \lambda X_i / B)` of one who stakes the share :math:`\lambda` every time (Fan et al.), and the
    mean over a fixed grid of stakes ever exceeds :math:`2 / \alpha` with probability at most :math:`\alpha / 2`
    (Ville). Stakes that followed the data would make it depend on the order of rows; fixed ones need only sums.

    Against ``sequence``, which is shown by default: no asymptotics, so it holds for rare rewards and heavy weights from
    the first row, but the span must be right, and it is a fifth wider (1.85 against 1.6 times the normal interval at
    10,000 rows with good overlap; the narrower one at a million). It has ends while the other still waits for rows that
    carry rewards. Against ``bernstein``: it may be looked at again, and is narrower up to a thousand rows.

    Parameters
    ----------
    sample
        The sums of one ratio, and ``span``.
    level
        Probability, at least, that the interval is right at all times at once.

    Returns
    -------
    (low, high), or None while it has no end.

    Raises
    ------
    ValueError
        If the estimator has no span, or is a sum of several ratios.

    Examples
    --------
    >>> from ope.terms import TermSums
    >>> reward = np.random.default_rng(0).integers(0, 2, 1000).astype(float)
    >>> low, high = sequence_bounded(Sample(TermSums.of(reward), span=1.0), 0.95)
    >>> round(low, 2), round(high, 2)
    (0.48, 0.6)

    References
    ----------
    Fan, Grama, Liu (2015), Exponential inequalities for martingales with applications, lemma 4.1.
    Howard, Ramdas, McAuliffe, Sekhon (2021), Time-uniform, nonparametric, nonasymptotic confidence sequences.
    Waudby-Smith, Ramdas (2024), Estimating means of bounded random variables by betting.
    Karampatziakis, Mineiro, Ramdas (2021), Off-policy confidence sequences.
    """
    span = sample.known_span("sequence_bounded")
    value = sample.sums.value
    assert value is not None
    if span <= 0:
        return None
    (total, mass), ((squares, cross), (_, mass_squares)) = sample.sums.first.tolist(), sample.sums.second.tolist()
    enough = len(STAKES) * 2 / (1 - level)

    def ruled_out(v: Floats, side: float) -> NDArray[np.bool_]:
        gains = side * (total - v * mass) / span
        spread = np.maximum(squares - 2 * v * cross + v * v * mass_squares, 0.0) / span**2
        logs = np.outer(gains, STAKES) - np.outer(spread, _TAX)
        rich: NDArray[np.bool_] = np.exp(np.minimum(logs, 700.0)).sum(axis=1) >= enough
        return rich

    farthest, ends = span * sample.sums.n / mass, list[float]()
    for side in (1.0, -1.0):
        distances = farthest * _DISTANCES
        for _ in range(4):
            out = ruled_out(value - side * distances, side)
            if not out[-1]:
                return None
            last = int(np.flatnonzero(~out)[-1])  # the set may have gaps: its end is the farthest value that stays
            beyond = distances[last + 1]
            distances = distances[last] + (beyond - distances[last]) * _STEPS
        ends.append(float(value - side * beyond))
    return ends[0], ends[1]
