"""What a drill measured: one step after the other, each with its time, its limit and a sentence."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from monitor.clock import stamp

State = Literal["passed", "failed", "insufficient"]


class CannotDrillError(Exception):
    """The trigger cannot be drilled for this policy; the message says why, and what would change it."""


@dataclass
class Steps:
    """The steps of one drill, in order.

    Examples
    --------
    >>> steps = Steps()
    >>> steps.add("fired", "passed", "It fired.", at=900.0)
    >>> steps.within("confirmed", 75.0, 60.0, "Confirmed from the log")
    >>> steps.state, steps.found[-1]["sentence"]
    ('failed', 'Confirmed from the log after 75 s; 60 s are allowed.')
    """

    found: list[dict[str, Any]] = field(default_factory=list)

    def add(
        self, name: str, state: State, sentence: str, *, at: float | None = None, real: float | None = None,
        seconds: float | None = None, limit: float | None = None,
    ) -> None:  # fmt: skip
        """Add a step.

        Parameters
        ----------
        name, state, sentence
            Which it is, what became of it, and that in words.
        at, real
            When: event time of a step in the data, real time of one in the network.
        seconds, limit
            Real seconds that it took and may take.
        """
        when = None if at is None else stamp(at)
        self.found.append(
            {
                "step": name,
                "state": state,
                "sentence": sentence,
                "at": at,
                "when": when,
                "real": real,
                "seconds": None if seconds is None else round(seconds, 3),
                "limit": limit,
            }
        )

    def within(self, name: str, seconds: float, limit: float, what: str, real: float | None = None) -> None:
        """Add a step that has a limit; one that took a negative time cannot be judged: the clock was set."""
        if seconds < 0:
            self.add(
                name, "insufficient", f"{what}, but the machine's clock was set meanwhile.", real=real, limit=limit
            )
            return
        state: State = "passed" if seconds <= limit else "failed"
        over = "" if state == "passed" else f"; {limit:g} s are allowed"
        self.add(name, state, f"{what} after {seconds:.3g} s{over}.", real=real, seconds=seconds, limit=limit)

    @property
    def state(self) -> State:
        """Return the worst state of all steps; without any step nothing was shown."""
        states = {one["state"] for one in self.found} or {"insufficient"}
        return "failed" if "failed" in states else "insufficient" if "insufficient" in states else "passed"

    def why(self) -> str:
        """Return the sentence of the first step that is as bad as the whole, or of the last one if all passed."""
        if not self.found:
            return "Nothing was measured."
        state = self.state
        return str(
            next((one for one in self.found if one["state"] == state and state != "passed"), self.found[-1])["sentence"]
        )
