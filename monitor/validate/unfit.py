"""Values that no text column can hold: lists and objects beside text, and the NUL character."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt

from monitor.log_store.schema import REWARD_EVENT, role_type
from monitor.validate.cast import filled
from monitor.validate.faults import Faults, Mask, show

_ACTIONS = ("action", "proposed_action", "incumbent_action")


def nul(role: str, values: pa.Array, faults: Faults) -> pa.Array:
    r"""Refuse text with a NUL: PostgreSQL stores none, so that one row would take its whole batch with it.

    >>> faults = Faults(2)
    >>> nul("version", pa.array(["v7", "v\x007"]), faults).to_pylist(), faults.good.tolist()
    (['v7', None], [True, False])
    """
    found = pc.match_substring(values, "\x00").fill_null(False)
    if not pc.any(found, min_count=0).as_py():
        return values
    bad: Mask = found.to_numpy(zero_copy_only=False)
    faults.add(bad, role, lambda i: f"{role} is {show(values[i].as_py())}: text with the NUL character; log it without")
    return pc.if_else(found, pa.scalar(None, pa.string()), values)


def listed(columns: dict[str, pa.Array], mixed: Collection[str], faults: Faults) -> dict[str, pa.Array]:
    """Return the columns with null where a list or an object stood among text; such rows are faults.

    JSON lines whose field is text in one and a list in the next arrive as text, the list as its JSON, which would be
    stored as if it were a name. Of actions the rarer kind is refused, because lists are actions too.

    Parameters
    ----------
    columns
        By role.
    mixed
        Roles whose column was decoded from text and lists.
    faults
        Where rows are refused.
    """
    fixed = dict(columns)
    for role in mixed:
        column = columns[role]
        if not pt.is_string(column.type) or not _textual(role):
            continue
        trimmed = pc.utf8_ltrim_whitespace(column)
        lists = pc.or_(pc.starts_with(trimmed, "["), pc.starts_with(trimmed, "{")).fill_null(False)
        bad: Mask = lists.to_numpy(zero_copy_only=False)
        said = f"{'a number or ' if role.startswith('state.') else ''}text is expected here"
        if role in _ACTIONS and 2 * int(bad.sum()) > int(filled(column).sum()):
            bad, said = filled(column) & ~bad, "a list is expected here, as in the other rows"
        faults.add(bad, role, lambda i, c=column, r=role, s=said: f"{r} is {_quoted(c[i].as_py())}: {s}")  # type: ignore[misc]
        fixed[role] = pc.if_else(pa.array(np.asarray(bad)), pa.scalar(None, column.type), column)
    return fixed


def _textual(role: str) -> bool:
    if role in REWARD_EVENT:
        kind = REWARD_EVENT[role]
    elif role in _ACTIONS or role.startswith("state."):
        return True
    else:
        kind = role_type(role)
    return kind is not None and bool(pt.is_string(kind))


def _quoted(text: str) -> str:
    """Return a list as it was logged, anything else in quotes; both cut."""
    return (text if len(text) <= 60 else text[:57] + "...") if text.lstrip()[:1] in "[{" else show(text)
