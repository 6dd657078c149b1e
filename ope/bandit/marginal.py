"""Groups of actions in place of actions: weights that stay small where there are many actions."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ope.decisions import Decisions, Floats, Ints

AGREE = 1e-6  # by how much a propensity may differ from the behaviour policy's distribution


def by_group(log: Decisions, group: Ints) -> Decisions:
    r"""Return the log as decisions among groups of actions, whose ``ips`` is the marginalised one (MIPS).

    .. math:: w_i = \frac{\sum_{a \in g(a_i)} \pi(a|x_i)}{\sum_{a \in g(a_i)} \pi_0(a|x_i)}

    where g is an action's group (an embedding that the action determines), :math:`\pi` the candidate and :math:`\pi_0`
    the behaviour policy. With thousands of actions the plain weights are huge; if the reward depends on an action only
    through its group, these are as unbiased and never vary more. Every estimator, interval and check works on the
    result, which says how far it may be trusted.

    **Trap.** If two actions of a group pay differently, the estimate is of a candidate that chooses inside each group
    as the behaviour policy does, and no check of weights sees the difference. Compare coarser groups with finer ones.

    Parameters
    ----------
    log
        Decisions with ``action``, ``candidate`` and ``behaviour``.
    group
        Group of each action, from 0, shape (actions,).

    Returns
    -------
    Decisions with a column for each group; ``q`` is the behaviour policy's mean inside each.

    Raises
    ------
    ValueError
        If a column is missing, a group is not given for each action, or a propensity is not what ``behaviour`` says.

    Examples
    --------
    >>> behaviour, candidate = np.full((2, 4), 0.25), np.array([[0.7, 0.0, 0.3, 0.0], [0.0, 0.7, 0.0, 0.3]])
    >>> log = Decisions(np.array([1.0, 0.0]), np.full(2, 0.25), np.array([0.7, 0.0]), np.array([0, 2]), candidate,
    ...                 behaviour=behaviour)
    >>> log.weight.round(2).tolist(), by_group(log, np.array([0, 0, 1, 1])).weight.round(2).tolist()
    ([2.8, 0.0], [1.4, 0.6])

    References
    ----------
    Saito, Joachims (2022), Off-policy evaluation for large action spaces via embeddings.
    """
    if log.action is None or log.candidate is None or log.behaviour is None:
        raise ValueError(
            "groups need action, candidate and behaviour: the probability of every action under both policies"
        )
    group, actions = np.asarray(group), log.candidate.shape[1]
    if group.shape != (actions,) or not np.issubdtype(group.dtype, np.integer) or (actions and group.min() < 0):
        raise ValueError(f"group has shape {group.shape}: give a whole number from 0 for each of the {actions} actions")
    if len(log) and (log.action.min() < 0 or log.action.max() >= actions):
        outside = log.start + int(np.argmax((log.action < 0) | (log.action >= actions)))
        raise ValueError(f"action in row {outside} is none of the candidate's {actions} actions")
    row = np.arange(len(log))
    apart = ~(np.abs(log.behaviour[row, log.action] - log.propensity) <= AGREE)
    if apart.any():
        first = int(np.argmax(apart))
        raise ValueError(
            f"propensity is {log.propensity[first]:.6g} in row {log.start + first}, but behaviour gives that action "
            f"{log.behaviour[first, log.action[first]]:.6g}: correct one of them"
        )
    member = np.eye(int(group.max(initial=-1)) + 1)[group]
    behaviour, candidate = (np.minimum(table @ member, 1.0) for table in (log.behaviour, log.candidate))
    action = group[log.action]
    return replace(
        log,
        propensity=behaviour[row, action],
        probability=candidate[row, action],
        action=action,
        candidate=candidate,
        behaviour=behaviour,
        eligible=None if log.eligible is None else log.eligible @ member > 0,
        q=None if log.q is None else _inside(log.q, log.behaviour, member),
    )


def _inside(q: Floats, behaviour: Floats, member: Floats) -> Floats:
    """Return the mean of q inside each group as the behaviour policy chooses, or plain where it never does."""
    mass = behaviour @ member
    plain = q @ member / np.maximum(member.sum(axis=0), 1.0)
    found: Floats = np.divide((behaviour * q) @ member, mass, out=plain, where=mass > 0)
    return found
