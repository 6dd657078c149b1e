"""The probability of each executed action under the policy that acted: logged, or of the versions of a log."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from monitor.candidates import Candidate, Scored
from monitor.candidates.column import Column
from monitor.candidates.scored import Floats
from monitor.settings import ConfigurationError

SMALLEST = 1e-100  # the sums of squares of a weight beyond 1 over this leave what doubles hold


def distribution(table: pa.Table) -> Scored | None:
    """Return the behaviour policy's logged distribution, if there is one."""
    if "action_probs" not in table.column_names:
        return None
    return Column("the behaviour policy", "action_probs").score(table, ())


def logged(table: pa.Table, scored: Scored | None) -> Floats:
    """Return the propensity of each row, from ``propensity`` or else ``action_probs``; NaN where neither has one."""
    found = np.full(len(table), np.nan)
    if "propensity" in table.column_names:
        found = np.array(table["propensity"].to_numpy(), dtype=np.float64)
    return found if scored is None else np.where(np.isnan(found), scored.probability, found)


def require(log: Path, table: pa.Table, found: Floats) -> Floats:
    """Return propensities that can be divided by.

    Raises
    ------
    ConfigurationError
        If a row has none, or one of 0 or so small that its weight is infinite; names the decision and the fix.
    """
    tiny = found < SMALLEST
    for bad, what in (
        (np.isnan(found), "has no propensity"),
        (found <= 0, "has a propensity of 0"),
        (tiny, "has a propensity that is 0 but for rounding, so that its weight would be infinite"),
    ):
        if bad.any():
            first = table["decision_id"][int(np.argmax(bad))].as_py()
            fix = "log propensity, the probability above 0 with which the executed action was chosen"
            if what == "has no propensity":
                fix += ", or give --behaviour estimate"
            raise ConfigurationError(
                f"{log}: decision {first} {what}, and {int(bad.sum()) - 1} others of its {len(table)} neighbours: {fix}"
            )
    return found


class Versions:
    """The policies that wrote a log, scored on every row of it, so that their mixture is the propensity.

    Parameters
    ----------
    policies
        By version, as ``--behaviour VERSION=SPEC`` gives them.
    """

    def __init__(self, policies: Mapping[str, Candidate]) -> None:
        self._policies = policies
        self._probability: list[Floats] = []
        self._acted: list[np.ndarray] = []
        self.furthest = 0.0  # from the logged propensity

    def add(self, table: pa.Table) -> None:
        """Score a table.

        Raises
        ------
        ConfigurationError
            If a row's version was not given, or a policy has no probability for a row.
        """
        acted = pc.index_in(table["version"], value_set=pa.array(list(self._policies)))
        if acted.null_count:
            row = int(np.argmax(np.isnan(acted.to_numpy().astype(np.float64))))
            raise ConfigurationError(
                f"decision {table['decision_id'][row].as_py()} is of version {table['version'][row].as_py()}: give "
                f"its policy, too: --behaviour {table['version'][row].as_py()}=SPEC"
            )
        found = np.empty((len(table), len(self._policies)))
        for j, (version, policy) in enumerate(self._policies.items()):
            scored = policy.score(table, ())
            missing = np.isnan(scored.probability)
            if missing.any():
                first = table["decision_id"][int(np.argmax(missing))].as_py()
                why = "; ".join(scored.unscored) or "it is missing"
                raise ConfigurationError(f"--behaviour {version}: no probability for decision {first}: {why}")
            found[:, j] = scored.probability
        index = acted.to_numpy().astype(np.int64)
        own = found[np.arange(len(table)), index]
        if "propensity" in table.column_names:
            apart = np.abs(own - logged(table, None))
            self.furthest = max(self.furthest, float(np.nanmax(apart, initial=0.0)))
        self._probability.append(found)
        self._acted.append(index)

    @property
    def arrays(self) -> tuple[Floats, np.ndarray]:
        """Probabilities of the executed actions, shape (rows, versions), and which version acted, shape (rows,)."""
        return np.concatenate(self._probability), np.concatenate(self._acted)
