"""Importance weights, and the errors that keep a wrong propensity from becoming a number."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def importance_weights(probability: Any, propensity: Any, first_row: int = 0) -> NDArray[np.float64]:
    r"""Return the candidate's probability of each executed action over the behaviour policy's.

    .. math:: w_i = \pi(a_i \mid x_i) / p_i

    Every importance-weighted estimator starts here. A weight is never clipped: clipping is an estimator of its own.

    Parameters
    ----------
    probability
        :math:`\pi(a_i|x_i)`: the candidate's probability of the executed action, in [0, 1], NaN where it is not
        computable (the weight is then NaN, and ``WeightSums`` leaves the row out); shape (rows,).
    propensity
        :math:`p_i`: the behaviour policy's probability of the executed action, in (0, 1], shape (rows,).
    first_row
        Number of the first row, for the error messages of a log that is read in pieces.

    Returns
    -------
    Weights, shape (rows,).

    Raises
    ------
    ValueError
        If a propensity is missing, 0 or outside (0, 1], or a probability outside [0, 1]; names the row.

    Examples
    --------
    >>> importance_weights([0.5, 0.1], [0.25, 0.5]).tolist()
    [2.0, 0.2]
    >>> importance_weights([0.5, 0.1], [0.25, 0.0])
    Traceback (most recent call last):
    ...
    ValueError: propensity is 0 in row 1 (1 of 2 rows): the executed action could not be taken; correct the logging

    References
    ----------
    Horvitz, Thompson (1952), A generalization of sampling without replacement from a finite universe.
    """
    p = np.asarray(propensity, dtype=np.float64)
    pi = np.asarray(probability, dtype=np.float64)
    if p.ndim != 1 or p.shape != pi.shape:
        raise ValueError(f"probability and propensity must be two columns of one length, got {pi.shape}, {p.shape}")
    # The ends of both columns tell whether anything is wrong, NaN too; what and where is looked for only then.
    if len(p) == 0 or (p.min() > 0 and p.max() <= 1 and pi.min() >= 0 and pi.max() <= 1):
        return _quotient(pi, p)
    for bad, what, fix in (
        (np.isnan(p), "propensity is missing", "log the behaviour policy's probability of the executed action"),
        (p == 0, "propensity is 0", "the executed action could not be taken; correct the logging"),
        (~((p > 0) & (p <= 1)), "propensity is outside (0, 1]", "a propensity is a probability; correct the logging"),
        ((pi < 0) | (pi > 1), "the candidate's probability is outside [0, 1]", "correct the candidate"),
    ):
        if bad.any():
            row = first_row + int(np.argmax(bad))
            raise ValueError(f"{what} in row {row} ({int(bad.sum())} of {len(p)} rows): {fix}")
    return _quotient(pi, p)


def _quotient(pi: NDArray[np.float64], p: NDArray[np.float64]) -> NDArray[np.float64]:
    with np.errstate(over="ignore"):  # a denormal propensity gives an infinite weight, which WeightSums names
        weights: NDArray[np.float64] = pi / p
    return weights
