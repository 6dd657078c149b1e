"""What an evaluator answers about one line of the checklist."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class State(StrEnum):
    """The five answers of the machine. Only the first and NOT_APPLICABLE leave a gate open."""

    PASS = "pass"  # noqa: S105 - a state, not a password
    FAIL = "fail"
    INSUFFICIENT = "insufficient_evidence"
    NOT_APPLICABLE = "not_applicable"
    ERROR = "error"


OPEN = frozenset({State.PASS, State.NOT_APPLICABLE})


@dataclass(frozen=True)
class Item:
    """One line of the checklist, answered.

    Parameters
    ----------
    state
        The answer.
    sentence
        What was measured and what it was compared with, for a person who has not read the code.
    statistics
        The numbers behind the sentence: JSON values, no NaN.
    number, threshold, unit
        The one number that decided it and what it was held against; None where there is no single one.

    Examples
    --------
    >>> Item(State.PASS, "All rows agree.").opens, Item(State.ERROR, "It broke.").opens
    (True, False)
    """

    state: State
    sentence: str
    statistics: Mapping[str, Any] = field(default_factory=dict)
    number: float | None = None
    threshold: float | None = None
    unit: str = ""

    @property
    def opens(self) -> bool:
        """Whether a gate may open on this answer."""
        return self.state in OPEN


def insufficient(sentence: str, statistics: Mapping[str, Any] | None = None, **numbers: Any) -> Item:
    """Return the answer "this cannot be told from what there is".

    >>> insufficient("No row.").state.value
    'insufficient_evidence'
    """
    return Item(State.INSUFFICIENT, sentence, statistics or {}, **numbers)
