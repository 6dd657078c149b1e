"""An entry of the registry of evaluators."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from runbooks.checklist.facts import Facts
from runbooks.checklist.item import Item

Parameters = Mapping[str, Any]


@dataclass(frozen=True)
class Evaluator:
    """A pure function of facts, what the log must have for it, and which records it was answered from.

    ``judge`` asks for ``needs`` before it calls ``evaluate``: a column that is missing makes the item insufficient in
    one place, so that no evaluator can forget it.

    Parameters
    ----------
    evaluate
        ``evaluate(facts, parameters) -> Item``, pure.
    needs
        Roles of the decision log without which the item cannot be answered; "state.*" is any of a family.
    whole_log
        The item is about the log of all versions, and so are ``needs``: a candidate has no rows of its own.
    reads
        Names of ``Facts.datasets`` that the answer rests on; they go into its evidence.
    """

    evaluate: Callable[[Facts, Parameters], Item]
    needs: tuple[str, ...]
    reads: tuple[str, ...]
    whole_log: bool = False
