"""Learning what is usual: at ``baseline freeze``, on a bounded sample of it, on one processor core."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from monitor.novelty.network import Floats, Layers, Network, NoveltyError, prepared
from monitor.summaries.columns import numbers

ROWS = 20_000  # read of the baseline, spread over all of it
LEAST = 1000  # the 99% quantile of the quarter that is held out then has two or three rows above it
BLOCKS = 40  # every fourth is held out: neighbours in time are alike, and a row beside a trained one is no test
KNOWN = 0.9  # share of rows in which a feature must be known, because a row that lacks one is not scored
STEPS, BATCH, WIDTH, OUTPUTS = 2000, 256, 64, 16
RATE = 2e-3
_FLOOR = 1e-3  # of an eigenvalue, whose mean is 1: what is constant up to noise is not blown up without end

INSTALL = 'pip install "checkrein[torch]"'


def installed() -> bool:
    """Return whether PyTorch is there, without importing it.

    >>> isinstance(installed(), bool)
    True
    """
    try:
        return importlib.util.find_spec("torch") is not None
    except ValueError:  # an import that was switched off leaves an empty entry
        return False


def fit(table: Any, features: Sequence[str], *, seed: int = 0, steps: int = STEPS) -> tuple[Network, Floats]:
    """Teach a network to predict a random one on a sample of the baseline; return it and the errors of held-out rows.

    A quarter of the sample, in blocks of consecutive rows, is kept from the training: its errors say what new rows of
    the same kind will have, where those of the trained rows are too small. On one machine, equal rows and seeds give
    equal networks.

    Parameters
    ----------
    table
        Rows of the baseline in the order of time.
    features
        Names of its numeric state features. One that is constant, or missing in over a tenth of the rows, is left out.
    seed
        Of the rows that are read, of the random network, of the training.
    steps
        Batches of 256 rows to train on: 2,000 take 2 to 4 seconds.

    Raises
    ------
    NoveltyError
        If PyTorch is not installed, no feature is left, or fewer than 1,000 rows have all of them.

    References
    ----------
    Burda, Y., Edwards, H., Storkey, A. and Klimov, O. (2018). Exploration by random network distillation.
    arXiv:1810.12894.

    Examples
    --------
    >>> import pyarrow as pa
    >>> rng = np.random.default_rng(1)
    >>> x = rng.normal(size=2000)
    >>> network, usual = fit(pa.table({"state.x": x, "state.y": x + rng.normal(0, 0.1, 2000)}), ["x", "y"], steps=300)
    >>> odd = network.errors(pa.table({"state.x": [1.5], "state.y": [-1.5]}))[0]
    >>> len(usual), bool(odd > np.quantile(usual, 0.99))
    (500, True)
    """
    rng = np.random.default_rng(seed)
    if table.num_rows > ROWS:
        table = table.take(np.sort(rng.choice(table.num_rows, ROWS, replace=False)))
    names, states = _states(table, features)
    held = np.arange(len(states)) * BLOCKS // len(states) % 4 == 3
    mean, scale = states[~held].mean(axis=0), states[~held].std(axis=0)
    whiten = _whiten((states[~held] - mean) / scale)
    target, predictor = _train(prepared(states[~held], mean, scale, whiten), seed, steps)
    network = Network(names, mean, scale, whiten, target, predictor)
    return network, network.of(states[held])


def _states(table: Any, features: Sequence[str]) -> tuple[tuple[str, ...], Floats]:
    """Return the features that can be used, and the rows that have all of them."""
    columns = {name: numbers(table, f"state.{name}") for name in features}
    known = {name: values for name, values in columns.items() if np.isfinite(values).mean() >= KNOWN}
    varied = {name: values for name, values in known.items() if np.nanstd(_finite(values)) > 0}
    fix = "or set novelty = false in [policy.NAME.metrics]"
    if not varied:
        raise NoveltyError(
            f"novelty needs a numeric state feature that varies and is known in {KNOWN:.0%} of the decisions; "
            f"this span has none: log one, {fix}"
        )
    states = np.stack(list(varied.values()), axis=1)
    states = states[np.isfinite(states).all(axis=1)]
    if len(states) < LEAST:
        raise NoveltyError(
            f"novelty needs {LEAST:,} decisions that have {', '.join(varied)}; the sample of this span has "
            f"{len(states):,}: freeze a longer span, {fix}"
        )
    return tuple(varied), states


def _finite(values: Floats) -> Floats:
    return np.where(np.isfinite(values), values, np.nan)


def _whiten(standard: Floats) -> Floats:
    values, vectors = np.linalg.eigh(standard.T @ standard / len(standard))
    return np.asarray(vectors / np.sqrt(np.maximum(values, _FLOOR)), np.float64)


def _train(z: Floats, seed: int, steps: int) -> tuple[Layers, Layers]:
    try:
        import torch
    except ImportError:
        raise NoveltyError(f"novelty needs PyTorch to learn what is usual: install it with {INSTALL}") from None
    generator = torch.Generator().manual_seed(seed)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # small matrices: more are no faster, and sums would depend on their number
    try:
        target = _random(torch, (z.shape[1], WIDTH, OUTPUTS), generator)
        predictor = _random(torch, (z.shape[1], WIDTH, WIDTH, OUTPUTS), generator)
        states = torch.from_numpy(z.astype(np.float32))
        with torch.no_grad():
            answers = _forward(torch, states, target)
            mean, scale = answers.mean(0), answers.std(0).clamp(min=1e-6)
            weights, bias = target[-1]
            target[-1] = (weights / scale[:, None], (bias - mean) / scale)  # every output counts alike
            answers = (answers - mean) / scale
        trained = [tensor.requires_grad_() for layer in predictor for tensor in layer]
        optimizer = torch.optim.Adam(trained, lr=RATE)
        decay = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
        for _ in range(steps):
            batch = torch.randint(len(states), (BATCH,), generator=generator)
            loss = torch.nn.functional.mse_loss(_forward(torch, states[batch], predictor), answers[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            decay.step()
        return _arrays(target), _arrays(predictor)
    finally:
        torch.set_num_threads(threads)


def _random(torch: Any, sizes: Sequence[int], generator: Any) -> list[tuple[Any, Any]]:
    """Return layers with orthogonal weights, as in the paper's code, and biases that spread the bends of the ReLUs."""
    layers = []
    for before, after in pairwise(sizes):
        weights = torch.nn.init.orthogonal_(torch.empty(after, before), gain=2**0.5, generator=generator)
        layers.append((weights, 0.5 * torch.randn(after, generator=generator)))
    return layers


def _forward(torch: Any, x: Any, layers: Sequence[tuple[Any, Any]]) -> Any:
    for depth, (weights, bias) in enumerate(layers):
        x = torch.nn.functional.linear(torch.relu(x) if depth else x, weights, bias)
    return x


def _arrays(layers: Sequence[tuple[Any, Any]]) -> Layers:
    return tuple((w.detach().double().numpy(), b.detach().double().numpy()) for w, b in layers)
