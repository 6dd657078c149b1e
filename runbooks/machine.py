"""A state machine as a table: which event leads from which state to which; a pair that is not in it cannot happen."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Generic, TypeVar

State = TypeVar("State", bound=StrEnum)
Event = TypeVar("Event", bound=StrEnum)


class UnknownTransitionError(ValueError):
    """The event cannot happen in this state, or there is none of the name; nothing was changed."""


class Machine(Generic[State, Event]):
    """Looks up steps in a table; against a library of machines: no hooks, nothing to configure, all of it on one page.

    Parameters
    ----------
    what
        The thing with its article, for the sentence of an error.
    states, events
        Their names.
    table
        (state, event) -> state.

    Examples
    --------
    >>> class Door(StrEnum):
    ...     OPEN = "open"
    ...     SHUT = "shut"
    >>> class Act(StrEnum):
    ...     CLOSE = "close"
    >>> door = Machine("a door", Door, Act, {(Door.OPEN, Act.CLOSE): Door.SHUT})
    >>> door.step("open", "close").value, door.accepting(Act.CLOSE)
    ('shut', {'open': 'shut'})
    >>> door.step("shut", "close")
    Traceback (most recent call last):
    ...
    runbooks.machine.UnknownTransitionError: a door that is 'shut' cannot 'close'
    """

    def __init__(
        self, what: str, states: type[State], events: type[Event], table: Mapping[tuple[State, Event], State]
    ) -> None:
        self._what, self._states, self._events, self._table = what, states, events, table

    def step(self, state: str, event: str) -> State:
        """Return the state after an event.

        Raises
        ------
        UnknownTransitionError
            If the event cannot happen in this state, or there is no such state or event.
        """
        try:
            return self._table[self._states(state), self._events(event)]
        except (KeyError, ValueError):
            raise UnknownTransitionError(f"{self._what} that is '{state}' cannot '{event}'") from None

    def accepting(self, event: Event) -> dict[str, str]:
        """Return the states in which an event can happen, with the state each leads to; for conditional updates."""
        return {old.value: new.value for (old, happened), new in self._table.items() if happened is event}
