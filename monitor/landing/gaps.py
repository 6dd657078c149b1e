"""What a log lacks, said by name: a missing column disables what needs it, and that must not be silent."""

from __future__ import annotations

from monitor.metrics import METRICS
from monitor.validate import Accepted


class Gaps:
    """Collects, over the batches of one log, the columns that are missing in all of them and those nobody reads.

    Parameters
    ----------
    limits
        Whether the policy has constraints, so that missing costs matter.

    Examples
    --------
    >>> import pyarrow as pa
    >>> gaps = Gaps(limits=False)
    >>> gaps.add(Accepted(pa.table({"action": ["bid"]}), missing=("reward",), ignored=("rewrd",)))
    >>> for note in gaps.notes(): print(note)
    the log has no reward: reward, candidate_value cannot be computed
    not read, because they are no role and nothing maps them: rewrd
    """

    def __init__(self, limits: bool) -> None:
        self._limits = limits
        self._missing: set[str] | None = None
        self._ignored: dict[str, None] = {}
        self._derived = False
        self._said: dict[str, None] = {}

    def add(self, accepted: Accepted) -> None:
        """Take note of one batch."""
        if not accepted.table.num_rows:
            return
        missing = set(accepted.missing)
        self._missing = missing if self._missing is None else self._missing & missing
        self._ignored.update(dict.fromkeys(accepted.ignored))
        self._derived |= accepted.derived_ids
        self._said.update(dict.fromkeys(accepted.notes))

    def notes(self) -> tuple[str, ...]:
        """Return the sentences."""
        notes = list(self._said)
        judged = {name: metric.needs for name, metric in METRICS.items() if not (metric.event or metric.optional)}
        needed = dict.fromkeys(role for needs in judged.values() for role in needs)
        for role in needed:
            if role in (self._missing or ()) and (self._limits or role != "cost.*"):
                titles = ", ".join(name for name, needs in judged.items() if role in needs)
                notes.append(f"the log has no {role}: {titles} cannot be computed")
        rare = {role: None for metric in METRICS.values() if metric.optional for role in metric.needs}
        absent = [role for role in rare if role in (self._missing or ()) and role not in needed]
        if absent:
            notes.append(
                f"the log has none of these optional columns, so nothing is measured from them: {', '.join(absent)}"
            )
        if self._ignored:
            notes.append(f"not read, because they are no role and nothing maps them: {', '.join(self._ignored)}")
        if self._derived:
            notes.append("the log has no decision_id: ids are made of the file's digest and the row's number")
        return tuple(notes)
