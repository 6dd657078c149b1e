"""Fitted Q evaluation with a small network."""

from __future__ import annotations

from typing import Any

import numpy as np

from ope.trajectory.episodes import Floats
from ope.trajectory.fitted_q_steps import DivergedError, Predict, Steps, beyond

WIDTH = 64
ROUNDS = 60  # of new targets, at most
EPOCHS = 4  # over the rows for each of them
BATCH = 512
RATE = 2e-3
STEADY = 0.005  # of the largest possible return: rounds that move the mean value by less are even
PATIENCE = 5  # even rounds in a row, and the last one ends it: one may be luck


def fit_mlp(steps: Steps, seed: int = 0) -> Predict:
    """Fit two layers of 64 on targets that are made anew each round with the network of the round before.

    For features that the lines of ``fit_linear`` do not suit, and enough rows; tens of times slower. It stops after
    five rounds in a row that moved the mean value by less than 0.5% of the largest possible return, after 60 at most.
    The same seed gives the same network on the same machine.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> state, action, last = rng.uniform(-1, 1, size=(600, 1)), rng.integers(0, 2, 600), np.full(600, -1)
    >>> steps = Steps(state, action, action * state[:, 0] ** 2, np.full((600, 2), 0.5), last, gamma=1.0, reach=1.0)
    >>> values = fit_mlp(steps)(np.array([[0.8], [0.0]]))
    >>> bool(np.abs(values - [[0.0, 0.64], [0.0, 0.0]]).max() < 0.15)
    True

    References
    ----------
    Voloshin, Le, Jiang, Yue (2021), Empirical study of off-policy policy evaluation for reinforcement learning.
    """
    import torch

    center, scale = steps.state.mean(axis=0), steps.state.std(axis=0)
    scale = np.where(scale > 1e-12 * (1 + np.abs(center)), scale, 1.0)
    unit = max(float(np.abs(steps.reward).max(initial=0.0)), 1e-300)

    def tensor(numbers: Any) -> Any:
        return torch.as_tensor(np.ascontiguousarray(numbers, dtype=np.float32))

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        net = torch.nn.Sequential(
            torch.nn.Linear(steps.state.shape[1], WIDTH),
            torch.nn.ReLU(),
            torch.nn.Linear(WIDTH, WIDTH),
            torch.nn.ReLU(),
            torch.nn.Linear(WIDTH, steps.actions),
        )
        state, reward, candidate = tensor((steps.state - center) / scale), tensor(steps.reward / unit), steps.candidate
        chances, action = tensor(candidate), torch.as_tensor(steps.action)
        on, follows = torch.as_tensor(steps.follows >= 0), torch.as_tensor(np.maximum(steps.follows, 0))
        optimizer = torch.optim.Adam(net.parameters(), lr=RATE)
        before, even, largest = np.inf, 0, steps.largest
        for _ in range(ROUNDS):
            with torch.no_grad():
                value = (net(state) * chances).sum(dim=1)
                target = reward + steps.gamma * torch.where(on, value[follows], 0.0)
            for _epoch in range(EPOCHS):
                for rows in torch.randperm(len(state)).split(BATCH):
                    error = net(state[rows]).gather(1, action[rows, None])[:, 0] - target[rows]
                    optimizer.zero_grad()
                    (error**2).mean().backward()
                    optimizer.step()
            with torch.no_grad():
                values = net(state)
                mean = float((values * chances).sum(dim=1).mean()) * unit
                if (size := float(values.abs().max()) * unit) > beyond(largest) or not np.isfinite(size):
                    raise DivergedError(f"fitted Q evaluation diverges: a value of {size:.6g}")
            even = even + 1 if abs(mean - before) < STEADY * largest else 0
            before = mean
            if even == PATIENCE:
                break

    def predict(states: Floats) -> Floats:
        with torch.no_grad():
            found: Floats = net(tensor((states - center) / scale)).numpy().astype(np.float64) * unit
        return found

    return predict
