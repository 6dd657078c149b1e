"""What a reward model says of a log's rows; the same for single decisions and for the steps of episodes."""

from __future__ import annotations

from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


class Predicted:
    """Columns that follow from ``action``, ``candidate`` and ``q``, each computed once."""

    action: NDArray[np.int64] | None
    candidate: Floats | None
    q: Floats | None

    @cached_property
    def q_executed(self) -> Floats:
        """Predicted value of the executed action, shape (rows,)."""
        assert self.q is not None
        assert self.action is not None
        begins = np.arange(0, self.q.size, self.q.shape[1])
        found: Floats = self.q.reshape(-1).take(begins + self.action)  # half the time of two indices
        return found

    @cached_property
    def q_candidate(self) -> Floats:
        """Predicted value of the candidate's choice, the mean over its distribution, shape (rows,)."""
        assert self.q is not None
        assert self.candidate is not None
        found: Floats = np.einsum("ra,ra->r", self.candidate, self.q)
        return found
