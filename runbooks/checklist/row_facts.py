"""What only rows of the log, their files and the serving side can tell; the rest of the facts is in ``facts``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Tail:
    """Mean of the worst 5% of one cost over ``n`` decisions, or episodes where the log has them, and its error."""

    unit: str
    n: int
    value: float
    stderr: float


@dataclass(frozen=True)
class Latency:
    """End-to-end milliseconds of the newest decisions, ascending; ``missing`` rows have none; the SLA if declared."""

    values: Sequence[float]
    missing: int
    sla: float | None


@dataclass(frozen=True)
class Shown:
    """What the health page of a hook shows now; a version of None: it did not answer."""

    hook: str
    version: str | None = None
    generation: int | None = None
    artifact_sha256: str | None = None


@dataclass(frozen=True)
class Artifacts:
    """SHA-256 of the policy's artefact: registered, by logged row (hash -> rows), and as the serving side showed it.

    ``served``: in its newest acknowledgement; ``shown``: on each health page now, empty where the version does not
    serve or no hook has such a page.
    """

    registered: str | None
    logged: Mapping[str, int]
    unnamed: int
    served: str | None = None
    shown: tuple[Shown, ...] = ()


@dataclass(frozen=True)
class LogHealth:
    """Completeness of the span's log.

    ``sequenced``: rows whose id ends in a running number; ``gaps``: numbers that are missing between the first and
    the last of each prefix. ``damaged``: files that are gone or whose bytes are not those that were landed.
    """

    rows: int
    sequenced: int
    gaps: int
    duplicates: int
    files: int
    damaged: int
    refused: int
    late: int
    delay: float | None = None
