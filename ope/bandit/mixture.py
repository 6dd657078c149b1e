"""One log by several policies: the mixture of them is the behaviour policy."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def balanced_propensity(probability: Any, version: Any) -> NDArray[np.float64]:
    r"""Return the probability of each executed action under the mixture of the policies that wrote the log.

    .. math:: \bar p_i = \sum_j \frac{n_j}{n} \pi_j(a_i \mid x_i)

    Weights :math:`\pi(a_i|x_i) / \bar p_i` (the balance heuristic) instead of over the acting policy's own
    probability: a row that one policy took by a rare accident and another takes all the time no longer weighs as the
    accident does. With the shares fixed the mean of weighted rewards stays unbiased and its variance is never larger;
    plain weights are the other choice, and the only one where the other policies' probabilities are not known.

    Parameters
    ----------
    probability
        :math:`\pi_j(a_i|x_i)` of every policy on every row, in [0, 1], shape (rows, policies).
    version
        Column of the policy that took each decision, shape (rows,).

    Returns
    -------
    Shape (rows,), above 0.

    Raises
    ------
    ValueError
        If shapes do not fit, a probability is no probability, or a policy took an action that it says it never takes;
        names the row.

    Examples
    --------
    >>> probability = [[0.1, 0.9], [0.9, 0.1], [0.1, 0.9], [0.9, 0.1]]
    >>> balanced_propensity(probability, [0, 0, 1, 1]).tolist()
    [0.5, 0.5, 0.5, 0.5]

    References
    ----------
    Veach, Guibas (1995), Optimally combining sampling techniques for Monte Carlo rendering.
    Agarwal, Basu, Schnabel, Joachims (2017), Effective evaluation using logged bandit feedback from multiple loggers.
    """
    p = np.asarray(probability, dtype=np.float64)
    acted = np.asarray(version, dtype=np.int64)
    if p.ndim != 2 or acted.shape != p.shape[:1]:
        raise ValueError(
            f"probability has shape {p.shape} and version {acted.shape}: give (rows, policies) and (rows,)"
        )
    if len(p) and (acted.min() < 0 or acted.max() >= p.shape[1]):
        raise ValueError(f"version is {acted.min()} to {acted.max()}, but there are {p.shape[1]} policies")
    bad = ~((p >= 0) & (p <= 1)).all(axis=1)
    if bad.any():
        row = int(np.argmax(bad))
        raise ValueError(f"probability is {p[row].tolist()} in row {row}: each must lie in [0, 1]")
    own = p[np.arange(len(p)), acted]
    if (own == 0).any():
        row = int(np.argmax(own == 0))
        raise ValueError(
            f"policy {acted[row]} took the action of row {row}, but says that it never takes it: "
            "give the policy that was serving"
        )
    shares = np.bincount(acted, minlength=p.shape[1]) / max(len(p), 1)
    found: NDArray[np.float64] = p @ shares
    return found
