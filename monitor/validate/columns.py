"""One column checked against its role: its type, its range, and the sentence for each row that fails."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt

from monitor.log_store.schema import ARMS, role_type
from monitor.validate import lists
from monitor.validate.cast import Cast, filled, flags, fractional, guessed, numbers, texts, unbounded, wholes
from monitor.validate.faults import Faults, nearest, show
from monitor.validate.unfit import nul


def _value(column: pa.Array, index: int) -> str:
    return show(column[index].as_py())


def number(role: str, column: pa.Array, faults: Faults, cast: Callable[[pa.Array], Cast] = numbers) -> pa.Array:
    """Return a float64 column; wrong types, NaN and infinities are faults."""
    values, bad = cast(column)
    faults.add(bad, role, lambda i: f"{role} is {_value(column, i)}: a number is expected here")
    if pt.is_float64(values.type):
        faults.add(
            unbounded(values),
            role,
            lambda i: (
                f"{role} is {_finite_name(values[i].as_py())}: leave it empty (null) if it is not known{_yet(role)}"
            ),
        )
    return values


def _finite_name(value: float) -> str:
    return "NaN" if math.isnan(value) else "infinite"


def _yet(role: str) -> str:
    return " yet" if role == "reward" or role.startswith("outcome.") else ""


def text(role: str, column: pa.Array, faults: Faults) -> pa.Array:
    """Return a text column; lists, objects and the NUL character are faults."""
    values, bad = texts(column)
    faults.add(bad, role, lambda i: f"{role} is {_value(column, i)}: text is expected here")
    return nul(role, values, faults)


def propensity(column: pa.Array, continuous: bool, faults: Faults) -> pa.Array:
    """Return probabilities in (0, 1], or densities > 0 where actions are vectors."""
    values = number("propensity", column, faults)
    low = pc.less_equal(values, 0.0).fill_null(False).to_numpy(zero_copy_only=False)
    faults.add(
        low,
        "propensity",
        lambda i: f"propensity is {values[i].as_py():g}: the executed action had a probability above 0; log that one",
    )
    if not continuous:
        high = pc.greater(values, 1.0).fill_null(False).to_numpy(zero_copy_only=False)
        faults.add(
            high,
            "propensity",
            lambda i: f"propensity is {values[i].as_py():g}: a probability is at most 1 (densities need list actions)",
        )
    return values


def action(role: str, column: pa.Array, actions: Sequence[str], faults: Faults) -> pa.Array:
    """Return discrete actions as text, continuous ones as lists of float; ints index ``actions`` where configured."""
    if lists.is_list(column.type) or lists.looks_listed(column):
        return _vector(role, column, faults)
    whole = column
    if pt.is_floating(column.type):
        odd = fractional(column)
        faults.add(
            odd,
            role,
            lambda i: f"{role} is {_value(column, i)}: write an int or a name, or a list for a continuous action",
        )
        if odd is not None:
            whole = pc.if_else(pa.array(odd), pa.scalar(None, column.type), column)
    values = text(role, whole, faults)
    if not actions:
        return values
    named = pc.is_in(values, value_set=pa.array(actions))
    if pc.all(named, min_count=0).as_py():
        return values
    levels = pa.array([str(i) for i in range(len(actions))])
    indexed = pc.take(pa.array(actions), pc.index_in(values, value_set=levels))
    result = pc.if_else(named, values, indexed)
    unknown = filled(values) & ~filled(result)
    faults.add(
        unknown,
        role,
        lambda i: (
            f"{role} is {_value(column, i)}, which is not one of actions = [{', '.join(actions)}]"
            f"{nearest(str(values[i].as_py()), actions)}"
        ),
    )
    return result


def _vector(role: str, column: pa.Array, faults: Faults) -> pa.Array:
    values, bad = lists.vectors(column)
    faults.add(bad, role, lambda i: f"{role} is {_value(column, i)}: a list of finite numbers is expected here")
    return values


def probabilities(role: str, column: pa.Array, actions: Sequence[str], faults: Faults) -> pa.Array:
    """Return lists over the actions: each in [0, 1], summing to 1, as long as ``actions`` where configured."""
    values = _vector(role, column, faults)
    there, sizes = filled(values), lists.sizes(values)
    sums, outside = lists.totals(values)
    if actions:
        wrong = there & (sizes != len(actions))
        faults.add(
            wrong,
            role,
            lambda i: f"{role} has {sizes[i]} entries: one for each of the {len(actions)} actions is expected",
        )
    faults.add(there & outside, role, lambda i: f"{role} is {_value(column, i)}: each entry is a probability in [0, 1]")
    off = there & ~(np.abs(sums - 1.0) <= lists.SUM_TOLERANCE)
    faults.add(off, role, lambda i: f"{role} sums to {sums[i]:.6g}: the probabilities of all actions sum to 1")
    return values


def _share(role: str, column: pa.Array, faults: Faults) -> pa.Array:
    values = number(role, column, faults)
    inside = pc.and_(pc.greater_equal(values, 0.0), pc.less_equal(values, 1.0)).fill_null(True)
    outside = ~inside.to_numpy(zero_copy_only=False)
    faults.add(outside, role, lambda i: f"{role} is {values[i].as_py():g}: a probability in [0, 1] is expected here")
    return values


def _eligible(column: pa.Array, actions: Sequence[str], faults: Faults) -> pa.Array:
    role = "eligible_actions"
    values, bad = lists.names(column)
    faults.add(bad, role, lambda i: f"{role} is {_value(column, i)}: a list of actions is expected here")
    if not actions or not len(values.flatten()):
        return values
    inner, inside = values.flatten(), Faults(len(values.flatten()))
    known = action(role, inner, actions, inside)
    wrong = np.zeros(len(values), bool)
    wrong[pc.list_parent_indices(values).to_numpy()[~inside.good]] = True
    faults.add(wrong, role, lambda i: f"{role} is {_value(column, i)}: it names none of [{', '.join(actions)}]")
    offsets = np.concatenate([[0], np.cumsum(np.maximum(lists.sizes(values), 0))]).astype(np.int32)
    return pa.ListArray.from_arrays(pa.array(offsets), known, mask=values.is_null() if values.null_count else None)


def _arm(column: pa.Array, faults: Faults) -> pa.Array:
    values = text("arm", column, faults)
    known = pc.is_in(values, value_set=pa.array(ARMS))
    unknown = filled(values) & ~known.to_numpy(zero_copy_only=False)
    faults.add(unknown, "arm", lambda i: f"arm is {_value(column, i)}: it is one of {', '.join(ARMS)}")
    return values


def _feature(role: str, column: pa.Array, untyped: bool, kind: str | None, faults: Faults) -> pa.Array:
    if kind == "text" or (kind is None and pt.is_boolean(column.type)):
        return text(role, column, faults)
    if kind == "number":
        return number(role, column, faults)
    if pt.is_string(column.type):
        values = number(role, column, faults, guessed) if untyped else column
        return nul(role, values, faults) if pt.is_string(values.type) else values
    return number(role, column, faults)


def optional(
    role: str, column: pa.Array, *, actions: Sequence[str], untyped: bool, kind: str | None, faults: Faults
) -> pa.Array:
    """Return any optional role's column in its canonical type; see ``monitor.log_store.schema``.

    ``kind`` pins a state feature to "number" or "text"; ``untyped`` says that its text may be numbers.
    """
    if role in ("proposed_action", "incumbent_action"):
        return action(role, column, actions, faults)
    if role == "action_probs":
        return probabilities(role, column, actions, faults)
    if role == "eligible_actions":
        return _eligible(column, actions, faults)
    if role == "arm":
        return _arm(column, faults)
    if role.startswith("candidate_probs."):
        listed = lists.is_list(column.type) or lists.looks_listed(column)
        return probabilities(role, column, actions, faults) if listed else _share(role, column, faults)
    wanted = role_type(role)
    if wanted is None:
        return _feature(role, column, untyped, kind, faults)
    if pt.is_string(wanted):
        return text(role, column, faults)
    if pt.is_float64(wanted):
        return number(role, column, faults)
    values, bad = (flags if pt.is_boolean(wanted) else wholes)(column)
    said = "true or false" if pt.is_boolean(wanted) else "a whole number"
    faults.add(bad, role, lambda i: f"{role} is {_value(column, i)}: {said} is expected here")
    return values
