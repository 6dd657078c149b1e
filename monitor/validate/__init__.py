"""Whether rows of a log are what the contract says: good rows go on, each bad one gets its reason."""

from monitor.validate.decision_rows import decisions
from monitor.validate.faults import ROW, Accepted, Reject
from monitor.validate.reward_rows import rewards
from monitor.validate.roles import MappingError

__all__ = ["ROW", "Accepted", "MappingError", "Reject", "decisions", "rewards"]
