"""Which numbers are tracked: what a reference sample teaches, and what follows from it and the configuration.

A metric is on when the reference has its columns. The facts are frozen with the baseline; constants such as the agreed
latency follow the configuration, so that a corrected one counts at once.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from monitor.settings.measuring import FAMILIES, FLAGS, NUMBERS
from monitor.settings.policy import Policy
from monitor.summaries.formulas import element
from monitor.summaries.plan import Plan, Segments, Tracked

Learned = Mapping[str, tuple[float, ...]]

# Twenty cells a decade, 12% wide: 0.1 ms to 100 s, and 0.1 s to 116 days.
LATENCY_EDGES = tuple(float(edge) for edge in np.logspace(-1, 5, 121).round(6))
DELAY_EDGES = tuple(float(edge) for edge in np.logspace(-1, 7, 161).round(6))
BINS = 20
MOST_ELEMENTS = 32  # of an action vector
MOST_LEVELS = 20  # segments of one column that are counted on their own
NOVELTY = "score.novelty"  # written by landing where the policy asks for it


def wanted(name: str) -> bool:
    """Return whether a reference sample needs a column, for what is learned here.

    >>> wanted("outcome.sales"), wanted("segment.region"), wanted("decision_id")
    (True, True, False)
    """
    return name in (*NUMBERS, *FLAGS, "action") or name.startswith((*FAMILIES, "segment."))


def with_tracked(plan: Plan, sample: pa.Table) -> Plan:
    """Return the plan with what a reference sample teaches: its columns, their scales, its segments.

    >>> plan = with_tracked(Plan(), pa.table({"q_std": [0.1, 0.2, None], "override": [None, None, None]}))
    >>> plan.columns, plan.learned
    (('override', 'q_std'), (('q_std', (0.199,)),))
    """
    names = sample.column_names
    columns = [name for name in names if name in FLAGS]
    columns += [name for name in names if (name in NUMBERS or name.startswith(FAMILIES)) and _known(sample, name)]
    learned = _scales({name: _numbers(sample, name) for name in columns if name not in FLAGS})
    if "action" in names and pa.types.is_list(sample["action"].type):
        columns.append("action[]")
        learned |= _vectors(sample["action"])
        if "proposed_action" in names and pa.types.is_list(sample["proposed_action"].type):
            columns.append("proposed_action[]")
    segments = tuple(
        Segments(name[8:], levels)
        for name in sorted(names)
        if name.startswith("segment.") and (levels := _levels(sample[name]))
    )
    return replace(plan, columns=tuple(sorted(columns)), learned=tuple(sorted(learned.items())), segments=segments)


def configured(plan: Plan, policy: Policy) -> Plan:
    """Return the plan with its tracked numbers: the frozen facts under what the configuration says now.

    >>> policy = Policy(incumbent="v1", metrics={"track": ["latency_ms"]}, checklist={"latency_sla": "50ms"})
    >>> [one.name for one in configured(Plan(), policy).tracked]
    ['latency', 'latency_over_sla']
    """
    asked = policy.metrics
    columns = tuple(sorted({*plan.columns, *asked.track}))
    found = _tracked(frozenset(columns), dict(plan.learned), policy)
    kept = tuple(one for one in found if one.name.partition("/")[0].partition(":")[0] not in asked.off)
    segments = tuple(one for one in plan.segments if asked.segments is None or one.name in asked.segments)
    return replace(plan, tracked=kept, columns=columns, segments=segments, segment_features=asked.segment_features)


def _tracked(columns: frozenset[str], learned: Learned, policy: Policy) -> list[Tracked]:
    found: list[Tracked] = []
    sla = policy.checklist.latency_sla
    if "latency_ms" in columns:
        limit = () if sla is None else (1000 * sla,)
        edges = tuple(sorted({*LATENCY_EDGES, *limit}))
        found.append(Tracked("latency", "column", ("latency_ms",), (), edges))
        found += [Tracked("latency_over_sla", "above", ("latency_ms",), limit)] if limit else []
    if "log_ratio_ref" in columns:
        found.append(Tracked("kl_reference", "column", ("log_ratio_ref",)))
    if "delay.reward" in columns:
        found.append(Tracked("reward_delay", "column", ("delay.reward",), (), DELAY_EDGES))
    gate = (policy.metrics.q_std_limit,) if policy.metrics.q_std_limit is not None else learned.get("q_std", ())
    if "q_std" in columns and gate:
        found.append(Tracked("gate_rate", "above", ("q_std",), gate))
    if policy.metrics.novelty:  # without a network no row has the number, and asking for it must not look healthy
        found.append(Tracked("novelty", "above", (NOVELTY,), learned.get("novelty", (0.0,))))
    found += _episodes(columns, learned, policy)
    found += _values(columns, learned, policy.metrics.gamma)
    for name in sorted(columns):
        family, _, key = name.partition(".")
        if family == "outcome":
            found += _outcome(key, columns, learned)
        elif family in ("lagrange", "gap", "score"):
            called = f"{'model_gap' if family == 'gap' else family}/{key}"
            found.append(Tracked(called, "column", (name,), (), learned.get(name, ()) if family == "score" else ()))
    return found + _elements(columns, learned)


def _episodes(columns: frozenset[str], learned: Learned, policy: Policy) -> list[Tracked]:
    """Sums that, divided by the episodes that began, are means over episodes."""
    if "step" not in columns:
        return []
    first = learned.get("step", (0.0,))
    at = (policy.metrics.gamma, *first)
    found = [
        Tracked(f"episode_cost/{name}", "discounted", (f"cost.{one.cost}", "step"), at)
        for name, one in sorted(policy.constraint.items())
        if f"cost.{one.cost}" in columns
    ]
    if "reward" in columns:
        found.append(Tracked("episode_return", "discounted", ("reward", "step"), at))
    return [Tracked("episodes", "begins", ("step",), first), *found]


def _values(columns: frozenset[str], learned: Learned, gamma: float) -> list[Tracked]:
    if not {"q_value", "reward"} <= columns:
        return []
    if "step" in columns:
        at = (gamma, *learned.get("step", (0.0,)))
        return [Tracked("value_overestimation", "episode_error", ("q_value", "reward", "step"), at)]
    edges = learned.get("q_value", ())
    found = [Tracked("value_overestimation", "error", ("q_value", "reward"))]
    bounds = (-sys.float_info.max, *edges, sys.float_info.max)
    return found + [
        Tracked(f"value_by_decile/{i + 1}", "error_between", ("q_value", "reward"), (float(low), float(high)))
        for i, (low, high) in enumerate(pairwise(bounds))
        if edges
    ]


def _outcome(key: str, columns: frozenset[str], learned: Learned) -> list[Tracked]:
    name, line = f"outcome.{key}", learned.get(f"outcome.{key}", ())
    found = [Tracked(f"outcome/{key}", "column", (name,))]
    if "reward" not in columns:
        return found
    if line:
        found.append(Tracked(f"proxy_divergence/{key}", "residual", ("reward", name), line))
    return [
        *found,
        Tracked(f"proxy_correlation:x/{key}", "where", ("reward", name)),
        Tracked(f"proxy_correlation:y/{key}", "where", (name, "reward")),
        Tracked(f"proxy_correlation/{key}", "product", ("reward", name)),
    ]


def _elements(columns: frozenset[str], learned: Learned) -> list[Tracked]:
    found: list[Tracked] = []
    for i in range(MOST_ELEMENTS if "action[]" in columns else 0):
        if f"action[{i}]" not in learned:
            break
        low, high = learned[f"action[{i}]"]
        edges = tuple(np.linspace(low, high, BINS + 1).tolist()) if low < high else ()
        found += [Tracked(f"action_diversity/{i}", "element", ("action",), (float(i),), edges)] if edges else []
        found.append(Tracked(f"action_at_bounds/{i}", "at_bounds", ("action",), (float(i), low, high)))
    if "proposed_action[]" in columns:
        found.append(Tracked("proposal_distance", "distance", ("proposed_action", "action")))
    return found


def _known(sample: pa.Table, name: str) -> bool:
    column = sample[name]
    kind = column.type
    number = pa.types.is_floating(kind) or pa.types.is_integer(kind) or pa.types.is_boolean(kind)
    return bool(number and column.null_count < len(column))


def _numbers(sample: pa.Table, name: str) -> NDArray[np.float64]:
    values = sample[name].cast(pa.float64()).fill_null(float("nan")).to_numpy()
    return np.where(np.isfinite(values), values, np.nan)


def _scales(numbers: Mapping[str, NDArray[np.float64]]) -> dict[str, tuple[float, ...]]:
    learned: dict[str, tuple[float, ...]] = {}
    for name, values in numbers.items():
        known = values[~np.isnan(values)]
        if not len(known):
            continue
        if name == "step":
            learned[name] = (float(known.min()),)
        elif name == "q_std":
            learned[name] = (float(np.quantile(known, 0.99)),)
        elif name == "q_value":
            learned[name] = _distinct(np.quantile(known, np.arange(1, 10) / 10))
        elif name.startswith("score."):
            learned[name] = _distinct(np.quantile(known, np.arange(BINS + 1) / BINS))
            learned |= {"novelty": (float(np.quantile(known, 0.99)),)} if name == NOVELTY else {}
        elif name.startswith("outcome.") and "reward" in numbers:
            line = _line(numbers["reward"], values)
            learned |= {name: line} if line else {}
    return learned


def _distinct(edges: NDArray[np.float64]) -> tuple[float, ...]:
    return tuple(np.unique(edges).tolist())


def _line(x: NDArray[np.float64], y: NDArray[np.float64]) -> tuple[float, ...]:
    """Least squares of y on x: (a, b); the slope is 0 where the reward never changes."""
    both = ~(np.isnan(x) | np.isnan(y))
    if both.sum() < 2:
        return ()
    x, y = x[both], y[both]
    spread = float(np.var(x))
    slope = float(np.mean((x - x.mean()) * (y - y.mean()))) / spread if spread > 0 else 0.0
    return float(y.mean()) - slope * float(x.mean()), slope


def _vectors(column: pa.ChunkedArray) -> dict[str, tuple[float, ...]]:
    batch = pa.table({"action": column}).combine_chunks()
    found: dict[str, tuple[float, ...]] = {}
    for i in range(MOST_ELEMENTS):
        values = element(batch, "action", i)
        values = values[np.isfinite(values)]
        if not len(values):
            break
        found[f"action[{i}]"] = (float(values.min()), float(values.max()))
    return found


def _levels(column: pa.ChunkedArray) -> tuple[str, ...]:
    counted = pc.value_counts(column.cast(pa.string()).drop_null())
    pairs = sorted((-item["counts"], item["values"]) for item in counted.to_pylist())
    return tuple(sorted(level for _count, level in pairs[:MOST_LEVELS]))
